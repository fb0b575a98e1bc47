"""From a recording to fixations and labels, by any detector."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.types import Bools, Floats, Index, Labels
from gazekit.events.angles import products, square_of_angle
from gazekit.events.detectors import PICTURE_DETECTOR, complete, detector
from gazekit.events.joining import within_stretches
from gazekit.events.labels import LOST, Events
from gazekit.events.samples import AT_ONCE, OFF_SCREEN_DEG, Samples, event_times, prepare
from gazekit.gaze import EyeChoice, GazeRecording
from gazekit.screen import Screen

_EDGE_MS = 20.0
_ORIGIN = (np.zeros(1), np.zeros(1), np.zeros(1))
_TEXTS = ("image", "detector", "parameters")

Columns = dict[str, np.ndarray[Any, Any]]


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

    * ``adaptive`` (thresholds follow the noise; the default, agrees best with experts): min_onset_deg_s 40,
      min_saccade_ms 8, max_pso_ms 50, min_fixation_ms 40, max_gap_ms 75, merge_time_ms 60, merge_angle_deg 1,
      min_drift_deg 0.8 (0: drift counts as fixation).
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
    return as_table(fixation_columns(detection))


def as_table(columns: Columns) -> pd.DataFrame:
    """Return columns as a table, whose texts are texts where it has no row too."""
    table = pd.DataFrame(columns)
    return table if len(table) else table.astype({name: str for name in _TEXTS if name in columns})


def fixation_columns(detection: Detection) -> Columns:
    """Return the columns of `fixation_table`: to join those of many pictures is a tenth of the work of their tables."""
    samples, events = detection.samples, detection.events
    unused = events.labels == LOST
    unused &= ~samples.lost  # of these the position is not known anyway
    x, y = samples.point
    if unused.any():
        unused = unused[samples.delivered]
        x, y = (np.where(unused, np.nan, column) for column in (x, y))
    onset, offset = samples.sample(events.onset), samples.sample(events.offset)
    total_x, total_y, count = _total(x, onset, offset), _total(y, onset, offset), offset - onset + 1
    if np.isnan(total_x).any():  # fixations with losses in them
        known = x == x  # all that is no NaN
        total_x, total_y = (_total(np.where(known, column, 0.0), onset, offset) for column in (x, y))
        count = _count(known, onset, offset)
    screen, each = samples.screen, np.where(count, count, np.nan)
    x_px, y_px = total_x / each * screen.width_px, total_y / each * screen.height_px
    x_deg, y_deg = screen.to_degrees(x_px, y_px)
    onset_us, offset_us = event_times(samples, events.onset, events.offset)
    cut_start, cut_end = _cut(samples, events)
    torn = samples.rows.before + 1 if samples.rows is not None else onset[:0]  # samples behind what is missing
    rms, dispersion = _spread(screen, x, y, onset, offset, torn)
    return {
        "onset_us": onset_us,
        "offset_us": offset_us,
        "duration_ms": (offset_us - onset_us) / 1000,
        "x_px": x_px,
        "y_px": y_px,
        "x_deg": x_deg,
        "y_deg": y_deg,
        "samples": count,
        "rms_s2s_deg": rms,
        "dispersion_deg": dispersion,
        "detector": np.full(len(onset), detection.detector, dtype=object),
        "parameters": np.full(len(onset), json.dumps(detection.parameters, sort_keys=True), dtype=object),
        "cut_start": cut_start,
        "cut_end": cut_end,
    }


def _cut(samples: Samples, events: Events) -> tuple[Bools, Bools]:
    """Tell which fixations begin or end with the recording, or at a hole: nobody knows how long they lasted.

    A fixation is cut where nothing but samples without a class lie between it and the edge, for no longer than a
    velocity window takes to tell.
    """
    onset, offset, labels = events.onset, events.offset, events.labels
    cut_start, cut_end = np.zeros(len(onset), dtype=bool), np.zeros(len(onset), dtype=bool)
    if not len(onset):
        return cut_start, cut_end
    first, last = samples.stretches
    start = first[np.searchsorted(first, onset, "right") - 1]
    end = last[np.searchsorted(last, offset)]
    for k in np.flatnonzero(samples.between_us(start, onset) <= _EDGE_MS * 1000).tolist():
        cut_start[k] = not labels[start[k] : onset[k]].any()  # 0: no class
    for k in np.flatnonzero(samples.between_us(offset, end) <= _EDGE_MS * 1000).tolist():
        cut_end[k] = not labels[offset[k] + 1 : end[k] + 1].any()
    return cut_start, cut_end


def _reduced(
    reduce: Callable[..., Any], values: np.ndarray[Any, Any], onset: Index, offset: Index
) -> np.ndarray[Any, Any]:
    """Reduce values over each range by a ``reduceat``."""
    if not len(onset):
        return values[:0]
    edges = np.stack([onset, offset + 1], axis=1).ravel()
    reduced: np.ndarray[Any, Any] = reduce(values, edges if edges[-1] < len(values) else edges[:-1])[::2]
    return reduced


def _total(values: np.ndarray[Any, Any], onset: Index, offset: Index) -> np.ndarray[Any, Any]:
    return _reduced(np.add.reduceat, values, onset, offset)


def _count(mask: Bools, onset: Index, offset: Index) -> Index:
    return _reduced(partial(np.add.reduceat, dtype=np.int64), mask, onset, offset).astype(np.int64)


def _spread(screen: Screen, x: Floats, y: Floats, onset: Index, offset: Index, torn: Index) -> tuple[Floats, Floats]:
    """Compute RMS-S2S and dispersion, degrees, of ranges of gaze on the display area, in pieces that stay in the cache.

    RMS-S2S is the root mean square of the angle between successive samples, NaN below two. Dispersion is (max - min
    azimuth) + (max - min elevation), from the extremes of their tangents.
    """
    n, distance = len(x), screen.distance_mm
    if not len(onset):
        return np.empty(0), np.empty(0)
    slope, step = np.empty(n), np.zeros(n)  # tangent of the elevation; square of the angle from the sample before
    for start in range(0, n, AT_ONCE):
        part = slice(max(start - 1, 0), start + AT_ONCE)
        x_mm, y_mm = x[part] - 0.5, y[part] - 0.5
        x_mm *= screen.width_mm
        y_mm *= screen.height_mm
        away = x_mm * x_mm
        away += distance**2
        np.divide(y_mm, np.sqrt(away, out=away), out=slope[part])
        plane = np.full(1, distance)
        cross, dot = products(_ORIGIN, (x_mm[:-1], y_mm[:-1], plane), (x_mm[1:], y_mm[1:], plane))
        step[part.start + 1 : part.stop] = square_of_angle(cross, dot)
    dispersion = np.zeros(len(onset))
    for column, origin, size in ((x, 0.5, screen.width_mm / distance), (slope, 0.0, 1.0)):
        high, low = (_reduced(extreme.reduceat, column, onset, offset) for extreme in (np.fmax, np.fmin))
        dispersion += np.degrees(np.arctan((high - origin) * size) - np.arctan((low - origin) * size))
    step[torn] = np.nan
    step[onset] = 0.0
    total, count = _total(step, onset, offset), offset - onset
    if np.isnan(total).any():
        known = step == step
        total = _total(np.where(known, step, 0.0), onset, offset)
        count = _count(known, onset, offset) - 1
    return np.degrees(np.sqrt(total / np.where(count > 0, count, np.nan))), dispersion
