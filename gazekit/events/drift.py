"""Drift and pursuit: rests of the eye that go somewhere, straight and slowly."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Floats, Labels
from gazekit.events.labels import FIXATION, PURSUIT, runs
from gazekit.events.samples import Samples

_STRAIGHT = 0.1  # of the way: how far, root mean square, gaze may lie off the line


def mark_drift(samples: Samples, labels: Labels, min_way_deg: float) -> None:
    """Write pursuit into the labels of fixations that move at least a way, straight.

    A line in time is fitted to each run of fixation samples; its way is what the eye went along it. Noise counts as
    not straight, so that a noisy recording keeps its fixations.
    """
    first, last = runs(labels == FIXATION)
    x, y = samples.degrees
    moves = np.hypot(x[last] - x[first], y[last] - y[first]) >= min_way_deg / 2  # else it went nowhere
    for start, end in zip(first[moves].tolist(), last[moves].tolist(), strict=True):
        part = slice(start, end + 1)
        way, off_line = _line((samples.time_us[part] - samples.time_us[start]) * 1e-6, x[part], y[part])
        way *= (samples.time_us[end] - samples.time_us[start] + samples.interval_us) * 1e-6
        if way >= min_way_deg and off_line < _STRAIGHT * way:
            labels[part] = PURSUIT


def _line(seconds: Floats, x: Floats, y: Floats) -> tuple[float, float]:
    """Fit a line in time: its speed, and the root mean square distance from it."""
    time = seconds - seconds.mean()
    square = float(time @ time)
    speed, off_line = 0.0, 0.0
    for column in (x - x.mean(), y - y.mean()):
        slope = float(time @ column) / square if square > 0 else 0.0
        speed += slope**2
        off_line += max(float(column @ column) - slope**2 * square, 0.0) / len(column)
    return float(np.sqrt(speed)), float(np.sqrt(off_line))
