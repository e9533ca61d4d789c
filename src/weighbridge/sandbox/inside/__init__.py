"""What runs inside jails. Mounted there alone, so it imports nothing of the rest of the house."""
