"""What is known before spending: anatomy, memory, throughput, cost, scaling laws. Never torch."""
