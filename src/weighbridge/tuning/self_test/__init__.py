"""What a tuning run takes for granted, measured on the real model, data and device beforehand."""
