"""From comparisons to an answer: pure functions; missing evidence never passes."""
