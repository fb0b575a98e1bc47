"""Simulated people before a simulated eye tracker."""

from __future__ import annotations
