"""Ratings collected elsewhere: a table is recognised, a plan says what is taken of it, then every cell is judged."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.types import Floats
from survey.doubts import raters_apart
from survey.errors import RatingsError
from survey.layouts import LAYOUTS, THE_ROW, ColumnMap, Extract, recognise, shorten
from survey.picture_names import PictureNames, tidy, written_apart
from survey.stated_scales import check_stated_scale
from survey.table_io import read_sheet

__all__ = ["ColumnMap", "CountsFromZero", "Imported", "Plan", "import_ratings", "prolific_approved", "read_names"]

USUAL_COLUMNS = ColumnMap()
DATE = re.compile(
    r"^\s*(?:\d{1,2}[. /-]+)?(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zé]*\.?"
    r"(?:[. /-]+\d+)?\s*$",
    re.IGNORECASE,
)
"""Days and months that a spreadsheet made of a number."""
REVERSED = re.compile(r"(^|[\W_])(revers\w*|invert\w*|umgepolt|invertiert|rückwärts)([\W_]|$)", re.IGNORECASE)
TEST = re.compile(r"(test|tester|testing|preview|vorschau|prueba|prova|essai|测试|テスト|asdf|xxx+)[\s_-]*\d*")
"""Names of raters by which researchers try their own survey out."""


@dataclass(frozen=True)
class Plan:
    """What is taken of a table, and what is left."""

    layout: str
    rater: str
    taken: tuple[str, ...]  # columns
    named_in: tuple[str, ...]  # columns of pictures and questions
    left: tuple[str, ...]  # columns
    pictures: int
    attributes: tuple[str, ...]
    lowest: float
    highest: float
    left_out: Mapping[str, int]  # rows, by reason
    not_of_the_study: tuple[str, ...]  # names of pictures that the study has not
    unfinished: int
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Write the plan for a person."""
        columns = len((*self.taken, *self.named_in, *self.left))
        lines = [
            f"read as {self.layout}; raters are in {self.rater}"
            + (f", pictures and questions in {_some(self.named_in)}" if self.named_in else ""),
            f"{len(self.taken)} of {columns} columns hold ratings: {_some(self.taken)}",
            f"{counted(self.pictures, 'picture')}; "
            + (f"answers run from {self.lowest:g} to {self.highest:g}" if self.lowest == self.lowest else "no numbers"),
        ]
        if self.left:
            lines.append(f"columns left: {_some(self.left)}")
        if self.attributes:
            lines.append(f"questions: {_some(self.attributes)} (column attribute)")
        if self.left_out:
            lines.append(self.rows_left_out)
        if self.not_of_the_study:
            lines.append(f"not pictures of the study, left out: {_some(self.not_of_the_study)}")
        if self.unfinished:
            lines.append(f"did not finish: {self.unfinished} (their ratings are taken)")
        return [*lines, *self.notes]

    @property
    def rows_left_out(self) -> str:
        """Say how many rows were left out, and why."""
        return "rows left out: " + ", ".join(f"{n} {why}" for why, n in self.left_out.items())


@dataclass(frozen=True)
class Imported:
    """Ratings (rater, image, score[, attribute][, original]), faults (row, rater, image, found, why), and the plan."""

    ratings: pd.DataFrame
    faults: pd.DataFrame
    plan: Plan


class CountsFromZero(RatingsError):
    """Answers may count from 0, and nobody said whether they do."""


def import_ratings(
    path: str | Path,
    *,
    layout: str = "auto",
    mapping: ColumnMap = USUAL_COLUMNS,
    pictures: Collection[str] = (),
    scale: int = 10,
    counts_from: int | None = None,
    from_scale: tuple[float, float] | None = None,
    strict: bool = False,
    encoding: str = "",
) -> Imported:
    """Read ratings from another tool's table.

    Parameters
    ----------
    path : str or Path
        CSV, TSV, XLSX, SPSS (.sav) or JSON.
    layout : str
        One of `survey.layouts.LAYOUTS`, or ``auto``.
    mapping : ColumnMap
        How the columns are to be read.
    pictures : collection of str
        The study's pictures: nothing else is taken. Without them, what is named like a picture file is one.
    scale : int
        Scores must be whole numbers 1..``scale``; others are faults, by row.
    counts_from : {0, 1}, optional
        Number of the lowest answer; 0 adds one to each.
    from_scale : tuple of two floats, optional
        Convert scores from this range to 1..``scale`` (linear, to the nearest whole); the original stays in the
        column ``original``, which marks the ratings as converted.
    strict : bool
        Raise where there are faults, instead of leaving these rows out.
    encoding : str
        What the letters of a text are (shift_jis, cp1251 ...); else they are guessed.

    Returns
    -------
    Imported
        Ratings in the file's order, faults, and what was taken of the table.

    Raises
    ------
    RatingsError
        The file is not a table, columns are missing, nothing can be read, a pattern or a range makes no sense, or
        answers seem to count from 0 and ``counts_from`` does not say so, or most of them are not on the scale.
    """
    if from_scale is not None and not from_scale[0] < from_scale[1]:
        raise RatingsError(
            f"scores cannot be converted from {from_scale[0]:g} to {from_scale[1]:g}: the lower end comes first, and "
            f"the ends differ (--from-scale 0 100)"
        )
    try:
        re.compile(mapping.columns)
    except re.error as error:
        raise RatingsError(
            f"--columns {mapping.columns!r} is not a regular expression: {error}; a name that holds one of "
            f"()[].+*? is written with \\ before it"
        ) from None
    table = read_sheet(path, encoding)
    known = PictureNames(tuple(pictures))
    chosen = recognise(table, known) if layout == "auto" else layout
    if layout == "auto" and chosen in ("wide", "transposed") and mapping.image and mapping.score:
        chosen = "long"  # a row a rating, whatever the columns are called
    if chosen not in LAYOUTS:
        raise RatingsError(f"unknown layout {layout!r}; known: auto, {', '.join(LAYOUTS)}")
    notes = list(table.attrs.get("notes", []))
    try:
        extract = LAYOUTS[chosen](table, mapping, known)
    except RatingsError as error:
        raise RatingsError("; ".join([str(error), *notes])) from None
    texts = extract.cells[["rater", "image", "cell"]].astype(str)
    extract.cells = extract.cells[(texts.apply(lambda part: part.str.strip()) != "").any(axis=1)]  # not an empty row
    if mapping.names is None:
        extract.cells["image"], of_study = shorten(extract.cells["image"], known)
    else:
        of_study = pd.Series(True, index=extract.cells.index)
    foreign = tuple(sorted(set(extract.cells.loc[~of_study, "image"])))
    cells = extract.cells[of_study].reset_index(drop=True)
    cells["rater"] = cells["rater"].map(tidy)
    number = _numbers(cells["cell"])
    keys = cells[(cells["rater"] != "") & (cells["image"] != "") & np.isfinite(number)]
    if several := int(keys.duplicated(["rater", "image", "attribute"]).sum()):
        notes.append(f"ratings of a picture by a rater who rated it before: {several} (aggregate --duplicates)")
    if extract.rater == THE_ROW and (again := int(table.duplicated().sum())):
        notes.append(f"rows that are the same in every cell as one above: {again} (sent twice? each is a rater)")
    tests = sorted({name for name in cells["rater"] if TEST.fullmatch(name.casefold())})
    if tests:
        notes.append(f"raters that are named like a test, and are taken: {', '.join(tests[:10])}")
    notes += raters_apart(cells["rater"].unique())
    named = dict.fromkeys([*map(str, table.columns), *sorted(set(cells["attribute"]))])
    if turned := [name for name in named if REVERSED.search(name)]:
        notes.append(f"called reversed, and nothing is turned round: {_some(turned, 5)}")
    if apart := written_apart(cells["image"]):
        notes.append(f"taken for different pictures, though only case or suffix differs: {_some(apart, 5)}")
    if chosen == "transposed" and not mapping.columns:
        notes += _counts_of_scores(extract.columns, cells["image"], number, scale)
    plan = _plan(table, chosen, extract, cells, number, foreign, tuple(notes))
    if cells.empty:
        told = not all(why.startswith("without") for why in plan.left_out)  # why it is that no row counts
        said = f"all there are do not count ({plan.rows_left_out})" if told else _advice(plan, known)
        raise RatingsError("\n".join([f"{path}: no rating found.", said, *table.attrs.get("notes", [])]))
    check_stated_scale(
        table,
        cells["row"] - 2 - table.attrs.get("above", 0),
        number,
        scale=scale,
        counts_from=counts_from,
        from_scale=from_scale,
    )
    if from_scale is None:
        number = _from_one(number, counts_from, extract.from_zero, scale)
    imported = _judge(cells, number, scale, from_scale)
    if strict and len(imported[1]):
        raise RatingsError(
            f"{path}: {counted(len(imported[1]), 'score')} cannot be used:\n"
            f"{imported[1].head(20).to_string(index=False)}"
        )
    lost = _lost(imported[1], plan, len(number), scale)
    if lost.refused and len(imported[0]):
        raise RatingsError(f"{path}: {lost.said}")
    return Imported(*imported, replace(plan, notes=(*plan.notes, lost.said)) if lost.said else plan)


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


def _plan(
    table: pd.DataFrame,
    layout: str,
    extract: Extract,
    cells: pd.DataFrame,
    number: Floats,
    foreign: tuple[str, ...],
    notes: tuple[str, ...],
) -> Plan:
    with_number = number[np.isfinite(number)]
    return Plan(
        layout=layout,
        rater=extract.rater,
        taken=tuple(extract.columns),
        named_in=tuple(name for name in extract.named_in if name not in (*extract.columns, extract.rater)),
        left=tuple(str(n) for n in table.columns if n not in (*extract.columns, *extract.named_in, extract.rater)),
        pictures=int(cells["image"].nunique()),
        attributes=tuple(sorted(set(cells["attribute"]) - {""})),
        lowest=float(with_number.min()) if len(with_number) else float("nan"),
        highest=float(with_number.max()) if len(with_number) else float("nan"),
        left_out=dict(extract.left_out),
        not_of_the_study=foreign,
        unfinished=extract.unfinished,
        notes=notes,
    )


def _advice(plan: Plan, pictures: PictureNames) -> str:
    """Say what can be done where nothing was taken."""
    whose = f"one of the study's {len(pictures.ids)} pictures" if pictures.ids else "a picture file (a.jpg, b.png ...)"
    return (
        f"It was read as {plan.layout}, and no column is named like {whose}. The columns are "
        f"{_some((*plan.named_in, *plan.left), 30)}. "
        "Say which of them are pictures with --columns (a pattern) or --map (a table column,image), or, where a row is "
        "a rating, where it is with --rater, --image and --score"
        + ("" if pictures.ids else ", or give the study with --study")
    )


def _some(names: Collection[str], most: int = 12) -> str:
    names = list(names)
    return ", ".join(names[:most]) + (f" ... ({len(names)})" if len(names) > most else "")


def _numbers(cells: pd.Series[Any]) -> Floats:
    """Read the number that each cell begins with, or a whole one at its end; NaN where there is none."""
    cells = cells.astype(str).str.normalize("NFKC").str.strip().str.replace("\u2212", "-", regex=False)
    cells = cells.mask(cells.str.contains(DATE), "")
    text = cells.str.extract(r"^([-+]?\d+(?:[.,]\d+)?)(?!\S*\d)")[0].fillna("")
    last = cells.str.extract(r"^[^\d]{1,40}[\s(\[](-?\d+)[)\]]?$")[0].fillna("")  # very ugly (1)
    text = text.where(text != "", last)
    return np.asarray(pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce"), np.float64)


def _from_one(number: Floats, counts_from: int | None, tool_counts_from_zero: bool, scale: int) -> Floats:
    """Count the answers from 1; raise where they seem to count from 0, or from below it, and nobody said so."""
    lowest = float(np.nanmin(number)) if np.isfinite(number).any() else 1.0
    if _around_zero(number, scale):
        end = float(np.nanmax(np.abs(number)))
        raise RatingsError(
            f"answers run from {lowest:g} to {np.nanmax(number):g}: is that a scale with a middle of 0? Then say its "
            f"ends (--from-scale {-end:g} {end:g}); where numbers below 0 are codes of what is missing, the scale of "
            f"the others (--from-scale 1 {scale})"
        )
    unclear = (tool_counts_from_zero and np.isfinite(number).any()) or lowest == 0
    if counts_from is None and unclear:
        low, high = np.nanmin(number), np.nanmax(number)
        why = "this tool numbers buttons from 0" if tool_counts_from_zero else "0 is among them"
        raise CountsFromZero(
            f"do the answers count from 0? They run from {low:g} to {high:g}, and {why}. Say --counts-from 0 "
            f"(0 becomes 1) or --counts-from 1 (a 0 is a fault)"
        )
    return number + 1 if counts_from == 0 else number


def _counts_of_scores(heads: list[str], images: pd.Series[Any], number: Floats, scale: int) -> list[str]:
    """Doubt columns that are numbered as the scores are: raise where they count ratings, else ask."""
    if [re.sub(r"\D", "", head) for head in heads] != [str(k) for k in range(1, scale + 1)]:
        return []
    sums = pd.Series(number).groupby(images.to_numpy()).sum()
    asked = f"the columns {heads[0]} to {heads[-1]} are numbered as the scores are: do they count the ratings of each"
    if (number == 0).any() or (len(sums) >= MANY and sums.nunique() == 1):
        raise RatingsError(
            f"{asked}? Then it is a table of histograms: name them c1 to c{scale}, and give it as it is (gazekit "
            "build-dataset --ratings). Where they are raters, say so (--columns)"
        )
    return [f"{asked}? They are taken for raters"]


MANY = 4  # pictures whose numbers have one sum by no chance


def _around_zero(number: Floats, scale: int) -> bool:
    """Say whether answers lie on both sides of 0: not one code of what is missing, unless it mirrors the highest."""
    below = np.unique(number[number < 0])
    highest = float(np.nanmax(number, initial=-np.inf))
    return bool(len(below)) and -scale < below[0] and highest < scale and (len(below) > 1 or highest == -below[0])


@dataclass(frozen=True)
class Lost:
    """What is said of answers that cannot be used, and whether so many refuse a table."""

    said: str = ""
    refused: bool = False


def _lost(faults: pd.DataFrame, plan: Plan, answers: int, scale: int) -> Lost:
    """Say what answers off the scale, between its points or in words mean: those that are left are a biased part."""
    found = faults["found"].astype(str).str.strip()
    off = faults["why"].str.startswith("not on the scale") & ~found.str.startswith("-")  # one code of what is missing
    between = faults["why"] == "not a whole number"
    words = (faults["why"] == "not a number") & found.str.fullmatch(r"(?!nan$|none$)[^\W\d_].{1,40}", case=False)
    many = [int(kind.sum()) for kind in (off, between, words)]
    repeated = [many[0], many[1], int(found[words].duplicated(keep=False).sum())]
    refused = 2 * (many[0] + many[1]) > answers or any(
        (n >= 5 and 10 * n > answers) or (n >= 2 and 10 * n >= 3 * answers) for n in repeated
    )
    if many[0] or many[1]:
        return Lost(
            f"{many[0] + many[1]} of {answers} answers are no whole numbers from 1 to {scale}; they run from "
            f"{plan.lowest:g} to {plan.highest:g}, and without them the others are no fair sample. Say their scale "
            f"(--scale), or both its ends to convert them (--from-scale: half points from 1 to 5 with --scale 9; "
            f"1 {scale} where the others are codes of what is missing); or another column holds the ratings (--score)",
            refused,
        )
    if not many[2]:
        return Lost()
    some = ", ".join(map(repr, found[words].value_counts().index[:5]))
    return Lost(
        f"{many[2]} of {answers} answers are words ({some}), and without them the others are no fair sample: export "
        f"numbers and not labels, or put the numbers in their place",
        refused,
    )


def _judge(
    cells: pd.DataFrame, number: Floats, scale: int, from_scale: tuple[float, float] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split cells into ratings and faults."""
    original = number
    if from_scale is not None:
        low, high = from_scale
        outside = (number < low) | (number > high)
        number = np.where(outside, np.nan, np.rint(1 + (number - low) * (scale - 1) / (high - low)))
    why = np.full(len(cells), "", dtype=object)
    with np.errstate(invalid="ignore"):
        why[(number < 1) | (number > scale)] = f"not on the scale 1 to {scale}"
        why[number != np.floor(number)] = "not a whole number"
    dates = cells["cell"].astype(str).str.contains(DATE).to_numpy()
    why[np.isnan(number)] = "not a number" if from_scale is None else f"not a number from {low:g} to {high:g}"
    why[np.isnan(number) & dates] = "a date, as spreadsheets make of 5.5 or 3-4"
    for role in ("rater", "image"):
        why[(cells[role] == "").to_numpy()] = f"no {role}"
    good = why == ""
    columns = ["rater", "image", *(["attribute"] if (cells["attribute"] != "").any() else [])]
    ratings = cells.loc[good, columns]
    ratings.insert(2, "score", number[good].astype(np.int64))
    if from_scale is not None:
        ratings["original"] = original[good]
    faults = (
        cells.loc[~good, ["row", "rater", "image", "cell"]].rename(columns={"cell": "found"}).assign(why=why[~good])
    )
    return ratings.reset_index(drop=True), faults.reset_index(drop=True)
