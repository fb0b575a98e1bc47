"""Figures and one HTML file."""
