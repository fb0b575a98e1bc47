"""The arrays that every detector reads: increasing time, both eyes, artefacts taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gazekit.core.errors import unknown_name
from gazekit.core.types import Bools, Floats, Index
from gazekit.events.clock import increasing, interval_us
from gazekit.gaze import EYE_CHOICES, Eye, EyeChoice, GazeRecording
from gazekit.screen import Screen

OFF_SCREEN_DEG = 20.0


@dataclass(frozen=True)
class Samples:
    """Hold n samples of a recording whose stamps strictly increase.

    Attributes
    ----------
    recording : GazeRecording
        Those samples.
    screen : Screen
        Every degree comes from it.
    choice : {"left", "right", "average", "strict"}
        Which eye: one of them, the average of any valid eye, or the average where both are valid.
    usable_left, usable_right : ndarray of bool, shape (n,)
        Where each eye has a gaze point that can be used.
    index : ndarray of int64, shape (n,)
        Where each sample stands in the recording as delivered.
    """

    recording: GazeRecording
    screen: Screen
    choice: EyeChoice
    usable_left: Bools
    usable_right: Bools
    index: Index

    def __len__(self) -> int:
        return len(self.index)

    @property
    def time_us(self) -> Index:
        """Time stamps of the device clock, shape (n,), microseconds, strictly increasing."""
        return self.recording.device_time_us

    @cached_property
    def interval_us(self) -> float:
        """The nominal sampling interval, microseconds; NaN below two samples."""
        return interval_us(self.time_us)

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
        return ~(
            self.usable_left & self.usable_right if self.choice == "strict" else self.usable_left | self.usable_right
        )


def prepare(
    recording: GazeRecording, screen: Screen, *, eye: EyeChoice = "average", off_screen_deg: float = OFF_SCREEN_DEG
) -> Samples:
    """Prepare the samples to detect in: stamps made to increase, artefacts marked as lost, the eye chosen.

    Lost is what the tracker says is not valid, NaN, a gaze of exactly (0, 0) on the display area (what trackers write
    for "none"), and gaze further than ``off_screen_deg`` outside the screen, where no tracker is calibrated.
    """
    if eye not in EYE_CHOICES:
        raise unknown_name("eye", str(eye), EYE_CHOICES)
    index = increasing(recording.device_time_us)
    if len(index) < len(recording):
        recording = recording.take(index)
    return Samples(
        recording=recording,
        screen=screen,
        choice=eye,
        usable_left=_usable(recording.left, screen, off_screen_deg),
        usable_right=_usable(recording.right, screen, off_screen_deg),
        index=index,
    )


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
