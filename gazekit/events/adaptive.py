"""Fixations, saccades, oscillations and drift by thresholds that follow the recording's own noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gazekit.core.types import Bools, Floats, Index, Labels
from gazekit.events.blinks import blinks, closures, cover, lid_swings, widen
from gazekit.events.drift import mark_drift
from gazekit.events.joining import settle
from gazekit.events.labels import FIXATION, LOST, PSO, SACCADE, UNCLASSIFIED, Events, runs
from gazekit.events.samples import Samples
from gazekit.events.velocity import smoothed_velocity, window_half

_MAD_TO_SD = 1.4826
_LONGEST_SACCADE_MS = 150.0
_BLINK_REACH_MS = 150.0
_SLOWEST_DEG_S = 10.0  # a resting eye drifts as fast: in data without noise, less would be the rounding of numbers
_READABLE_ONSET_DEG_S = 75.0  # about the peak of a saccade of one degree: below it, such saccades are seen
_WINDOW_GROWTH = 1.41
_CALM_MS = 40.0  # away from anything fast
_BLOCK_S = 2.0  # in which the noise is taken to be the same
_FEWEST_CALM_MS = 100.0
_ENOUGH = 50_000  # speeds for a median of the whole recording
_PAUSE_INTERVALS = 2.02  # a slow tracker may miss the turn of an oscillation
_LEAST_SD = 0.5  # of ``offset_sd``: an oscillation is over below so much noise, whatever the margin


@dataclass(frozen=True)
class Tuning:
    """Hold what the labelled recordings decided and no study should need to set.

    Attributes
    ----------
    velocity_window_ms, max_window_ms : float
        The window of the velocity to begin with, and the longest that noise may ask for.
    onset_sd, offset_sd : float
        How far over the median speed a saccade begins, and ends, in standard deviations of calm samples.
    offset_margin_deg_s : float
        A saccade or oscillation ends no further over the median than this, unless half of the SD are more: in noise an
        oscillation is followed further down.
    pso_pause_ms : float
        An oscillation's speed is back above the offset threshold within this time, or within two samples.
    min_blink_ms : float
        A loss as long as this takes the movement that touches it, up to 150 ms, into the blink.
    max_velocity_deg_s : float
        Faster movement is an artefact.
    """

    velocity_window_ms: float = 10.0
    max_window_ms: float = 60.0
    onset_sd: float = 6.0
    offset_sd: float = 4.0
    offset_margin_deg_s: float = 14.0
    pso_pause_ms: float = 12.0
    min_blink_ms: float = 20.0
    max_velocity_deg_s: float = 1000.0

    def onset(self, middle: float, sd: float, least: float) -> float:
        """Return the speed that begins a saccade."""
        return max(least, middle + self.onset_sd * sd)

    def offset(self, middle: float, sd: float) -> float:
        """Return the speed below which a saccade or an oscillation is over."""
        margin = min(self.offset_sd * sd, max(self.offset_margin_deg_s, _LEAST_SD * self.offset_sd * sd))
        return max(_SLOWEST_DEG_S, middle + margin)


_TUNING = Tuning()


def adaptive(
    samples: Samples,
    tuning: Tuning = _TUNING,
    *,
    min_onset_deg_s: float = 40.0,
    min_saccade_ms: float = 8.0,
    max_pso_ms: float = 50.0,
    min_fixation_ms: float = 40.0,
    max_gap_ms: float = 75.0,
    merge_time_ms: float = 60.0,
    merge_angle_deg: float = 1.0,
    min_drift_deg: float = 0.8,
) -> Events:
    """Find fixations, saccades, post-saccadic oscillations and drift, after Nystrom and Holmqvist (2010).

    Velocity comes from a Savitzky-Golay filter of order 2, whose window grows until the noise leaves saccades of one
    degree visible. The thresholds are the median speed plus a number of its standard deviations (from the median
    absolute deviation), both of calm samples: those 40 ms away from anything fast, in every two seconds by themselves.
    What differs from the paper, since experts' labels ask for it: a saccade ends where the eye no longer goes its way,
    which is where an oscillation swings back, and not at a minimum of speed; an oscillation lasts as long as speed
    returns above the offset threshold without a pause; a straight drift between two saccades is no fixation. A blink
    is a loss with the movement that touches it, the swing of a lid down and back without a rest, and, where they are
    recorded, closed lids and covered pupils, lost or not.

    Parameters
    ----------
    samples : Samples
        The prepared recording.
    tuning : Tuning
        Constants that the labelled recordings decided.
    min_onset_deg_s : float
        A saccade is faster than this, and than six SD over the median.
    min_saccade_ms : float
        A shorter movement is no saccade.
    max_pso_ms : float
        The longest oscillation.
    min_fixation_ms : float
        A shorter rest is unclassified.
    max_gap_ms, merge_time_ms, merge_angle_deg : float
        A fixation goes on over a shorter loss, and over a saccade that brings it no further away within the time of
        merging, if it is at most so far away after it. The samples in between keep their class.
    min_drift_deg : float
        A rest that moves so far, straight, is drift or pursuit and no fixation; 0 takes every rest for a fixation.

    Returns
    -------
    Events
        All classes but pursuit that is not straight.
    """
    if len(samples) < 3 or samples.lost.all():
        return Events.from_labels(np.where(samples.lost, LOST, UNCLASSIFIED).astype(np.int8))
    movement = measure(samples, tuning, min_onset_deg_s)
    labels = label(samples, movement, tuning, min_saccade_ms, max_pso_ms, min_fixation_ms, min_drift_deg)
    return settle(samples, labels, min_fixation_ms, max_gap_ms, merge_angle_deg, merge_time_ms)


@dataclass(frozen=True)
class Movement:
    """Hold the velocity of n samples, degrees per second (0 where not known), and the thresholds of its noise."""

    x: Floats
    y: Floats
    speed: Floats
    known: Bools
    window_ms: float
    onset: float
    offset: Floats

    @classmethod
    def of(cls, samples: Samples, tuning: Tuning, window_ms: float, onset: float, offset: Floats) -> Movement:
        """Measure velocity over a window, with thresholds that are known."""
        half = window_half(samples.interval_us, window_ms)
        x, y = smoothed_velocity(samples, *samples.degrees, half, max(window_ms, tuning.min_blink_ms))
        speed = np.hypot(x, y)
        known = np.isfinite(speed)
        return cls(x, y, np.where(known, speed, 0.0), known, window_ms, onset, offset)


def measure(samples: Samples, tuning: Tuning, min_onset_deg_s: float) -> Movement:
    """Measure velocity over the shortest window whose noise leaves small saccades visible, and the thresholds."""
    window_ms = tuning.velocity_window_ms
    while True:
        movement = Movement.of(samples, tuning, window_ms, 0.0, np.empty(0))
        speed, known = movement.speed, movement.known
        fast = speed > tuning.onset(*_middle_and_sd(speed[known & ~samples.lost]), min_onset_deg_s)
        calm = ~widen(fast | samples.lost, round(_CALM_MS * 1000 / samples.interval_us)) & known
        if calm.sum() * samples.interval_us < _FEWEST_CALM_MS * 1000:
            calm = known & ~samples.lost
        middle, sd = _middle_and_sd(speed[calm])
        if middle + tuning.onset_sd * sd <= _READABLE_ONSET_DEG_S or window_ms >= tuning.max_window_ms:
            onset = tuning.onset(middle, sd, min_onset_deg_s)
            offset = _followed(samples, speed, calm, tuning, tuning.offset(middle, sd))
            return replace(movement, onset=onset, offset=np.minimum(offset, onset, out=offset))
        window_ms = min(_WINDOW_GROWTH * window_ms, tuning.max_window_ms)


def label(
    samples: Samples,
    movement: Movement,
    tuning: Tuning,
    min_saccade_ms: float,
    max_pso_ms: float,
    min_fixation_ms: float,
    min_drift_deg: float,
) -> Labels:
    """Label blinks, saccades and the oscillations after them, and drift; the rest is fixation."""
    lost, reach = samples.lost & samples.within, _BLINK_REACH_MS
    gone = blinks(samples, lost, movement.speed, movement.offset, tuning.min_blink_ms, reach)
    gone |= closures(samples)
    gone |= ~movement.known
    gone |= _impossible(samples, movement, tuning.max_velocity_deg_s, min_fixation_ms)
    labels = np.where(gone, LOST, FIXATION).astype(np.int8)
    _mark_saccades(samples, movement, labels, min_saccade_ms, tuning.pso_pause_ms, max_pso_ms)
    labels[samples.lost] = LOST
    labels[lid_swings(samples, labels, min_fixation_ms)] = LOST
    if min_drift_deg > 0:
        mark_drift(samples, labels, min_drift_deg)
    return labels


def _middle_and_sd(speed: Floats) -> tuple[float, float]:
    speed = speed[:: max(1, len(speed) // _ENOUGH)]
    if not len(speed):
        return 0.0, 0.0
    half = len(speed) // 2
    middle = float(np.partition(speed, half)[half])
    return middle, _MAD_TO_SD * float(np.partition(np.abs(speed - middle), half)[half])


def _followed(samples: Samples, speed: Floats, calm: Bools, tuning: Tuning, of_all: float) -> Floats:
    """Return the offset threshold at every sample, from the calm samples of its block of time."""
    block = max(1, round(_BLOCK_S * 1e6 / samples.interval_us))
    fewest = _FEWEST_CALM_MS * 1000 / samples.interval_us
    offset = np.full(len(samples), of_all)
    for first in range(0, len(samples), block):
        part = slice(first, first + block)
        quiet = speed[part][calm[part]]
        if len(quiet) >= fewest:
            offset[part] = tuning.offset(*_middle_and_sd(quiet))
    return offset


def _impossible(samples: Samples, movement: Movement, max_velocity: float, min_fixation_ms: float) -> Bools:
    """Mark movements that reach a speed that no eye has, and what lies between two too near for a fixation."""
    n = len(movement.speed)
    if movement.speed.max() <= max_velocity:
        return np.zeros(n, dtype=bool)
    first, last = runs(movement.speed > movement.onset)
    peak = np.array([movement.speed[a : b + 1].max() for a, b in zip(first, last, strict=True)])
    first, last = first[peak > max_velocity], last[peak > max_velocity]
    near = samples.between_us(last[:-1], first[1:]) < min_fixation_ms * 1000
    return cover(n, first, np.where(np.append(near, False), np.append(first[1:], n) - 1, last))


def _mark_saccades(
    samples: Samples,
    movement: Movement,
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
    pso_pause_ms = max(pso_pause_ms, _PAUSE_INTERVALS * samples.interval_us / 1000)
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
        done = _oscillation_end(time, speed, last, movement.offset[peak], pso_pause_ms, max_pso_ms)
        labels[last + 1 : done + 1][there[last + 1 : done + 1]] = PSO


def _saccade_end(movement: Movement, speed: Floats, peak: int, reach: int) -> int:
    """Find the last sample that still goes the way of the peak, faster than the offset threshold."""
    part = slice(peak, peak + reach)
    along = movement.x[part] * movement.x[peak] + movement.y[part] * movement.y[peak]
    over = ~(along > 0) | (speed[part] < movement.offset[peak])  # NaN, where lost, is over too
    return peak + (int(np.argmax(over)) if over.any() else len(over)) - 1


def _oscillation_end(
    time_us: Index, speed: Floats, last: int, offset: float, pause_ms: float, longest_ms: float
) -> int:
    """Find the last sample of the oscillation after a saccade that ended at ``last``, or ``last`` itself."""
    stop = int(np.searchsorted(time_us, time_us[last] + int(longest_ms * 1000), "right"))
    end = last
    for fast in ((speed[last + 1 : stop] > offset).nonzero()[0] + (last + 1)).tolist():
        if time_us[fast] - time_us[end] > pause_ms * 1000:
            break
        end = fast
    return end
