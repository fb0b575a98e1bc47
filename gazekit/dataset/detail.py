"""How much a picture shows in each condition beside its area: detail, contrast and colour."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.errors import InputError
from gazekit.core.progress import track
from gazekit.core.types import Floats, Pixels
from gazekit.dataset.reader import Dataset


def detail_table(
    dataset: Dataset,
    indices: npt.ArrayLike | None = None,
    *,
    fill: str = "black",
    soft_px: float = 0.0,
    size: int | None = None,
) -> pd.DataFrame:
    """Measure what is left of pictures in every condition, as a share of the whole picture.

    Parameters
    ----------
    dataset : Dataset
        With masks.
    indices : array_like, optional
        Numbers of the pictures; all if not given. Those without a mask in every condition are left out.
    fill, soft_px : str, float
        What stands outside a mask, and the width of its edge (`gazekit.shapes.masks.apply_mask`).
    size : int, optional
        Side of the square that a network sees, pixels; the pictures' own size if not given.

    Returns
    -------
    DataFrame
        A row a condition, means over pictures: ``area`` (share of the pixels inside the mask), ``detail`` (mean
        gradient of the luminance), ``contrast`` (RMS, the luminance's standard deviation) and ``colour``
        (colourfulness; Hasler and Susstrunk 2003), each divided by that of the whole picture; ``left`` (detail of what
        lies outside, two pixels from the edge, as a share of what it has in the whole picture: 0 is taken away, NaN
        where nothing lies outside); ``pictures``.
    """
    chosen = np.arange(len(dataset)) if indices is None else np.asarray(indices)
    rows = [i for i in chosen.tolist() if all(dataset.has_mask(i, c) for c in dataset.conditions)]
    if not rows:
        raise InputError(f"none of {len(chosen)} pictures has a mask in each of {', '.join(dataset.conditions)}")
    values = []
    for i in track(rows, "detail", len(rows)):
        wanted = dataset.size(i) if size is None else (size, size)
        picture = dataset.read(i, size=wanted)
        whole, gradient = measures(picture), _gradient(picture)
        for condition in dataset.conditions:
            rgb, mask = dataset.read(i, condition, wanted, fill, soft_px), dataset.mask_at(i, condition, wanted)
            shown = measures(rgb)
            shares = {name: shown[name] / value if value else np.nan for name, value in whole.items()}
            far = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
            left = _gradient(rgb)[far].sum() / gradient[far].sum() if gradient[far].any() else np.nan
            values.append({"condition": condition, "area": float(mask.mean())} | shares | {"left": left})
    table = pd.DataFrame(values).groupby("condition", sort=False).mean().reset_index()
    return table.assign(pictures=len(rows))


def measures(rgb: Pixels) -> dict[str, float]:
    """Return mean gradient, RMS contrast and colourfulness of a picture.

    Examples
    --------
    >>> grey = np.full((8, 8, 3), 90, np.uint8)
    >>> measures(grey)
    {'detail': 0.0, 'contrast': 0.0, 'colour': 0.0}
    """
    red, green, blue = (rgb[..., k].astype(np.float64) for k in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return {
        "detail": float(_gradient(rgb).mean()),
        "contrast": float(_luminance(rgb).std()),
        "colour": float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean())),
    }


def _luminance(rgb: Pixels) -> Floats:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float64) / 255


def _gradient(rgb: Pixels) -> Floats:
    return gradient(_luminance(rgb))


def gradient(luminance: Floats) -> Floats:
    """Return how much a luminance changes from pixel to pixel; 0 along a side of one pixel."""
    sides = (
        np.gradient(luminance, axis=axis) if n > 1 else np.zeros_like(luminance)
        for axis, n in enumerate(luminance.shape)
    )
    return np.asarray(np.hypot(*sides))
