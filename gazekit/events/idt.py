"""I-DT: fixations by dispersion (Salvucci & Goldberg 2000), by time and not by counts of samples."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Bools, Floats, Index
from gazekit.events.joining import mark_between
from gazekit.events.labels import FIXATION, LOST, UNCLASSIFIED, Events
from gazekit.events.samples import Samples

_ROUNDING = 1e-9
_LONGEST_SACCADE_MS = 150.0


def idt(
    samples: Samples,
    *,
    max_dispersion_deg: float = 1.0,
    min_duration_ms: float = 100.0,
    max_gap_ms: float = 75.0,
) -> Events:
    """Find fixations as the longest stretches that stay within a dispersion.

    From each sample on, a window of ``min_duration_ms`` is tried; where its dispersion, (max x - min x) + (max y -
    min y), is at most ``max_dispersion_deg``, it grows until the next sample would exceed that, and the next window
    begins after it. Else the window moves on by one sample. What lies between two
    fixations and is short enough is a saccade, other samples are unclassified. A window steps over lost samples, but
    ends where nothing was seen for ``max_gap_ms`` or longer.

    References
    ----------
    Salvucci, D. D., & Goldberg, J. H. (2000). Identifying fixations and saccades in eye-tracking protocols. ETRA.
    """
    labels = np.where(samples.lost, LOST, UNCLASSIFIED).astype(np.int8)
    known = np.flatnonzero(~samples.lost)
    x, y = (c[known] for c in samples.degrees)
    limit = max_dispersion_deg * (1 + _ROUNDING)
    # a window of n samples lasts n intervals, so its last stamp is one interval before its end
    interval = samples.interval_us if len(samples) > 1 else 0.0
    duration_us = max(int(min_duration_ms * 1000 - 1.02 * interval), 0)
    first, last = _windows(samples.time_us[known], x, y, limit, duration_us, max_gap_ms * 1000, interval)
    onset, offset = known[first], known[last]
    for start, end in zip(onset, offset, strict=True):
        part = labels[start : end + 1]
        part[part != LOST] = FIXATION
    mark_between(samples, labels, _LONGEST_SACCADE_MS)
    return Events(labels, onset, offset)


def _windows(
    time_us: Index, x: Floats, y: Floats, limit: float, duration_us: int, max_gap_us: float, interval_us: float
) -> tuple[Index, Index]:
    """Find the first and last sample of each fixation, walking from window to window."""
    n = len(time_us)
    fences = np.append(np.flatnonzero(np.diff(time_us) >= max_gap_us) + 1, n)
    starts = np.flatnonzero(_may_begin(time_us, x, y, limit, duration_us, interval_us))
    fixations: list[tuple[int, int]] = []
    at = 0
    while True:
        k = int(np.searchsorted(starts, at))
        if k == len(starts):
            break
        at = int(starts[k])
        full = int(np.searchsorted(time_us, time_us[at] + duration_us))  # the sample that makes the window long enough
        stop = int(fences[np.searchsorted(fences, at, "right")])  # which it may not reach
        last = _grow(x, y, at, full, stop, limit) if full < stop else at
        if last < full:
            at += 1
        else:
            fixations.append((at, last))
            at = last + 1
    table = np.array(fixations, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _may_begin(time_us: Index, x: Floats, y: Floats, limit: float, duration_us: int, interval_us: float) -> Bools:
    """Mark where a window may begin a fixation: a sieve by windows of a fixed number of samples that loses none.

    Nine tenths of the samples that a window nominally has; where even they last longer than the window (samples are
    missing there), nothing is known and the window may.
    """
    n = len(time_us)
    may = np.zeros(n, dtype=bool)
    may[: np.searchsorted(time_us, time_us[-1:] - duration_us, "right").sum()] = True
    width = int(0.9 * duration_us / max(interval_us, 1.0)) if n > 1 else 0
    if not 2 <= width <= n:
        return may
    spread = (
        _sliding(np.maximum, x, width)
        - _sliding(np.minimum, x, width)
        + _sliding(np.maximum, y, width)
        - _sliding(np.minimum, y, width)
    )
    within = time_us[width - 1 :] - time_us[: n - width + 1] <= duration_us
    may[: n - width + 1] &= (spread <= limit) | ~within
    return may


def _sliding(extreme: np.ufunc, column: Floats, width: int) -> Floats:
    """Return the extreme of each window of ``width`` samples, by windows of doubling length."""
    reach = 1
    while 2 * reach <= width:
        column = extreme(column[:-reach], column[reach:])
        reach *= 2
    rest = width - reach
    extremes: Floats = extreme(column[: len(column) - rest], column[rest:])
    return extremes


def _grow(x: Floats, y: Floats, start: int, full: int, stop: int, limit: float) -> int:
    """Find the last sample up to which the dispersion from ``start`` stays within the limit, in doubling steps."""
    length = 3 * (full - start + 1)
    while True:
        part = slice(start, min(start + length, stop))
        px, py = x[part], y[part]
        spread = np.maximum.accumulate(px) - np.minimum.accumulate(px)
        spread += np.maximum.accumulate(py) - np.minimum.accumulate(py)
        if spread[-1] > limit:  # it never falls
            return start + int(np.searchsorted(spread, limit, "right")) - 1
        if part.stop == stop:
            return stop - 1
        length *= 2
