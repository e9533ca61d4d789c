"""One file per command: it defines `command`, and its docstring's first line is its help."""
