"""Ratings collected elsewhere: long and wide tables, Qualtrics, Google Forms, LimeSurvey, MTurk, Prolific.

Every layout is read as text, turned into (row, rater, image, cell), and then judged cell by cell in one place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from survey.errors import RatingsError
from survey.table_io import read_sheet

KNOWN = {
    "rater": ("rater", "participant", "participant_id", "subject", "user", "user_id", "worker", "workerid", "viewer"),
    "image": ("image", "picture", "image_id", "stimulus", "filename", "file", "item", "photo"),
    "score": ("score", "rating", "response", "value", "answer", "vote"),
}
CELLS = ["row", "rater", "image", "cell"]


@dataclass(frozen=True)
class ColumnMap:
    """How a table's columns are to be read.

    ``rater``, ``image``, ``score`` name columns (found by their usual names where empty); ``columns`` is a regular
    expression that the rating columns of a wide table match; ``names`` says which picture a column stands for.
    """

    rater: str = ""
    image: str = ""
    score: str = ""
    columns: str = ""
    names: Mapping[str, str] | None = None


def import_ratings(
    path: str | Path,
    *,
    layout: str = "auto",
    mapping: ColumnMap = ColumnMap(),
    scale: int = 10,
    from_scale: tuple[float, float] | None = None,
    strict: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read ratings from another tool's table.

    Parameters
    ----------
    path : str or Path
        CSV, TSV or XLSX.
    layout : str
        One of `LAYOUTS`, or ``auto``.
    mapping : ColumnMap
        How the columns are to be read.
    scale : int
        Scores must be whole numbers 1..``scale``; others are faults, by row.
    from_scale : tuple of two floats, optional
        Convert scores from this range to 1..``scale`` (linear, to the nearest whole); the original stays in the
        column ``original``, which marks the ratings as converted.
    strict : bool
        Raise where there are faults, instead of leaving these rows out.

    Returns
    -------
    tuple of two DataFrames
        Ratings (rater, image, score[, original]) in the file's order, and faults (row, rater, image, found, why).

    Raises
    ------
    RatingsError
        The file is not a table, columns are missing, or nothing can be read.
    """
    table = read_sheet(path)
    chosen = _recognise(table) if layout == "auto" else layout
    if chosen not in LAYOUTS:
        raise RatingsError(f"unknown layout {layout!r}; known: auto, {', '.join(LAYOUTS)}")
    cells = LAYOUTS[chosen](table, mapping)
    if cells.empty:
        raise RatingsError(f"{path}: no rating found in this table, read as {chosen}; see --rater, --columns and --map")
    ratings, faults = _judge(cells, scale, from_scale)
    if strict and len(faults):
        raise RatingsError(f"{path}: {len(faults)} scores cannot be used:\n{faults.head(20).to_string(index=False)}")
    return ratings, faults


def read_names(path: str | Path) -> dict[str, str]:
    """Read which picture a column stands for: a table with the columns ``column`` and ``image``."""
    table = read_sheet(path)
    if not {"column", "image"} <= set(table.columns):
        raise RatingsError(f"{path}: a map has the columns column and image; found {', '.join(table.columns)}")
    return dict(zip(table["column"], table["image"], strict=True))


def prolific_approved(path: str | Path) -> set[str]:
    """Read the participants of a Prolific export whose submission counts (approved or awaiting review)."""
    table = read_sheet(path)
    lower = {name.lower().replace("_", " "): name for name in table.columns}
    if not {"participant id", "status"} <= set(lower):
        raise RatingsError(f"{path} is not a Prolific export: it needs the columns Participant id and Status")
    good = table[lower["status"]].str.upper().isin({"APPROVED", "AWAITING REVIEW"})
    return set(table.loc[good, lower["participant id"]])


def _recognise(table: pd.DataFrame) -> str:
    columns = [str(name) for name in table.columns]
    lower = {name.lower() for name in columns}
    if "responseid" in lower and len(table) > 1 and table.iloc[:2].astype(str).stack().str.contains("ImportId").any():
        return "qualtrics"
    if {"hitid", "workerid"} <= lower:
        return "mturk"
    if {"submitdate", "lastpage"} <= lower or any(re.search(r"\[SQ\d+\]", name) for name in columns):
        return "limesurvey"
    if "timestamp" in lower and columns[0].lower() == "timestamp":
        return "google-forms"
    if all(any(name in lower for name in KNOWN[role]) for role in ("image", "score")):
        return "long"
    return "wide"


def _long(table: pd.DataFrame, mapping: ColumnMap) -> pd.DataFrame:
    rater, image, score = (_column(table, role, getattr(mapping, role)) for role in ("rater", "image", "score"))
    rows = np.arange(len(table)) + 2
    return pd.DataFrame(dict(zip(CELLS, (rows, table[rater], table[image], table[score]), strict=True)))


def _wide(
    table: pd.DataFrame, mapping: ColumnMap, skip: tuple[str, ...] = (), rater: str | None = None
) -> pd.DataFrame:
    """Read a row a rater, a column a picture; empty cells are pictures that were not rated."""
    rater = rater or _column(table, "rater", mapping.rater)
    columns = _rating_columns(table, mapping, {rater, *skip})
    names = [(mapping.names or {}).get(name, name) for name in columns]
    body = table[columns].to_numpy(dtype=object)
    height, width = body.shape
    rows = table["_row"] if "_row" in table else pd.Series(np.arange(height) + 2)
    cells = pd.DataFrame(
        {
            "row": np.repeat(rows.to_numpy(), width),
            "rater": np.repeat(table[rater].to_numpy(dtype=object), width),
            "image": np.tile(np.array(names, dtype=object), height),
            "cell": body.ravel(),
        }
    )
    return cells[cells["cell"].astype(str).str.strip() != ""].reset_index(drop=True)


def _rating_columns(table: pd.DataFrame, mapping: ColumnMap, skip: set[str]) -> list[str]:
    candidates = [str(name) for name in table.columns if name not in skip and not str(name).startswith("_")]
    if mapping.columns:
        chosen = [name for name in candidates if re.search(mapping.columns, name)]
        if not chosen:
            raise RatingsError(f"no column matches {mapping.columns!r}; there are {', '.join(candidates[:20])}")
        return chosen
    if mapping.names:
        missing = [name for name in mapping.names if name not in candidates]
        if missing:
            raise RatingsError(f"columns of the map are not in the table: {', '.join(missing[:20])}")
        return list(mapping.names)
    return candidates


def _qualtrics(table: pd.DataFrame, mapping: ColumnMap) -> pd.DataFrame:
    """Three header rows (names, question texts, ImportId); previews and spam are left out."""
    marker = table.astype(str).apply(lambda row: row.str.contains("ImportId").any(), axis=1)
    data = table.iloc[int(np.flatnonzero(marker)[0]) + 1 :].copy() if marker.any() else table.copy()
    data["_row"] = data.index + 2
    if "Status" in data:
        data = data[~data["Status"].str.contains("Preview|Spam", case=False)]
    known = [name for name in data.columns if name in QUALTRICS or str(name).startswith("_")]
    rater = mapping.rater or ("PROLIFIC_PID" if "PROLIFIC_PID" in data else "ResponseId")
    return _wide(data.reset_index(drop=True), mapping, tuple(known), rater)


def _google(table: pd.DataFrame, mapping: ColumnMap) -> pd.DataFrame:
    """Timestamp, perhaps an e-mail address, then a column a question; ``Scale [picture]`` gives the picture."""
    rater = mapping.rater or next((name for name in table if str(name).lower() in ("email address", "username")), "")
    data = table
    if not rater:
        data = table.assign(_rater=[f"row{number}" for number in np.arange(len(table)) + 2])
        rater = "_rater"
    first = str(table.columns[0])
    return _bracketed(_wide(data, mapping, (first, rater), rater))


def _limesurvey(table: pd.DataFrame, mapping: ColumnMap) -> pd.DataFrame:
    """Columns of questions are codes or ``code[part]``; the part names the picture."""
    known = [name for name in table.columns if str(name).split(".")[0].strip().lower() in LIMESURVEY]
    rater = mapping.rater or next(
        (n for n in table if str(n).split(".")[0].strip().lower() in ("id", "response id")), ""
    )
    if not rater:
        raise RatingsError("a LimeSurvey export has a column id or Response ID; name the raters' column with --rater")
    return _bracketed(_wide(table, mapping, tuple(known), rater))


def _mturk(table: pd.DataFrame, mapping: ColumnMap) -> pd.DataFrame:
    """Batch results: Input.<picture> and Answer.<score>, one pair a row or several numbered pairs."""
    data = table.assign(_row=np.arange(len(table)) + 2)
    if "AssignmentStatus" in data:
        data = data[data["AssignmentStatus"].str.lower() != "rejected"]
    inputs = [mapping.image] if mapping.image else [c for c in data if str(c).startswith("Input.")]
    answers = [mapping.score] if mapping.score else [c for c in data if str(c).startswith("Answer.")]
    pairs = _pairs(inputs, answers)
    parts = [
        pd.DataFrame({"row": data["_row"], "rater": data["WorkerId"], "image": data[source], "cell": data[target]})
        for source, target in pairs
    ]
    cells = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=CELLS)
    return cells[cells["cell"].astype(str).str.strip() != ""].sort_values("row", kind="stable", ignore_index=True)


def _pairs(inputs: list[str], answers: list[str]) -> list[tuple[str, str]]:
    """Pair inputs and answers that belong together: one each, or equal numbers at their ends."""
    if len(inputs) == 1 and len(answers) == 1:
        return [(inputs[0], answers[0])]
    number = {found.group(): name for name in answers if (found := re.search(r"\d+$", name))}
    pairs = [
        (name, number[found.group()])
        for name in inputs
        if (found := re.search(r"\d+$", name)) and found.group() in number
    ]
    if not pairs:
        raise RatingsError(
            f"which input belongs to which answer? inputs: {', '.join(inputs)}; answers: {', '.join(answers)}. "
            f"Name one pair with --image and --score"
        )
    return pairs


def _bracketed(cells: pd.DataFrame) -> pd.DataFrame:
    inside = cells["image"].astype(str).str.extract(r"\[([^\]]+)\]\s*$")[0]
    return cells.assign(image=inside.where(inside.notna(), cells["image"]))


def _column(table: pd.DataFrame, role: str, named: str) -> str:
    if named:
        if named not in table.columns:
            raise RatingsError(f"no column {named!r}; there are {', '.join(map(str, table.columns[:30]))}")
        return named
    lower = {str(name).lower().replace(" ", "_"): str(name) for name in table.columns}
    for name in KNOWN[role]:
        if name in lower:
            return lower[name]
    raise RatingsError(
        f"no column looks like the {role} ({', '.join(KNOWN[role][:5])} ...); name it with --{role}. "
        f"There are {', '.join(map(str, table.columns[:30]))}"
    )


def _judge(
    cells: pd.DataFrame, scale: int, from_scale: tuple[float, float] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split cells into ratings and faults."""
    text = cells["cell"].astype(str).str.strip()
    number = pd.to_numeric(
        text.str.extract(r"^(-?\d+(?:[.,]\d+)?)(?!\S*\d)")[0].str.replace(",", ".", regex=False), errors="coerce"
    ).to_numpy(np.float64)
    original = number
    if from_scale is not None:
        low, high = from_scale
        outside = (number < low) | (number > high)
        number = np.where(outside, np.nan, np.rint(1 + (number - low) * (scale - 1) / (high - low)))
    why = np.full(len(cells), "", dtype=object)
    with np.errstate(invalid="ignore"):
        why[(number < 1) | (number > scale)] = f"not on the scale 1 to {scale}"
        why[number != np.floor(number)] = "not a whole number"
    why[np.isnan(number)] = "not a number" if from_scale is None else f"not a number from {low:g} to {high:g}"
    for role in ("rater", "image"):
        why[(cells[role].astype(str).str.strip() == "").to_numpy()] = f"no {role}"
    good = why == ""
    ratings = cells.loc[good, ["rater", "image"]].assign(score=number[good].astype(np.int64))
    if from_scale is not None:
        ratings["original"] = original[good]
    faults = cells[~good].rename(columns={"cell": "found"}).assign(why=why[~good])
    return ratings.reset_index(drop=True), faults.reset_index(drop=True)


QUALTRICS = {
    "StartDate",
    "EndDate",
    "Status",
    "IPAddress",
    "Progress",
    "Duration (in seconds)",
    "Finished",
    "RecordedDate",
    "ResponseId",
    "RecipientLastName",
    "RecipientFirstName",
    "RecipientEmail",
    "ExternalReference",
    "LocationLatitude",
    "LocationLongitude",
    "DistributionChannel",
    "UserLanguage",
    "Q_RecaptchaScore",
    "PROLIFIC_PID",
}
LIMESURVEY = {
    "id",
    "response id",
    "submitdate",
    "date submitted",
    "lastpage",
    "last page",
    "startlanguage",
    "start language",
    "seed",
    "startdate",
    "date started",
    "datestamp",
    "date last action",
    "token",
    "ipaddr",
    "refurl",
}
LAYOUTS: dict[str, Callable[[pd.DataFrame, ColumnMap], pd.DataFrame]] = {
    "long": _long,
    "wide": _wide,
    "qualtrics": _qualtrics,
    "google-forms": _google,
    "limesurvey": _limesurvey,
    "mturk": _mturk,
}
