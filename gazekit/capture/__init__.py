"""A lab session: trackers, calibration, pictures on the screen, recording without loss."""

from gazekit.capture.session_setup import record

__all__ = ["record"]
