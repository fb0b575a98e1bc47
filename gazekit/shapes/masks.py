"""Masks: at another size, and laid over a picture."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError, unknown_name
from gazekit.core.types import Mask, Pixels
from gazekit.shapes.fills import fill_names, filled, soft_edge


def resized_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask at another size, (height, width), with the same share of the area, to the pixel.

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
    count = max(1, round(int(np.count_nonzero(mask)) / mask.size * part.size))
    return _fullest(part, count)


def _fullest(part: npt.NDArray[np.uint8], count: int) -> Mask:
    """Return the ``count`` pixels with the highest grey levels; of equal ones the first, row by row."""
    low, level = -1, 255  # fewer pixels than wanted are above the level, as many or more above the lower one
    while level - low > 1:
        middle = (low + level) // 2
        low, level = (low, middle) if np.count_nonzero(part > middle) < count else (middle, level)
    result = part > level
    result.flat[np.flatnonzero(part == level)[: count - int(np.count_nonzero(result))]] = True
    return result


def apply_mask(rgb: Pixels, mask: Mask, fill: str = "black", soft_px: float = 0.0) -> Pixels:
    """Return the picture where the mask is true, and a fill elsewhere. To remove a part, give the inverse of its mask.

    Parameters
    ----------
    rgb : ndarray
        Ndarray of uint8, shape (height, width, 3) The picture; it is not changed.
    mask : ndarray of bool
        Ndarray of bool, shape (height, width) True where the picture is kept.
    fill : str
        ``black``, ``mean`` (the picture's mean colour), ``blur`` (nothing but coarse shapes), ``foveated`` (sharpness
        falls with the distance from the kept part, as it does from the fovea), or a plug-in's.
    soft_px : float
        Width of the edge in pixels over which the fill fades in, outside the mask; 0 is a hard edge.

    Raises
    ------
    InputError
        Shapes that differ, a picture that is not uint8 RGB, an unknown fill, a negative edge.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or mask.shape != rgb.shape[:2]:
        raise InputError(
            f"a uint8 picture (h, w, 3) and a mask (h, w) were expected; found {rgb.dtype} {rgb.shape} and {mask.shape}"
        )
    check_look(fill, soft_px)
    keep, rgb = np.ascontiguousarray(mask, dtype=bool), np.ascontiguousarray(rgb)
    if fill == "black" and not soft_px:
        return np.asarray(cv2.copyTo(rgb, keep.view(np.uint8)), dtype=np.uint8)  # a hundredth of the time of np.where
    elsewhere = filled(rgb, keep, fill)
    if not soft_px:
        return np.asarray(cv2.copyTo(rgb, keep.view(np.uint8), elsewhere.copy()), dtype=np.uint8)
    alpha = soft_edge(keep, soft_px)[..., None]
    return np.rint(alpha * rgb + (1 - alpha) * elsewhere).astype(np.uint8)


def check_look(fill: str, soft_px: float) -> None:
    """Refuse a fill that is not known, and a width of an edge that is none (InputError)."""
    if fill not in fill_names():
        raise unknown_name("fill", fill, fill_names())
    if not (math.isfinite(soft_px) and soft_px >= 0):
        raise InputError(f"a soft edge must be 0 pixels or more; found {soft_px}")
