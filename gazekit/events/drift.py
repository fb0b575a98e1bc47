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
    if not len(first):
        return
    x, y = samples.degrees
    edges = np.stack([first, last + 1], axis=1).ravel()
    seconds = (samples.time_us - samples.time_us[0]) * 1e-6

    def total(column: Floats) -> Floats:
        sums: Floats = np.add.reduceat(np.append(np.nan_to_num(column), 0.0), edges)[::2]
        return sums

    count = (last - first + 1).astype(np.float64)
    run = np.repeat(np.arange(len(first)), last - first + 1)
    inside = labels == FIXATION
    t = np.zeros(len(samples))
    t[inside] = seconds[inside] - ((seconds[first] + seconds[last]) / 2)[run]
    square_of_t = total(np.where(inside, t * t, 0.0))
    way, off_line = np.zeros(len(first)), np.zeros(len(first))
    for column in (x, y):
        mean = total(column) / count
        centred = np.zeros(len(samples))
        centred[inside] = column[inside] - mean[run]
        slope = total(t * centred) / np.maximum(square_of_t, 1e-12)
        off_line += np.maximum(total(centred * centred) - slope**2 * square_of_t, 0.0) / count
        way += (slope * samples.last_us(first, last) * 1e-6) ** 2
    drifts = (np.sqrt(way) >= min_way_deg) & (np.sqrt(off_line) < _STRAIGHT * np.sqrt(way))
    for start, end in zip(first[drifts].tolist(), last[drifts].tolist(), strict=True):
        labels[start : end + 1] = PURSUIT
