"""Attention to look at: scanpaths and heatmaps over pictures, and sheets of pictures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.core.types import Map, Pixels
from gazekit.shapes.rectangles import Box

Point = npt.NDArray[np.float64]
# one colour a viewer, RGB: the Okabe-Ito set, which colour-blind readers tell apart
VIEWER_COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def fit_picture(rgb: Pixels, longest: int) -> Pixels:
    """Return the picture made smaller until its longer side has ``longest`` pixels; smaller ones stay as they are."""
    height, width = rgb.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def heatmap(rgb: Pixels, amap: npt.ArrayLike, strength: float = 0.65, peak: float | None = None) -> Pixels:
    """Return the picture with a map over it: clear where nobody looked, from blue to red where many did.

    Parameters
    ----------
    rgb : ndarray
        Picture, uint8, shape (height, width, 3).
    amap : array_like
        A map of any size and scale, stretched over the picture.
    strength : float
        Opacity from two fifths of the peak on, 0 to 1.
    peak : float, optional
        The value in full red; the map's own maximum if not given. One for all pictures makes their colours comparable.
    """
    colours, alpha = _coloured(amap, (rgb.shape[0], rgb.shape[1]), strength, peak)
    return np.asarray(np.rint((1 - alpha) * rgb + alpha * colours), dtype=np.uint8)


def transparent_heatmap(
    amap: npt.ArrayLike, size: tuple[int, int], strength: float = 0.65, peak: float | None = None
) -> Pixels:
    """Return a heatmap alone, to be laid over a picture of (height, width): uint8 RGBA, clear where nobody looked."""
    colours, alpha = _coloured(amap, size, strength, peak)
    return np.dstack([colours, np.rint(255 * alpha).astype(np.uint8)])


def opacity_map(rgb: Pixels, amap: npt.ArrayLike, peak: float | None = None) -> Pixels:
    """Return the picture where people looked, and black where nobody did: each pixel as bright as the map is high."""
    level = _level(amap, (rgb.shape[0], rgb.shape[1]), peak)
    return np.asarray(np.rint(rgb * level[..., None]), dtype=np.uint8)


def legend(peak: float, unit: str, strength: float = 0.65) -> Pixels:
    """Return a bar of the colours of heatmaps over grey, from 0 to a peak, with the numbers and what they are."""
    grey = np.full((24, 400, 3), 160, dtype=np.uint8)
    result = np.full((74, 440, 3), 255, dtype=np.uint8)
    result[8:32, 20:420] = heatmap(grey, np.linspace(0, 1, 400)[None].repeat(24, axis=0), strength)
    for text, left in (("0", 20), (f"{peak / 2:.3g}", 200), (f"{peak:.3g}", 385)):
        cv2.putText(result, text, (left, 48), _FONT, 0.4, (30, 30, 30), 1, cv2.LINE_AA)
    cv2.putText(result, unit, (20, 66), _FONT, 0.4, (90, 90, 90), 1, cv2.LINE_AA)
    return result


def heat_colours(strength: float = 0.65) -> Pixels:
    """Return the colours of heatmaps: red, green, blue and opacity at 256 levels from 0 to the peak, (256, 4)."""
    levels = np.linspace(0, 1, 256, dtype=np.float32)[None]
    return np.asarray(transparent_heatmap(levels, (1, 256), strength, peak=1.0)[0])


def _level(amap: npt.ArrayLike, size: tuple[int, int], peak: float | None) -> Map:
    """Return a map over a picture of (height, width), as a share of the peak, 0 to 1."""
    array = np.asarray(amap, dtype=np.float32)
    top = float(array.max()) if peak is None else peak
    level = cv2.resize(array / top if top > 0 else array, size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(level, 0, 1), dtype=np.float32)


def _coloured(amap: npt.ArrayLike, size: tuple[int, int], strength: float, peak: float | None) -> tuple[Pixels, Map]:
    """Return the colours of a map, even in lightness for every kind of sight, and their opacity, (height, width, 1)."""
    level = _level(amap, size, peak)
    colours = cv2.applyColorMap(np.rint(255 * level).astype(np.uint8), cv2.COLORMAP_PLASMA)[..., ::-1]
    return np.asarray(colours, dtype=np.uint8), (strength * np.minimum(1, 2.5 * level))[..., None]


def scanpath(
    rgb: Pixels,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    duration_ms: npt.ArrayLike | None = None,
    *,
    viewer: Sequence[object] | None = None,
    numbers: bool = True,
) -> Pixels:
    """Return the picture with its fixations in order: a disc each, its area by duration, joined by lines.

    Parameters
    ----------
    rgb : ndarray
        Picture, uint8, shape (height, width, 3).
    x, y : array_like
        Shape (n,), picture pixels in order of time; NaN is left out and breaks the line.
    duration_ms : array_like, optional
        Shape (n,).
    viewer : sequence, optional
        Shape (n,), who looked: a colour and a path each.
    numbers : bool
        Write the order into the discs; they are left out where they would not fit.
    """
    result = np.ascontiguousarray(rgb).copy()
    point = np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)], axis=1)
    seen = [bool(np.isfinite(p).all()) for p in point]
    duration = np.full(len(point), 250.0) if duration_ms is None else np.asarray(duration_ms, dtype=np.float64)
    who = [0] * len(point) if viewer is None else list(viewer)
    unit = max(rgb.shape[:2]) / 100
    paths = [[i for i, w in enumerate(who) if w == person] for person in dict.fromkeys(who)]
    for k, path in enumerate(paths):
        for i, j in itertools.pairwise(path):
            if seen[i] and seen[j]:
                _line(result, point[i], point[j], VIEWER_COLOURS[k % len(VIEWER_COLOURS)], unit)
    discs = result.copy()
    for k, path in enumerate(paths):
        for order, i in enumerate(path, start=1):
            if seen[i]:
                radius = max(2, round(unit * math.sqrt(max(duration[i], 20.0) / 60)))
                label = str(order) if numbers else ""
                _disc(discs, point[i], radius, VIEWER_COLOURS[k % len(VIEWER_COLOURS)], label)
    return np.asarray(cv2.addWeighted(result, 0.25, discs, 0.75, 0), dtype=np.uint8)


def outline(rgb: Pixels, boxes: Sequence[Box], colour: tuple[int, int, int] = (255, 255, 255)) -> Pixels:
    """Return the picture with the outlines of boxes (top, left, bottom, right)."""
    result = np.ascontiguousarray(rgb).copy()
    width = max(1, round(max(rgb.shape[:2]) / 250))
    for top, left, bottom, right in boxes:
        for line, shade in ((width + 2, (0, 0, 0)), (width, colour)):
            cv2.rectangle(result, (left, top), (right - 1, bottom - 1), shade, line)
    return result


def sheet(
    rows: Sequence[Sequence[Pixels]], *, names: Sequence[str] = (), columns: Sequence[str] = (), tile: int = 240
) -> Pixels:
    """Return rows of pictures on one white sheet, each fitted into a square tile.

    Parameters
    ----------
    rows : sequence
        The pictures, row by row; rows may differ in length.
    names, columns : sequence
        A line of text under each row's first picture, and above each column.
    tile : int
        Side of a tile in pixels.

    Raises
    ------
    InputError
        No picture.
    """
    across = max((len(row) for row in rows), default=0)
    if not across:
        raise InputError("a sheet needs at least one picture")
    heights = [max((fit_picture(p, tile).shape[0] for p in row), default=0) for row in rows]
    gap, text, head = 8, 18 if names else 0, 24 if columns else 0
    size = (head + sum(heights) + len(rows) * (gap + text) + gap, across * (tile + gap) + gap, 3)
    result = np.full(size, 255, dtype=np.uint8)
    for k, name in enumerate(columns):
        cv2.putText(result, name, (gap + k * (tile + gap), 17), _FONT, 0.45, (30, 30, 30), 1, cv2.LINE_AA)
    top = head + gap
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            small = fit_picture(picture, tile)
            left = gap + c * (tile + gap) + (tile - small.shape[1]) // 2
            result[top : top + small.shape[0], left : left + small.shape[1]] = small
        if names:
            place = (gap, top + heights[r] + 13)
            cv2.putText(result, names[r], place, _FONT, 0.4, (90, 90, 90), 1, cv2.LINE_AA)
        top += heights[r] + gap + text
    return result


def masked_pairs(pictures: Sequence[Pixels], masked: Sequence[Pixels], *, pairs: int = 2, tile: int = 240) -> Pixels:
    """Return original and masked pictures in pairs on one sheet, as Figure 2 of the GBR/RAN study."""
    flat = [p for pair in zip(pictures, masked, strict=True) for p in pair]
    return sheet([flat[k : k + 2 * pairs] for k in range(0, len(flat), 2 * pairs)], tile=tile)


def _line(canvas: Pixels, start: Point, end: Point, colour: tuple[int, int, int], unit: float) -> None:
    first, last = ((round(float(p[0]) - 0.5), round(float(p[1]) - 0.5)) for p in (start, end))
    cv2.line(canvas, first, last, (0, 0, 0), max(2, round(unit / 2) + 1), cv2.LINE_AA)
    cv2.line(canvas, first, last, colour, max(1, round(unit / 3)), cv2.LINE_AA)


def _disc(canvas: Pixels, centre: Point, radius: int, colour: tuple[int, int, int], label: str) -> None:
    middle = (round(float(centre[0]) - 0.5), round(float(centre[1]) - 0.5))
    cv2.circle(canvas, middle, radius, colour, cv2.FILLED, cv2.LINE_AA)
    cv2.circle(canvas, middle, radius, (0, 0, 0), 1, cv2.LINE_AA)
    scale = radius / 22
    (width, height), _ = cv2.getTextSize(label, _FONT, scale, 1)
    if label and scale >= 0.25:
        place = (middle[0] - width // 2, middle[1] + height // 2)
        cv2.putText(canvas, label, place, _FONT, scale, (0, 0, 0), 1, cv2.LINE_AA)
