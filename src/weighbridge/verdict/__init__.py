"""Turns comparisons into a project's verdict, by pure functions; missing evidence never passes."""
