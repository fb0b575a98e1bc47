"""Controls for masks of several patches, and of regions: as much of the picture, elsewhere.

Those for one rectangle are in `gazekit.shapes.masks`. A region is a mask on the picture's grid or a smaller one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.attention.agreement import centre_prior
from gazekit.core.errors import InputError
from gazekit.core.types import Mask
from gazekit.shapes.patches import highest_pixels
from gazekit.shapes.rectangles import Box, checked_map

_TRIES = 50


def random_patches(
    size: tuple[int, int], boxes: Sequence[Box], rng: np.random.Generator, taken: Sequence[Box] = ()
) -> list[Box]:
    """Boxes of the same heights and widths at random places of a picture, none over another or over ``taken``.

    One after the other, each anywhere that is left with equal chance. Where that leaves no room for the last ones in
    50 tries, the boxes themselves are turned by 180 degrees about the picture's centre (then ``taken`` does not count).
    """
    for _ in range(_TRIES):
        placed = list(taken)
        for box in boxes:
            place = _free_place(size, (box[2] - box[0], box[3] - box[1]), placed, rng)
            if place is None:
                break
            placed.append(place)
        else:
            return placed[len(taken) :]
    return [(size[0] - bottom, size[1] - right, size[0] - top, size[1] - left) for top, left, bottom, right in boxes]


def _free_place(
    size: tuple[int, int], shape: tuple[int, int], placed: Sequence[Box], rng: np.random.Generator
) -> Box | None:
    (height, width), (h, w) = size, shape
    if not (0 < h <= height and 0 < w <= width):
        raise InputError(f"a box of {w}x{h} pixels does not fit into a picture of {width}x{height}")
    free = np.ones((height - h + 1, width - w + 1), dtype=bool)
    for top, left, bottom, right in placed:
        free[max(top - h + 1, 0) : bottom, max(left - w + 1, 0) : right] = False
    rows = free.sum(axis=1)
    total = int(rows.sum())
    if not total:
        return None
    chosen = int(rng.integers(total))
    top = int(np.searchsorted(np.cumsum(rows), chosen, side="right"))
    left = int(np.flatnonzero(free[top])[chosen - int(rows[:top].sum())])
    return top, left, top + h, left + w


def transfer_patches(
    boxes: Sequence[Box],
    lent: Sequence[Box],
    from_size: tuple[int, int],
    to_size: tuple[int, int],
    rng: np.random.Generator,
) -> list[Box]:
    """Boxes of a picture, moved to where another picture (of ``from_size``) has its own: the shuffled control.

    Places scale with the pictures' sizes; heights and widths stay those of ``boxes``. Where the other picture has
    fewer, the rest lie at random, over none of them.
    """
    down, across = to_size[0] / from_size[0], to_size[1] / from_size[1]
    moved: list[Box] = []
    for box, other in zip(boxes, lent, strict=False):
        h, w = box[2] - box[0], box[3] - box[1]
        top = min(max(round(other[0] * down), 0), to_size[0] - h)
        left = min(max(round(other[1] * across), 0), to_size[1] - w)
        moved.append((top, left, top + h, left + w))
    rest = boxes[len(moved) :]
    return moved + (random_patches(to_size, rest, rng, moved) if rest else [])


def region_of_area(amap: npt.ArrayLike, count: int) -> Mask:
    """The ``count`` highest pixels of a map; where fewer have mass, the nearest to those that do are added.

    Raises
    ------
    InputError : not a map, or a count that it does not have.
    """
    array = checked_map(amap)
    if not 1 <= count <= array.size:
        raise InputError(f"a region of 1 to {array.size} pixels was expected; found {count}")
    held = array > 0
    if int(held.sum()) < count:
        distance = cv2.distanceTransform((~held).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        array = array - distance
    return highest_pixels(array, count)


def centre_region(size: tuple[int, int], count: int) -> Mask:
    """The ``count`` pixels about the picture's centre: an ellipse of the picture's aspect ratio."""
    mask = np.zeros(size[0] * size[1], dtype=bool)
    mask[_from_the_centre(size)[:count]] = True
    return mask.reshape(size)


@lru_cache(maxsize=64)
def _from_the_centre(size: tuple[int, int]) -> npt.NDArray[np.intp]:
    return np.argsort(-centre_prior(size), axis=None, kind="stable")


def shifted_region(mask: Mask, rng: np.random.Generator) -> Mask:
    """A region moved at random, on a torus: what leaves the picture on one side enters on the other.

    The number of pixels and their layout stay the same; every shift has equal chance.
    """
    return np.roll(mask, (int(rng.integers(mask.shape[0])), int(rng.integers(mask.shape[1]))), axis=(0, 1))
