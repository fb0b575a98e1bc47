"""Which eye trackers there are, and the one that a study names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.tracker import Found, Tracker
from gazekit.core.errors import GazekitError
from gazekit.study import Study


def open_tracker(study: Study, base: Path, *, seed: Any, realtime: bool = True) -> Tracker:
    """The tracker of ``[tracker]``, set as it says; ``base`` is the folder that its paths are relative to.

    Raises
    ------
    TrackerError : it cannot be found, or refuses.
    InputError : the replayed file, or a rate that cannot be.
    MissingExtraError : what it needs is not installed.
    """
    section, screen = study.tracker, study.screen.screen()
    if section.kind == "tobii":
        from gazekit.capture.tobii import TobiiTracker

        return TobiiTracker(section, screen, base)
    if section.kind == "replay":
        from gazekit.capture.replay import ReplayTracker

        return ReplayTracker(section, base)
    if section.kind == "lsl":
        from gazekit.capture.lsl import LslTracker

        return LslTracker(section)
    return SimulatedTracker(screen, seed, rate_hz=section.rate_hz, realtime=realtime, eye_openness=section.eye_openness)


def find_trackers() -> tuple[list[Found], list[str]]:
    """All trackers that can be reached now, and why a kind could not be looked for."""
    found, notes = [], []
    for look in (_tobii, _lsl):
        try:
            found += look()
        except GazekitError as error:
            notes.append(str(error))
    return [*found, Found("simulated", "gazekit simulated person", "SIM-0", "simulated")], notes


def _tobii() -> list[Found]:
    from gazekit.capture.tobii import find_tobii

    return find_tobii()


def _lsl() -> list[Found]:
    from gazekit.capture.lsl import find_lsl

    return find_lsl()
