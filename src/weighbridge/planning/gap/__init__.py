"""Measures how far open models are behind proprietary ones, on any benchmark of the catalogue.

- `frontier`: the best score so far of each group, and by how many days one is behind the other.
- `analysis`: that for one benchmark, with intervals, and whether the benchmark is saturated.
"""
