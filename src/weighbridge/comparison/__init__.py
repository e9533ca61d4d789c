"""Two runs with all that bears on their comparison."""
