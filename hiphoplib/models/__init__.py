"""Models: networks, their training, every other model by name, calibration."""
