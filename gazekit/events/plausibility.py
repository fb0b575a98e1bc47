"""Whether what a detector found can be: time that was recorded, share of fixation, main sequence, durations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gazekit.events.sessions import TrialEvents

_DURATIONS_MS = (50.0, 2000.0)
_SMALLEST_DEG = 1.0  # smaller saccades are mostly noise in their peak
_SATURATION_DEG_S, _CONSTANT_DEG = 551.0, 14.0  # Bahill, Clark & Stark 1975
_OFF_FACTOR = 2.5
_LEAST_FIXATION = 50.0  # percent of the recorded time, of people who look at pictures
_MOST_OFF = 20.0  # percent


@dataclass(frozen=True)
class Plausibility:
    """Hold figures of events that should lie in a range; NaN where nothing is known.

    Attributes
    ----------
    not_delivered_percent : float
        Of the time that pictures were shown, or of the recorded time: samples that did not come.
    fixation_percent : float
        Share of the recorded time that is fixation.
    off_main_sequence_percent : float
        Saccades of one degree and more whose peak velocity is 2.5 times that of the main sequence, or 2.5 times less.
    odd_durations_percent : float
        Fixations shorter than 50 ms or longer than 2 s.
    """

    not_delivered_percent: float
    fixation_percent: float
    off_main_sequence_percent: float
    odd_durations_percent: float

    def doubts(self) -> list[str]:
        """List what is not as it should be."""
        doubts = []
        if self.not_delivered_percent > 5:
            doubts.append("much was not delivered")
        if self.fixation_percent < _LEAST_FIXATION:
            doubts.append("little is fixation")
        if self.off_main_sequence_percent > _MOST_OFF:
            doubts.append("many saccades are too fast or too slow: is the screen's size or distance right?")
        if self.odd_durations_percent > _MOST_OFF:
            doubts.append("many fixations are very short or very long")
        return doubts

    def __str__(self) -> str:
        doubts = self.doubts()
        parts = (
            (self.not_delivered_percent, "of the time not delivered"),
            (self.fixation_percent, "of the recorded time fixation"),
            (self.off_main_sequence_percent, "of the saccades off the main sequence"),
            (self.odd_durations_percent, "of the fixations under 50 ms or over 2 s"),
        )
        figures = ", ".join(f"{value:.3g} % {what}" for value, what in parts if np.isfinite(value))
        return f"plausibility: {figures}" + (f"; doubtful: {'; '.join(doubts)}" if doubts else "")


def plausibility(
    events: Sequence[TrialEvents], fixations: pd.DataFrame, saccades: pd.DataFrame, left_out_s: float = 0.0
) -> Plausibility:
    """Judge the events of one session or of several.

    Parameters
    ----------
    events : sequence of TrialEvents
        What the detector found, picture by picture.
    fixations, saccades : DataFrame
        The same as tables.
    left_out_s : float
        Time of pictures that an importer left out, which is not missing (`session_quality.left_out_samples`), seconds.
    """
    recorded_s, planned_s, delivered_s = 0.0, 0.0, 0.0
    for part in events:
        samples = part.detection.samples
        interval = samples.interval_us * 1e-6 if len(samples) > 1 else 0.0
        recorded = samples.room(samples.within) * interval
        recorded_s += recorded
        shown = recorded if part.trial is None else (part.trial.offset_us - part.trial.onset_us) * 1e-6
        planned_s += shown
        delivered_s += min(int(samples.delivered.sum()) * interval, shown)
    planned_s = max(planned_s - left_out_s, delivered_s)
    duration = fixations["duration_ms"].to_numpy(dtype=float)
    large = saccades[saccades["amplitude_deg"] >= _SMALLEST_DEG]
    expected = _SATURATION_DEG_S * (1 - np.exp(-large["amplitude_deg"].to_numpy(dtype=float) / _CONSTANT_DEG))
    times = large["peak_velocity_deg_s"].to_numpy(dtype=float) / expected
    odd = (duration < _DURATIONS_MS[0]) | (duration > _DURATIONS_MS[1])
    return Plausibility(
        _percent(planned_s - delivered_s, planned_s),
        _percent(float(duration.sum()) / 1000, recorded_s),
        _percent(float(((times > _OFF_FACTOR) | (times < 1 / _OFF_FACTOR)).sum()), len(times)),
        _percent(float(odd.sum()), len(odd)),
    )


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole > 0 else float("nan")
