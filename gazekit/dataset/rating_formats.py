"""Ratings as people have them: tables of counts or of single ratings, public lists, JSON; each row is checked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.core.files import existing_file
from gazekit.core.tables import read_table
from gazekit.core.types import Floats, Index
from gazekit.dataset.layout import Remarks
from gazekit.dataset.spec import RatingFormat
from gazekit.histograms import ZeroScore, moments, read_histograms, rows_without
from survey.errors import SurveyError

NO_COUNTS = "has no counts that can be used"
MOST_RATINGS = 5_000  # of a picture, where only shares are given
_NAMES = ("image_id", "image", "id", "name", "file")
_COUNTS = ("label", "counts", "scores", "ratings", "distribution")
_TOTALS = ("n", "votes", "num_votes", "total", "c_total")


@dataclass(frozen=True)
class ListLayout:
    """A public list of ratings: a row a picture, separated by white space or commas."""

    columns: int
    first: int  # column of the count of score 1, from 0
    scale: int
    what: str
    total: int | None = None  # column of the number of ratings
    mean: int | None = None  # column of the mean


LAYOUTS = {
    "ava": ListLayout(15, 2, 10, "index, image, 10 counts, two tags, challenge"),
    "dpchallenge": ListLayout(14, 4, 10, "index, image, number of ratings, mean, 10 counts", 2, 3),
    "photonet": ListLayout(12, 5, 7, "index, image, number of ratings, mean, deviation, 7 counts", 2, 3),
}


def read_ratings(
    path: str | Path,
    scale: int | None = None,
    min_ratings: int = 10,
    *,
    format: RatingFormat | None = None,
    c0: ZeroScore | None = None,
) -> tuple[pd.DataFrame, Remarks]:
    """Read ratings as a histogram table, and name the rows that were left out.

    Parameters
    ----------
    path : path
        A CSV of counts (image, c1 .. cK), of proportions with a total (c1 .. cK, c_total, as KonIQ has them), or of
        ratings one by one (rater, image, score), which need the scale; a public list; JSON.
    scale : int, optional
        Number of scores.
    min_ratings : int
        Pictures with fewer are flagged, where ratings come one by one.
    format : {"table", "ava", "dpchallenge", "photonet", "json"}, optional
        What the file is; by default a table, or JSON where it looks so. Lists without a header must be named.
    c0 : {"score", "drop"}, optional
        What a column ``c0`` is: the count of the lowest score, so that c0 .. cK become scores 1 .. K + 1, or nothing.

    Raises
    ------
    FormatError
        The file is not what it was taken for, or may be two things.
    ConfigError
        Single ratings without a scale.
    """
    path = existing_file(path, "table of ratings")
    if format is None and path.read_bytes()[:64].lstrip()[:1] in (b"[", b"{"):
        format = "json"
    if format == "json":
        return read_json(path)
    if format is not None and format != "table":
        return read_list(path, format)[1:]
    if format is None:
        _refuse_bare_list(path)
    header = list(map(str, read_table(path, [], "table of ratings").columns))
    if {"rater", "score"} <= set(header):
        return _aggregated(path, scale, min_ratings), []
    if not any(re.fullmatch(r"c(\d+|_total)", name) for name in header):
        raise FormatError(
            f"{path} has neither counts (c1, c2 and on) nor ratings one by one (rater, image, score); it has "
            f"{', '.join(header[:20])}. gazekit survey import reads ratings with other heads"
        )
    return (_from_proportions(path) if "c_total" in header else read_histograms(path, c0=c0)), []


def read_list(path: str | Path, layout: str) -> tuple[list[list[str]], pd.DataFrame, Remarks]:
    """Read a public list of counts: the fields of its good rows, their histogram table, remarks on the others.

    Raises
    ------
    FormatError
        Most rows have another number of fields, counts that are none, or an n and a mean that do not fit them.
    """
    path, shape = existing_file(path, "list of ratings"), LAYOUTS[layout]
    lines = [_fields(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    whole = [n for n, fields in enumerate(lines) if len(fields) == shape.columns]
    counts, reasons = _checked_counts([lines[n] for n in whole], shape)
    faults = {n: reason for n, reason in zip(whole, reasons, strict=True) if reason}
    faults |= {
        n: f"has {counted(len(fields), 'field')}; {shape.columns} were expected"
        for n, fields in enumerate(lines)
        if fields and len(fields) != shape.columns
    }
    misfits = [n for n in faults if faults[n] != NO_COUNTS]
    judged = sum(map(bool, lines)) - (len(faults) - len(misfits))
    if judged == len(misfits) or 2 * len(misfits) > judged:
        raise FormatError(_refusal(path, lines, shape, len(misfits)))
    first: dict[str, int] = {}
    for n in whole:
        if n not in faults and first.setdefault(lines[n][1], n) != n:
            faults[n] = f"has a picture that stands in line {first[lines[n][1]] + 1} too"
    good = [place for place, n in enumerate(whole) if n not in faults]
    rows = [lines[whole[place]] for place in good]
    remarks = [
        (lines[n][1 % len(lines[n])], "no ratings", f"line {n + 1} of {path.name} {faults[n]}") for n in sorted(faults)
    ]
    return rows, histogram_table([fields[1] for fields in rows], counts[good].astype(np.int64)), remarks


def read_json(path: str | Path) -> tuple[pd.DataFrame, Remarks]:
    """Read AVA as JSON: ``[{"image_id": ..., "label": [counts or shares]}, ...]``, or ``{image: [...], ...}``.

    Shares become counts by the number of ratings that stands beside them (``n``); without one by the smallest number
    of which all are whole shares, which a remark says.
    """
    path = Path(path)
    images, values, totals = _json_rows(path)
    numbers = np.array(values, dtype=np.float64)
    if not np.isfinite(numbers).all() or (numbers < 0).any():
        raise FormatError(f"{path}: counts must be numbers of 0 or more")
    twice = pd.Series(images).duplicated()
    if twice.any():
        raise FormatError(f"{path}: pictures stand twice: {', '.join(pd.Series(images)[twice].head(10))}")
    sums = numbers.sum(axis=1)
    if (numbers == np.floor(numbers)).all() and not np.allclose(sums, 1):
        wrong = [i for i, total in enumerate(totals) if total is not None and total != sums[i]]
        if wrong:
            raise FormatError(
                f"{path}: {images[wrong[0]]} states {totals[wrong[0]]} ratings; its counts are {sums[wrong[0]]:g}"
            )
        return histogram_table(images, numbers.astype(np.int64)), []
    if not np.allclose(sums, 1, atol=0.01):
        raise FormatError(f"{path}: {images[0]} has neither counts, which are whole, nor shares, which sum to 1")
    counts = np.stack([_counts_of(path, image, row, n) for image, row, n in zip(images, numbers, totals, strict=True)])
    said = "shares without their number of ratings: the smallest number that gives them was taken"
    guessed = [(image, "shares", said) for image, n in zip(images, totals, strict=True) if n is None]
    return histogram_table(images, counts), guessed


def histogram_table(images: Sequence[str], counts: npt.NDArray[np.integer[Any]]) -> pd.DataFrame:
    """Return a histogram table (see `gazekit.histograms`) of counts, (n, K)."""
    table = pd.DataFrame({"image": list(images), "n": counts.sum(axis=1)})
    for k in range(counts.shape[1]):
        table[f"c{k + 1}"] = counts[:, k]
    table["mean"], table["std"] = moments(counts)
    return table.assign(flags="")


def _fields(line: str) -> list[str]:
    return line.replace(",", " ").split()


def _checked_counts(rows: list[list[str]], shape: ListLayout) -> tuple[Floats, list[str]]:
    """Return the counts of rows of the right length, (n, K), and for each row why it cannot be used, or nothing."""
    table = pd.DataFrame(rows, columns=range(shape.columns), dtype=str)
    numbers = table.iloc[:, 2 : shape.first + shape.scale].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    counts = numbers[:, shape.first - 2 :]
    reasons = np.full(len(rows), "", dtype=object)
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(counts).all(axis=1) & (counts >= 0).all(axis=1) & (counts == np.floor(counts)).all(axis=1)
        reasons[~whole] = "has counts that are no whole numbers"
        reasons[(counts == -1).any(axis=1) | (whole & (counts.sum(axis=1) == 0))] = NO_COUNTS
    if shape.total is None or shape.mean is None:
        return counts, list(reasons)
    stated, sums, mean = numbers[:, shape.total - 2], counts.sum(axis=1), moments(counts)[0]
    decimals = table[shape.mean].str.extract(r"\.(\d*)", expand=False).fillna("").str.len().to_numpy()
    off = np.abs(numbers[:, shape.mean - 2] - mean) > 10.0**-decimals + 1e-9
    for n in np.flatnonzero((reasons == "") & ((stated != sums) | off)):
        reasons[n] = (
            f"states {counted(table[shape.total][n], 'rating')} with a mean of {table[shape.mean][n]}; its counts are "
            f"{sums[n]:g} with {mean[n]:.3f}"
        )
    return counts, list(reasons)


def _refusal(path: Path, lines: list[list[str]], shape: ListLayout, misfits: int) -> str:
    lengths = pd.Series([len(fields) for fields in lines if fields], dtype=int)
    usual = int(lengths.mode()[0]) if len(lengths) else 0
    close = [f"--ratings FILE --ratings-format {name}" for name, one in LAYOUTS.items() if one.columns == usual]
    hint = f"; that is as {' or '.join(close)} takes it" if close and usual != shape.columns else ""
    return (
        f"{path} is not a list of {shape.what}: {misfits} of {len(lengths)} rows do not fit, which have {usual} fields "
        f"as a rule, where {shape.columns} and fitting counts were expected{hint}"
    )


def _refuse_bare_list(path: Path) -> None:
    """Ask what a file without a header is."""
    with path.open(encoding="utf-8", errors="replace") as file:
        fields = _fields(file.readline())
    layouts = [name for name, shape in LAYOUTS.items() if shape.columns == len(fields)]
    if layouts and sum(bool(re.fullmatch(r"-?[\d.]+", field)) for field in fields) >= len(fields) - 1:
        raise FormatError(
            f"{path} has no header, and {counted(len(fields), 'field')} a row, as a list of "
            f"{LAYOUTS[layouts[0]].what}: "
            f"say so with --ratings-format {layouts[0]} (ratings_format in a study file)"
        )


def _json_rows(path: Path) -> tuple[list[str], list[list[float]], list[float | None]]:
    """Read the ids, the numbers and the stated totals of a JSON file of ratings."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise FormatError(f"{path} is not JSON that can be read: {error}") from error
    if isinstance(content, dict):
        content = [
            {"image": image} | (entry if isinstance(entry, dict) else {"label": entry})
            for image, entry in content.items()
        ]
    images: list[str] = []
    values: list[list[float]] = []
    totals: list[float | None] = []
    for n, entry in enumerate(content if isinstance(content, list) else []):
        entry = entry if isinstance(entry, dict) else {}
        image, numbers, total = (
            next((entry[k] for k in keys if k in entry), None) for keys in (_NAMES, _COUNTS, _TOTALS)
        )
        if (
            image is None
            or not str(image).strip()
            or not isinstance(numbers, list)
            or len(numbers) < 2
            or not all(_is_number(v) for v in numbers)
        ):
            raise FormatError(f"{path}: entry {n + 1} has not an image_id and a label of 2 or more numbers")
        if values and len(numbers) != len(values[0]):
            raise FormatError(f"{path}: {image} has {len(numbers)} numbers; {images[0]} has {len(values[0])}")
        images.append(str(image))
        values.append(numbers)
        totals.append(float(total) if isinstance(total, (int, float)) else None)
    if not images:
        raise FormatError(f"{path} has no ratings; a list of {{image_id, label}} was expected")
    return images, values, totals


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _counts_of(path: Path, image: str, shares: Floats, total: float | None) -> Index:
    """Return the counts of shares, of a stated or of the smallest fitting number of ratings."""
    decimals = max(len(repr(float(value)).partition(".")[2]) for value in shares)
    error = 0.5 * 10.0**-decimals if decimals < 15 else 1e-14
    numbers = np.arange(1, MOST_RATINGS + 1) if total is None else np.array([total])
    counts = shares[None] * numbers[:, None]
    slack = np.where(error * numbers < 0.25, error * numbers, 0.0)  # shares may be too coarse for many ratings
    fits = (np.abs(counts - np.rint(counts)) <= slack[:, None] + 1e-9).all(axis=1)
    fits &= np.rint(counts).sum(axis=1) == numbers
    if not fits.any():
        among = f"{total:g} ratings" if total is not None else f"up to {MOST_RATINGS} ratings; state n beside the label"
        raise FormatError(f"{path}: the shares of {image} are no whole counts of {among}")
    return np.asarray(np.rint(counts[np.argmax(fits)]), dtype=np.int64)


def _aggregated(path: Path, scale: int | None, min_ratings: int) -> pd.DataFrame:
    from survey.aggregation import aggregate
    from survey.table_io import read_ratings as read_single

    if scale is None:
        raise ConfigError(
            f"{path} holds ratings one by one: say how many scores the scale has "
            "(--scale 10, or scale = 10 in the study file)"
        )
    try:
        single = read_single(path)
        if "attribute" in single and single["attribute"].nunique() > 1:
            raise InputError(
                f"{path} answers several questions ({', '.join(sorted(set(single['attribute'].dropna())))}): take one "
                "with gazekit survey aggregate --attribute, and give its table of histograms"
            )
        return aggregate(single, scale=scale, min_ratings=min_ratings)
    except SurveyError as error:
        raise InputError(f"{path}: {error}") from error


def _from_proportions(path: Path) -> pd.DataFrame:
    table = read_table(path, ["c_total"], "table of proportions")
    name = "image" if "image" in table.columns else "image_name"
    if name not in table.columns:
        raise FormatError(f"{path}: no column image (or image_name); it has {', '.join(map(str, table.columns))}")
    columns = sorted((c for c in map(str, table.columns) if re.fullmatch(r"c\d+", c)), key=lambda c: int(c[1:]))
    numbers = table[[*columns, "c_total"]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    counts = numbers[:, :-1] * numbers[:, -1:]
    whole = np.rint(counts)
    wrong = np.flatnonzero(~(np.abs(counts - whole) <= 0.01).all(axis=1))  # what is no number is wrong as well
    if not columns:
        raise FormatError(f"{path} has c_total and no columns of proportions (c1, c2 and on)")
    if unnamed := rows_without(table[name]):
        raise FormatError(f"{path}: {unnamed}")
    off = np.flatnonzero((np.abs(numbers[:, :-1].sum(axis=1) - 1) > 0.01) & (numbers[:, -1] > 0))  # 0: nobody rated
    if len(off):
        total = numbers[off[0], :-1].sum()
        raise FormatError(
            f"{path}: proportions beside c_total must sum to 1; those of {table[name].iloc[off[0]]} sum to {total:g}"
            + (" (percentages? divide them by 100)" if abs(total - 100) < 2 else "")
        )
    if len(wrong):
        row = f"row {wrong[0] + 1} holds {', '.join(map(str, table.iloc[wrong[0]]))}"
        raise FormatError(f"{path}: proportions times c_total must be whole numbers of ratings; {row:.300}")
    return histogram_table(table[name].astype(str).tolist(), whole.astype(np.int64))
