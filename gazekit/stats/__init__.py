"""Metrics, estimates, errors, corrections and conclusions; no torch in it."""

from __future__ import annotations
