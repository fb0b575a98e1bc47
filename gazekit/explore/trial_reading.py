"""One trial out of a session file, without reading the rest of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import h5py
import numpy as np
import pandas as pd

from gazekit.core.checksum import SESSION, read_seal
from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.core.types import Labels
from gazekit.events.fixations import detect
from gazekit.events.sessions import TrialEvents
from gazekit.explore.summaries import SessionFacts
from gazekit.formats.eye_movements import STREAM as MAKERS_STREAM
from gazekit.gaze import Eye, GazeRecording
from gazekit.screen import Placement
from gazekit.session.model import Trial

_REACH_US = 1_000_000  # of what is read before and after a part: more than a sample, and than a window of the velocity


@dataclass(frozen=True)
class TrialGaze:
    """Hold a trial's samples, and what the maker's software said of each (None where it said nothing)."""

    trial: Trial
    makers: Labels | None


def trial_row(facts: SessionFacts, number: int) -> dict[str, Any]:
    """Return what the board knows of a trial.

    Raises
    ------
    InputError
        The session has no such trial.
    """
    if not 1 <= number <= len(facts.trials):
        raise InputError(f"the session has {counted(len(facts.trials), 'trial')}; there is no trial {number}")
    row: dict[str, Any] = facts.trials.iloc[number - 1].to_dict()
    return row


def read_trial(facts: SessionFacts, number: int, window_ms: tuple[float, float] | None = None) -> TrialGaze:
    """Read the samples of a trial: the rows that lie within its time, as `Session.trials` would give them.

    Parameters
    ----------
    facts : SessionFacts
        The session.
    number : int
        Which trial, from 1.
    window_ms : (float, float), optional
        Read about this time since the onset alone, milliseconds, and a second more on either side.

    Raises
    ------
    InputError
        The session has no such trial.
    FormatError
        The file is not the one that was summarised any more.
    """
    row = trial_row(facts, number)
    if read_seal(facts.file, SESSION) != facts.digest:
        raise FormatError(f"{facts.file} is another file than when gazekit explore began; start it again")
    with h5py.File(facts.file, "r") as file:
        part = slice(int(row["first_row"]), int(row["end_row"]))
        if window_ms is not None:
            low, high = (int(row["onset_us"] + 1000 * edge) for edge in window_ms)
            stamps = file["gaze/system_time_us"]
            part = slice(_first(stamps, part, low - _REACH_US), _first(stamps, part, high + _REACH_US))
        recording = _recording(file["gaze"], part)
        inside = (recording.system_time_us >= row["onset_us"]) & (recording.system_time_us < row["offset_us"])
        if "eye_openness" in file:
            recording = recording.with_openness(_openness(file["eye_openness"], recording))
        makers = None
        if MAKERS_STREAM in file:
            makers = file[MAKERS_STREAM]["label"][part].astype(np.int8)[inside]
    return TrialGaze(_trial(facts, number, row, recording.take(inside)), makers)


def _first(stamps: h5py.Dataset, part: slice, moment_us: int) -> int:
    """Return the first row of a part that is not before a moment, without reading them all."""
    low, high = part.start, part.stop
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if stamps[middle] < moment_us else (low, middle)
    return int(low)


def _recording(group: h5py.Group, part: slice) -> GazeRecording:
    sides = {
        side: Eye(**{field.name: group[f"{side}_{field.name}"][part] for field in fields(Eye)})
        for side in ("left", "right")
    }
    return GazeRecording(group["device_time_us"][part], group["system_time_us"][part], sides["left"], sides["right"])


def _openness(group: h5py.Group, recording: GazeRecording) -> pd.DataFrame:
    """Read the rows of the openness stream that a trial's samples can be near."""
    names = ("device_time_us", *(f"{side}_{what}" for side in ("left", "right") for what in ("openness_mm", "valid")))
    stamps = group["device_time_us"][()]
    if not len(recording):
        return pd.DataFrame({name: group[name][:0] for name in names})
    low, high = recording.device_time_us.min() - _REACH_US, recording.device_time_us.max() + _REACH_US
    near = np.flatnonzero((stamps >= low) & (stamps <= high))
    part = slice(int(near[0]), int(near[-1]) + 1) if len(near) else slice(0, 0)
    return pd.DataFrame({name: group[name][part] for name in names})


def _trial(facts: SessionFacts, number: int, row: Mapping[str, Any], recording: GazeRecording) -> Trial:
    screen = facts.header.screen
    if not len(facts.header.stimuli):
        picture, placement = (screen.width_px, screen.height_px), Placement(0, 0, screen.width_px, screen.height_px)
    else:
        stimulus = facts.header.stimuli.iloc[number - 1]
        picture = (int(stimulus["picture_width"]), int(stimulus["picture_height"]))
        placement = Placement(*(float(stimulus[name]) for name in ("x", "y", "width", "height")))
    return Trial(
        image=str(row["image"]),
        picture=picture,
        placement=placement,
        onset_us=int(row["onset_us"]),
        offset_us=int(row["offset_us"]),
        order=int(row["order"]),
        recording=recording,
    )


def detect_trial(facts: SessionFacts, gaze: TrialGaze, detector: str, parameters: Mapping[str, Any]) -> TrialEvents:
    """Run a detector on a trial, as `gazekit fixations` does."""
    trial = gaze.trial
    detection = detect(trial.recording, facts.header.screen, detector, **parameters)
    return TrialEvents(detection, trial if len(facts.header.stimuli) else None)


class RecentTrials:
    """Trials that were read last, as far as they are small: who moves a slider asks for the same again."""

    def __init__(self, most_samples: int = 600_000) -> None:
        self._most = most_samples
        self._kept: OrderedDict[tuple[str, int], TrialGaze] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, facts: SessionFacts, number: int) -> TrialGaze:
        """Return a trial, read if need be."""
        place = (facts.digest, number)
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
        gaze = read_trial(facts, number)
        with self._lock:
            self._kept[place] = gaze
            while self._kept and sum(len(kept.trial.recording) for kept in self._kept.values()) > self._most:
                self._kept.popitem(last=False)
        return gaze
