"""Published facts with their sources, as data files; nothing here is computed."""
