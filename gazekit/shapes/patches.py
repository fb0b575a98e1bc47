"""Patches and regions: the best rectangles of a size, and the pixels above a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.shapes.rectangles import Box, checked_map, integral_image


@dataclass(frozen=True)
class Region:
    """A connected region of a mask."""

    box: Box  # the smallest box around it
    area: int  # pixels
    mass: float  # share of the map's mass


def best_patches(amap: npt.ArrayLike, count: int, size: tuple[int, int]) -> list[Box]:
    """The k best patches of a size that do not overlap, richest first.

    The richest patch, then the richest of those that do not touch what was taken, and so on (of equals the first by
    (top, left)): each is the best that is left. Fewer are given where no more fit, or nothing is left to hold.

    Parameters
    ----------
    amap : shape (height, width).
    count : how many at most.
    size : height and width of a patch.

    Raises
    ------
    InputError : not a map, or a patch that does not fit into it.
    """
    array = checked_map(amap)
    h, w = size
    if not (0 < h <= array.shape[0] and 0 < w <= array.shape[1]) or count < 1:
        raise InputError(
            f"1 or more patches that fit into the map of {array.shape[1]}x{array.shape[0]} pixels were expected; "
            f"found {count} of {w}x{h}"
        )
    integral = integral_image(array)
    masses = integral[h:, w:] - integral[:-h, w:] - integral[h:, :-w] + integral[:-h, :-w]
    slack = 1e-12 * integral[-1, -1]
    boxes: list[Box] = []
    while len(boxes) < count and (best := float(masses.max())) > slack:
        top, left = divmod(int(np.argmax(masses >= best - slack)), masses.shape[1])
        boxes.append((top, left, top + h, left + w))
        masses[max(top - h + 1, 0) : top + h, max(left - w + 1, 0) : left + w] = -1.0
    return boxes


def threshold_mask(
    amap: npt.ArrayLike, *, mass: float | None = None, area: float | None = None
) -> npt.NDArray[np.bool_]:
    """The highest pixels of a map: the fewest that hold a share of its mass, or a share of its area.

    Of pixels with the same value the first, row by row, are taken, so that the area is exact.

    Parameters
    ----------
    mass, area : one of them, above 0 and at most 1.

    Raises
    ------
    InputError : not a map, or not exactly one share.
    """
    array = checked_map(amap)
    share = mass if area is None else area
    if (mass is None) == (area is None) or share is None or not 0 < share <= 1:
        raise InputError(f"one share above 0 and at most 1 was expected; found mass {mass} and area {area}")
    if area is not None:
        return highest_pixels(array, max(1, round(area * array.size)))
    held = np.cumsum(np.sort(array, axis=None)[::-1])
    return highest_pixels(array, int(np.searchsorted(held, (share - 1e-12) * held[-1])) + 1)


def highest_pixels(array: npt.NDArray[np.floating[Any]], count: int) -> npt.NDArray[np.bool_]:
    """The ``count`` (1 or more) highest pixels; of those with the same value the first, row by row."""
    level = np.partition(array, array.size - count, axis=None)[array.size - count]
    mask = np.asarray(array > level)
    mask.flat[np.flatnonzero(array == level)[: count - int(mask.sum())]] = True
    return mask


def connected_regions(mask: npt.NDArray[np.bool_], amap: npt.ArrayLike, min_area: int = 1) -> list[Region]:
    """The connected regions of a mask (8 neighbours), the one with the most mass first.

    Parameters
    ----------
    mask : bool, shape (height, width).
    amap : the map that the mass is of, of the same shape.
    min_area : smaller regions are left out, in pixels.
    """
    array = checked_map(amap)
    if mask.shape != array.shape:
        raise InputError(f"the mask and the map must have one size; found {mask.shape} and {array.shape}")
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    mass = np.bincount(labels.ravel(), weights=array.ravel(), minlength=count) / array.sum()
    regions = [
        Region((int(y), int(x), int(y + h), int(x + w)), int(size), float(mass[k + 1]))
        for k, (x, y, w, h, size) in enumerate(stats[1:])
        if size >= min_area
    ]
    return sorted(regions, key=lambda region: (-region.mass, region.box))
