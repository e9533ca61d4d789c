"""Where a run's curves can be written besides, one file each: the folder is the registry."""
