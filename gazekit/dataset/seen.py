"""Fixation tables, taken apart by picture."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.dataset.parts import PictureFixations
from gazekit.errors import ConfigError, InputError


def by_picture(
    table: pd.DataFrame, sigma_deg: float = 1.0, sigma_px: float | None = None
) -> tuple[dict[str, PictureFixations], list[str]]:
    """The fixations of every picture, and the participants that the viewers' codes stand for.

    Parameters
    ----------
    table : columns image, x_picture, y_picture (0-based pixels of the picture), duration_ms, participant; without
        ``sigma_px`` also x_deg and y_deg.
    sigma_deg : the fovea's sigma in degrees, turned into pixels of each picture by how far its fixations lie
        apart in degrees and in pixels.
    sigma_px : the same sigma for all pictures, in their pixels.

    Raises
    ------
    InputError : columns missing, or none of the fixations lies on a picture.
    ConfigError : degrees are needed and not there.
    """
    needed = ["image", "x_picture", "y_picture", "duration_ms", "participant"]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(f"the fixation table lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")
    if sigma_px is None and not {"x_deg", "y_deg"} <= set(table.columns):
        raise ConfigError(
            "the fixation table has no degrees (x_deg, y_deg): "
            "give the size of the fovea in pixels of the picture (sigma_px)"
        )
    table = table[table["image"].notna() & (table["image"] != "")]
    table = table[np.isfinite(table[["x_picture", "y_picture"]].to_numpy(np.float64)).all(axis=1)]
    if not len(table):
        raise InputError("none of the fixations lies on a picture")
    who, participants = pd.factorize(table["participant"].astype(str), sort=True)
    which, images = pd.factorize(table["image"].astype(str), sort=True)
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(images) + 1))
    x, y, duration = (table[name].to_numpy(np.float32)[order] for name in ("x_picture", "y_picture", "duration_ms"))
    viewer = who[order].astype(np.int32)
    sigma = np.full(len(images), sigma_px) if sigma_px is not None else _sigmas(table, which, sigma_deg)
    seen = {}
    for n, image in enumerate(images):
        rows = slice(ends[n], ends[n + 1])
        seen[str(image)] = PictureFixations(x[rows], y[rows], duration[rows], viewer[rows], float(sigma[n]))
    return seen, [str(name) for name in participants]


def digest(table: pd.DataFrame) -> str:
    """SHA-256 of a table's content, for the provenance: column by column, name and values."""
    result = hashlib.sha256()
    for name in table.columns:
        column = table[name]
        result.update(f"{name}\n".encode())
        if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype != object:
            result.update(np.ascontiguousarray(column.to_numpy(np.float64)).astype("<f8").tobytes())
        else:
            codes, values = pd.factorize(column.astype(str), sort=True)
            result.update("\n".join(values).encode() + codes.astype("<i8").tobytes())
    return result.hexdigest()


def _sigmas(table: pd.DataFrame, which: npt.NDArray[np.intp], sigma_deg: float) -> npt.NDArray[np.float64]:
    """Sigma in each picture's pixels: placement is linear, so spread in pixels over spread in degrees is the scale."""
    spread = table[["x_picture", "y_picture", "x_deg", "y_deg"]].astype(np.float64).groupby(which).var(ddof=0)
    degrees = (spread["x_deg"] + spread["y_deg"]).to_numpy()
    pixels = (spread["x_picture"] + spread["y_picture"]).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        scale: npt.NDArray[np.float64] = np.sqrt(pixels / degrees)
    good = np.isfinite(scale) & (degrees > 1e-6) & (scale > 0)
    if not good.any():
        raise InputError("the pictures' size in degrees cannot be told from single fixations: give sigma_px")
    return sigma_deg * np.where(good, scale, np.median(scale[good]))
