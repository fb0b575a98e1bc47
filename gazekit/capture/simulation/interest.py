"""What draws simulated people beside what stands out: an interest that all of them share.

Real people agree on where to look beyond what pixels say; a simulated study plants that by naming a place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gazekit.core.errors import FormatError
from gazekit.core.tables import read_table
from gazekit.core.types import Floats

COLUMNS = ("image", "interest_x", "interest_y", "interest_radius")
_STRENGTH = 12.0  # salience counts so many times more inside


@dataclass(frozen=True)
class Interest:
    """A round place in a picture; picture pixels."""

    x: float
    y: float
    radius: float


def read_interests(path: str | Path) -> dict[str, Interest]:
    """Read places of interest by picture from a CSV with the columns image, interest_x, interest_y, interest_radius.

    Raises
    ------
    InputError, FormatError
        No such file, a column missing, a value that is not a number (the pictures are named).
    """
    table = read_table(path, COLUMNS, "table of interests")
    numbers = table[list(COLUMNS[1:])].to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~np.isfinite(numbers).all(axis=1) | (numbers[:, 2] <= 0)
    if wrong.any():
        raise FormatError(f"{path}: a place needs x, y and a positive radius: {', '.join(table['image'][wrong][:10])}")
    return {image: Interest(*map(float, row)) for image, row in zip(table["image"], numbers, strict=True)}


def drawn_by(salience: Floats, size_wh: tuple[int, int], interest: Interest | None) -> Floats:
    """Return a salience grid with the interest in it, sum 1; ``size_wh`` is the picture's width and height."""
    if interest is None:
        return salience
    rows, columns = salience.shape
    y = (np.arange(rows)[:, None] + 0.5) / rows * size_wh[1]
    x = (np.arange(columns)[None, :] + 0.5) / columns * size_wh[0]
    inside = np.hypot(x - interest.x, y - interest.y) <= interest.radius
    weighted = salience * np.where(inside, _STRENGTH, 1.0)
    return np.asarray(weighted / weighted.sum(), dtype=np.float64)
