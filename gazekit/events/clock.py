"""Time stamps that increase, out of those that a tracker delivered; nothing is left out without being counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gazekit.core.types import Bools, Index
from gazekit.gaze import check_rate, hole_us, sampling_interval_us, shared_stamps

_WILD = 3  # samples whose stamps contradict both neighbours' are left out; more are a clock that was set back


@dataclass(frozen=True)
class Timeline:
    """Hold the stamps to work with, and what was wrong with those delivered.

    Attributes
    ----------
    index : ndarray of int64, shape (n,)
        Which delivered samples are used, in order.
    stamp_us : ndarray of int64, shape (n,)
        Their time stamps, microseconds, strictly increasing.
    interval_us : float
        The nominal sampling interval; NaN below two samples.
    doubled, spread, wild, steps_back, out_of_order : int
        Samples left out since they repeat the stamp before; samples that shared a rounded stamp, and were set apart
        evenly; samples left out since their stamp contradicts its neighbours'; how often the clock was set back, where
        what follows is shifted to come one interval after what was before; samples that were delivered with an earlier
        stamp than the one before.
    torn : ndarray of int64
        Which of the used samples follow a step back that is longer than a hole: nobody knows what passed before them.
    """

    index: Index
    stamp_us: Index
    interval_us: float
    doubled: int = 0
    spread: int = 0
    wild: int = 0
    steps_back: int = 0
    out_of_order: int = 0
    torn: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))


def timeline(time_us: Index) -> Timeline:
    """Repair time stamps as delivered, shape (n,), microseconds.

    Raises
    ------
    InputError
        The stamps are in a wrong unit of time.
    """
    steps = np.diff(time_us)
    interval = sampling_interval_us(time_us, steps)
    check_rate(time_us, steps, interval)
    index, stamp, doubled, spread, wild = np.arange(len(time_us)), time_us, 0, 0, 0
    if not len(steps):
        return Timeline(index, stamp, interval)
    if steps.min() > 0:
        part = _without_lone_ends(stamp, interval)
        return Timeline(index[part], stamp[part], interval, wild=len(index) - len(index[part]))
    same = steps == 0
    if shared_stamps(steps):
        stamp, spread = _spread(time_us, interval), int(same.sum())
    elif same.any():
        index, doubled = np.flatnonzero(np.append(True, ~same)), int(same.sum())
        stamp = time_us[index]
    used = np.flatnonzero(~_wild(stamp))
    used = used[_without_lone_ends(stamp[used], interval)]
    wild = len(index) - len(used)
    index, stamp = index[used], stamp[used]
    back = np.flatnonzero(np.diff(stamp) <= 0) + 1
    torn = back[stamp[back - 1] - stamp[back] > hole_us(interval)]
    for start in back.tolist():
        stamp[start:] += stamp[start - 1] - stamp[start] + max(1, round(interval) if np.isfinite(interval) else 1)
    return Timeline(index, stamp, interval, doubled, spread, wild, len(back), int((steps < 0).sum()), torn)


def _without_lone_ends(stamp_us: Index, interval: float) -> slice:
    """Leave out a stamp that stands alone before or after all others, as a 0 before the rest does."""
    n = len(stamp_us)
    if n < 2:
        return slice(0, n)
    first = int(stamp_us[1] - stamp_us[0] > hole_us(interval))
    last = int(stamp_us[-1] - stamp_us[-2] > hole_us(interval))
    return slice(0, 1) if n == 2 and first else slice(first, n - last)


def _spread(time_us: Index, interval: float) -> Index:
    """Set samples that share a stamp apart evenly, up to the next stamp."""
    first = np.flatnonzero(np.diff(time_us, prepend=time_us[0] - 1) != 0)
    count = np.diff(np.append(first, len(time_us)))
    room = np.diff(time_us[first], append=time_us[first[-1]] + round(count[-1] * interval))
    room = np.where(room > 0, np.minimum(room, count * interval), count * interval)
    place = np.arange(len(time_us)) - np.repeat(first, count)
    return time_us + np.round(place * np.repeat(room / count, count)).astype(np.int64)


def _wild(stamp_us: Index) -> Bools:
    """Mark up to three samples at a step back without which the stamps would increase."""
    n = len(stamp_us)
    wild = np.zeros(n, dtype=bool)
    for before in np.flatnonzero(np.diff(stamp_us) <= 0).tolist():
        after = before + 1
        if wild[before] or wild[after]:
            continue
        for count in range(1, _WILD + 1):
            if before - count < 0 or stamp_us[before - count] < stamp_us[after]:
                wild[max(after - count, 0) : after] = True
                break
            if after + count >= n or stamp_us[after + count] > stamp_us[before]:
                wild[after : after + count] = True
                break
    return wild
