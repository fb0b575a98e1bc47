"""Whole studies as one command."""
