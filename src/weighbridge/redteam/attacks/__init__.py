"""One file for each attack; this folder is the registry."""
