"""Before anything is spent: what a model is made of and what it costs. Arithmetic, no torch."""
