"""A lab session: trackers, calibration, pictures on the screen, recording without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gazekit.capture.session_setup import record

__all__ = ["record"]


def __getattr__(name: str) -> Any:
    if name != "record":
        raise AttributeError(f"module 'gazekit.capture' has no attribute {name!r}")
    from gazekit.capture.session_setup import record

    return record
