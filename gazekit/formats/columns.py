"""Columns of other tools as columns of a recording: sentinels, validity codes, clocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.types import Bools, Floats, Index
from gazekit.formats.account import Account
from gazekit.gaze import Eye, GazeRecording, hole_us

INT_MAX = 2147483647.0  # what 32-bit programs write where they have no number
Number = TypeVar("Number", np.int64, np.float64)
_DAY_S = 86_400.0
_LONE = 3  # samples whose stamps contradict both neighbours': no clock that starts anew
_FEW_STARTS, _SHORTEST = 10, 20  # starts; samples: those of fewer, on average, are rows in disorder
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


def decimal(text: str) -> float:
    """Read a number that may have a decimal comma; NaN where it is none."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return float("nan")


def whole_us(time: Floats, unit: str) -> Index:
    """Turn time stamps in a unit into whole microseconds."""
    lost = ~np.isfinite(time)
    if lost.any():
        raise FormatError(
            f"{counted(int(lost.sum()), 'sample has', 'samples have')} no time stamp, the first in row "
            f"{int(lost.argmax()) + 1}"
        )
    return np.round(time * UNITS_US[unit]).astype(np.int64)


class Onward:
    """The stamps of one recording, which go on where its clock starts anew, as in tables that count from 0 each trial.

    What follows such a start is put a second after what was before, so that each sample keeps its picture; the account
    says so. Stamps that run back by less than a hole, or for three samples, are left as they are.

    Parameters
    ----------
    per_second : float
        Units of time in a second.
    """

    def __init__(self, per_second: float = 1e6) -> None:
        self._second = per_second
        self._shift: float = 0
        self._last = np.nan
        self.starts = 0
        self.midnights = 0

    def of(self, stamps: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Return the next stamps, shape (n,), going on; NaN where there is none."""
        known = np.flatnonzero(np.isfinite(stamps))
        if not len(known):
            return stamps
        time = np.append(self._last, stamps[known])
        steps = np.diff(time)
        shifts = np.full(len(stamps), self._shift, dtype=stamps.dtype)
        for place in self._starts(time, steps):
            back, day = -float(steps[place]), _DAY_S * self._second
            midnight = 0 < day - back < hole_us(0.0) / 1e6 * self._second
            self._shift += day if midnight else back + self._second
            shifts[known[place] :] = self._shift
            self.midnights += midnight
            self.starts += not midnight
        self._last = time[-1]
        return stamps + shifts

    def _starts(self, time: Floats, steps: Floats) -> list[int]:
        """Find the stamps with which a clock starts anew; none where rows are in disorder."""
        rising = steps[steps > 0]
        hole = hole_us(float(np.median(rising)) / self._second * 1e6) / 1e6 * self._second if len(rising) else np.inf
        back = np.flatnonzero(steps < -hole)
        starts = [int(n) for n in back if n + _LONE < len(steps) and (time[n + 1 : n + 2 + _LONE] < time[n]).all()]
        return starts if len(starts) <= max(_FEW_STARTS, len(steps) / _SHORTEST) else []

    def describe(self, account: Account) -> None:
        """Note in an account how often the clock started anew."""
        if self.midnights:
            account.know("midnight", "time of day begins anew, a day later", "file")
        if self.starts:
            account.doubts.append(
                f"time runs back {counted(self.starts, 'time')}: what follows was put 1 s after what was before; "
                "trials that count from 0, several recordings, or rows out of order?"
            )


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
