"""I-DT: fixations by dispersion (Salvucci & Goldberg 2000), by time and not by counts of samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from gazekit.events.labels import FIXATION, LOST, UNCLASSIFIED, Events, Index, mark_between
from gazekit.events.samples import Samples
from gazekit.gaze import Floats

_ROUNDING = 1e-9
_LONGEST_SACCADE_MS = 150.0


def idt(
    samples: Samples,
    *,
    max_dispersion_deg: float = 1.0,
    min_duration_ms: float = 100.0,
    max_gap_ms: float = 75.0,
) -> Events:
    """Fixations as the longest stretches that stay within a dispersion.

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
    seen = np.flatnonzero(~samples.lost)
    x, y = (c[seen] for c in samples.degrees)
    limit = max_dispersion_deg * (1 + _ROUNDING)
    first, last = _windows(samples.time_us[seen], x, y, limit, int(min_duration_ms * 1000), max_gap_ms * 1000)
    onset, offset = seen[first], seen[last]
    for start, end in zip(onset, offset, strict=True):
        part = labels[start : end + 1]
        part[part != LOST] = FIXATION
    mark_between(labels, samples.time_us, _LONGEST_SACCADE_MS)
    return Events(labels, onset, offset)


def _windows(
    time_us: npt.NDArray[np.int64], x: Floats, y: Floats, limit: float, duration_us: int, max_gap_us: float
) -> tuple[Index, Index]:
    """First and last sample of each fixation, walking from window to window."""
    n = len(time_us)
    end = np.searchsorted(time_us, time_us + duration_us)  # the first sample that makes the window long enough
    stop = _next_break(time_us, max_gap_us)
    start = np.flatnonzero(_may_begin(x, y, end, limit) & (end < stop))
    found: list[tuple[int, int]] = []
    at = 0
    while at < n:
        k = int(np.searchsorted(start, at))
        if k == len(start):
            break
        at = int(start[k])
        last = _grow(x, y, at, int(end[at]), int(stop[at]), limit)
        if last < end[at]:
            at += 1
        else:
            found.append((at, last))
            at = last + 1
    table = np.array(found, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _next_break(time_us: npt.NDArray[np.int64], max_gap_us: float) -> Index:
    """For each sample, the first sample of the next stretch, which a window from it may not enter."""
    breaks = np.flatnonzero(np.diff(time_us) >= max_gap_us) + 1
    fences = np.append(breaks, len(time_us))
    after: Index = fences[np.searchsorted(breaks, np.arange(len(time_us)), "right")]
    return after


def _may_begin(x: Floats, y: Floats, end: Index, limit: float) -> npt.NDArray[np.bool_]:
    """Where the shortest of all windows is within the limit: a quick sieve that loses no fixation."""
    n = len(x)
    whole = end < n
    if not whole.any():
        return whole
    width = int((end - np.arange(n))[whole].min()) + 1
    if width < 2:
        return whole
    shift = -(width // 2)  # a window that begins at the sample
    spread = sum(
        maximum_filter1d(c, width, origin=shift, mode="nearest")
        - minimum_filter1d(c, width, origin=shift, mode="nearest")
        for c in (x, y)
    )
    return np.asarray(spread <= limit)


def _grow(x: Floats, y: Floats, start: int, end: int, stop: int, limit: float) -> int:
    """Last sample up to which the dispersion from ``start`` stays within the limit; looks ahead in doubling steps."""
    length = 2 * (end - start + 1)
    while True:
        part = slice(start, min(start + length, stop))
        spread = np.maximum.accumulate(x[part]) - np.minimum.accumulate(x[part])
        spread += np.maximum.accumulate(y[part]) - np.minimum.accumulate(y[part])
        wide = spread > limit
        if wide.any():
            return start + int(np.argmax(wide)) - 1
        if part.stop == stop:
            return stop - 1
        length *= 2
