"""Blinks: the loss itself, and the run of the eyelid before and after it."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Bools, Floats, Index
from gazekit.events.labels import runs
from gazekit.events.samples import Samples


def blinks(samples: Samples, lost: Bools, speed: Floats, moving: float, min_blink_ms: float, reach_ms: float) -> Bools:
    """Mark blinks, shape (n,): each loss of at least ``min_blink_ms`` with the movement that touches it.

    Half-closed lids drag the gaze point along, so the samples before and after a loss that move faster than
    ``moving`` (or are lost again) belong to it, up to ``reach_ms`` away.
    """
    first, last = runs(lost)
    if not len(first):
        return lost.copy()
    time_us, reach = samples.time_us, int(reach_ms * 1000)
    long = ~samples.shorter(first, last, min_blink_ms)
    first, last = first[long], last[long]
    still = np.flatnonzero(~lost & ~(speed > moving))
    fences = np.concatenate([[-1], still, [len(lost)]])
    start = fences[np.searchsorted(still, first)] + 1
    end = fences[np.searchsorted(still, last) + 1] - 1
    start = np.maximum(start, np.searchsorted(time_us, time_us[first] - reach))
    end = np.minimum(end, np.searchsorted(time_us, time_us[last] + reach, "right") - 1)
    return cover(len(lost), start, end)


def cover(n: int, start: Index, end: Index) -> Bools:
    """Mark the samples from each start to its end, shape (n,); the ranges may overlap."""
    steps = np.zeros(n + 1, dtype=np.int64)
    np.add.at(steps, start, 1)
    np.add.at(steps, end + 1, -1)
    return np.asarray(np.cumsum(steps[:n]) > 0)
