"""The arrays that every detector reads: increasing time, holes that nothing reaches over, artefacts taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gazekit.core.errors import unknown_name
from gazekit.core.types import Bools, Floats, Index
from gazekit.events.clock import Timeline, timeline
from gazekit.gaze import EYE_CHOICES, Eye, EyeChoice, GazeRecording, check_rate, hole_us
from gazekit.screen import Screen

OFF_SCREEN_DEG = 20.0
HOLE_ROWS = 2  # without gaze, in place of a hole
_WIDER_US = 3_600_000_000  # each hole is this much longer for the detectors, so that no limit in time reaches over it
_SHORTEST_US = 200.0  # no tracker is faster
_ROUNDING = 0.02  # of an interval, by which stamps in whole microseconds may miss a limit


@dataclass(frozen=True)
class Samples:
    """Hold a recording as detectors read it: n rows with time that rises by about one interval a row.

    Where the tracker left out samples there are rows without gaze; where it left out more than a hole (see
    `gazekit.gaze.HOLE_MS`) there are two, and the time of the detectors jumps by an hour.

    Attributes
    ----------
    recording : GazeRecording
        The rows; where nothing was delivered a neighbour's numbers, which are never usable.
    screen : Screen
        Every degree comes from it.
    choice : {"left", "right", "average", "strict"}
        Which eye: one of them, the average of any valid eye, or the average where both are valid.
    usable_left, usable_right : ndarray of bool, shape (n,)
        Where each eye has a gaze point that can be used.
    index : ndarray of int64, shape (n,)
        Where each row stands in the recording as delivered; -1 where nothing was delivered.
    time_us : ndarray of int64, shape (n,)
        Time for the detectors, microseconds, strictly increasing: the stamps, with wider holes.
    stamp_us : ndarray of int64, shape (n,)
        Time stamps of the device clock, repaired.
    holes : ndarray of int64, shape (h,)
        The first row of each hole.
    clock : Timeline
        What was wrong with the stamps.
    """

    recording: GazeRecording
    screen: Screen
    choice: EyeChoice
    usable_left: Bools
    usable_right: Bools
    index: Index
    time_us: Index
    stamp_us: Index
    holes: Index
    clock: Timeline

    def __len__(self) -> int:
        return len(self.index)

    @property
    def interval_us(self) -> float:
        """Nominal sampling interval, microseconds; NaN below two samples."""
        return self.clock.interval_us

    @cached_property
    def pixels(self) -> tuple[Floats, Floats]:
        """Gaze of the chosen eye on the screen, two columns (n,) of pixels; NaN where lost."""
        x, y = blend(
            masked_axes(self.recording.left.gaze, self.usable_left),
            masked_axes(self.recording.right.gaze, self.usable_right),
            self.choice,
            len(self),
        )
        return x * self.screen.width_px, y * self.screen.height_px

    @cached_property
    def degrees(self) -> tuple[Floats, Floats]:
        """Gaze of the chosen eye as Fick angles from the screen's centre, two columns (n,) of degrees, y down."""
        return self.screen.to_degrees(*self.pixels)

    @cached_property
    def lost(self) -> Bools:
        """Whether the chosen eye has no gaze, shape (n,)."""
        if self.choice == "left":
            return ~self.usable_left
        if self.choice == "right":
            return ~self.usable_right
        both = self.choice == "strict"
        return ~(self.usable_left & self.usable_right if both else self.usable_left | self.usable_right)

    @cached_property
    def delivered(self) -> Bools:
        """Whether the tracker delivered a sample, with gaze or without, shape (n,)."""
        return self.index >= 0

    @cached_property
    def within(self) -> Bools:
        """Whether a row lies within a stretch, and not in a hole, shape (n,)."""
        inside = np.ones(len(self), dtype=bool)
        for row in range(HOLE_ROWS):
            inside[self.holes + row] = False
        return inside

    @cached_property
    def stretches(self) -> tuple[Index, Index]:
        """First and last row of each stretch between holes."""
        first = np.append(0, self.holes + HOLE_ROWS) if len(self) else np.empty(0, dtype=np.int64)
        return first, np.append(self.holes, len(self))[: len(first)] - 1

    def stretch_of(self, row: Index) -> Index:
        """Return the number of the stretch that rows lie in."""
        return np.searchsorted(self.holes, row, "right")

    def with_eye(self, eye: EyeChoice) -> Samples:
        """Return the same rows with another choice of the eye."""
        return replace(self, choice=eye)

    def last_us(self, onset: Index, offset: Index) -> Floats:
        """Return how long events from one row to another last, microseconds: last - first + one interval."""
        interval = self.interval_us if np.isfinite(self.interval_us) else 0.0
        return np.asarray(self.time_us[offset] - self.time_us[onset] + interval, dtype=np.float64)

    def shorter(self, onset: Index, offset: Index, limit_ms: float) -> Bools:
        """Tell which events are shorter than a limit in milliseconds."""
        return np.asarray(self.last_us(onset, offset) < limit_ms * 1000 - _ROUNDING * self.interval_us)

    def between_us(self, offset: Index, onset: Index) -> Floats:
        """Return the time from the end of events, one interval after their last sample, to the onset of others."""
        return -self.last_us(onset, offset)


def prepare(
    recording: GazeRecording, screen: Screen, *, eye: EyeChoice = "average", off_screen_deg: float = OFF_SCREEN_DEG
) -> Samples:
    """Prepare the samples to detect in: stamps that increase, rows for what is missing, artefacts lost, the eye chosen.

    Lost is what the tracker says is not valid, NaN, a gaze of exactly (0, 0) on the display area (what trackers write
    for "none"), and gaze further than ``off_screen_deg`` outside the screen, where no tracker is calibrated.

    Raises
    ------
    InputError
        Unknown eye, or time stamps in a wrong unit.
    """
    if eye not in EYE_CHOICES:
        raise unknown_name("eye", str(eye), EYE_CHOICES)
    check_rate(recording.device_time_us)
    clock = timeline(recording.device_time_us)
    index, stamp, time, holes = clock.index, clock.stamp_us, clock.stamp_us, np.empty(0, dtype=np.int64)
    steps = np.diff(stamp)
    if len(steps) and steps.max() >= 1.75 * clock.interval_us:
        index, stamp, time, holes = _with_missing_rows(clock, steps)
    if len(index) != len(recording) or len(clock.index) != len(recording):
        recording = recording.take(np.maximum(index, 0))
    usable_left = _usable(recording.left, screen, off_screen_deg)
    usable_right = _usable(recording.right, screen, off_screen_deg)
    if len(index) > len(clock.index):
        usable_left &= index >= 0
        usable_right &= index >= 0
    return Samples(recording, screen, eye, usable_left, usable_right, index, time, stamp, holes, clock)


def _with_missing_rows(clock: Timeline, steps: Index) -> tuple[Index, Index, Index, Index]:
    """Put rows where samples are missing: their places (-1), stamps, time with wider holes, first rows of holes."""
    hole = steps > hole_us(clock.interval_us)
    interval = max(clock.interval_us, _SHORTEST_US)
    missing = np.where(hole, HOLE_ROWS, np.maximum(np.floor(steps / interval + 0.25).astype(np.int64) - 1, 0))
    row = np.arange(len(clock.index)) + np.append(0, np.cumsum(missing))
    n = int(row[-1]) + 1
    index, wider = np.full(n, -1), np.zeros(n, dtype=np.int64)
    index[row] = clock.index
    stamp = np.round(np.interp(np.arange(n), row, clock.stamp_us - clock.stamp_us[0])).astype(np.int64)
    stamp += clock.stamp_us[0]
    stamp[row] = clock.stamp_us  # exactly
    holes = row[:-1][hole] + 1
    wider[holes + 1] = _WIDER_US
    return index, stamp, stamp + np.cumsum(wider), holes


def event_times(samples: Samples, onset: Index, offset: Index) -> tuple[Index, Index]:
    """Return when events begin and end, device clock: an end is one interval after the last sample."""
    if not len(onset):
        return samples.stamp_us[onset], samples.stamp_us[offset]
    end = samples.stamp_us[onset] + np.round(samples.last_us(onset, offset)).astype(np.int64)
    end[:-1] = np.minimum(end[:-1], samples.stamp_us[onset[1:]])  # stamps that jitter must not make events overlap
    return samples.stamp_us[onset], end


def masked_axes(points: Floats, usable: Bools) -> tuple[Floats, ...] | None:
    """Return the columns of (n, k) points with NaN where an eye was not usable; None where it never was."""
    if not usable.any():
        return None
    if usable.all():
        return tuple(np.ascontiguousarray(points[:, k]) for k in range(points.shape[1]))
    return tuple(np.where(usable, points[:, k], np.nan) for k in range(points.shape[1]))


def blend(
    left: Sequence[Floats] | None, right: Sequence[Floats] | None, choice: EyeChoice, n: int, axes: int = 2
) -> tuple[Floats, ...]:
    """Return the columns of the chosen eye from those of both; None is an eye that was never seen."""
    nothing = tuple(np.full(n, np.nan) for _ in range(axes))
    if choice in ("left", "right"):
        chosen = left if choice == "left" else right
        return nothing if chosen is None else tuple(chosen)
    if left is None or right is None:
        chosen = None if choice == "strict" else (right if left is None else left)
        return nothing if chosen is None else tuple(chosen)
    both = tuple((a + b) / 2 for a, b in zip(left, right, strict=True))
    if choice == "strict":
        return both
    no_left, no_right = np.isnan(left[0]), np.isnan(right[0])
    return tuple(np.where(no_left, b, np.where(no_right, a, m)) for a, b, m in zip(left, right, both, strict=True))


def _usable(eye: Eye, screen: Screen, off_screen_deg: float) -> Bools:
    usable = eye.valid.copy()
    if not usable.any():
        return usable
    margin = np.tan(np.radians(off_screen_deg)) * screen.distance_mm if off_screen_deg < 90 else np.inf
    x, y = eye.gaze[:, 0], eye.gaze[:, 1]
    usable &= np.abs(x - 0.5) <= 0.5 + margin / screen.width_mm  # false for NaN
    usable &= np.abs(y - 0.5) <= 0.5 + margin / screen.height_mm
    usable &= (x != 0) | (y != 0)
    return usable
