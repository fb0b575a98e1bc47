"""Fixtures of the survey's tests."""

from __future__ import annotations

from tests.fixtures.survey import client, make_client, same_minute, study

__all__ = ["client", "make_client", "same_minute", "study"]
