"""Benchmarks (one file each), scorers, and the runner that turns a model into evidence."""
