"""Masks: which part of a picture is kept, and controls that keep as much of another part.

Boxes are integers (top, left, bottom, right), half open, in the picture's pixels.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.attention.maps import on_picture
from gazekit.core.errors import InputError, unknown_name
from gazekit.core.types import Mask
from gazekit.shapes.fills import FILLS, filled, soft_edge
from gazekit.shapes.rectangles import Box, rectangle_of_area

Fill = Literal["black", "mean", "blur", "foveated"]

__all__ = [
    "apply_mask",
    "centre_rectangle",
    "fixations_to_mask",
    "random_rectangle",
    "rectangle_of_area",
    "rectangles_to_mask",
    "resized_mask",
    "transfer_rectangle",
]


def rectangles_to_mask(boxes: npt.ArrayLike, size: tuple[int, int]) -> Mask:
    """True inside any of the boxes, shape (height, width); boxes (k, 4), or one box, or none.

    Raises
    ------
    InputError : a box that is empty, inside out, or leaves the picture (all are named).
    """
    array = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
    height, width = size
    wrong = [
        str(tuple(box))
        for box in array.tolist()
        if not (0 <= box[0] < box[2] <= height and 0 <= box[1] < box[3] <= width)
    ]
    if wrong:
        raise InputError(
            f"boxes are (top, left, bottom, right) within a picture of {width}x{height} pixels; not so: "
            + ", ".join(wrong[:5])
        )
    mask = np.zeros((height, width), dtype=bool)
    for top, left, bottom, right in array:
        mask[top:bottom, left:right] = True
    return mask


def resized_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """A mask at another size, (height, width), with the same share of the area, to the pixel.

    It is blended to the new size (where it grows with its stairs smoothed, by a Gaussian of one of its pixels), and the
    pixels with the largest part of it are true; of those with the same part the first, row by row. Where any was, one
    is left at least.
    """
    if mask.shape == size:
        return mask
    height, width = size
    part = mask.astype(np.uint8) * np.uint8(255)
    grows = height > mask.shape[0] or width > mask.shape[1]
    if grows:
        part = np.asarray(cv2.GaussianBlur(part, (5, 5), 1.0, borderType=cv2.BORDER_REPLICATE), dtype=np.uint8)
    how = cv2.INTER_LINEAR if grows else cv2.INTER_AREA
    part = np.asarray(cv2.resize(part, (width, height), interpolation=how), dtype=np.uint8)
    if not mask.any():
        return np.zeros(size, dtype=bool)
    count = max(1, round(int(mask.sum()) / mask.size * part.size))
    at_least = np.cumsum(np.bincount(part.ravel(), minlength=256)[::-1])  # how many have 255, 254, ... or more
    level = 255 - int(np.searchsorted(at_least, count))
    result = part > level
    result.flat[np.flatnonzero(part == level)[: count - int(result.sum())]] = True
    return result


def fixations_to_mask(x: npt.ArrayLike, y: npt.ArrayLike, size: tuple[int, int], radius_px: float) -> Mask:
    """True within a radius of any fixation, shape (height, width): what fell on the fovea, where it is 1 degree.

    With the fill ``foveated``, sharpness falls with the distance from the fixations.

    Raises
    ------
    InputError : no fixation on the picture, or a radius that is not positive.
    """
    if not (math.isfinite(radius_px) and radius_px > 0):
        raise InputError(f"a radius must be a positive number of pixels; found {radius_px}")
    column, row, _ = on_picture(x, y, None, size)
    elsewhere = np.ones(size, dtype=np.uint8)
    elsewhere[row, column] = 0
    return np.asarray(cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius_px)


def apply_mask(
    rgb: npt.NDArray[np.uint8], mask: Mask, fill: Fill = "black", soft_px: float = 0.0
) -> npt.NDArray[np.uint8]:
    """The picture where the mask is true, and a fill elsewhere. To remove a part, give the inverse of its mask.

    Parameters
    ----------
    rgb : uint8, shape (height, width, 3); it is not changed.
    mask : bool, shape (height, width); true is kept.
    fill : ``black`` (paper 1), ``mean`` (the picture's mean colour), ``blur`` (nothing but coarse shapes), or
        ``foveated`` (sharpness falls with the distance from the kept part, as it does from the fovea).
    soft_px : width of the edge in pixels over which the fill fades in, outside the mask; 0 is a hard edge.

    Raises
    ------
    InputError : shapes that differ, a picture that is not uint8 RGB, an unknown fill, a negative edge.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or mask.shape != rgb.shape[:2]:
        raise InputError(
            f"a uint8 picture (h, w, 3) and a mask (h, w) were expected; found {rgb.dtype} {rgb.shape} and {mask.shape}"
        )
    check_look(fill, soft_px)
    keep = np.asarray(mask, dtype=bool)
    if fill == "black" and not soft_px:
        return np.where(keep[..., None], rgb, np.uint8(0))
    elsewhere = filled(rgb, keep, fill)
    if not soft_px:
        return np.where(keep[..., None], rgb, elsewhere)
    alpha = soft_edge(keep, soft_px)[..., None]
    return np.rint(alpha * rgb + (1 - alpha) * elsewhere).astype(np.uint8)


def check_look(fill: str, soft_px: float) -> None:
    """Refuse a fill that is not known, and an edge of no width (InputError)."""
    if fill not in FILLS:
        raise unknown_name("fill", fill, FILLS)
    if not (math.isfinite(soft_px) and soft_px >= 0):
        raise InputError(f"a soft edge must be 0 pixels or more; found {soft_px}")


def centre_rectangle(size: tuple[int, int], area: int) -> Box:
    """The rectangle of an area, within half a pixel row or column, in the picture's middle and of its aspect ratio."""
    height, width = size
    h, w = _sides(area, height / width, size)
    top, left = (height - h) // 2, (width - w) // 2
    return top, left, top + h, left + w


def random_rectangle(size: tuple[int, int], box: Box, rng: np.random.Generator) -> Box:
    """A rectangle of a box's height and width, anywhere in the picture with equal chance."""
    h, w = box[2] - box[0], box[3] - box[1]
    if not (0 < h <= size[0] and 0 < w <= size[1]):
        raise InputError(f"a box of {w}x{h} pixels does not fit into a picture of {size[1]}x{size[0]}")
    top, left = int(rng.integers(size[0] - h + 1)), int(rng.integers(size[1] - w + 1))
    return top, left, top + h, left + w


def transfer_rectangle(box: Box, from_size: tuple[int, int], to_size: tuple[int, int], area: int) -> Box:
    """Another picture's rectangle on this picture, at a given area: the shuffled control.

    The box is scaled with the pictures' sizes, then grown or shrunk about its own centre to the area (within half a
    pixel row or column) with its shape kept as far as the picture allows, and moved inside where it would leave.
    """
    height, width = to_size
    down, across = height / from_size[0], width / from_size[1]
    ratio = (box[2] - box[0]) * down / ((box[3] - box[1]) * across)
    h, w = _sides(area, ratio, to_size)
    top = round((box[0] + box[2]) / 2 * down - h / 2)
    left = round((box[1] + box[3]) / 2 * across - w / 2)
    top, left = min(max(top, 0), height - h), min(max(left, 0), width - w)
    return top, left, top + h, left + w


def _sides(area: int, ratio: float, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a rectangle of an area and of about a ratio height / width that fits into a size."""
    height, width = size
    if not 1 <= area <= height * width:
        raise InputError(
            f"the area must be 1 to {height * width} pixels in a picture of {width}x{height}; found {area}"
        )
    low = -(-area // width)  # shorter than this, it would be wider than the picture
    h = min(max(round(math.sqrt(area * ratio)), low), height)
    return h, min(max(round(area / h), 1), width)
