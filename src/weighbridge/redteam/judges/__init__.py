"""One file for each judge of attacks; this folder is the registry."""
