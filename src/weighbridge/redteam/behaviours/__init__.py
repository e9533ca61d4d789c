"""One file for each form in which behaviours are published; this folder is the registry."""
