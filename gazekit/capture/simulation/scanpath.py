"""Where a simulated person looks: fixations and saccades over what is on the screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Floats, Index
from gazekit.screen import Placement, Screen


@dataclass(frozen=True)
class PictureScene:
    """A picture on the screen: what stands out in it (grid, sums to 1), and where it is."""

    salience: Floats
    placement: Placement


@dataclass(frozen=True)
class TargetScene:
    """One point to look at, screen pixels."""

    x_px: float
    y_px: float


Scene = PictureScene | TargetScene | None


class SimulatedScanpath:
    """Fixations and saccades, drawn as time goes on.

    A picture draws the eyes by its salience, less where they have just been and less far away. Durations of
    fixations are log-normal; a saccade of A degrees lasts 21 + 2.2 A ms (Carpenter 1988).
    """

    def __init__(self, screen: Screen, fixation_ms: float, rng: np.random.Generator) -> None:
        self._screen = screen
        self._ppd = screen.pixels_per_degree
        self._fixation_ms = fixation_ms
        self._rng = rng
        self._scene: Scene = None
        self._cells: tuple[Floats, Floats, Floats] | None = None
        # a row a fixation: the saccade to it starts, it lands, x, y
        self._rows: list[tuple[float, float, float, float]] = [
            (-1e18, -1e18, screen.width_px / 2, screen.height_px / 2)
        ]
        self._next: float | None = None

    def watch(self, t_us: int, scene: Scene) -> None:
        """Look at another scene from a moment on; the eyes react to it a latency later."""
        self._rows = [row for row in self._rows if row[0] <= t_us] or self._rows[:1]
        self._scene = scene
        self._cells = self._grid(scene) if isinstance(scene, PictureScene) else None
        self._next = t_us + 1e3 * self._rng.uniform(150, 230)

    def at(self, t_us: Index) -> tuple[Floats, Floats]:
        """Return the position of the eyes at rising moments, screen pixels."""
        if self._next is None:
            self._next = float(t_us[0])
        while self._next <= t_us[-1]:
            self._next = self._step(self._next)
        rows = np.array(self._rows)
        index = np.clip(np.searchsorted(rows[:, 0], t_us, side="right") - 1, 0, None)
        before = np.clip(index - 1, 0, None)
        onset, land = rows[index, 0], rows[index, 1]
        with np.errstate(invalid="ignore", divide="ignore"):
            s = np.clip(np.where(land > onset, (t_us - onset) / (land - onset), 1.0), 0.0, 1.0)
        course = s**3 * (10 - 15 * s + 6 * s**2)  # minimum jerk
        x = rows[before, 2] + (rows[index, 2] - rows[before, 2]) * course
        y = rows[before, 3] + (rows[index, 3] - rows[before, 3]) * course
        self._rows = self._rows[max(0, int(index[-1]) - 6) :]
        return x, y

    def _step(self, onset: float) -> float:
        """Draw the fixation whose saccade starts at a moment; return when the next one starts."""
        x, y = self._choose()
        _, _, from_x, from_y = self._rows[-1]
        amplitude = float(np.hypot(x - from_x, y - from_y)) / self._ppd
        land = onset + 1e3 * (21 + 2.2 * amplitude if amplitude > 1.0 else 10 + 13 * amplitude)
        self._rows.append((onset, land, x, y))
        stay = float(np.clip(self._fixation_ms * np.exp(self._rng.normal(0, 0.4)), 90, 1200))
        return land + 1e3 * stay

    def _choose(self) -> tuple[float, float]:
        if isinstance(self._scene, TargetScene):
            spread = 0.12 * self._ppd
            return self._scene.x_px + self._rng.normal(0, spread), self._scene.y_px + self._rng.normal(0, spread)
        if self._cells is None:
            spread = 1.5 * self._ppd
            return (
                self._screen.width_px / 2 + self._rng.normal(0, spread),
                self._screen.height_px / 2 + self._rng.normal(0, spread),
            )
        return self._drawn(*self._cells)

    def _drawn(self, x: Floats, y: Floats, weight: Floats) -> tuple[float, float]:
        """Draw a cell by its salience, with inhibition of return, less likely far away."""
        _, _, here_x, here_y = self._rows[-1]
        far = 7.0 * self._ppd
        odds = weight * (0.15 + np.exp(-((x - here_x) ** 2 + (y - here_y) ** 2) / (2 * far**2)))
        for _, _, was_x, was_y in self._rows[-4:]:
            odds *= 1.0 - 0.85 * np.exp(-((x - was_x) ** 2 + (y - was_y) ** 2) / (2 * (1.3 * self._ppd) ** 2))
        sums = np.cumsum(odds)
        cell = min(int(np.searchsorted(sums, self._rng.random() * sums[-1], side="right")), len(sums) - 1)
        step = float(abs(x[1] - x[0])) if len(x) > 1 else self._ppd
        jitter = self._rng.uniform(-0.5, 0.5, 2) * step
        return float(x[cell] + jitter[0]), float(y[cell] + jitter[1])

    @staticmethod
    def _grid(scene: PictureScene) -> tuple[Floats, Floats, Floats]:
        rows, columns = scene.salience.shape
        v, u = np.mgrid[0:rows, 0:columns]
        x = scene.placement.x + (u.ravel() + 0.5) / columns * scene.placement.width
        y = scene.placement.y + (v.ravel() + 0.5) / rows * scene.placement.height
        return x, y, scene.salience.ravel()
