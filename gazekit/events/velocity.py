"""Smoothed velocity of gaze, whatever the rate and the gaps."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Bools, Floats, Index
from gazekit.events.samples import HOLE_ROWS, Samples


def window_half(interval_us: float, window_ms: float) -> int:
    """Count the samples on either side of the middle one in a window of so many milliseconds, at least one."""
    return max(1, round(window_ms * 1000 / interval_us / 2)) if interval_us > 0 else 1


def smoothed_velocity(samples: Samples, x: Floats, y: Floats, half: int, max_gap_ms: float) -> tuple[Floats, Floats]:
    """Compute velocity along x and y, units per second, by a Savitzky-Golay filter of order 2.

    The window has ``2 * half + 1`` samples. The same filter on the time stamps gives the time that passed, so that
    jitter does no harm. Gaps up to ``max_gap_ms`` are bridged on a line and have the velocity of that; longer ones are
    NaN, and the samples beside them see the nearest one held. No window reaches over a hole.
    """
    lost = np.isnan(x)
    if len(x) < 2 or lost.all():
        return np.full(len(x), np.nan), np.full(len(x), np.nan)
    columns, held = ([x, y], None) if not lost.any() else _bridge(samples.time_us, (x, y), lost, max_gap_ms)
    seconds = (samples.time_us - samples.time_us[0]) * 1e-6
    stretches = samples.stretches
    elapsed = _slope(seconds, half, stretches)
    velocity = [_slope(column, half, stretches) for column in columns]
    for speed in velocity:
        speed /= elapsed
    if held is not None:
        for speed in velocity:
            speed[held] = np.nan
    return velocity[0], velocity[1]


def _bridge(time_us: Index, columns: tuple[Floats, ...], lost: Bools, max_gap_ms: float) -> tuple[list[Floats], Bools]:
    """Return columns without NaN, and where they hold the nearest sample of a long gap or of an edge."""
    known = np.flatnonzero(~lost)
    where = np.flatnonzero(lost)
    after = np.searchsorted(known, where)
    before, after = known[(after - 1).clip(0)], known[after.clip(max=len(known) - 1)]
    gap = time_us[after] - time_us[before]
    weight = np.divide(time_us[where] - time_us[before], gap, out=np.zeros(len(gap)), where=gap > 0)
    long = (gap > max_gap_ms * 1000) | (gap <= 0)  # no gap: an edge, where one side is missing
    weight = np.where(long, np.round(weight), weight)
    held = np.zeros(len(lost), dtype=bool)
    held[where[long]] = True
    filled = []
    for column in columns:
        whole = column.copy()
        whole[where] = column[before] + (column[after] - column[before]) * weight
        filled.append(whole)
    return filled, held


def _slope(column: Floats, half: int, stretches: tuple[Index, Index]) -> Floats:
    """Compute the first derivative a sample; at the edges of a stretch the column is mirrored through its last sample.

    NaN in holes, and in a stretch of one sample.
    """
    first, last = stretches
    slope = np.full(len(column), np.nan)
    if len(column) > 2 * half:
        slope[half : len(column) - half] = np.convolve(column, _kernel(half), "valid")
    for hole in range(HOLE_ROWS):
        slope[last[:-1] + 1 + hole] = np.nan
    length = last - first + 1
    for reach in np.unique(np.minimum(half, (length - 1) // 2).clip(1)).tolist():
        part = np.minimum(half, (length - 1) // 2).clip(1) == reach
        part &= length > 1
        here, there = first[part], last[part]
        whole = length[part] <= 2 * half  # the window is shorter, in all of the stretch
        inner = [
            row for a, b in zip(here[whole].tolist(), there[whole].tolist(), strict=True) for row in range(a, b + 1)
        ]
        edges = [side[~whole, None] + way * np.arange(half) for side, way in ((here, 1), (there, -1))]
        rows = np.concatenate([np.array(inner, dtype=np.int64), *(edge.ravel() for edge in edges)])
        stretch = np.searchsorted(there, rows)
        at = rows[:, None] + np.arange(-reach, reach + 1)
        low, high = here[stretch][:, None], there[stretch][:, None]
        before, after = at < low, at > high
        values = column[np.where(before, 2 * low - at, np.where(after, 2 * high - at, at))]
        values = np.where(before, 2 * column[low] - values, np.where(after, 2 * column[high] - values, values))
        slope[rows] = values @ _kernel(reach)[::-1]
    slope[first[length == 1]] = np.nan
    return slope


def _kernel(half: int) -> Floats:
    return np.arange(half, -half - 1, -1) / (half * (half + 1) * (2 * half + 1) / 3)
