"""What a test needs of the machine: absent parts skip a test by hand and fail it in CI."""

from __future__ import annotations

import os

import pytest


def need(present: object, what: str) -> None:
    """Go on if `present`; else fail in CI (which must install it) and skip elsewhere, saying why."""
    if present:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"{what} is not on this machine")
