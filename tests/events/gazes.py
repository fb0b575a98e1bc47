"""Recordings for the tests of events: made by hand, or a simulated eye that jumps and rests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gazekit.gaze import GazeRecording
from gazekit.screen import Screen

# one mm is one px; tan and exact powers of two keep a mirrored recording exact
SCREEN = Screen(width_px=2048, height_px=1024, width_mm=512.0, height_mm=256.0, distance_mm=640.0)
DETECTORS = ("ivt", "idt", "adaptive", "i2mc", "microsaccades")
RATES = (30, 33, 60, 90, 120, 150, 250, 300, 500, 600, 1000, 1200, 2000)


def at_degrees(time_ms: npt.ArrayLike, azimuth: npt.ArrayLike, elevation: npt.ArrayLike = 0.0) -> GazeRecording:
    """A recording from Fick angles, degrees; NaN is lost."""
    time = np.round(np.asarray(time_ms, dtype=float) * 1000).astype(np.int64)
    x, y = np.broadcast_arrays(np.asarray(azimuth, dtype=float), np.asarray(elevation, dtype=float))
    return GazeRecording.from_pixels(time, *SCREEN.to_pixels(x, y), SCREEN)


def rests(
    rate_hz: float, rng: np.random.Generator, *, seconds: float = 4.0, noise_deg: float = 0.03, rest_s: float = 0.4
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Stamps (us), x and y (degrees) of an eye that rests and jumps in 40 ms, and the number of the rest (-1: jump)."""
    n = int(seconds * rate_hz)
    t = np.arange(n) / rate_hz
    k = int(np.ceil(seconds / rest_s)) + 1
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.uniform(1.5, 4.5, k))
    places = np.stack([6 * np.cos(angle), 5 * np.sin(angle)], axis=1)
    place = np.minimum((t / rest_s).astype(int), k - 2)
    part = (t - place * rest_s - (rest_s - 0.04)) / 0.04
    rise = np.clip(part, 0, 1)
    rise = (3 * rise**2 - 2 * rise**3)[:, None]
    gaze = places[place] * (1 - rise) + places[place + 1] * rise + rng.normal(0, noise_deg, (n, 2))
    rest = np.where(part > 0, -1, place)
    return np.round(t * 1e6).astype(np.int64), gaze[:, 0], gaze[:, 1], rest
