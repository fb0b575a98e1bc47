"""Simulated people: what stands out draws their eyes.

Nothing here is measured on anybody. The sources of the numbers: main sequence, Bahill, Clark and Stark 1975;
minimum-jerk course of a saccade, Flash and Hogan 1985; drift and tremor, Martinez-Conde, Macknik and Hubel 2004.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import cv2
import numpy as np

from gazekit.capture.simulation.scanpath import Scene, SimulatedScanpath
from gazekit.core.types import Bools, Floats, Index, Pixels
from gazekit.screen import Screen
from gazekit.session.samples import SIDES, Block, empty_samples

_GRID = 64  # long side of the map that draws the eyes
_SCALES = ((1.0, 4.0), (2.0, 8.0), (3.0, 12.0))  # centre and surround, grid cells


def salience(rgb: Pixels) -> Floats:
    """Return a map of what stands out in a picture, shape (height, width), that sums to 1.

    Centre-surround differences of lightness and the two colour opponents (CIE L*a*b*) at three scales, after
    Itti, Koch and Niebur 1998. A picture of one colour gives an even map.
    """
    height, width = rgb.shape[:2]
    small = coarse_salience(rgb)
    full = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full / full.sum(), dtype=np.float64)


def coarse_salience(rgb: Pixels) -> Floats:
    """Return `salience` on a grid of at most 64 cells a side."""
    height, width = rgb.shape[:2]
    scale = min(1.0, _GRID / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    lab = cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2LAB).astype(np.float32)
    total = np.zeros(size[::-1], dtype=np.float64)
    for channel in range(3):
        for centre, surround in _SCALES:
            plane = np.ascontiguousarray(lab[:, :, channel])
            total += np.abs(cv2.GaussianBlur(plane, (0, 0), centre) - cv2.GaussianBlur(plane, (0, 0), surround))
    if total.max() < 1.0:  # less than one grey level: noise of the colour conversion
        return np.full(total.shape, 1.0 / total.size)
    total = total**2 + 0.002 * total.max() ** 2
    return np.asarray(total / total.sum(), dtype=np.float64)


@dataclass(frozen=True)
class Habits:
    """What differs between people and between their recordings. Angles in degrees, times in ms."""

    fixation_ms: float = 260.0
    noise_deg: float = 0.10
    drift_deg: float = 0.06
    tremor_deg: float = 0.006
    bias_deg: float = 0.35
    blinks_a_minute: float = 12.0
    dropouts_a_minute: float = 4.0
    pupil_mm: float = 3.4

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Habits:
        """Draw the habits of somebody."""
        return cls(
            fixation_ms=float(rng.uniform(220, 310)),
            noise_deg=float(rng.uniform(0.06, 0.16)),
            drift_deg=float(rng.uniform(0.03, 0.09)),
            bias_deg=float(rng.uniform(0.15, 0.5)),
            blinks_a_minute=float(rng.uniform(6, 20)),
            dropouts_a_minute=float(rng.uniform(1, 8)),
            pupil_mm=float(rng.uniform(2.8, 4.2)),
        )


@dataclass
class _Spells:
    """Stretches of time that come by chance: blinks, dropouts."""

    a_minute: float
    low_ms: float
    high_ms: float
    rng: np.random.Generator
    start: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    until: float = -1.0

    def inside(self, t: Index) -> Bools:
        """Return whether each moment lies in a stretch."""
        if self.until < 0:
            self.until = float(t[0])
        while self.until <= t[-1]:
            onset = self.until + self.rng.exponential(60e6 / self.a_minute)
            self.until = onset + 1e3 * self.rng.uniform(self.low_ms, self.high_ms)
            self.start, self.stop = [*self.start[-8:], onset], [*self.stop[-8:], self.until]
        inside = np.zeros(len(t), dtype=bool)
        for onset, offset in zip(self.start, self.stop, strict=True):
            inside |= (t >= onset) & (t < offset)
        return inside


class Person:
    """Somebody who looks at the screen; the same seed gives the same eyes.

    Call `watch` when the screen changes and `sample` with rising times.
    """

    def __init__(self, screen: Screen, rate_hz: float, seed: Any, habits: Habits | None = None) -> None:
        self.screen = screen
        self.rate_hz = rate_hz
        self.rng = np.random.default_rng(seed)
        self.habits = habits or Habits.draw(self.rng)
        self.calibrated = False
        rng = np.random.default_rng(self.rng.integers(1 << 62))
        self._path = SimulatedScanpath(screen, self.habits.fixation_ms, rng)
        self._bias = {side: self.rng.normal(0, 1, 2) for side in SIDES}
        self._tremor = self.rng.uniform(0, 2 * np.pi, 4)
        self._drift = np.zeros((1, 2))
        self._blinks = _Spells(self.habits.blinks_a_minute, 90, 260, self.rng)
        self._dropouts = {s: _Spells(self.habits.dropouts_a_minute, 8, 60, self.rng) for s in SIDES}

    def watch(self, t_us: int, scene: Scene) -> None:
        """Look at another scene from a moment on (system clock, microseconds)."""
        self._path.watch(t_us, scene)

    def sample(self, t_us: Index) -> tuple[Block, Floats]:
        """Return samples at rising moments, and how open the eyes are (mm); both stamps are left at 0."""
        block = empty_samples(len(t_us))
        if not len(t_us):
            return block, np.empty(0)
        x, y = self._path.at(t_us)
        wobble = (self._wander(len(t_us)) + self._shake(t_us)) * self.screen.pixels_per_degree
        blink = self._blinks.inside(t_us)
        pupil = self.habits.pupil_mm + 0.15 * np.sin(2 * np.pi * 0.21e-6 * t_us + self._tremor[0])
        for index, side in enumerate(SIDES):
            gaze = np.stack([x, y], axis=1) + wobble + self._error(side, len(t_us))
            self._fill_eye(block, side, gaze, ~(blink | self._dropouts[side].inside(t_us)), t_us, index)
            size = pupil + self.rng.normal(0, 0.01, len(t_us)) + 0.05 * index
            block[f"{side}_pupil_mm"] = np.where(block[f"{side}_valid"], size, np.nan)
            block[f"{side}_pupil_valid"] = block[f"{side}_valid"]
        return block, np.where(blink, 0.5, 9.5) + self.rng.normal(0, 0.1, len(t_us))

    def _fill_eye(self, block: Block, side: str, gaze: Floats, seen: Bools, t_us: Index, index: int) -> None:
        mm_x, mm_y = self.screen.to_mm(gaze[:, 0], gaze[:, 1])
        sway = 4.0 * np.sin(2 * np.pi * 0.05e-6 * t_us[:, None] + self._tremor[None, :3])
        origin = np.array([-31.5 + 63.0 * index, self.screen.height_mm / 2, self.screen.distance_mm]) + sway
        point = np.stack([mm_x, self.screen.height_mm / 2 - mm_y, np.zeros(len(gaze))], axis=1)
        block[f"{side}_gaze"] = np.where(seen[:, None], self.screen.px_to_display(gaze[:, 0], gaze[:, 1]), np.nan)
        block[f"{side}_gaze_mm"] = np.where(seen[:, None], point, np.nan)
        block[f"{side}_origin_mm"] = np.where(seen[:, None], origin, np.nan)
        block[f"{side}_valid"] = block[f"{side}_origin_valid"] = seen

    def _error(self, side: str, n: int) -> Floats:
        """Return the calibration's bias and the tracker's noise, pixels; three times the bias without a calibration."""
        bias = self._bias[side] * self.habits.bias_deg * (1.0 if self.calibrated else 3.0)
        noise = self.rng.normal(0, self.habits.noise_deg, (n, 2))
        return np.asarray((bias + noise) * self.screen.pixels_per_degree, dtype=np.float64)

    def _wander(self, n: int) -> Floats:
        """Return slow drift, degrees: a random walk that is drawn back over half a second."""
        keep = float(np.exp(-1.0 / (0.5 * self.rate_hz)))
        steps = self.rng.normal(0, self.habits.drift_deg * np.sqrt(1 - keep**2), (n, 2))
        starts = zip(steps.T.tolist(), self._drift[-1].tolist(), strict=True)
        walks = [accumulate(axis, lambda place, step: step + keep * place, initial=start) for axis, start in starts]
        drift = np.array(list(zip(*walks, strict=True))[1:]).reshape(n, 2)
        self._drift = drift[-1:]
        return drift

    def _shake(self, t_us: Index) -> Floats:
        """Return tremor, degrees: about 85 Hz."""
        phase = 2 * np.pi * 85e-6 * t_us[:, None] + self._tremor[None, :2]
        return self.habits.tremor_deg * np.sin(phase)
