"""Fixations, saccades and post-saccadic oscillations by thresholds that follow the recording's own noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Bools, Floats, Index, Labels
from gazekit.events.blinks import blinks, cover
from gazekit.events.joining import settle
from gazekit.events.labels import FIXATION, LOST, PSO, SACCADE, UNCLASSIFIED, Events, runs
from gazekit.events.samples import Samples
from gazekit.events.velocity import smoothed_velocity, window_half

_MAD_TO_SD = 1.4826
_LONGEST_SACCADE_MS = 150.0
_BLINK_REACH_MS = 150.0
_SLOWEST_DEG_S = 2.0  # a resting eye drifts as fast: in data without noise, less would be the rounding of numbers
_READABLE_ONSET_DEG_S = 60.0  # about the peak of a saccade of one degree: below it, such saccades are seen


def adaptive(
    samples: Samples,
    *,
    velocity_window_ms: float = 10.0,
    max_window_ms: float = 60.0,
    min_onset_deg_s: float = 35.0,
    onset_sd: float = 5.0,
    offset_sd: float = 3.0,
    min_saccade_ms: float = 8.0,
    pso_pause_ms: float = 12.0,
    max_pso_ms: float = 50.0,
    min_fixation_ms: float = 40.0,
    max_gap_ms: float = 75.0,
    max_gap_shift_deg: float = 1.0,
    min_blink_ms: float = 20.0,
    max_velocity_deg_s: float = 1000.0,
) -> Events:
    """Find fixations, saccades and post-saccadic oscillations, after Nystrom and Holmqvist (2010).

    Velocity comes from a Savitzky-Golay filter of order 2. The thresholds are the median speed plus a number of its
    standard deviations (from the median absolute deviation, which saccades do not move), so that they need no
    iteration. What differs from the paper, since experts' labels ask for it: a saccade ends where the eye no longer
    goes its way, which is where an oscillation swings back, and not at a minimum of speed; an oscillation lasts as
    long as speed returns above the offset threshold without a pause; and the filter's window doubles until the
    noise leaves saccades of one degree visible.

    Parameters
    ----------
    velocity_window_ms, max_window_ms : the window to begin with, and the longest that noise may ask for.
    min_onset_deg_s, onset_sd : a saccade is faster than the larger of both (the second in SD over the median).
    offset_sd : a saccade or oscillation is over below this speed (SD over the median).
    min_saccade_ms : a shorter movement is no saccade.
    pso_pause_ms : an oscillation's speed is back above the offset threshold within this time.
    max_pso_ms : the longest oscillation.
    min_fixation_ms : a shorter rest is unclassified.
    max_gap_ms, max_gap_shift_deg : a fixation goes on over a shorter loss, if it is no further away after it; the
        samples themselves stay lost.
    min_blink_ms : a loss as long as this takes the movement that touches it, up to 150 ms, into the blink.
    max_velocity_deg_s : faster movement is an artefact.
    """
    if len(samples) < 3 or samples.lost.all():
        return Events.from_labels(np.where(samples.lost, LOST, UNCLASSIFIED).astype(np.int8))
    movement = _measure(samples, velocity_window_ms, max_window_ms, min_onset_deg_s, onset_sd, offset_sd, min_blink_ms)
    gone = ~movement.known | blinks(
        samples, samples.lost & samples.within, movement.speed, movement.offset, min_blink_ms, _BLINK_REACH_MS
    )
    gone |= _impossible(samples.time_us, movement, max_velocity_deg_s, min_fixation_ms)
    labels = np.where(gone, LOST, FIXATION).astype(np.int8)
    _mark_saccades(samples, movement, labels, min_saccade_ms, pso_pause_ms, max_pso_ms)
    labels[samples.lost] = LOST
    return settle(samples, labels, min_fixation_ms, max_gap_ms, max_gap_shift_deg)


@dataclass(frozen=True)
class _Movement:
    """Hold the velocity of n samples, degrees per second (0 where not known), and the thresholds of its noise."""

    x: Floats
    y: Floats
    speed: Floats
    known: Bools
    onset: float
    offset: float


def _measure(
    samples: Samples,
    window_ms: float,
    max_window_ms: float,
    min_onset: float,
    onset_sd: float,
    offset_sd: float,
    min_blink_ms: float,
) -> _Movement:
    """Measure velocity over the shortest window whose noise leaves small saccades visible."""
    while True:
        half = window_half(samples.interval_us, window_ms)
        vx, vy = smoothed_velocity(samples, *samples.degrees, half, max(window_ms, min_blink_ms))
        speed = np.hypot(vx, vy)
        known = speed[~samples.lost]
        middle = float(np.median(known))
        sd = _MAD_TO_SD * float(np.median(np.abs(known - middle)))
        onset = max(min_onset, middle + onset_sd * sd)
        if middle + onset_sd * sd <= _READABLE_ONSET_DEG_S or window_ms >= max_window_ms:
            there = np.isfinite(speed)
            return _Movement(
                vx,
                vy,
                np.where(there, speed, 0.0),
                there,
                onset,
                min(onset, max(_SLOWEST_DEG_S, middle + offset_sd * sd)),
            )
        window_ms = min(2 * window_ms, max_window_ms)


def _impossible(time_us: Index, movement: _Movement, max_velocity: float, min_fixation_ms: float) -> Bools:
    """Mark movements that reach a speed that no eye has, and what lies between two too near for a fixation."""
    n = len(movement.speed)
    if movement.speed.max() <= max_velocity:
        return np.zeros(n, dtype=bool)
    first, last = runs(movement.speed > movement.onset)
    peak = np.array([movement.speed[a : b + 1].max() for a, b in zip(first, last, strict=True)])
    first, last = first[peak > max_velocity], last[peak > max_velocity]
    near = time_us[first[1:]] - time_us[last[:-1]] < min_fixation_ms * 1000
    return cover(n, first, np.where(np.append(near, False), np.append(first[1:], n) - 1, last))


def _mark_saccades(
    samples: Samples,
    movement: _Movement,
    labels: Labels,
    min_saccade_ms: float,
    pso_pause_ms: float,
    max_pso_ms: float,
) -> None:
    """Write saccades and the oscillations after them into the labels of samples that are there."""
    there = labels != LOST
    speed = np.where(there, movement.speed, 0.0)
    reach = int(_LONGEST_SACCADE_MS * 1000 / samples.interval_us) + 2
    time = samples.time_us
    done = -1
    for start, end in zip(*(edge.tolist() for edge in runs(speed > movement.onset)), strict=True):
        first = max(start, done + 1)
        if first > end:
            continue
        peak = first + int(np.argmax(speed[first : end + 1]))
        last = _saccade_end(movement, speed, peak, reach)
        if time[last] - time[first] + samples.interval_us < min_saccade_ms * 1000:
            continue
        labels[first : last + 1] = SACCADE
        done = _oscillation_end(time, speed, last, movement.offset, pso_pause_ms, max_pso_ms)
        labels[last + 1 : done + 1][there[last + 1 : done + 1]] = PSO


def _saccade_end(movement: _Movement, speed: Floats, peak: int, reach: int) -> int:
    """Find the last sample that still goes the way of the peak, faster than the offset threshold."""
    part = slice(peak, peak + reach)
    along = movement.x[part] * movement.x[peak] + movement.y[part] * movement.y[peak]
    over = ~(along > 0) | (speed[part] < movement.offset)  # NaN, where lost, is over too
    return peak + (int(np.argmax(over)) if over.any() else len(over)) - 1


def _oscillation_end(
    time_us: Index, speed: Floats, last: int, offset: float, pause_ms: float, longest_ms: float
) -> int:
    """Find the last sample of the oscillation after a saccade that ended at ``last``; or ``last`` itself."""
    stop = int(np.searchsorted(time_us, time_us[last] + int(longest_ms * 1000), "right"))
    fast = last + 1 + np.flatnonzero(speed[last + 1 : stop] > offset)
    rest = np.diff(time_us[fast], prepend=time_us[last]) > pause_ms * 1000
    if rest.any():
        fast = fast[: int(np.argmax(rest))]
    return int(fast[-1]) if len(fast) else last
