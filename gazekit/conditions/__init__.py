"""Conditions: which map, cut to which area."""

from __future__ import annotations
