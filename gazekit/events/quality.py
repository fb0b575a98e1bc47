"""Data quality: accuracy, precision, loss, rate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gazekit.core.errors import InputError
from gazekit.core.types import Bools, Floats
from gazekit.events.angles import angle_between_fick
from gazekit.events.samples import HOLE_ROWS, Samples, prepare
from gazekit.gaze import EyeChoice, GazeRecording
from gazekit.screen import Screen

QUALITY_COLUMNS = (
    "eye",  # left, right, average
    "target",  # name of the target, empty for all together
    "samples",
    "valid_samples",
    "accuracy_deg",  # mean angle between the samples and the target
    "median_error_deg",
    "median_error_px",  # on the screen
    "rms_s2s_deg",
    "std_deg",
    "bcea_deg2",  # 68 %
    "loss_percent",
    "rate_hz",  # effective: samples that have gaze, a second of recorded time
    "nominal_rate_hz",  # snapped to a tracker's
    "delivered_percent",  # samples, with gaze or without, of those that the recorded time has room for
    "longest_gap_ms",  # of recorded time
    "trueness_deg",  # angle between the mean gaze and the target: what a validation is judged by
    "holes",  # steps without samples above 100 ms and three intervals: nothing was recorded there
    "hole_s",  # how long they are together
    "doubled_samples",  # left out: same stamp as the sample before
    "shared_stamps",  # stamps rounded to milliseconds, set apart evenly
    "wild_stamps",  # left out: samples whose stamp contradicts both neighbours'
    "clock_steps_back",  # what follows is shifted behind what was before
    "out_of_order",  # samples with an earlier stamp than the one before, as a recording counts them
    "clock_faults_percent",  # doubled, wild or out of order, of all samples
)
_BCEA_SHARE = 0.68
TARGET_COLUMNS = ("target", "onset_us", "offset_us", "x_px", "y_px")
_EYES: tuple[EyeChoice, ...] = ("left", "right", "average")


def data_quality(recording: GazeRecording, screen: Screen, targets: pd.DataFrame | None = None) -> pd.DataFrame:
    """Compute accuracy, precision, loss and rate: a row for each eye and, where targets are given, for each target.

    Parameters
    ----------
    recording : GazeRecording
        The gaze.
    screen : Screen
        Every degree comes from it.
    targets : DataFrame, optional
        What was to be looked at, where and when: target (name), onset_us, offset_us (device clock, the last one
        excluded), x_px, y_px. Without it accuracy is NaN and the precision is of the whole recording.

    Returns
    -------
    DataFrame
        One with `QUALITY_COLUMNS`. Accuracy is the mean angle between the samples and the target, trueness the angle
        between the mean gaze and the target; both, and precision, are of all targets together the mean over targets,
        since the eye moves between them (the median errors are over all samples). RMS-S2S is the root mean square of
        the angle between successive samples; STD sqrt(var x + var y) of position in degrees; BCEA the area of the
        ellipse that holds 68 % of the samples, deg^2. Rates and loss are of recorded time, without holes. An eye that
        was never seen has a row of NaN with 100 % loss.

    Raises
    ------
    InputError
        A column of ``targets`` is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from gazekit.gaze import GazeRecording
    >>> screen = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
    >>> x = np.full(300, 960.0)
    >>> x[:30] = np.nan
    >>> recording = GazeRecording.from_pixels(np.arange(300) * 2000, x, np.full(300, 540.0), screen)
    >>> table = data_quality(recording, screen)
    >>> table[["eye", "loss_percent", "nominal_rate_hz"]].to_dict("records")[0]
    {'eye': 'left', 'loss_percent': 10.0, 'nominal_rate_hz': 500.0}
    """
    missing = [c for c in TARGET_COLUMNS if targets is not None and c not in targets.columns]
    if missing:
        raise InputError(f"the targets lack {', '.join(missing)}; they need {', '.join(TARGET_COLUMNS)}")
    rows = [row for eye in _EYES for row in _eye_rows(prepare(recording, screen, eye=eye), targets)]
    return pd.DataFrame(rows, columns=list(QUALITY_COLUMNS))


def rms_s2s_deg(x_deg: Floats, y_deg: Floats) -> float:
    """Compute the root mean square of the angle between successive samples, degrees; NaN if there are none."""
    step = angle_between_fick(x_deg[:-1], y_deg[:-1], x_deg[1:], y_deg[1:])
    step = step[np.isfinite(step)]
    return float(np.sqrt(np.mean(step**2))) if len(step) else float("nan")


def std_deg(x_deg: Floats, y_deg: Floats) -> float:
    """Compute sqrt(var x + var y), degrees; NaN where all is missing."""
    known = np.isfinite(x_deg)
    return float(np.sqrt(np.var(x_deg[known]) + np.var(y_deg[known]))) if known.any() else float("nan")


def bcea_deg2(x_deg: Floats, y_deg: Floats) -> float:
    """Compute the bivariate contour ellipse area at 68 %, deg^2 (Crossland & Rubin 2002); NaN below two samples."""
    known = np.isfinite(x_deg)
    if known.sum() < 2:
        return float("nan")
    covariance = np.cov(x_deg[known], y_deg[known], ddof=0)
    k = -np.log(1 - _BCEA_SHARE)
    return float(2 * k * np.pi * np.sqrt(max(np.linalg.det(covariance), 0.0)))


def longest_gap_ms(samples: Samples, inside: Bools) -> float:
    """Find the longest recorded time without gaze, ms: between samples that have it, or to the edge of a stretch."""
    rows = np.flatnonzero(inside & samples.within)
    if len(rows) < 2:
        return float("nan")
    edge = np.diff(rows, prepend=rows[0] - 2) > 1
    edge |= np.append(edge[1:], True)
    marks = rows[~samples.lost[rows] | edge]
    steps = np.diff(samples.time_us[marks])[samples.stretch_of(marks[1:]) == samples.stretch_of(marks[:-1])]
    longest = float(steps.max()) / 1000 if len(steps) else 0.0
    return longest if samples.lost[rows].any() or longest > 1.5e-3 * samples.interval_us else 0.0


def _eye_rows(samples: Samples, targets: pd.DataFrame | None) -> Iterator[dict[str, Any]]:
    overall = _figures(samples, np.ones(len(samples), dtype=bool))
    if targets is None or not len(targets):
        yield {"target": "", **overall}
        return
    rows, errors = [], []
    for target in targets.itertuples():
        inside = (samples.stamp_us >= target.onset_us) & (samples.stamp_us < target.offset_us)
        error = _errors(samples, inside & ~samples.lost, float(target.x_px), float(target.y_px))
        errors.append(error)
        rows.append({"target": str(target.target), **_figures(samples, inside), **_accuracy(error)})
    together = _accuracy(_Errors(*(np.concatenate(part) for part in zip(*errors, strict=True))))
    yield {"target": "", **overall, **together, **_mean_over_targets(rows)}
    yield from rows


def _mean_over_targets(rows: list[dict[str, Any]]) -> dict[str, float]:
    names = ("accuracy_deg", "rms_s2s_deg", "std_deg", "bcea_deg2", "trueness_deg")
    columns = {name: np.array([row[name] for row in rows], dtype=float) for name in names}
    return {name: float(v[np.isfinite(v)].mean()) if np.isfinite(v).any() else np.nan for name, v in columns.items()}


def _figures(samples: Samples, inside: Bools) -> dict[str, Any]:
    n, valid = int((inside & samples.delivered).sum()), int((inside & ~samples.lost).sum())
    expected = samples.room(inside)
    seconds = (expected - 1) * samples.interval_us * 1e-6 if expected > 1 else np.nan
    x, y = (c[inside] for c in samples.degrees)
    holes = samples.timed_holes[inside[samples.timed_holes]]
    return {
        "eye": samples.choice,
        "samples": n,
        "valid_samples": valid,
        **dict.fromkeys(("accuracy_deg", "median_error_deg", "median_error_px", "trueness_deg"), np.nan),
        "rms_s2s_deg": rms_s2s_deg(x, y),
        "std_deg": std_deg(x, y),
        "bcea_deg2": bcea_deg2(x, y),
        "loss_percent": 100.0 * (n - valid) / n if n else np.nan,
        "rate_hz": max(valid - 1, 0) / seconds,
        "nominal_rate_hz": 1e6 / samples.interval_us if n > 1 else np.nan,
        "delivered_percent": 100.0 * (n - 1) / (expected - 1) if expected > 1 else np.nan,
        "longest_gap_ms": longest_gap_ms(samples, inside),
        "holes": len(holes),
        "hole_s": float((samples.stamp_us[holes + HOLE_ROWS] - samples.stamp_us[holes - 1]).sum()) * 1e-6,
        "doubled_samples": samples.clock.doubled,
        "shared_stamps": samples.clock.spread,
        "wild_stamps": samples.clock.wild,
        "clock_steps_back": samples.clock.steps_back,
        "out_of_order": samples.clock.out_of_order,
        "clock_faults_percent": _clock_faults(samples),
    }


def _clock_faults(samples: Samples) -> float:
    clock = samples.clock
    stamps = len(clock.index) + clock.doubled + clock.wild
    return 100.0 * (clock.doubled + clock.wild + clock.out_of_order) / stamps if stamps else np.nan


class _Errors(NamedTuple):
    """Distances between gaze and a target of the samples that have gaze, and that of their mean."""

    degrees: Floats
    pixels: Floats
    mean: Floats


def _errors(samples: Samples, inside: Bools, x_px: float, y_px: float) -> _Errors:
    x, y = (c[inside] for c in samples.degrees)
    px, py = (c[inside] for c in samples.pixels)
    tx, ty = (np.full(x.shape, float(c)) for c in samples.screen.to_degrees(x_px, y_px))
    centre = [np.array([column.mean()]) for column in (x, y, tx, ty)] if len(x) else [x, y, tx, ty]
    return _Errors(angle_between_fick(x, y, tx, ty), np.hypot(px - x_px, py - y_px), angle_between_fick(*centre))


def _accuracy(errors: _Errors) -> dict[str, float]:
    if not len(errors.degrees):
        return dict.fromkeys(("accuracy_deg", "median_error_deg", "median_error_px", "trueness_deg"), np.nan)
    return {
        "accuracy_deg": float(errors.degrees.mean()),
        "median_error_deg": float(np.median(errors.degrees)),
        "median_error_px": float(np.median(errors.pixels)),
        "trueness_deg": float(errors.mean.mean()),
    }
