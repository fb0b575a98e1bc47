"""Columns of other tools as columns of a recording: sentinels, validity codes, clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.types import Bools, Floats, Index
from gazekit.gaze import Eye, GazeRecording

INT_MAX = 2147483647.0  # what 32-bit programs write where they have no number
UNITS_US = {"s": 1e6, "ms": 1e3, "us": 1.0, "μs": 1.0, "µs": 1.0, "ns": 1e-3}


def point(x: Floats, y: Floats, *, missing: Sequence[tuple[float, float]] = ()) -> Floats:
    """Join two columns to points, shape (n, 2): NaN in both where either is missing or they are a missing pair."""
    lost = ~((np.abs(x) < INT_MAX) & (np.abs(y) < INT_MAX))  # NaN too
    for a, b in missing:
        lost |= (x == a) & (y == b)
    points = np.stack([x, y], axis=1)
    points[lost] = np.nan
    return points


def vector(*axes: Floats, missing: Sequence[float] = ()) -> Floats:
    """Join columns to vectors, shape (n, k): NaN in all where any is missing or all are one of the sentinels."""
    lost = np.zeros(len(axes[0]), dtype=bool)
    for axis in axes:  # axis by axis: sums over rows of three are slow
        lost |= ~(np.abs(axis) < INT_MAX)  # NaN too
    for value in missing:
        lost |= np.logical_and.reduce([axis == value for axis in axes])
    vectors = np.stack(axes, axis=1)
    vectors[lost] = np.nan
    return vectors


def diameter(values: Floats) -> Floats:
    """Clean pupil sizes: NaN where they are zero, negative or a sentinel."""
    with np.errstate(invalid="ignore"):
        return np.where((values > 0) & (values < INT_MAX), values, np.nan)


def eye(
    gaze: Floats,
    *,
    valid: Bools | None = None,
    pupil_mm: Floats | None = None,
    origin_mm: Floats | None = None,
    gaze_mm: Floats | None = None,
) -> Eye:
    """Make an eye whose verdicts are the tracker's own (``valid``) where there is a number at all."""
    by_numbers = Eye.from_gaze(gaze, pupil_mm=pupil_mm, origin_mm=origin_mm, gaze_mm=gaze_mm)
    return by_numbers if valid is None else replace(by_numbers, valid=by_numbers.valid & valid)


def whole_us(time: Floats, unit: str) -> Index:
    """Turn time stamps in a unit into whole microseconds."""
    lost = ~np.isfinite(time)
    if lost.any():
        raise FormatError(
            f"{counted(int(lost.sum()), 'sample has', 'samples have')} no time stamp, the first in row "
            f"{int(lost.argmax()) + 1}"
        )
    return np.round(time * UNITS_US[unit]).astype(np.int64)


def recording(time_us: Index, left: Eye, right: Eye) -> GazeRecording:
    """Make a recording of a file that has one clock, which stands for both."""
    return GazeRecording(time_us, time_us.copy(), left, right)


def openness_stream(device_us: Index, system_us: Index, openness_mm: Mapping[str, Floats]) -> pd.DataFrame:
    """Make the stream ``eye_openness`` of the columns of the eyes, millimetres, NaN where not known."""
    columns: dict[str, Any] = {"device_time_us": device_us, "system_time_us": system_us}
    for side in ("left", "right"):
        column = openness_mm.get(side, np.full(len(device_us), np.nan))
        columns |= {f"{side}_openness_mm": column, f"{side}_valid": np.isfinite(column)}
    return pd.DataFrame(columns)
