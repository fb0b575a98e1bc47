"""Fit, compare, score."""
