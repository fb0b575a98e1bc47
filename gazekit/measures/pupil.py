"""The pupil while a picture is shown, against the time before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Bools, Floats
from gazekit.gaze import Eye, GazeRecording, sampling_interval_us

BLINK_MARGIN_MS = 50.0  # on both sides of a loss the lid covers part of the pupil
LEAST_SHARE = 0.5  # of the samples that there was time for


@dataclass(frozen=True)
class Pupil:
    """Hold how much wider the pupil is than before the picture, sample by sample.

    Attributes
    ----------
    since_ms : ndarray, shape (n,)
        Since the picture came.
    change_mm : ndarray, shape (n,)
        Mean over the eyes of diameter minus the eye's baseline; NaN where lost.
    baseline_mm : float
        Mean over the eyes; NaN where too little came before the picture.
    interval_ms : float
        Between two samples.
    start_ms, end_ms : float
        The part of the viewing that counts.
    """

    since_ms: Floats
    change_mm: Floats
    baseline_mm: float
    interval_ms: float
    start_ms: float
    end_ms: float

    def change(self, times: tuple[Floats, Floats] | None = None) -> float:
        """Return the mean change in the part that counts, or while certain fixations lasted (their starts and ends).

        NaN where less than half of the samples that there was time for have a pupil.
        """
        starts, ends = (np.array([self.start_ms]), np.array([self.end_ms])) if times is None else times
        inside = np.zeros(len(self.since_ms), dtype=bool)
        for start, end in zip(starts, ends, strict=True):
            inside |= (self.since_ms >= start) & (self.since_ms < end)
        values = self.change_mm[inside]
        known = values[np.isfinite(values)]
        expected = float((ends - starts).sum()) / self.interval_ms
        return float(known.mean()) if len(known) and len(known) >= LEAST_SHARE * expected else float("nan")


def pupil_of(
    recording: GazeRecording, onset_us: int, offset_us: int, part_ms: tuple[float, float], baseline_ms: float
) -> Pupil:
    """Return the pupil of a viewing, each eye corrected by its own baseline (subtractive, Mathot et al. 2018).

    The baseline is the median of the time before the onset. Samples within `BLINK_MARGIN_MS` of a loss are lost too.

    Parameters
    ----------
    recording : GazeRecording
        All of the session.
    onset_us, offset_us : int
        Of the picture, system clock.
    part_ms : (float, float)
        The part of the viewing that counts, milliseconds since the onset.
    baseline_ms : float
        Length of the time before the onset.
    """
    around = recording.between(onset_us - round((baseline_ms + BLINK_MARGIN_MS) * 1000), offset_us)
    interval_ms = sampling_interval_us(recording.device_time_us) / 1000
    since = (around.system_time_us - onset_us) / 1000
    before = (since >= -baseline_ms) & (since < 0)
    traces, baselines = [], []
    for eye in (around.left, around.right):
        diameter = _clean(eye, since, around.stretches())
        values = diameter[before & np.isfinite(diameter)]
        if len(values) and len(values) >= LEAST_SHARE * baseline_ms / interval_ms:
            baselines.append(float(np.median(values)))
            traces.append(diameter - baselines[-1])
    if not traces:
        return Pupil(since, np.full(len(since), np.nan), float("nan"), interval_ms, *part_ms)
    both = np.array(traces)
    known = np.isfinite(both)
    total, count = np.where(known, both, 0).sum(axis=0), known.sum(axis=0)
    change = np.divide(total, count, out=np.full(len(since), np.nan), where=count > 0)
    return Pupil(since, change, float(np.mean(baselines)), interval_ms, *part_ms)


def _clean(eye: Eye, since_ms: Floats, stretches: list[slice]) -> Floats:
    """Return the diameter, NaN where it is lost and beside a loss or a hole."""
    diameter = np.where(eye.pupil_valid & (eye.pupil_mm > 0), eye.pupil_mm, np.nan)
    lost = np.isnan(diameter)
    for stretch in stretches[1:]:
        lost[stretch.start - 1 : stretch.start + 1] = True
    return np.where(_near(lost, since_ms), np.nan, diameter)


def _near(lost: Bools, since_ms: Floats) -> Bools:
    """Tell which samples lie within the margin of a lost one."""
    times = np.sort(since_ms[lost])
    if not len(times):
        return lost
    place = np.searchsorted(times, since_ms)
    after = times[np.minimum(place, len(times) - 1)] - since_ms
    before = since_ms - times[np.maximum(place - 1, 0)]
    return np.asarray((np.abs(after) <= BLINK_MARGIN_MS) | (np.abs(before) <= BLINK_MARGIN_MS))
