"""Time stamps that increase, out of those that a tracker delivered."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np

from gazekit.core.types import Index


def increasing(time_us: Index) -> Index:
    """Choose the samples to use, as indices, so that their stamps strictly increase.

    Of a doubled sample the first is kept. Where the clock steps back the stamps contradict each other, and the largest
    set of samples that agree is kept (longest increasing subsequence): one wild stamp costs one sample, a step of
    50 ms costs 50 ms.
    """
    steps = np.diff(time_us)
    if (steps > 0).all():
        return np.arange(len(time_us))
    if (steps >= 0).all():
        return np.flatnonzero(np.concatenate([[True], steps > 0]))
    return _longest_increasing(time_us)


def _longest_increasing(time_us: Index) -> Index:
    """Find the longest increasing subsequence by patience sorting, O(n log n)."""
    ends: list[int] = []  # the smallest last stamp of an increasing sequence of each length
    places: list[int] = []
    before = np.full(len(time_us), -1, dtype=np.int64)
    for i, stamp in enumerate(time_us.tolist()):
        length = bisect_left(ends, stamp) if ends and stamp <= ends[-1] else len(ends)
        if length:
            before[i] = places[length - 1]
        if length == len(ends):
            ends.append(stamp)
            places.append(i)
        else:
            ends[length] = stamp
            places[length] = i
    chain = np.empty(len(ends), dtype=np.int64)
    at = places[-1]
    for k in range(len(ends) - 1, -1, -1):
        chain[k] = at
        at = int(before[at])
    return chain


def interval_us(time_us: Index) -> float:
    """Return the nominal sampling interval, the median step; NaN below two samples."""
    return float(np.median(np.diff(time_us))) if len(time_us) > 1 else float("nan")
