"""The kinds of eye tracker, gazekit's own and those of plug-ins, and which trackers can be reached."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from gazekit.core.errors import GazekitError, InputError, unknown_name

if TYPE_CHECKING:
    from gazekit.capture.tracker import FoundTracker, Tracker, TrackerSetup

GROUP = "gazekit.trackers"
_BUILT_IN = {
    "tobii": "gazekit.capture.tobii:TobiiTracker",
    "lsl": "gazekit.capture.lsl:LslTracker",
    "replay": "gazekit.capture.replay:ReplayTracker",
    "simulated": "gazekit.capture.simulation.tracker:SimulatedTracker",
}


def tracker_kinds() -> list[str]:
    """Return what ``[tracker] kind`` can be here: gazekit's own kinds, then those of installed plug-ins."""
    return list(_entries())


def tracker_class(kind: str) -> type[Tracker]:
    """Return the class of a kind of tracker.

    Raises
    ------
    InputError
        No such kind (the close ones are offered), or its plug-in cannot be loaded.
    """
    entry = _entries().get(kind)
    if entry is None:
        raise unknown_name("kind of eye tracker", kind, tracker_kinds())
    try:
        loaded: type[Tracker] = entry.load()
    except (ImportError, AttributeError) as error:
        raise InputError(f"the tracker {kind!r} of the plug-in {entry.value} cannot be loaded: {error}") from error
    return loaded


def open_tracker(setup: TrackerSetup) -> Tracker:
    """Open the tracker that ``[tracker]`` names, set as it says.

    Raises
    ------
    TrackerError
        It cannot be found, or refuses.
    InputError
        The replayed file, or a rate that cannot be.
    MissingExtraError
        What it needs is not installed.
    """
    return tracker_class(setup.section.kind).open(setup)


def find_trackers() -> tuple[list[FoundTracker], list[str]]:
    """Find all trackers that can be reached now; say why a kind could not be looked for."""
    trackers, notes = [], []
    for kind in tracker_kinds():
        try:
            trackers += tracker_class(kind).find()
        except GazekitError as error:
            notes.append(str(error))
    return trackers, notes


def _entries() -> dict[str, EntryPoint]:
    built_in = {kind: EntryPoint(kind, value, GROUP) for kind, value in _BUILT_IN.items()}
    plug_ins = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return built_in | {entry.name: entry for entry in plug_ins if entry.name not in built_in}
