"""A lab session: trackers, calibration, pictures on the screen, recording without loss."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gazekit.capture.session_setup import record

__all__ = ["record"]
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # it would stand before the JSON of a command


def __getattr__(name: str) -> Any:
    if name != "record":
        raise AttributeError(f"module 'gazekit.capture' has no attribute {name!r}")
    from gazekit.capture.session_setup import record

    return record
