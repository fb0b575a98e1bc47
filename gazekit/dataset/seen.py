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
    participants = sorted(map(str, table["participant"].unique()))
    code = {name: n for n, name in enumerate(participants)}
    names = table["image"].astype(str)
    sigma = _sigmas(table, names, sigma_deg) if sigma_px is None else dict.fromkeys(names.unique(), float(sigma_px))
    seen = {}
    for image, part in table.groupby(names, sort=True):
        seen[str(image)] = PictureFixations(
            x=part["x_picture"].to_numpy(np.float32),
            y=part["y_picture"].to_numpy(np.float32),
            duration_ms=part["duration_ms"].to_numpy(np.float32),
            viewer=np.array([code[str(name)] for name in part["participant"]], dtype=np.int32),
            sigma_px=sigma[str(image)],
        )
    return seen, participants


def digest(table: pd.DataFrame) -> str:
    """SHA-256 of a table's content (as CSV), for the provenance."""
    return hashlib.sha256(table.to_csv(index=False, lineterminator="\n").encode()).hexdigest()


def _sigmas(table: pd.DataFrame, names: pd.Series, sigma_deg: float) -> dict[str, float]:
    """Sigma in each picture's pixels: placement is linear, so spread in pixels over spread in degrees is the scale."""
    columns = table[["x_picture", "y_picture", "x_deg", "y_deg"]].astype(np.float64)
    spread = columns.groupby(names).var(ddof=0)
    degrees = (spread["x_deg"] + spread["y_deg"]).to_numpy()
    pixels = (spread["x_picture"] + spread["y_picture"]).to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        scale: npt.NDArray[np.float64] = np.sqrt(pixels / degrees)
    good = np.isfinite(scale) & (degrees > 1e-6) & (scale > 0)
    if not good.any():
        raise InputError("the pictures' size in degrees cannot be told from single fixations: give sigma_px")
    scale = np.where(good, scale, np.median(scale[good]))
    return {str(image): float(sigma_deg * value) for image, value in zip(spread.index, scale, strict=True)}
