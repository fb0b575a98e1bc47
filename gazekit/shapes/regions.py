"""Regions: the pixels of a map above a threshold, connected parts, and regions that are moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.core.types import Bools, Map, Mask
from gazekit.shapes.rectangles import Box, checked_map


@dataclass(frozen=True)
class Region:
    """A connected region of a mask."""

    box: Box  # the smallest box around it
    area: int  # pixels
    mass: float  # share of the map's mass


def threshold_mask(amap: npt.ArrayLike, *, mass: float | None = None, area: float | None = None) -> Bools:
    """Return the highest pixels of a map: the fewest that hold a share of its mass, or a share of its area.

    Of pixels with the same value the first, row by row, are taken, so that the area is exact.

    Parameters
    ----------
    mass, area : float, optional
        One of them, above 0 and at most 1.

    Raises
    ------
    InputError
        Not a map, or not exactly one share.
    """
    array = checked_map(amap)
    share = mass if area is None else area
    if (mass is None) == (area is None) or share is None or not 0 < share <= 1:
        raise InputError(f"one share above 0 and at most 1 was expected; found mass {mass} and area {area}")
    if area is not None:
        return highest_pixels(array, max(1, round(area * array.size)))
    return highest_pixels(array, fewest_holding(array, share))


def fewest_holding(array: npt.NDArray[np.floating[Any]], share: float) -> int:
    """Count the fewest pixels of a map that hold a share of its mass."""
    total = float(array.sum(dtype=np.float64))
    high = array[array >= (1 - share) * total / array.size]  # all lower ones together hold less than may be left out
    held = np.cumsum(np.sort(high)[::-1], dtype=np.float64)
    return min(int(np.searchsorted(held, (share - 1e-12) * total)) + 1, len(held))


def highest_pixels(array: npt.NDArray[np.floating[Any]], count: int) -> Bools:
    """Return the ``count`` (1 or more) highest pixels; of those with the same value the first, row by row."""
    level = np.partition(array, array.size - count, axis=None)[array.size - count]
    mask = np.asarray(array > level)
    mask.flat[np.flatnonzero(array == level)[: count - int(mask.sum())]] = True
    return mask


def region_of_area(amap: npt.ArrayLike, count: int) -> Mask:
    """Return the ``count`` highest pixels of a map; where fewer have mass, the nearest to those that do are added.

    Raises
    ------
    InputError
        Not a map, or a count that it does not have.
    """
    array = checked_map(amap)
    if not 1 <= count <= array.size:
        raise InputError(f"a region of 1 to {array.size} pixels was expected; found {count}")
    held = array > 0
    if int(held.sum()) < count:
        distance = cv2.distanceTransform((~held).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        array = array - distance
    return highest_pixels(array, count)


def region_of_map(amap: Map, shape: tuple[int, int], count: int) -> Mask:
    """Return the ``count`` highest pixels of a map of any size, stretched over a grid of (height, width)."""
    return region_of_area(stretched(amap, shape), count)


def stretched(amap: Map, size: tuple[int, int]) -> Map:
    """Return a map at another size, 0 or more: blended where it grows, averaged where it shrinks.

    So that no peak falls between the pixels of a small picture.
    """
    height, width = size
    fewer = min(height, amap.shape[0]), min(width, amap.shape[1])
    small = cv2.resize(amap, fewer[::-1], interpolation=cv2.INTER_AREA) if fewer != amap.shape else amap
    return np.maximum(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), 0)


def shifted_region(mask: Mask, rng: np.random.Generator) -> Mask:
    """Return a region moved at random, on a torus: what leaves the picture on one side enters on the other.

    The number of pixels and their layout stay the same; every shift has equal chance.
    """
    return np.roll(mask, (int(rng.integers(mask.shape[0])), int(rng.integers(mask.shape[1]))), axis=(0, 1))


def around(mask: Mask) -> Box:
    """Return the smallest box around a mask that is true somewhere."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def connected_regions(mask: Bools, amap: npt.ArrayLike, min_area: int = 1) -> list[Region]:
    """Return the connected regions of a mask (8 neighbours), the one with the most mass first.

    Parameters
    ----------
    mask : ndarray of bool
        Bool, shape (height, width).
    amap : array_like
        The map that the mass is of, of the same shape.
    min_area : int
        Smaller regions are left out, in pixels.
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
