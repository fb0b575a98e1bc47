"""Where the head is before the tracker, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gazekit.screen import Screen
from gazekit.session.samples import Block

_ACROSS_MM, _HEIGHT_MM, _DEPTH_MM = 60.0, 80.0, 60.0  # the zone: so far from its middle, either way
_FRAME_MM = 200.0  # what the page shows, from the middle to its edge
Advice = Literal["good", "closer", "farther", "left", "right", "up", "down", "unseen"]


@dataclass(frozen=True)
class HeadView:
    """What the page of the head's position shows."""

    eyes: tuple[tuple[float, float], ...] = ()  # across and up, -1 to 1 over the page's frame
    distance: float | None = None  # -1 much too near, 1 much too far
    advice: Advice = "unseen"
    words: str = "eyes not seen"  # for the session file
    place: tuple[float, float, float] | None = None  # across, up, away
    unit: Literal["mm", "box"] = "mm"  # of the place; box: -1 to 1 in the tracker's box


def head_view(latest: Block | None, position: Block | None, screen: Screen) -> HeadView:
    """Judge where the head is, from the eyes' origins of the last sample, else from the user position guide.

    Parameters
    ----------
    latest : structured array, optional
        The last sample of gaze.
    position : structured array, optional
        The last row of the stream ``user_position`` (0 to 1 in the tracker's box).
    screen : Screen
        Its distance is where the head should be, its middle the height of the eyes.
    """
    if latest is not None:
        origins = np.stack([latest[f"{side}_origin_mm"][0] for side in ("left", "right")])
        if np.isfinite(origins).any():
            return _from_origins(origins, screen)
    if position is not None:
        return _from_guide(position)
    return HeadView()


def _from_origins(origins: np.ndarray, screen: Screen) -> HeadView:
    seen = origins[np.isfinite(origins).all(axis=1)]
    if not len(seen):
        return HeadView()
    eyes = tuple((float(x / _FRAME_MM), float((y - screen.height_mm / 2) / _FRAME_MM)) for x, y, _ in seen)
    x, y, z = seen.mean(axis=0)
    if len(seen) == 1:
        x = 0.0  # one eye says little of the middle between both
    advice = _advice(x / _ACROSS_MM, (y - screen.height_mm / 2) / _HEIGHT_MM, (z - screen.distance_mm) / _DEPTH_MM)
    words = f"{z:.0f} mm away, {x:+.0f} mm across, {y:+.0f} mm up"
    distance = float((z - screen.distance_mm) / (2.5 * _DEPTH_MM))
    return HeadView(eyes, distance, advice, words, (float(x), float(y), float(z)))


def _from_guide(position: Block) -> HeadView:
    """Judge from the tracker's box; its x runs from the user's right to the left, as a camera sees it."""
    rows = [
        [1 - 2 * float(position[f"{side}_x"][0]), 1 - 2 * float(position[f"{side}_y"][0]),
         2 * float(position[f"{side}_z"][0]) - 1]
        for side in ("left", "right")
        if bool(position[f"{side}_valid"][0])
    ]  # fmt: skip
    if not rows:
        return HeadView()
    x, y, z = np.mean(rows, axis=0)
    eyes = tuple((row[0], row[1]) for row in rows)
    advice = _advice(x / 0.4, y / 0.4, z / 0.5)
    words = f"in the tracker's box: {x:+.2f} across, {y:+.2f} up, {z:+.2f} deep"
    return HeadView(eyes, float(z), advice, words, (float(x), float(y), float(z)), "box")


def _advice(across: float, up: float, away: float) -> Advice:
    """Say the one thing that matters most; shares of the zone, beyond 1 is outside."""
    worst = max((abs(across), "x"), (abs(up), "y"), (abs(away), "z"))
    if worst[0] <= 1:
        return "good"
    if worst[1] == "x":
        return "left" if across > 0 else "right"
    if worst[1] == "y":
        return "down" if up > 0 else "up"
    return "closer" if away > 0 else "farther"
