"""Fixation tables, taken apart by picture."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from gazekit.attention.viewings import picture_sigmas
from gazekit.core.errors import InputError
from gazekit.dataset.shards import PictureFixations


def by_picture(
    table: pd.DataFrame, sigma_deg: float = 1.0, sigma_px: float | None = None
) -> tuple[dict[str, PictureFixations], list[str]]:
    """The fixations of every picture, and the participants that the viewers' codes stand for.

    Parameters
    ----------
    table : columns image, x_picture, y_picture (0-based pixels of the picture), duration_ms, participant; without
        ``sigma_px`` also x_deg.
    sigma_deg, sigma_px : the fovea's sigma in degrees, or in pixels, the same for all pictures; see
        `gazekit.attention.viewings.picture_sigmas`.

    Raises
    ------
    InputError : columns missing, or none of the fixations lies on a picture.
    ConfigError : degrees are needed, and the table does not tell how large one is.
    """
    needed = ["image", "x_picture", "y_picture", "duration_ms", "participant"]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InputError(f"the fixation table lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}")
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
    sigma = picture_sigmas(table, sigma_deg, sigma_px)
    seen = {}
    for n, image in enumerate(images):
        rows = slice(ends[n], ends[n + 1])
        seen[str(image)] = PictureFixations(x[rows], y[rows], duration[rows], viewer[rows], sigma[str(image)])
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
