"""The project file and its stages: what `run` and `demo` do."""
