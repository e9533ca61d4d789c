"""What serving a model takes and how fast it is: physics, calibrated on published measurements."""
