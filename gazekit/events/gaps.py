"""Short gaps in columns of gaze, filled by linear interpolation."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Floats, Index
from gazekit.events.labels import runs
from gazekit.events.samples import WIDER_US


def fill_gaps(
    time_us: Index, columns: tuple[Floats, ...], max_gap_ms: float, *, edge_samples: int = 1
) -> tuple[Floats, ...]:
    """Fill gaps shorter than ``max_gap_ms`` on a straight line in time, never at the edges.

    A gap lasts from the last sample before it to the first after it: the time in which nothing is known. The line
    runs between the medians of the nearest ``edge_samples`` samples on each side; a gap with fewer (between holes)
    stays open.

    Parameters
    ----------
    time_us : ndarray of int64, shape (n,)
        Time stamps, microseconds, strictly increasing.
    columns : tuple of ndarray, shape (n,)
        What is to be filled; NaN in the first marks the gap.
    max_gap_ms : float
        A gap as long as this, milliseconds, stays open.
    edge_samples : int
        Samples on each side whose median begins and ends the line.

    Returns
    -------
    tuple of ndarray, shape (n,)
        The columns themselves where nothing was to be filled, else copies.
    """
    lost = np.isnan(columns[0])
    if not lost.any():
        return columns
    first, last = runs(lost)
    known = np.flatnonzero(~lost)
    after = np.searchsorted(known, first)  # place among the known samples of the first one after the gap
    inner = (after >= edge_samples) & (after + edge_samples <= len(known))
    first, last, after = first[inner], last[inner], after[inner]
    reach = time_us[known[after + edge_samples - 1]] - time_us[known[after - edge_samples]]
    inner = reach < WIDER_US
    first, last, after = first[inner], last[inner], after[inner]
    short = (time_us[last + 1] - time_us[first - 1]) < max_gap_ms * 1000
    first, last, after = first[short], last[short], after[short]
    if not len(first):
        return columns
    where = _members(first, last)
    gap = np.repeat(np.arange(len(first)), last - first + 1)
    start, end = time_us[first - 1][gap], time_us[last + 1][gap]
    weight = (time_us[where] - start) / (end - start)
    reach = np.arange(edge_samples)
    left, right = known[after[:, None] - 1 - reach], known[after[:, None] + reach]
    return tuple(_line(column, where, left, right, gap, weight) for column in columns)


def _line(
    column: Floats,
    where: Index,
    left: Index,
    right: Index,
    gap: Index,
    weight: Floats,
) -> Floats:
    """Put the samples ``where`` on lines between the medians of the samples left and right of their gaps."""
    start, end = np.median(column[left], axis=1)[gap], np.median(column[right], axis=1)[gap]
    filled = column.copy()
    filled[where] = start + (end - start) * weight
    return filled


def _members(first: Index, last: Index) -> Index:
    """List all indices of the ranges, in order."""
    length = last - first + 1
    starts = np.repeat(first - np.concatenate([[0], np.cumsum(length)[:-1]]), length)
    members: Index = np.arange(length.sum()) + starts
    return members
