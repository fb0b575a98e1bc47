"""Microsaccades by an elliptic velocity threshold (Engbert & Kliegl 2003; Engbert & Mergenthaler 2006)."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gazekit.core.types import Floats, Index
from gazekit.events.blinks import cover
from gazekit.events.joining import settle
from gazekit.events.labels import FIXATION, LOST, SACCADE, Events, runs
from gazekit.events.samples import Samples, event_times, prepare
from gazekit.gaze import EyeChoice, GazeRecording
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
_LARGEST_STEP_DEG = 1.0  # that rounding makes: 2 digits of shares are 0.5 degrees
_LEAST_SHARE = 0.1  # of the other axis' noise: no eye is ten times as calm along one axis


Noise = Mapping[EyeChoice, tuple[float, float]]  # degrees per second along x and y


class _Excursion(NamedTuple):
    """A run of samples outside the ellipse: rows, degrees, degrees a second."""

    onset: int
    offset: int
    amplitude: float
    direction: float
    peak: float
    eyes: str


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
    samples = prepare(recording, screen, off_screen_deg=off_screen_deg)
    small = [
        movement
        for movement in _movements(samples, noise(samples, ("left", "right")), threshold_lambda, min_samples, binocular)
        if movement.amplitude <= max_amplitude_deg
    ]
    onset, offset = (np.array([m[k] for m in small], dtype=np.int64) for k in (0, 1))
    onset_us, offset_us = event_times(samples, onset, offset)
    figures = pd.DataFrame(small, columns=["onset", "offset", *MICROSACCADE_COLUMNS[3:]])
    kinds = dict.fromkeys(MICROSACCADE_COLUMNS[2:-1], "float64")
    table = figures.assign(onset_us=onset_us, offset_us=offset_us, duration_ms=(offset_us - onset_us) / 1000)
    return table[list(MICROSACCADE_COLUMNS)].astype({"onset_us": "int64", "offset_us": "int64", **kinds})


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
    return label(
        samples, noise(samples), threshold_lambda, int(min_samples), min_fixation_ms, max_gap_ms, max_gap_shift_deg
    )


def noise(samples: Samples, choices: Sequence[EyeChoice] = ()) -> Noise:
    """Measure the noise of each eye that was seen: the SD of the velocity along x and y; without an eye that is still.

    By default those of the eyes that the choice lets in.
    """
    if not choices:
        choices = (samples.choice,) if samples.choice in ("left", "right") else ("left", "right")
    of_eye: dict[EyeChoice, tuple[float, float]] = {}
    for chosen in map(samples.with_eye, choices):
        velocity = _velocity(chosen)
        sd = [median_sd(v) or rounding_sd(samples, column) for v, column in zip(velocity, chosen.pixels, strict=True)]
        if not chosen.lost.all():
            of_eye[chosen.choice] = (max(sd[0], _LEAST_SHARE * max(sd)), max(sd[1], _LEAST_SHARE * max(sd)))
    return of_eye


def label(
    samples: Samples,
    of_eye: Noise,
    threshold_lambda: float,
    min_samples: int,
    min_fixation_ms: float,
    max_gap_ms: float,
    max_gap_shift_deg: float,
) -> Events:
    """Find events by noise that is known, as `microsaccade_events`."""
    movements = _movements(samples, of_eye, threshold_lambda, min_samples, True)
    onset, offset = (np.array([m[k] for m in movements], dtype=np.int64) for k in (0, 1))
    labels = np.where(samples.lost, LOST, FIXATION).astype(np.int8)
    labels[cover(len(samples), onset, offset) & ~samples.lost] = SACCADE
    return settle(samples, labels, min_fixation_ms, max_gap_ms, max_gap_shift_deg)


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


def rounding_sd(samples: Samples, pixels: Floats) -> float:
    """Compute the noise of velocity over five samples that rounding to the smallest step makes, degrees per second.

    Where most velocities are exactly 0 (whole pixels), the median knows of no noise. Where the smallest step is larger
    than a degree, it is a movement, and pixels are taken to be whole. 0 where the column never moves.
    """
    steps = np.abs(np.diff(pixels))
    steps = steps[steps > 1e-6]
    if not len(steps):
        return 0.0
    step_deg = float(steps.min()) / samples.screen.pixels_per_degree
    step_deg = step_deg if step_deg <= _LARGEST_STEP_DEG else 1 / samples.screen.pixels_per_degree
    return 2 * step_deg / math.sqrt(12) / (6e-6 * samples.interval_us)


def _movements(
    samples: Samples, of_eye: Noise, threshold_lambda: float, min_samples: int, binocular: bool
) -> list[_Excursion]:
    """Find what is faster than the threshold, of each eye or of both together, in order of time."""
    found = [_one_eye(samples.with_eye(eye), sd, threshold_lambda, min_samples) for eye, sd in of_eye.items()]
    if binocular and len(found) == 2:
        return _overlapping(*found)
    return sorted(itertools.chain(*found))


def _velocity(samples: Samples) -> tuple[Floats, Floats]:
    vx, vy = (velocity_over_five(samples.time_us, column) for column in samples.degrees)
    vx[samples.lost] = np.nan  # between two rows that stand for a hole
    return vx, vy


def _one_eye(samples: Samples, sd: tuple[float, float], threshold_lambda: float, min_samples: int) -> list[_Excursion]:
    x, y = samples.degrees
    vx, vy = _velocity(samples)
    sd_x, sd_y = sd
    if not max(sd) > 0:
        return []
    onset, offset = runs((vx / sd_x) ** 2 + (vy / sd_y) ** 2 > threshold_lambda**2)
    long = offset - onset + 1 >= min_samples
    speed = np.hypot(vx, vy)
    movements = []
    for first, last in zip(onset[long].tolist(), offset[long].tolist(), strict=True):
        part = slice(first, last + 1)
        dx, dy = _excursion(x[part]), _excursion(y[part])
        direction = float((np.degrees(np.arctan2(-dy, dx)) + 180) % 360 - 180)
        movements.append(
            _Excursion(first, last, float(np.hypot(dx, dy)), direction, float(speed[part].max()), samples.choice)
        )
    return movements


def _excursion(column: Floats) -> float:
    """Return the largest way along an axis, with the sign of its direction."""
    return float(column.max() - column.min()) * float(np.sign(np.argmax(column) - np.argmin(column)))


def _overlapping(left: list[_Excursion], right: list[_Excursion]) -> list[_Excursion]:
    """Join movements of both eyes that overlap, each used once: the larger of the two, from the first to the last."""
    ends = [movement.offset for movement in right]
    both = []
    free = 0
    for movement in left:
        k = max(free, bisect_left(ends, movement.onset))
        if k < len(right) and right[k].onset <= movement.offset:
            other = right[k]
            larger = movement if movement.amplitude >= other.amplitude else other
            first, last = min(movement.onset, other.onset), max(movement.offset, other.offset)
            both.append(larger._replace(onset=first, offset=last, eyes="both"))
            free = k + 1
    return both
