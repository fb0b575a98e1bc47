"""Smoothed velocity of gaze, whatever the rate and the gaps."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Bools, Floats, Index
from gazekit.events.samples import Samples


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
    seconds = (samples.stamp_us - samples.stamp_us[0]) * 1e-6
    velocity = [np.full(len(x), np.nan) for _ in columns] if len(samples.holes) else []
    if not velocity:
        elapsed = _slope(seconds, half)
        velocity = [_slope(column, half) for column in columns]
        for speed in velocity:
            speed /= elapsed
    for first, last in zip(*samples.stretches, strict=True) if len(samples.holes) else ():
        part = slice(first, last + 1)
        if last > first:
            elapsed = _slope(seconds[part], half)
            for speed, column in zip(velocity, columns, strict=True):
                speed[part] = _slope(column[part], half) / elapsed
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


def _slope(column: Floats, half: int) -> Floats:
    """Compute the first derivative a sample; the edges are mirrored through the last sample."""
    half = min(half, (len(column) - 1) // 2) or 1
    kernel = np.arange(half, -half - 1, -1) / (half * (half + 1) * (2 * half + 1) / 3)
    start = 2 * column[0] - column[half:0:-1]
    end = 2 * column[-1] - column[-2 : -half - 2 : -1]
    slope: Floats = np.convolve(np.concatenate([start, column, end]), kernel, "valid")
    return slope
