"""Short gaps in columns of gaze, filled by linear interpolation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gazekit.events.labels import runs
from gazekit.gaze import Floats


def fill_gaps(
    time_us: npt.NDArray[np.int64], columns: tuple[Floats, ...], max_gap_ms: float, *, edge_samples: int = 1
) -> tuple[Floats, ...]:
    """Fill gaps shorter than ``max_gap_ms`` on a straight line in time, never at the edges.

    A gap lasts from the last sample before it to the first after it: the time in which nothing is known. The line
    runs between the medians of ``edge_samples`` samples on each side; a gap with fewer stays open.

    Parameters
    ----------
    time_us : (n,) strictly increasing.
    columns : (n,) each; NaN in the first marks the gap.
    """
    lost = np.isnan(columns[0])
    if not lost.any():
        return columns
    first, last = runs(lost)
    inner = (first > 0) & (last < len(lost) - 1)
    first, last = first[inner], last[inner]
    short = (time_us[last + 1] - time_us[first - 1]) < max_gap_ms * 1000
    if edge_samples > 1:
        short &= _bordered(lost, first, last, edge_samples)
    first, last = first[short], last[short]
    if not len(first):
        return columns
    where = _members(first, last)
    gap = np.repeat(np.arange(len(first)), last - first + 1)
    before, after = (first - 1)[gap], (last + 1)[gap]
    weight = (time_us[where] - time_us[before]) / (time_us[after] - time_us[before])
    return tuple(_line(c, where, first, last, gap, weight, edge_samples) for c in columns)


def _line(
    column: Floats,
    where: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    last: npt.NDArray[np.int64],
    gap: npt.NDArray[np.int64],
    weight: Floats,
    edge_samples: int,
) -> Floats:
    reach = np.arange(1, edge_samples + 1)
    start = np.median(column[first[:, None] - reach], axis=1)[gap]
    end = np.median(column[last[:, None] + reach], axis=1)[gap]
    filled = column.copy()
    filled[where] = start + (end - start) * weight
    return filled


def _bordered(
    lost: npt.NDArray[np.bool_], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64], k: int
) -> npt.NDArray[np.bool_]:
    """Whether k samples that are not lost stand on both sides of a gap."""
    reach = np.arange(1, k + 1)
    before, after = first[:, None] - reach, last[:, None] + reach
    n = len(lost)
    inside = np.all((before >= 0) & (after < n), axis=1)
    clear = ~np.any(lost[before.clip(0)] | lost[after.clip(max=n - 1)], axis=1)
    return np.asarray(inside & clear)


def _members(first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """All indices of the ranges, in order."""
    length = last - first + 1
    starts = np.repeat(first - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    members: npt.NDArray[np.int64] = np.arange(length.sum()) + starts
    return members
