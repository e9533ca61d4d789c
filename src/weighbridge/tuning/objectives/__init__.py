"""What is learnt from the data: one file each, which defines `OBJECTIVE`."""
