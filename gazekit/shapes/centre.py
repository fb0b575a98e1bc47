"""The middle of a picture: its prior, and a rectangle and a region of an area there."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gazekit.core.types import Map, Mask
from gazekit.shapes.rectangles import Box, sides_of_area


def centre_prior(size: tuple[int, int], spread: float = 0.25) -> Map:
    """Return a Gaussian about the picture's centre, sum 1; its sigma is ``spread`` times the height and the width."""
    y, x = (np.exp(-0.5 * ((np.arange(n) + 0.5 - n / 2) / (spread * n)) ** 2) for n in size)
    amap = np.outer(y, x)
    return np.asarray(amap / amap.sum(), dtype=np.float32)


def centre_rectangle(size: tuple[int, int], area: int) -> Box:
    """Return the rectangle of an area, within half a pixel row, in the picture's middle and of its aspect ratio."""
    height, width = size
    h, w = sides_of_area(area, height / width, size)
    top, left = (height - h) // 2, (width - w) // 2
    return top, left, top + h, left + w


def centre_region(size: tuple[int, int], count: int) -> Mask:
    """Return the ``count`` pixels about the picture's centre: an ellipse of the picture's aspect ratio."""
    mask = np.zeros(size[0] * size[1], dtype=bool)
    mask[_from_the_centre(size)[:count]] = True
    return mask.reshape(size)


@lru_cache(maxsize=64)
def _from_the_centre(size: tuple[int, int]) -> npt.NDArray[np.intp]:
    return np.argsort(-centre_prior(size), axis=None, kind="stable")
