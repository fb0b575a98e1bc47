"""A detector: gaze that stays within a radius of where it rested is a fixation."""

import numpy as np

from gazekit.events.labels import FIXATION, LOST, UNCLASSIFIED, Events
from gazekit.events.samples import Samples


def stillness(samples: Samples, *, radius_deg: float = 1.0, min_duration_ms: float = 100.0) -> Events:
    """Label runs of samples that stay within a radius of their first sample.

    Parameters
    ----------
    samples : Samples
        A recording, made ready.
    radius_deg : float
        How far gaze may move, degrees.
    min_duration_ms : float
        Shorter runs are left unclassified, milliseconds.

    Returns
    -------
    Events
        A label a sample, and the fixations.
    """
    x, y = samples.degrees
    labels = np.where(samples.lost, LOST, UNCLASSIFIED).astype(np.int8)
    start = 0
    for i in range(1, len(samples) + 1):
        moved = i < len(samples) and not np.hypot(x[i] - x[start], y[i] - y[start]) <= radius_deg  # or lost: NaN
        if i == len(samples) or moved:
            if samples.time_us[i - 1] - samples.time_us[start] >= 1000 * min_duration_ms and not samples.lost[start]:
                labels[start:i] = FIXATION
            start = i
    return Events.from_labels(labels)
