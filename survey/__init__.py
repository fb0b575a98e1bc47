"""Collects, screens and aggregates ratings of pictures. Knows nothing of gaze."""
