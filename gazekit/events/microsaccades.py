"""Microsaccades by an elliptic velocity threshold (Engbert & Kliegl 2003; Engbert & Mergenthaler 2006)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from gazekit.core.types import Floats, Index
from gazekit.events.blinks import cover
from gazekit.events.joining import settle
from gazekit.events.labels import FIXATION, LOST, SACCADE, Events, runs
from gazekit.events.samples import Samples, prepare
from gazekit.gaze import Eye, EyeChoice, GazeRecording
from gazekit.screen import Screen

MICROSACCADE_COLUMNS = (
    "onset_us",
    "offset_us",
    "duration_ms",
    "amplitude_deg",  # of the largest excursion within it
    "direction_deg",  # 0 to the right, 90 up
    "peak_velocity_deg_s",
    "eyes",  # left, right or both
)


def microsaccades(
    recording: GazeRecording,
    screen: Screen,
    *,
    threshold_lambda: float = 6.0,
    min_samples: int = 3,
    max_amplitude_deg: float = 2.0,
    binocular: bool = True,
    off_screen_deg: float = 20.0,
) -> pd.DataFrame:
    """Find the microsaccades of a recording: a table of one a row, with `MICROSACCADE_COLUMNS`.

    Velocity is the weighted difference over 5 samples; a microsaccade is a run of at least ``min_samples`` outside
    the ellipse of ``threshold_lambda`` median-based SD on each axis, no larger than ``max_amplitude_deg`` (larger
    ones are saccades). With both eyes recorded and ``binocular``, one counts only where it overlaps one of the other
    eye; the figures are then of the eye with the larger amplitude.

    References
    ----------
    Engbert, R., & Kliegl, R. (2003). Microsaccades uncover the orientation of covert attention. Vision Research, 43.
    Engbert, R., & Mergenthaler, K. (2006). Microsaccades are triggered by low retinal image slip. PNAS, 103.
    """
    tables = {}
    choices: tuple[EyeChoice, ...] = ("left", "right")
    for eye in choices:
        samples = prepare(recording, screen, eye=eye, off_screen_deg=off_screen_deg)
        if (~samples.lost).any():
            x, y = samples.degrees
            tables[eye] = _one_eye(samples.time_us, x, y, threshold_lambda, min_samples).assign(eyes=eye)
    if binocular and len(tables) == 2:
        table = _overlapping(tables["left"], tables["right"])
    else:
        table = pd.concat(tables.values(), ignore_index=True) if tables else _table([], "left")
    small = table[table["amplitude_deg"] <= max_amplitude_deg]
    return small.sort_values("onset_us", kind="stable").reset_index(drop=True)[list(MICROSACCADE_COLUMNS)]


def microsaccade_events(
    samples: Samples,
    *,
    threshold_lambda: float = 6.0,
    min_samples: int = 3,
    min_fixation_ms: float = 40.0,
    max_gap_ms: float = 75.0,
    max_gap_shift_deg: float = 1.0,
) -> Events:
    """Find saccades by the same threshold: every run outside the ellipse, of any size; the rest is fixation.

    With an average eye of two, both must agree. What is shorter than ``min_fixation_ms`` between two is unclassified;
    a fixation goes on over a loss shorter than ``max_gap_ms`` if it is at most ``max_gap_shift_deg`` away after it.
    """
    one_eyed = samples.choice in ("left", "right")
    table = microsaccades(
        samples.recording if not one_eyed else _only(samples.recording, samples.choice),
        samples.screen,
        threshold_lambda=threshold_lambda,
        min_samples=int(min_samples),
        max_amplitude_deg=np.inf,
    )
    labels = np.where(samples.lost, LOST, FIXATION).astype(np.int8)
    time = samples.time_us
    start, end = (np.searchsorted(time, table[c].to_numpy(np.int64)) for c in ("onset_us", "offset_us"))
    labels[cover(len(samples), start, end) & ~samples.lost] = SACCADE
    return settle(samples, labels, min_fixation_ms, max_gap_ms, max_gap_shift_deg)


def _only(recording: GazeRecording, eye: EyeChoice) -> GazeRecording:
    none = Eye.missing(len(recording))
    return replace(recording, right=none) if eye == "left" else replace(recording, left=none)


def velocity_over_five(time_us: Index, column: Floats) -> Floats:
    """Compute (x[n+2] + x[n+1] - x[n-1] - x[n-2]) over the time it spans; NaN at edges and beside lost samples."""
    velocity = np.full(len(column), np.nan)
    if len(column) >= 5:
        seconds = (time_us - time_us[0]) * 1e-6
        rise, span = (c[4:] + c[3:-1] - c[1:-3] - c[:-4] for c in (column, seconds))
        velocity[2:-2] = rise / span
    return velocity


def median_sd(velocity: Floats) -> float:
    """Compute sqrt(median(v^2) - median(v)^2), the noise that few fast movements do not touch; 0 of nothing."""
    known = velocity[np.isfinite(velocity)]
    if not len(known):
        return 0.0
    return float(np.sqrt(max(np.median(known**2) - np.median(known) ** 2, 0.0)))


def _one_eye(time_us: Index, x: Floats, y: Floats, threshold_lambda: float, min_samples: int) -> pd.DataFrame:
    vx, vy = velocity_over_five(time_us, x), velocity_over_five(time_us, y)
    limit_x, limit_y = threshold_lambda * median_sd(vx), threshold_lambda * median_sd(vy)
    if not (limit_x > 0 and limit_y > 0):
        return _table([], "left")
    onset, offset = runs((vx / limit_x) ** 2 + (vy / limit_y) ** 2 > 1)
    long = offset - onset + 1 >= min_samples
    rows = [_row(time_us, x, y, np.hypot(vx, vy), a, b) for a, b in zip(onset[long], offset[long], strict=True)]
    return _table(rows, "left")


def _row(time_us: Index, x: Floats, y: Floats, speed: Floats, onset: np.int64, offset: np.int64) -> tuple[float, ...]:
    part = slice(onset, offset + 1)
    px, py = x[part], y[part]
    dx = float(px.max() - px.min()) * float(np.sign(np.argmax(px) - np.argmin(px)))
    dy = float(py.max() - py.min()) * float(np.sign(np.argmax(py) - np.argmin(py)))
    return (
        int(time_us[onset]),
        int(time_us[offset]),
        (time_us[offset] - time_us[onset]) / 1000,
        float(np.hypot(dx, dy)),
        float((np.degrees(np.arctan2(-dy, dx)) + 180) % 360 - 180),
        float(speed[part].max()),
    )


def _table(rows: list[tuple[float, ...]], eye: str) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(MICROSACCADE_COLUMNS[:-1])).assign(eyes=eye)
    kinds = dict.fromkeys(MICROSACCADE_COLUMNS[2:-1], "float64")
    return table.astype({"onset_us": "int64", "offset_us": "int64", **kinds})


def _overlapping(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Join events of both eyes that overlap in time, each as the larger of the two, from the first to the last."""
    pairs = _pairs(left, right)
    if not pairs:
        return left.iloc[:0]
    rows = []
    for i, j in pairs:
        a, b = left.iloc[i], right.iloc[j]
        row = (a if a["amplitude_deg"] >= b["amplitude_deg"] else b).to_dict()
        row["onset_us"], row["offset_us"] = min(a["onset_us"], b["onset_us"]), max(a["offset_us"], b["offset_us"])
        row["duration_ms"] = (row["offset_us"] - row["onset_us"]) / 1000
        rows.append({**row, "eyes": "both"})
    return pd.DataFrame(rows)


def _pairs(left: pd.DataFrame, right: pd.DataFrame) -> list[tuple[int, int]]:
    """Pair each event of one eye with the first of the other that overlaps it, each used once."""
    starts: Index = right["onset_us"].to_numpy(dtype=np.int64)
    ends: Index = right["offset_us"].to_numpy(dtype=np.int64)
    pairs: list[tuple[int, int]] = []
    free = 0
    for i, (onset, offset) in enumerate(zip(left["onset_us"], left["offset_us"], strict=True)):
        j = max(free, int(np.searchsorted(ends, onset)))
        if j < len(starts) and starts[j] <= offset:
            pairs.append((i, j))
            free = j + 1
    return pairs
