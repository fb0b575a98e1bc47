"""Fixations, saccades and data quality from raw gaze."""
