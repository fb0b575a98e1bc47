"""Blinks: the loss itself, and the run of the eyelid before and after it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gazekit.core.types import Bools, Floats, Index, Labels
from gazekit.events.labels import FIXATION, SACCADE, runs
from gazekit.events.samples import Samples

_SWING_MS = (50.0, 400.0)
_SWING_DEG = 3.0
_OPENNESS = (0.5, 0.85, 2000.0)  # shares of what is usual: a closed lid, the edge of its run; the longest run in ms
_PUPIL = (0.75, 0.92, 500.0)
_SHORTEST_CLOSED_MS = 20.0
_USUAL_MS, _USUAL_STEP_MS = 1000.0, 20.0


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
    where it began, within 400 ms, is the lid.
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
        back = np.hypot(x[after] - x[before], y[after] - y[before]) <= down / 3
        swing[part] = down >= max(_SWING_DEG, across) and back
    return swing


def closures(samples: Samples) -> Bools:
    """Mark where the lids close by their openness or by the pupil that they cover, shape (n,), lost or not.

    Openness below half of what it is about then is a closed lid. A pupil that loses a quarter and has it back within
    half a second is a covered one, since no pupil opens as fast. The run of the lid before and after, down to where a
    little is missing, belongs to the blink.
    """
    closed = np.zeros(len(samples), dtype=bool)
    for (share, edge, longest_ms), columns in _lids(samples):
        open_ = np.stack([_of_usual(samples, samples.spaced(column, np.nan)) for column in columns])
        known = np.isfinite(open_)
        open_share = np.where(known, open_, 0.0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
        first, last = runs(((open_share < edge) | samples.lost) & samples.within)
        deep = np.append(0, np.cumsum(open_share < share))
        blink = (deep[last + 1] - deep[first]) * samples.interval_us >= _SHORTEST_CLOSED_MS * 1000
        blink &= samples.last_us(first, last) <= longest_ms * 1000
        closed |= cover(len(samples), first[blink], last[blink])
    return closed


def _lids(samples: Samples) -> Iterator[tuple[tuple[float, float, float], list[Floats]]]:
    """Yield what tells a closed lid, and the columns of the chosen eyes that tell it: openness, and pupil."""
    source = samples.source
    eyes = [eye for eye in (0, 1) if samples.choice != ("right", "left")[eye]]
    if source.openness_mm is not None:
        columns = [source.openness_mm[:, eye] for eye in eyes]
        if columns := [column for column in columns if np.isfinite(column).any()]:
            yield _OPENNESS, columns
    both = [(source.left, source.right)[eye] for eye in eyes]
    if columns := [np.where(eye.pupil_valid, eye.pupil_mm, np.nan) for eye in both if eye.pupil_valid.any()]:
        yield _PUPIL, columns


def _of_usual(samples: Samples, column: Floats) -> Floats:
    """Divide a column by its upper values within a second, stretch by stretch; NaN where not known."""
    from scipy.ndimage import percentile_filter

    share = np.full(len(column), np.nan)
    step = max(1, round(_USUAL_STEP_MS * 1000 / samples.interval_us))
    for first, last in zip(*(edge.tolist() for edge in samples.stretches), strict=True):
        part = column[first : last + 1]
        known = np.flatnonzero(np.isfinite(part))
        if not len(known):
            continue
        at = np.arange(0, len(part), step)
        width = max(3, round(_USUAL_MS * 1000 / samples.interval_us / step))
        # padded here: scipy 1.15 answers 0 where a window is wider than the values
        values = np.pad(np.interp(at, known, part[known]), width, mode="edge")
        usual = np.interp(np.arange(len(part)), at, percentile_filter(values, 80, size=width)[width:-width])
        np.divide(part, usual, out=share[first : last + 1], where=usual > 0)
    return share


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
