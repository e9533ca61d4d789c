"""Estimates before anything is run: anatomy, memory, cost, scaling laws. Without torch."""
