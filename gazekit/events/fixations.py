"""From a recording to fixations and labels, by any detector."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.types import Floats, Index, Labels
from gazekit.events.angles import angle_deg
from gazekit.events.detectors import PICTURE_DETECTOR, complete, detector
from gazekit.events.labels import LOST, Events
from gazekit.events.samples import OFF_SCREEN_DEG, Samples, prepare
from gazekit.gaze import EyeChoice, GazeRecording
from gazekit.screen import Screen


@dataclass(frozen=True)
class Detection:
    """What a detector found in a recording, and with which parameters."""

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
    InputError : unknown detector, parameter or eye.
    """
    found = detector(detector_name)
    values = complete(detector_name, parameters)
    samples = prepare(recording, screen, eye=eye, off_screen_deg=off_screen_deg)
    events = found(samples, **values)
    return Detection(samples, events, detector_name, {"eye": eye, "off_screen_deg": off_screen_deg, **values})


def detect_fixations(
    recording: GazeRecording,
    screen: Screen,
    detector: str = "ivt",
    *,
    eye: EyeChoice = "average",
    off_screen_deg: float = OFF_SCREEN_DEG,
    **parameters: Any,
) -> pd.DataFrame:
    """Fixations of a recording, one a row, in order, without overlap.

    Parameters
    ----------
    detector : ivt, idt, adaptive (the default for pictures, see `gazekit.events.detectors.PICTURE_DETECTOR`), i2mc,
        microsaccades, or one that a plug-in brings (`gazekit.events.detectors`).
    eye : left, right, average of any valid eye, or strict (both must be valid).
    off_screen_deg : gaze further outside the screen than this is an artefact.
    parameters : the detector's own; they travel with the table, as JSON.

    Returns
    -------
    DataFrame with the columns of `gazekit.core.tables.FIXATION_COLUMNS` that need no picture: onset_us and offset_us
    are the device stamps of the first and the last sample, duration_ms the time between them.

    Raises
    ------
    InputError : unknown detector, parameter or eye.
    """
    found = detect(recording, screen, detector, eye=eye, off_screen_deg=off_screen_deg, **parameters)
    return fixation_table(found)


def label_samples(
    recording: GazeRecording,
    screen: Screen,
    detector: str = PICTURE_DETECTOR,
    *,
    eye: EyeChoice = "average",
    off_screen_deg: float = OFF_SCREEN_DEG,
    **parameters: Any,
) -> Labels:
    """What every sample of a recording is, int8 of shape (n,).

    0 unclassified, 1 fixation, 2 saccade, 3 post-saccadic oscillation, 4 pursuit, 5 blink or lost. A doubled sample
    has its twin's label; one whose stamp contradicts the others is unclassified.
    """
    found = detect(recording, screen, detector, eye=eye, off_screen_deg=off_screen_deg, **parameters)
    samples = found.samples
    if len(samples) == len(recording):
        return found.events.labels
    labels = np.zeros(len(recording), dtype=np.int8)
    twin = np.searchsorted(samples.time_us, recording.device_time_us).clip(max=len(samples) - 1)
    same = samples.time_us[twin] == recording.device_time_us
    labels[same] = found.events.labels[twin[same]]
    return labels


def fixation_table(found: Detection) -> pd.DataFrame:
    """The fixations of a detection as a table (columns as in `detect_fixations`)."""
    samples, events = found.samples, found.events
    onset, offset = events.onset, events.offset
    used = ~samples.lost & (events.labels != LOST)
    x_px, y_px = (_mean(c, used, onset, offset) for c in samples.pixels)
    x_deg, y_deg = samples.screen.to_degrees(x_px, y_px)
    time = samples.time_us
    return pd.DataFrame(
        {
            "onset_us": time[onset],
            "offset_us": time[offset],
            "duration_ms": (time[offset] - time[onset]) / 1000,
            "x_px": x_px,
            "y_px": y_px,
            "x_deg": x_deg,
            "y_deg": y_deg,
            "samples": _total(used.astype(np.int64), onset, offset),
            "rms_s2s_deg": _rms_s2s(samples, used, onset, offset),
            "dispersion_deg": _dispersion(samples, used, onset, offset),
            "detector": found.detector,
            "parameters": json.dumps(found.parameters, sort_keys=True),
        }
    ).astype({"detector": str, "parameters": str})


def _edges(onset: Index, offset: Index) -> Index:
    return np.stack([onset, offset + 1], axis=1).ravel()


def _total(values: np.ndarray[Any, Any], onset: Index, offset: Index) -> np.ndarray[Any, Any]:
    """Sum over each range."""
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
    """Largest minus smallest angle over each range of tangents, degrees."""
    if not len(onset):
        return np.empty(0)
    edges = _edges(onset, offset)
    high = np.maximum.reduceat(np.append(np.where(used, column, -np.inf), 0.0), edges)[::2]
    low = np.minimum.reduceat(np.append(np.where(used, column, np.inf), 0.0), edges)[::2]
    extent: Floats = np.degrees(np.arctan(high) - np.arctan(low))
    return np.where(np.isfinite(high), extent, np.nan)


def _dispersion(samples: Samples, used: np.ndarray[Any, Any], onset: Index, offset: Index) -> Floats:
    """(max - min azimuth) + (max - min elevation): the extremes of their tangents, since the arc tangent rises."""
    x, y = samples.screen.to_mm(*samples.pixels)
    distance = samples.screen.distance_mm
    azimuth = _extent(x / distance, used, onset, offset)
    return azimuth + _extent(y / np.sqrt(x * x + distance**2), used, onset, offset)


def _rms_s2s(samples: Samples, used: np.ndarray[Any, Any], onset: Index, offset: Index) -> Floats:
    """Root mean square of the angle between successive samples within each range; NaN below two."""
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
