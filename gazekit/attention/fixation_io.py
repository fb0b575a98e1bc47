"""Fixation tables from files: gazekit's own, and other people's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from gazekit.core.errors import FormatError
from gazekit.core.tables import read_table

OTHER_NAMES = {
    "viewer": "participant",
    "subject": "participant",
    "x": "x_picture",
    "y": "y_picture",
    "duration": "duration_ms",
}
COLUMNS = ("participant", "x_picture", "y_picture", "duration_ms")


def read_fixations(
    path: str | Path,
    *,
    one_based: bool = False,
    rename: Mapping[str, str] | None = None,
    columns: Iterable[str] = COLUMNS,
) -> pd.DataFrame:
    """A fixation table: gazekit's own, or one with image, x, y, duration (ms) and viewer, subject or participant.

    Parameters
    ----------
    one_based : x and y count pixels from 1, as MATLAB does: the centre of the first is 1 there, and 0.5 here.
    rename : other names of columns.
    columns : what it must have beside the image.

    Raises
    ------
    InputError, FormatError : no such file, not a table, columns that are missing (all are named).
    """
    rename = dict(rename or {})
    table = read_table(path, rename, "fixation table").rename(columns=rename)
    table = table.rename(columns={old: new for old, new in OTHER_NAMES.items() if new not in table.columns})
    missing = [name for name in ("image", *columns) if name not in table.columns]
    if missing:
        raise FormatError(
            f"{path}: this fixation table lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
    table["image"] = table["image"].astype(str).where(table["image"].notna())
    if one_based:
        table[["x_picture", "y_picture"]] = table[["x_picture", "y_picture"]] - 0.5
    return table
