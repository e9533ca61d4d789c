"""Comparisons of two runs, with everything that affects them: judge, protocols, contamination."""
