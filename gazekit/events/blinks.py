"""Blinks: the loss itself, and the run of the eyelid before and after it."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Bools, Floats, Index, Labels
from gazekit.events.labels import FIXATION, SACCADE, runs
from gazekit.events.samples import Samples

_SWING_MS = (50.0, 400.0)
_SWING_DEG = 3.0


def blinks(samples: Samples, lost: Bools, speed: Floats, moving: Floats, min_blink_ms: float, reach_ms: float) -> Bools:
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


def lid_swings(samples: Samples, labels: Labels, min_rest_ms: float) -> Bools:
    """Mark the swing of a lid in which the tracker lost nothing, shape (n,): gaze goes down and back without a rest.

    No eye comes back from a saccade at once: an excursion of two movements and more, mostly vertical, that ends near
    where it began, within 400 ms, is the lid. With a pupil that shrinks meanwhile a smaller excursion will do.
    """
    moving = labels != FIXATION
    first, last = runs(labels == FIXATION)
    short = samples.shorter(first, last, min_rest_ms)
    moving |= cover(len(labels), first[short], last[short])
    swing = np.zeros(len(labels), dtype=bool)
    x, y = samples.degrees
    first, last = runs(moving & samples.within)
    lasting = samples.last_us(first, last)
    candidates = (lasting >= _SWING_MS[0] * 1000) & (lasting <= _SWING_MS[1] * 1000)
    candidates &= (first > 0) & (last < len(labels) - 1)
    saccades = np.append(0, np.cumsum(np.diff((labels == SACCADE).astype(np.int8), prepend=0) == 1))
    candidates &= saccades[last + 1] - saccades[first] >= 2
    for start, end in zip(first[candidates].tolist(), last[candidates].tolist(), strict=True):
        before, after, part = start - 1, end + 1, slice(start, end + 1)
        if not np.isfinite(x[[before, after]]).all() or not np.isfinite(x[part]).any():
            continue
        across, down = np.nanmax(np.abs(x[part] - x[before])), np.nanmax(np.abs(y[part] - y[before]))
        least = _SWING_DEG / 3 if _pupil_shrinks(samples, start, end) else _SWING_DEG
        back = np.hypot(x[after] - x[before], y[after] - y[before]) <= down / 3
        swing[part] = down >= max(least, across) and back
    return swing


def _pupil_shrinks(samples: Samples, start: int, end: int) -> bool:
    """Tell whether the lid covers a tenth of the pupil and more; False where there is no pupil."""
    for eye in (samples.recording.left, samples.recording.right):
        pupil = np.where(eye.pupil_valid[start - 1 : end + 1], eye.pupil_mm[start - 1 : end + 1], np.nan)
        if np.isfinite(pupil[0]) and np.nanmin(pupil) < 0.9 * pupil[0]:
            return True
    return False


def widen(mask: Bools, by: int) -> Bools:
    """Mark what is marked and so many samples on either side, shape (n,)."""
    first, last = runs(mask)
    return cover(len(mask), np.maximum(first - by, 0), np.minimum(last + by, len(mask) - 1))


def cover(n: int, start: Index, end: Index) -> Bools:
    """Mark the samples from each start to its end, shape (n,); the ranges may overlap."""
    steps = np.zeros(n + 1, dtype=np.int64)
    np.add.at(steps, start, 1)
    np.add.at(steps, end + 1, -1)
    return np.asarray(np.cumsum(steps[:n]) > 0)
