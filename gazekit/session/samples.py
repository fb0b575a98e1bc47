"""Samples on their way from a tracker to a file: structured arrays, one row a sample.

The fields of `SAMPLE` bear the names of the columns under ``/gaze`` in the session file.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gazekit.gaze import Eye, GazeRecording

Block = npt.NDArray[np.void]
SIDES = ("left", "right")

_EYE: list[tuple[Any, ...]] = [
    ("gaze", "<f8", (2,)),
    ("gaze_mm", "<f8", (3,)),
    ("origin_mm", "<f8", (3,)),
    ("pupil_mm", "<f8"),
    ("valid", "?"),
    ("pupil_valid", "?"),
    ("origin_valid", "?"),
]
_TIMES: list[tuple[Any, ...]] = [("device_time_us", "<i8"), ("system_time_us", "<i8")]

SAMPLE = np.dtype(_TIMES + [(f"{side}_{field[0]}", *field[1:]) for side in SIDES for field in _EYE])
EYE_OPENNESS = np.dtype(
    _TIMES + [(f"{side}_{name}", kind) for side in SIDES for name, kind in (("openness_mm", "<f8"), ("valid", "?"))]
)
TIME_SYNC = np.dtype([("request_us", "<i8"), ("device_us", "<i8"), ("response_us", "<i8")])
USER_POSITION = np.dtype(
    [("received_us", "<i8")]
    + [(f"{side}_{axis}", "<f8") for side in SIDES for axis in "xyz"]
    + [(f"{side}_valid", "?") for side in SIDES]
)
EXTERNAL_SIGNAL = np.dtype([*_TIMES, ("value", "<u4"), ("change", "<i2")])

#: the streams that are rows of numbers, and what a row is; the others are texts
NUMERIC = {
    "gaze": SAMPLE,
    "eye_openness": EYE_OPENNESS,
    "time_sync": TIME_SYNC,
    "user_position": USER_POSITION,
    "external_signal": EXTERNAL_SIGNAL,
}
TEXTS = ("notifications", "stream_errors")


def empty_samples(n: int) -> Block:
    """Make samples in which nothing is known: NaN and not valid, stamps 0."""
    block = np.zeros(n, dtype=SAMPLE)
    for name in SAMPLE.names or ():
        if SAMPLE[name].base == np.float64:
            block[name] = np.nan
    return block


def to_recording(block: Block) -> GazeRecording:
    """Return the recording that a block of `SAMPLE` rows holds."""
    eyes = {
        side: Eye(**{f.name: np.ascontiguousarray(block[f"{side}_{f.name}"]) for f in fields(Eye)}) for side in SIDES
    }
    device, system = (np.ascontiguousarray(block[f"{clock}_time_us"]) for clock in ("device", "system"))
    return GazeRecording(device, system, eyes["left"], eyes["right"])


def from_recording(recording: GazeRecording) -> Block:
    """Return the rows of a recording; the inverse of `to_recording`."""
    block = np.zeros(len(recording), dtype=SAMPLE)
    block["device_time_us"], block["system_time_us"] = recording.device_time_us, recording.system_time_us
    for side in SIDES:
        for field in fields(Eye):
            block[f"{side}_{field.name}"] = getattr(getattr(recording, side), field.name)
    return block
