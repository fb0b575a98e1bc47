"""Attention maps: fixations, weighted and blurred with the fovea."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.core.types import Floats, Index, Map, Mask
from gazekit.shapes.gaussian_sum import GaussianSum

TRUNCATE = 4.0  # the Gaussian ends at 4 sigma, as in scipy.ndimage.gaussian_filter


def attention_map(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    duration_ms: npt.ArrayLike | None = None,
    *,
    size: tuple[int, int],
    sigma_px: float = 24.0,
) -> Map:
    """Return where attention lay in a picture: fixations weighted by duration, blurred with a Gaussian.

    Each fixation counts at the centre of the pixel that it lies in. Nothing enters or is mirrored at the borders.
    Equal to a blur of the impulses (`scipy.ndimage.gaussian_filter`, mode ``constant``) divided by its sum, but
    made as a matrix product in closed form (`gazekit.shapes.gaussian_sum.GaussianSum`).

    Parameters
    ----------
    x, y : array_like
        Shape (n,), picture pixels; fixations that are NaN or off the picture are left out.
    duration_ms : array_like, optional
        Shape (n,), the weights; every fixation counts once if not given.
    size : (int, int)
        Height and width of the map.
    sigma_px : float
        Standard deviation of the Gaussian, in pixels of the map; customarily 1 degree of visual angle.

    Returns
    -------
    ndarray, float32, shape (height, width), sum 1.

    Raises
    ------
    InputError
        Columns of unequal length, a negative weight, a size or sigma that is not positive, or no fixation with a weight
        on the picture (a map of nothing has no meaning, and is not made up).

    Examples
    --------
    >>> amap = attention_map([12.0, 30.5], [8.0, 20.5], [200.0, 600.0], size=(40, 60), sigma_px=3)
    >>> amap.shape, round(float(amap.sum()), 4), tuple(int(i) for i in np.unravel_index(amap.argmax(), amap.shape))
    ((40, 60), 1.0, (20, 30))
    """
    mass = gaussian_sum(x, y, duration_ms, size, sigma_px)
    return mass.pixels((0, 0, *mass.size))


def summed_gaussians(
    x: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None, size: tuple[int, int], sigma_px: float
) -> Floats:
    """Return the map of `attention_map` as it is before it is scaled to sum 1, in double precision."""
    column, row, weights = on_picture(x, y, weight, size)
    down, across = gaussian_sides(row, column, size, sigma_px)
    return np.asarray((down * weights[:, None]).T @ across)


def gaussian_sides(row: Index, column: Index, size: tuple[int, int], sigma_px: float) -> tuple[Floats, Floats]:
    """Return Gaussians at n pixels down a picture, (n, height), and across it, (n, width): their products are maps."""
    kernel = gaussian(sigma_px)
    padded, radius = np.concatenate([[0.0], kernel, [0.0]]), len(kernel) // 2
    down, across = (
        np.take(padded, np.arange(side) - (middle[:, None] - radius - 1), mode="clip")
        for side, middle in zip(size, (row, column), strict=True)
    )
    return down, across


def gaussian_sum(
    x: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None, size: tuple[int, int], sigma_px: float
) -> GaussianSum:
    """Return the map of `attention_map` in closed form, without making it; it raises the same errors."""
    size = _checked(size, sigma_px)
    column, row, weights = on_picture(x, y, weight, size)
    return GaussianSum(row, column, weights, gaussian(sigma_px), size)


def gaussian(sigma_px: float) -> npt.NDArray[np.float64]:
    """Return the sampled Gaussian, sum 1, that ends at 4 sigma; odd length."""
    radius = int(TRUNCATE * sigma_px + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    return np.asarray(kernel / kernel.sum())


def on_picture(
    x: npt.ArrayLike, y: npt.ArrayLike, weight: npt.ArrayLike | None, size: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return pixel column, pixel row and weight of the fixations that lie on a picture of (height, width).

    Raises
    ------
    InputError
        As `attention_map`.
    """
    fx, fy = np.atleast_1d(np.asarray(x, dtype=np.float64)), np.atleast_1d(np.asarray(y, dtype=np.float64))
    w = np.ones(fx.shape) if weight is None else np.atleast_1d(np.asarray(weight, dtype=np.float64))
    if not fx.shape == fy.shape == w.shape or fx.ndim != 1:
        raise InputError(
            f"x, y and the weights must be columns of one length; found {fx.shape}, {fy.shape} and {w.shape}"
        )
    with np.errstate(invalid="ignore"):
        on = (fx >= 0) & (fx < size[1]) & (fy >= 0) & (fy < size[0]) & np.isfinite(w)
        if (w < 0).any():
            raise InputError(f"durations and weights must be 0 or more; the smallest is {np.nanmin(w)}")
    if not w[on].sum() > 0:
        raise InputError(
            f"none of {len(fx)} fixations lies with a weight on the picture of {size[1]}x{size[0]} pixels: "
            "there is no attention to map"
        )
    return fx[on].astype(np.int64), fy[on].astype(np.int64), w[on]


def _checked(size: tuple[int, int], sigma_px: float) -> tuple[int, int]:
    height, width = int(size[0]), int(size[1])
    if height < 1 or width < 1 or not (math.isfinite(sigma_px) and sigma_px > 0):
        raise InputError(f"a map needs a positive size and sigma; found {width}x{height} pixels, sigma {sigma_px}")
    return height, width


def fixations_to_mask(x: npt.ArrayLike, y: npt.ArrayLike, size: tuple[int, int], radius_px: float) -> Mask:
    """Return true within a radius of any fixation, shape (height, width): what fell on the fovea, where it is 1 degree.

    With the fill ``foveated``, sharpness falls with the distance from the fixations.

    Raises
    ------
    InputError
        No fixation on the picture, or a radius that is not positive.
    """
    if not (math.isfinite(radius_px) and radius_px > 0):
        raise InputError(f"a radius must be a positive number of pixels; found {radius_px}")
    column, row, _ = on_picture(x, y, None, size)
    elsewhere = np.ones(size, dtype=np.uint8)
    elsewhere[row, column] = 0
    return np.asarray(cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= radius_px)
