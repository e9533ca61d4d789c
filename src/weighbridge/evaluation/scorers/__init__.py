"""Scorers: pure functions that read an answer out of a model's text and judge it."""
