"""From a recording to fixations and labels, by any detector."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.types import Bools, Floats, Index, Labels
from gazekit.events.angles import angle_deg
from gazekit.events.detectors import PICTURE_DETECTOR, complete, detector
from gazekit.events.joining import within_stretches
from gazekit.events.labels import LOST, UNCLASSIFIED, Events
from gazekit.events.samples import OFF_SCREEN_DEG, Samples, event_times, prepare
from gazekit.gaze import EyeChoice, GazeRecording
from gazekit.screen import Screen

_EDGE_MS = 20.0


@dataclass(frozen=True)
class Detection:
    """Hold what a detector found in a recording, and with which parameters."""

    samples: Samples
    events: Events
    detector: str
    parameters: dict[str, Any]


def detect(
    recording: GazeRecording,
    screen: Screen,
    detector_name: str = PICTURE_DETECTOR,
    *,
    eye: EyeChoice = "average",
    off_screen_deg: float = OFF_SCREEN_DEG,
    **parameters: Any,
) -> Detection:
    """Run a detector.

    Raises
    ------
    InputError
        Unknown detector, parameter or eye.
    """
    run = detector(detector_name)
    values = complete(detector_name, parameters)
    samples = prepare(recording, screen, eye=eye, off_screen_deg=off_screen_deg)
    events = within_stretches(run(samples, **values), samples)
    return Detection(samples, events, detector_name, {"eye": eye, "off_screen_deg": off_screen_deg, **values})


def detect_fixations(
    recording: GazeRecording,
    screen: Screen,
    detector: str = PICTURE_DETECTOR,
    *,
    eye: EyeChoice = "average",
    off_screen_deg: float = OFF_SCREEN_DEG,
    **parameters: Any,
) -> pd.DataFrame:
    """Find the fixations of a recording: a table of one a row, in order, without overlap.

    Parameters
    ----------
    recording : GazeRecording
        The gaze.
    screen : Screen
        Every degree comes from it.
    detector : str
        One of the detectors below, or one that a plug-in brings (`gazekit.events.detectors` lists them).
    eye : {"average", "left", "right", "strict"}
        Average of any valid eye, one eye, or the average where both are valid.
    off_screen_deg : float
        Gaze further outside the screen than this, degrees, is an artefact.
    **parameters : float
        The detector's own, see below; they travel with the table, as JSON.

    Returns
    -------
    DataFrame
        The columns of `gazekit.core.tables.FIXATION_COLUMNS` that need no picture: ``onset_us`` and ``offset_us``
        (device clock; the offset is one interval after the last sample), ``duration_ms`` between them, the centre
        ``x_px``, ``y_px`` (screen) and ``x_deg``, ``y_deg`` (Fick angles), ``samples`` (how many have gaze),
        ``rms_s2s_deg`` (noise), ``dispersion_deg``, ``detector``, ``parameters``, ``cut_start`` and ``cut_end`` (the
        fixation touches the edge of the recording or of a hole in it, so that it lasted longer).

    Raises
    ------
    InputError
        Unknown detector, parameter or eye.

    Notes
    -----
    The detectors and their parameters with defaults (ms, degrees, degrees per second):

    * ``adaptive`` (thresholds follow the noise; the default, agrees best with experts): velocity_window_ms 10,
      max_window_ms 60, min_onset_deg_s 40, onset_sd 6, offset_sd 4, offset_margin_deg_s 14, min_saccade_ms 8,
      pso_pause_ms 12, max_pso_ms 50, min_fixation_ms 40, max_gap_ms 75, merge_time_ms 60, merge_angle_deg 1,
      min_blink_ms 20, max_velocity_deg_s 1000, min_drift_deg 0.8 (0: drift counts as fixation).
    * ``ivt`` (Tobii's I-VT filter): max_gap_ms 75, noise_reduction "off", noise_window_samples 3,
      velocity_window_ms 20, velocity_threshold_deg_s 30, merge_time_ms 75, merge_angle_deg 0.5, min_duration_ms 60.
    * ``idt`` (dispersion): max_dispersion_deg 1, min_duration_ms 100, max_gap_ms 75.
    * ``i2mc`` (two-means clustering, for noisy and infant data): max_gap_ms 100, edge_samples 2, window_ms 200,
      step_ms 20, cutoff_sd 2, onset_offset_mad 3, merge_distance_px 30, merge_time_ms 30, min_duration_ms 40, seed 0.
    * ``microsaccades`` (elliptic threshold): threshold_lambda 6, min_samples 3, min_fixation_ms 40, max_gap_ms 75,
      max_gap_shift_deg 1.

    Examples
    --------
    Two places looked at for 0.4 s each, at 500 Hz:

    >>> import numpy as np
    >>> screen = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
    >>> x = np.repeat([700.0, 1100.0], 200)
    >>> recording = GazeRecording.from_pixels(np.arange(400) * 2000, x, np.full(400, 540.0), screen)
    >>> detect_fixations(recording, screen)["x_px"].round().tolist()
    [700.0, 1100.0]
    >>> len(detect_fixations(recording, screen, "idt", max_dispersion_deg=0.5))
    2
    """
    detection = detect(recording, screen, detector, eye=eye, off_screen_deg=off_screen_deg, **parameters)
    return fixation_table(detection)


def label_samples(
    recording: GazeRecording,
    screen: Screen,
    detector: str = PICTURE_DETECTOR,
    *,
    eye: EyeChoice = "average",
    off_screen_deg: float = OFF_SCREEN_DEG,
    **parameters: Any,
) -> Labels:
    """Label every sample of a recording.

    Parameters
    ----------
    recording, screen, detector, eye, off_screen_deg, **parameters
        As in `detect_fixations`.

    Returns
    -------
    ndarray of int8, shape (n,)
        0 unclassified, 1 fixation, 2 saccade, 3 post-saccadic oscillation, 4 pursuit, 5 blink or lost. A doubled
        sample has its twin's label; one whose stamp contradicts the others is unclassified.

    Raises
    ------
    InputError
        Unknown detector, parameter or eye.

    Examples
    --------
    >>> import numpy as np
    >>> screen = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
    >>> x = np.full(200, 960.0)
    >>> x[150:] = np.nan
    >>> recording = GazeRecording.from_pixels(np.arange(200) * 2000, x, np.full(200, 540.0), screen)
    >>> np.bincount(label_samples(recording, screen), minlength=6).tolist()
    [0, 150, 0, 0, 0, 50]
    """
    detection = detect(recording, screen, detector, eye=eye, off_screen_deg=off_screen_deg, **parameters)
    samples = detection.samples
    if len(samples) == len(recording) == len(samples.clock.index):
        return detection.events.labels
    labels = np.zeros(len(recording), dtype=np.int8)
    labels[samples.index[samples.delivered]] = detection.events.labels[samples.delivered]
    again = np.flatnonzero(np.diff(recording.device_time_us) == 0) + 1
    for twin in again[~np.isin(again, samples.index)].tolist():
        labels[twin] = labels[twin - 1]
    return labels


def fixation_table(detection: Detection) -> pd.DataFrame:
    """Return the fixations of a detection as a table, with the columns of `detect_fixations`."""
    samples, events = detection.samples, detection.events
    onset, offset = events.onset, events.offset
    used = ~samples.lost & (events.labels != LOST)
    x_px, y_px = (_mean(c, used, onset, offset) for c in samples.pixels)
    x_deg, y_deg = samples.screen.to_degrees(x_px, y_px)
    onset_us, offset_us = event_times(samples, onset, offset)
    cut_start, cut_end = _cut(samples, events)
    return pd.DataFrame(
        {
            "onset_us": onset_us,
            "offset_us": offset_us,
            "duration_ms": (offset_us - onset_us) / 1000,
            "x_px": x_px,
            "y_px": y_px,
            "x_deg": x_deg,
            "y_deg": y_deg,
            "samples": _total(used.astype(np.int64), onset, offset),
            "rms_s2s_deg": _rms_s2s(samples, used, onset, offset),
            "dispersion_deg": _dispersion(samples, used, onset, offset),
            "detector": detection.detector,
            "parameters": json.dumps(detection.parameters, sort_keys=True),
            "cut_start": cut_start,
            "cut_end": cut_end,
        }
    ).astype({"detector": str, "parameters": str})


def _cut(samples: Samples, events: Events) -> tuple[Bools, Bools]:
    """Tell which fixations begin or end with the recording, or at a hole: nobody knows how long they lasted.

    A fixation is cut where nothing but samples without a class lie between it and the edge, for no longer than a
    velocity window takes to tell.
    """
    if not len(events.onset):
        return np.empty(0, dtype=bool), np.empty(0, dtype=bool)
    first, last = samples.stretches
    start = first[np.searchsorted(first, events.onset, "right") - 1]
    end = last[np.searchsorted(last, events.offset)]
    moved = np.append(0, np.cumsum(events.labels != UNCLASSIFIED))
    cut_start = (moved[events.onset] == moved[start]) & (samples.between_us(start, events.onset) <= _EDGE_MS * 1000)
    cut_end = (moved[end + 1] == moved[events.offset + 1]) & (samples.between_us(events.offset, end) <= _EDGE_MS * 1000)
    return cut_start, cut_end


def _edges(onset: Index, offset: Index) -> Index:
    return np.stack([onset, offset + 1], axis=1).ravel()


def _total(values: np.ndarray[Any, Any], onset: Index, offset: Index) -> np.ndarray[Any, Any]:
    """Sum values over each range."""
    if not len(onset):
        return values[:0]
    total: np.ndarray[Any, Any] = np.add.reduceat(np.append(values, values.dtype.type(0)), _edges(onset, offset))[::2]
    return total


def _mean(column: Floats, used: np.ndarray[Any, Any], onset: Index, offset: Index) -> Floats:
    total = _total(np.where(used, column, 0.0), onset, offset)
    count = _total(used.astype(np.float64), onset, offset)
    mean: Floats = total / np.where(count > 0, count, np.nan)
    return mean


def _extent(column: Floats, used: np.ndarray[Any, Any], onset: Index, offset: Index) -> Floats:
    """Return the largest minus the smallest angle over each range of tangents, degrees."""
    if not len(onset):
        return np.empty(0)
    edges = _edges(onset, offset)
    high = np.maximum.reduceat(np.append(np.where(used, column, -np.inf), 0.0), edges)[::2]
    low = np.minimum.reduceat(np.append(np.where(used, column, np.inf), 0.0), edges)[::2]
    extent: Floats = np.degrees(np.arctan(high) - np.arctan(low))
    return np.where(np.isfinite(high), extent, np.nan)


def _dispersion(samples: Samples, used: np.ndarray[Any, Any], onset: Index, offset: Index) -> Floats:
    """Compute (max - min azimuth) + (max - min elevation) from the extremes of their tangents."""
    x, y = samples.screen.to_mm(*samples.pixels)
    distance = samples.screen.distance_mm
    azimuth = _extent(x / distance, used, onset, offset)
    return azimuth + _extent(y / np.sqrt(x * x + distance**2), used, onset, offset)


def _rms_s2s(samples: Samples, used: np.ndarray[Any, Any], onset: Index, offset: Index) -> Floats:
    """Compute the root mean square of the angle between successive samples within each range; NaN below two."""
    if not len(onset) or len(samples) < 2:
        return np.full(len(onset), np.nan)
    x, y = samples.screen.to_mm(*samples.pixels)
    zero = np.zeros(1)
    eye = (zero, zero, np.full(1, samples.screen.distance_mm))
    pair = used[1:] & used[:-1]
    square = np.zeros(len(samples))
    square[1:] = angle_deg(eye, (x[:-1], y[:-1], zero), (x[1:], y[1:], zero)) ** 2
    square[1:][~pair] = 0.0
    counted = np.append(False, pair)
    square[onset], counted[onset] = 0.0, False
    total, count = _total(square, onset, offset), _total(counted.astype(np.float64), onset, offset)
    rms: Floats = np.sqrt(total / np.where(count > 0, count, np.nan))
    return rms
