"""Which eye trackers there are, and the one that a study names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gazekit.capture.simulated import SimulatedTracker
from gazekit.capture.tracker import Tracker
from gazekit.study import Study


def open_tracker(study: Study, base: Path, *, seed: Any, realtime: bool = True) -> Tracker:
    """The tracker of ``[tracker]``, set as it says.

    Raises
    ------
    TrackerError : it cannot be found, or refuses.
    MissingExtraError : what it needs is not installed.
    """
    section = study.tracker
    return SimulatedTracker(
        study.screen.screen(),
        seed,
        rate_hz=section.rate_hz,
        realtime=realtime,
        eye_openness=section.eye_openness,
    )
