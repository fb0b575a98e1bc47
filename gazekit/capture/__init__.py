"""A lab session: trackers, calibration, pictures on the screen, recording without loss."""
