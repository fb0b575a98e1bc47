"""Fixation tables from files: gazekit's own, and other people's."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.core.errors import FormatError, GazekitError
from gazekit.core.tables import read_table
from gazekit.pictures import Picture, inspect_picture, match_names

OTHER_NAMES = {
    "viewer": "participant",
    "subject": "participant",
    "x": "x_picture",
    "y": "y_picture",
    "duration": "duration_ms",
}
_LOOSE = {"stimulus": "image", "picture": "image", "fixx": "x_picture", "fixy": "y_picture", "dur": "duration_ms"}
_LOOSE |= {"fixduration": "duration_ms", "fixdur": "duration_ms", "fixationduration": "duration_ms"}
COLUMNS = ("participant", "x_picture", "y_picture", "duration_ms")


def on_pictures(fixations: pd.DataFrame, pictures: Iterable[Picture]) -> pd.DataFrame:
    """Name the pictures of a fixation table as the list of pictures does, and turn shares of a picture into its pixels.

    Names match by stem, case and folder aside, where that is unambiguous. Numbers that all lie between 0 and 1 are
    shares. What is changed is said on standard error.
    """
    files = {picture.image: picture.file for picture in pictures}
    if "image" not in fixations:
        return fixations
    matched = match_names(fixations["image"].dropna().unique(), files)
    renamed = {name: image for name, image in matched.items() if name != image}
    if renamed:
        old, new = next(iter(renamed.items()))
        print(f"{len(renamed)} names of pictures matched by stem, such as {old} with {new}", file=sys.stderr)
        fixations = fixations.assign(image=fixations["image"].replace(renamed))
    places = ["x_picture", "y_picture"]
    if not set(places) <= set(fixations.columns):
        return fixations
    numbers = pd.DataFrame({name: _numbers(fixations[name], "the fixation table") for name in places})
    inside = numbers.dropna()
    if len(inside) < 3 or not inside.stack().between(0, 1).all():
        return fixations
    print("x and y lie between 0 and 1: they were taken for shares of the picture", file=sys.stderr)
    sizes = {}
    for image in set(fixations["image"].dropna()) & set(files):
        with contextlib.suppress(GazekitError, OSError):  # a bad picture is named where it is needed
            sizes[image] = inspect_picture(files[image].read_bytes(), image).upright
    for place, axis in zip(places, (1, 0), strict=True):
        fixations = fixations.assign(
            **{place: numbers[place] * fixations["image"].map({k: v[axis] for k, v in sizes.items()})}
        )
    return fixations


def _loosely(table: pd.DataFrame) -> dict[str, str]:
    """Find columns that are absent under names in other capitals, or a little other; what is taken is said."""
    names: dict[str, str] = {}
    for new in ("image", *COLUMNS):
        known = {new, *(old for old, to in (OTHER_NAMES | _LOOSE).items() if to == new)}
        others = [str(name) for name in table.columns if str(name).lower().replace("_", "").replace(" ", "") in
                  {word.replace("_", "") for word in known}]  # fmt: skip
        if new not in table.columns and len(others) == 1:
            names[others[0]] = new
    if names:
        print("columns taken: " + ", ".join(f"{old} as {new}" for old, new in names.items()), file=sys.stderr)
    return names


def _numbers(column: pd.Series, path: str | Path) -> pd.Series:
    """Return a column as numbers, or say which of its values is none, infinite, or a time below 0."""
    numbers = pd.to_numeric(column, errors="coerce")
    impossible = np.isinf(numbers) | ((numbers < 0) & (column.name == "duration_ms"))
    wrong = np.flatnonzero((numbers.isna() & column.notna()) | impossible)
    if len(wrong):
        what = "are infinite or below 0" if impossible.any() else "are no numbers"
        raise FormatError(
            f"{path}: {len(wrong)} of {len(column)} values of {column.name} {what}: the first is "
            f"'{column.iloc[wrong[0]]}' in row {wrong[0] + 1}; leave a cell empty where nothing is known"
        )
    return numbers


def read_fixations(
    path: str | Path,
    *,
    one_based: bool = False,
    rename: Mapping[str, str] | None = None,
    columns: Iterable[str] = COLUMNS,
) -> pd.DataFrame:
    """Read a fixation table: gazekit's own, or one with image, x, y, duration (ms) and viewer, subject or participant.

    Parameters
    ----------
    one_based : bool
        X and y count pixels from 1, as MATLAB does: the centre of the first is 1 there, and 0.5 here.
    rename : mapping, optional
        Other names of columns.
    columns : iterable
        What it must have beside the image.

    Raises
    ------
    InputError, FormatError
        No such file, not a table, columns that are missing (all are named), text where a number should be.
    """
    rename = dict(rename or {})
    table = read_table(path, rename, "fixation table").rename(columns=rename)
    table = table.rename(columns={old: new for old, new in OTHER_NAMES.items() if new not in table.columns})
    table = table.rename(columns=_loosely(table))
    missing = [name for name in ("image", *columns) if name not in table.columns]
    if missing:
        raise FormatError(
            f"{path}: this fixation table lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
    table["image"] = table["image"].astype(str).where(table["image"].notna())
    for name in ("x_picture", "y_picture", "duration_ms"):
        if name in table.columns:
            table[name] = _numbers(table[name], path)
    if one_based:
        table[["x_picture", "y_picture"]] = table[["x_picture", "y_picture"]] - 0.5
    return table
