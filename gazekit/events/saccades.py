"""The saccade table: amplitude, direction, peak velocity, and the main sequence."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gazekit.core.errors import InputError
from gazekit.core.types import Index, Labels
from gazekit.events.angles import angle_between_fick
from gazekit.events.detectors import PICTURE_DETECTOR
from gazekit.events.fixations import Columns, Detection, as_table, detect
from gazekit.events.joining import FLICKER_MS
from gazekit.events.labels import LOST, SACCADE, runs
from gazekit.events.samples import Samples, event_times
from gazekit.events.velocity import smoothed_velocity, window_half
from gazekit.gaze import EyeChoice, GazeRecording
from gazekit.screen import Screen

SACCADE_COLUMNS = (
    "onset_us",
    "offset_us",
    "duration_ms",
    "x_start_deg",
    "y_start_deg",
    "x_end_deg",
    "y_end_deg",
    "amplitude_deg",  # angle between start and end
    "direction_deg",  # 0 to the right, 90 up, in [-180, 180)
    "peak_velocity_deg_s",
    "mean_velocity_deg_s",
    "detector",
    "parameters",
)
_WINDOW_MS = 10.0


class MainSequence(NamedTuple):
    """Hold the fit peak velocity = saturation (1 - exp(-amplitude / constant)), and how well it fits."""

    saturation_deg_s: float
    constant_deg: float
    r_squared: float
    saccades: int


def detect_saccades(
    recording: GazeRecording,
    screen: Screen,
    detector: str = PICTURE_DETECTOR,
    *,
    eye: EyeChoice = "average",
    **parameters: Any,
) -> pd.DataFrame:
    """Find the saccades of a recording: a table of one a row, with `SACCADE_COLUMNS`.

    Positions are those of the first and the last sample of the saccade; the peak velocity is of a Savitzky-Golay
    filter of order 2 over 10 ms.

    Raises
    ------
    InputError
        Unknown detector, parameter or eye.
    """
    return saccade_table(detect(recording, screen, detector, eye=eye, **parameters))


def saccade_table(detection: Detection) -> pd.DataFrame:
    """Return the saccades of a detection as a table."""
    return as_table(saccade_columns(detection))


def saccade_columns(detection: Detection) -> Columns:
    """Return the columns of `saccade_table`."""
    samples = detection.samples
    onset, offset = _over_flicker(samples, *runs(detection.events.labels == SACCADE), detection.events.labels)
    x, y = samples.degrees
    half = window_half(samples.interval_us, _WINDOW_MS)
    speed = np.hypot(*smoothed_velocity(samples, x, y, half, _WINDOW_MS))
    onset_us, offset_us = event_times(samples, onset, offset)
    parts = [speed[a : b + 1] for a, b in zip(onset, offset, strict=True)]
    parts = [p[np.isfinite(p)] for p in parts]
    dx, dy = x[offset] - x[onset], y[offset] - y[onset]
    return {
        "onset_us": onset_us,
        "offset_us": offset_us,
        "duration_ms": (offset_us - onset_us) / 1000,
        "x_start_deg": x[onset],
        "y_start_deg": y[onset],
        "x_end_deg": x[offset],
        "y_end_deg": y[offset],
        "amplitude_deg": angle_between_fick(x[onset], y[onset], x[offset], y[offset]),
        "direction_deg": (np.degrees(np.arctan2(-dy, dx)) + 180) % 360 - 180,
        "peak_velocity_deg_s": np.array([p.max() if len(p) else np.nan for p in parts], dtype=float),
        "mean_velocity_deg_s": np.array([p.mean() if len(p) else np.nan for p in parts], dtype=float),
        "detector": np.full(len(onset), detection.detector, dtype=object),
        "parameters": np.full(len(onset), json.dumps(detection.parameters, sort_keys=True), dtype=object),
    }


def _over_flicker(samples: Samples, onset: Index, offset: Index, labels: Labels) -> tuple[Index, Index]:
    """Join parts of a saccade where only a loss too short to be a blink lies between them."""
    if not len(onset):
        return onset, offset
    lost = np.concatenate([[0], np.cumsum(labels == LOST)])
    same = lost[onset[1:]] - lost[offset[:-1] + 1] == onset[1:] - offset[:-1] - 1
    same &= samples.between_us(offset[:-1], onset[1:]) < FLICKER_MS * 1000
    return onset[np.append(True, ~same)], offset[np.append(~same, True)]


def main_sequence(saccades: pd.DataFrame) -> MainSequence:
    """Fit peak velocity against amplitude (Bahill, Clark & Stark 1975).

    Raises
    ------
    InputError
        Fewer than five saccades with an amplitude and a peak velocity.
    """
    from scipy.optimize import curve_fit

    pairs = saccades[["amplitude_deg", "peak_velocity_deg_s"]].dropna().to_numpy(dtype=float)
    pairs = pairs[(pairs > 0).all(axis=1)]
    if len(pairs) < 5:
        raise InputError(f"a main sequence needs at least 5 saccades; found {len(pairs)}")
    amplitude, peak = pairs.T

    def curve(a: Any, saturation: float, constant: float) -> Any:
        return saturation * (1 - np.exp(-a / constant))

    limits = ([1.0, 0.1], [2000.0, 100.0])
    start = (float(np.clip(peak.max(), 2, 1999)), float(np.clip(np.median(amplitude), 0.2, 99)))
    (saturation, constant), _ = curve_fit(curve, amplitude, peak, p0=start, bounds=limits)
    spread = float(((peak - peak.mean()) ** 2).sum())
    residual = float(((peak - curve(amplitude, saturation, constant)) ** 2).sum())
    fit = 1 - residual / spread if spread > 0 else float("nan")
    return MainSequence(float(saturation), float(constant), fit, len(pairs))
