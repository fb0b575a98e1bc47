"""The arrays that every detector reads: increasing time, both eyes, artefacts taken out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import unknown_name
from gazekit.core.types import Bools, Floats
from gazekit.events.clock import increasing, interval_us
from gazekit.gaze import EYE_CHOICES, Eye, EyeChoice, GazeRecording
from gazekit.screen import Screen

OFF_SCREEN_DEG = 20.0


@dataclass(frozen=True)
class Samples:
    """n samples of a recording whose stamps strictly increase.

    Attributes
    ----------
    recording : those samples.
    screen : every degree comes from it.
    choice : which eye: left, right, average of any valid eye, strict average.
    seen_left, seen_right : (n,) where each eye has a gaze point that can be used.
    index : (n,) where each sample stands in the recording as delivered.
    """

    recording: GazeRecording
    screen: Screen
    choice: EyeChoice
    seen_left: Bools
    seen_right: Bools
    index: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.index)

    @property
    def time_us(self) -> npt.NDArray[np.int64]:
        """(n,) device clock, microseconds, strictly increasing."""
        return self.recording.device_time_us

    @cached_property
    def interval_us(self) -> float:
        """The nominal sampling interval, microseconds; NaN below two samples."""
        return interval_us(self.time_us)

    @cached_property
    def pixels(self) -> tuple[Floats, Floats]:
        """Gaze of the chosen eye on the screen, two columns (n,) of pixels; NaN where lost."""
        x, y = blend(
            masked_axes(self.recording.left.gaze, self.seen_left),
            masked_axes(self.recording.right.gaze, self.seen_right),
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
        """(n,) true where the chosen eye has no gaze."""
        if self.choice == "left":
            return ~self.seen_left
        if self.choice == "right":
            return ~self.seen_right
        return ~(self.seen_left & self.seen_right if self.choice == "strict" else self.seen_left | self.seen_right)


def prepare(
    recording: GazeRecording, screen: Screen, *, eye: EyeChoice = "average", off_screen_deg: float = OFF_SCREEN_DEG
) -> Samples:
    """The samples to detect in: stamps made to increase, artefacts marked as lost, the eye chosen.

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
        seen_left=_seen(recording.left, screen, off_screen_deg),
        seen_right=_seen(recording.right, screen, off_screen_deg),
        index=index,
    )


def masked_axes(points: Floats, seen: Bools) -> tuple[Floats, ...] | None:
    """The columns of (n, k) points with NaN where an eye was not seen; None where it never was."""
    if not seen.any():
        return None
    if seen.all():
        return tuple(np.ascontiguousarray(points[:, k]) for k in range(points.shape[1]))
    return tuple(np.where(seen, points[:, k], np.nan) for k in range(points.shape[1]))


def blend(
    left: Sequence[Floats] | None, right: Sequence[Floats] | None, choice: EyeChoice, n: int, axes: int = 2
) -> tuple[Floats, ...]:
    """Columns of the chosen eye from those of both; None is an eye that was never seen."""
    nothing = tuple(np.full(n, np.nan) for _ in range(axes))
    if choice in ("left", "right"):
        one = left if choice == "left" else right
        return nothing if one is None else tuple(one)
    if left is None or right is None:
        one = None if choice == "strict" else (right if left is None else left)
        return nothing if one is None else tuple(one)
    both = tuple((a + b) / 2 for a, b in zip(left, right, strict=True))
    if choice == "strict":
        return both
    no_left, no_right = np.isnan(left[0]), np.isnan(right[0])
    return tuple(np.where(no_left, b, np.where(no_right, a, m)) for a, b, m in zip(left, right, both, strict=True))


def _seen(eye: Eye, screen: Screen, off_screen_deg: float) -> Bools:
    seen = eye.valid.copy()
    if not seen.any():
        return seen
    margin = np.tan(np.radians(off_screen_deg)) * screen.distance_mm if off_screen_deg < 90 else np.inf
    x, y = eye.gaze[:, 0], eye.gaze[:, 1]
    seen &= np.abs(x - 0.5) <= 0.5 + margin / screen.width_mm  # false for NaN
    seen &= np.abs(y - 0.5) <= 0.5 + margin / screen.height_mm
    seen &= (x != 0) | (y != 0)
    return seen
