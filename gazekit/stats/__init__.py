"""Metrics, estimates, errors, corrections and conclusions; no torch in it."""
