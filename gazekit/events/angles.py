"""Angles between lines of sight, as the eye sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Bools, Floats
from gazekit.events.samples import AT_ONCE, Axes, Samples, masked_axes
from gazekit.gaze import Eye

_SMALL_SQUARE = 1e-3  # of the tangent: 1.8 degrees
Point = tuple[Floats, Floats, Floats]  # x, y, z in millimetres; a coordinate that never changes has shape (1,)


@dataclass(frozen=True)
class View:
    """Hold what one eye looked at and from where, in one frame of millimetres; NaN where lost."""

    point: Point
    eye: Point


def angle_deg(eye: Point, a: Point, b: Point) -> Floats:
    """Compute the angle between the lines from the eye to two points, degrees, accurate for small angles too."""
    n = max(len(c) for c in (*eye, *a, *b))
    angle = np.empty(n)
    for start in range(0, n, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        cross, dot = products(*(cut(point, part) for point in (eye, a, b)))
        angle[part] = np.sqrt(square_of_angle(cross, dot))
    return np.degrees(angle, out=angle)


def products(eye: Point, a: Point, b: Point) -> tuple[Floats, Floats]:
    """Compute the square of the cross product and the dot product of the directions from an eye to two points."""
    (ax, ay, az), (bx, by, bz) = (
        tuple(c - e if len(e) > 1 or e[0] != 0 else c for c, e in zip(point, eye, strict=True)) for point in (a, b)
    )
    if len(az) == len(bz) == 1 and az[0] == bz[0]:  # both on a plane straight in front of the eye
        away = float(az[0]) ** 2
        cross, way = bx - ax, by - ay
        cross *= cross
        way *= way
        cross += way
        cross *= away
        np.multiply(ax, by, out=way)
        way -= ay * bx
        way *= way
        cross += way
        dot = ax * bx
        dot += ay * by
        dot += away
        return cross, dot
    cross = (ay * bz - az * by) ** 2 + (az * bx - ax * bz) ** 2 + (ax * by - ay * bx) ** 2
    return cross, ax * bx + ay * by + az * bz


def square_of_angle(cross_square: Floats, dot: Floats) -> Floats:
    """Compute the squares of angles, radians, from the squares of cross products and the dot products of directions.

    Most are small, where the series of the arc tangent's square is exact and several times as fast.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        square = cross_square / (dot * dot)
    large = np.flatnonzero((square > _SMALL_SQUARE) | (dot <= 0))
    series = square * (44 / 105)
    for part in (23 / 45, 2 / 3, 1.0):
        np.subtract(part, series, out=series)
        series *= square
    if len(large):
        series[large] = np.arctan2(np.sqrt(cross_square[large]), dot[large]) ** 2
    return series


def cut(point: Point, part: slice) -> Point:
    """Take a part of the samples; coordinates that never change stay as they are."""
    x, y, z = (c if len(c) == 1 else c[part] for c in point)
    return x, y, z


def angle_between_fick(x1: Floats, y1: Floats, x2: Floats, y2: Floats) -> Floats:
    """Compute the angle between two directions given as Fick azimuth and elevation, all in degrees (haversine)."""
    x1, y1, x2, y2 = (np.radians(v) for v in (x1, y1, x2, y2))
    half = np.sin((y2 - y1) / 2) ** 2 + np.cos(y1) * np.cos(y2) * np.sin((x2 - x1) / 2) ** 2
    angle: Floats = np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))
    return angle


def views(samples: Samples) -> tuple[View | None, View | None]:
    """Return the views of both eyes; None for one that was never seen.

    They are in the tracker's frame where it gave every valid gaze point in millimetres and the eyes' positions; else
    in the screen's frame, with the eye straight in front of its centre.
    """
    source = samples.source
    if any(
        axes and not any(e.gaze_mm.strides)
        for e, (_, axes) in zip((source.left, source.right), samples.looks, strict=True)
    ):
        left, right = (_screen_view(samples, axes) for _, axes in samples.looks)
        return left, right
    both = (
        (samples.recording.left, samples.usable[0]),
        (samples.recording.right, samples.usable[1]),
    )
    tracker = all(_in_space(eye, usable) for eye, usable in both)
    if tracker:
        left, right = (_tracker_view(*e) for e in both)
    else:
        left, right = (_screen_view(samples, axes) for _, axes in samples.looks)
    return left, right


def _in_space(eye: Eye, usable: Bools) -> bool:
    if not usable.any():
        return True
    if not any(eye.gaze_mm.strides) or not any(eye.origin_mm.strides):
        return bool(np.isfinite(eye.gaze_mm[:1]).all() and np.isfinite(eye.origin_mm[:1]).all())
    return bool(np.isfinite(eye.origin_mm).all(axis=1).any() and np.isfinite(eye.gaze_mm[usable]).all())


def _tracker_view(eye: Eye, usable: Bools) -> View | None:
    point = masked_axes(eye.gaze_mm, usable)
    if point is None:
        return None
    known = np.flatnonzero(np.isfinite(eye.origin_mm).all(axis=1))
    at = np.arange(len(usable))
    x, y, z = (np.interp(at, known, eye.origin_mm[known, k]) for k in range(3))
    return View((point[0], point[1], point[2]), (x, y, z))


def _screen_view(samples: Samples, axes: Axes | None) -> View | None:
    if axes is None:
        return None
    screen = samples.screen

    def millimetres(u: Floats, v: Floats) -> Axes:
        return (u - 0.5) * screen.width_mm, (v - 0.5) * screen.height_mm

    zero = np.zeros(1)
    return View((*samples.converted(axes, millimetres), zero), (zero, zero, np.full(1, screen.distance_mm)))
