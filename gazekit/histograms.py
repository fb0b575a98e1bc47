"""Rating histograms: how many people gave each score to a picture.

A histogram table has a row a picture: ``image``, ``n``, counts ``c1 .. cK``, ``mean``, ``std``, ``flags``.
Counts are whole numbers; scores are the buckets' numbers 1..K; ``std`` is the population standard deviation
of the histogram (what a distribution predicts), in score units.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.tables import read_table, write_table
from gazekit.core.types import Floats

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 5  # rows that tell a column of totals from a score
ZeroScore = Literal["score", "drop"]


def count_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns c1 .. cK of a histogram table, in order."""
    scores = sorted(int(name[1:]) for name in map(str, table.columns) if re.fullmatch(r"c[1-9]\d*", name))
    names = [f"c{k}" for k in scores]
    if scores != list(range(1, len(scores) + 1)) or len(scores) < 2:
        raise FormatError(
            f"a histogram table needs the columns c1, c2, ... cK with K of 2 or more; found "
            f"{', '.join(names) or 'none'}"
        )
    return names


def moments(counts: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Compute mean and population standard deviation of histograms (..., K) over scores 1..K; NaN where empty."""
    array = np.asarray(counts, dtype=np.float64)
    score = np.arange(1, array.shape[-1] + 1)
    total = array.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (array * score).sum(axis=-1) / total
        variance = (array * (score - mean[..., None]) ** 2).sum(axis=-1) / total
    return mean, np.sqrt(variance)


def read_histograms(path: str | Path, *, c0: ZeroScore | None = None) -> pd.DataFrame:
    """Read a histogram table: ``image``, ``c1`` to ``cK``; the rest is filled in where it is absent.

    Parameters
    ----------
    path : path
        CSV, TSV or Parquet.
    c0 : {"score", "drop"}, optional
        What a column ``c0`` is: the count of the lowest score, so that c0 .. cK become scores 1 .. K + 1, or nothing.

    Raises
    ------
    InputError
        There is no such file.
    FormatError
        A column is missing, there is one score only, a picture stands twice, counts are negative or fractional or do
        not fit the stated ``n`` and ``mean`` (every row at fault is named), or a column c0 may be two things.

    Examples
    --------
    >>> table = read_histograms("sample_data/comparison/histograms.csv")
    >>> print(table.loc[0, "image"], table.loc[0, "n"], round(table.loc[0, "mean"], 1))
    0001.jpg 12 7.1
    """
    import pandas as pd

    table = _with_c0(read_table(path, ["image"], "histogram table"), path, c0)
    try:
        columns = count_columns(table)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None
    counts = checked_counts(table, columns, path)
    if unnamed := rows_without(table["image"]):
        raise FormatError(f"{path}: {unnamed}")
    if (
        len(columns) > 2
        and (counts.sum(axis=1) > 0).sum() >= FEWEST
        and (counts[:, -1] == counts[:, :-1].sum(axis=1)).all()
    ):
        raise FormatError(
            f"{path}: {columns[-1]} is the sum of the counts before it in every row: a column of totals is called n"
        )
    twice = table["image"].duplicated()
    if twice.any():
        raise FormatError(
            f"{path}: each picture may stand once; repeated: {', '.join(map(str, table['image'][twice][:10]))}"
        )
    table[columns] = counts.astype(np.int64)
    sums, (mean, std) = counts.sum(axis=1), moments(counts)
    for name, computed, tolerance in (("n", sums, 0.0), ("mean", mean, 0.051)):
        stated = pd.to_numeric(table[name], errors="coerce") if name in table else pd.Series(computed)
        off = (np.abs(stated.to_numpy(np.float64) - computed) > tolerance) & (sums > 0)
        if off.any():
            names = ", ".join(
                f"{table['image'][i]} ({stated[i]:g}, not {computed[i]:g})" for i in np.flatnonzero(off)[:5]
            )
            raise FormatError(
                f"{path}: the stated {name} of {counted(int(off.sum()), 'picture')} does not fit the counts: {names}"
            )
    table["n"] = sums.astype(np.int64)
    table["mean"], table["std"] = mean, std
    table["flags"] = table["flags"].astype("string").fillna("").astype(str) if "flags" in table else ""
    first = ["image", "n", *columns, "mean", "std", "flags"]
    return table[first + [name for name in table.columns if name not in first]]


def rows_without(images: pd.Series[Any]) -> str:
    """Say in which rows the name of the picture is missing; nothing where there is none."""
    empty = (images.isna() | (images.astype(str).str.strip() == "")).to_numpy().nonzero()[0]
    rows = ", ".join(str(row + 1) for row in empty[:10])
    return f"{counted(len(empty), 'row')} without a picture's name (counted from 1): {rows}" if len(empty) else ""


def checked_counts(table: pd.DataFrame, columns: list[str], path: str | Path) -> Floats:
    """Return the counts of a histogram table, (N, K).

    Raises
    ------
    FormatError
        Counts that are negative, fractional or no numbers; the rows are named.
    """
    import pandas as pd

    counts: Floats = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    wrong = ~np.isfinite(counts).all(axis=1) | (counts < 0).any(axis=1) | (counts != np.floor(counts)).any(axis=1)
    if wrong.any():
        names = ", ".join(map(str, table["image"][wrong][:10]))
        raise FormatError(
            f"{path}: counts must be whole numbers of 0 or more; "
            f"{counted(int(wrong.sum()), 'row is', 'rows are')} not: {names}{_shares(counts)}"
        )
    return counts


def _shares(counts: Floats) -> str:
    """Say that what stands for counts sums to 1 or to 100, and what makes counts of it."""
    for whole, what in ((1, "shares"), (100, "percentages")):
        if len(counts) and (np.abs(counts.sum(axis=1) - whole) < 0.02 * whole).all():
            return f". They sum to {whole}: of {what} say how many ratings they are of, as shares of 1 and c_total"
    return ""


def _with_c0(table: pd.DataFrame, path: str | Path, c0: ZeroScore | None) -> pd.DataFrame:
    """Ask what a column c0 is; where it is a score, count scores from 1."""
    if "c0" not in table:
        return table
    if c0 is None:
        raise FormatError(
            f"{path} has a column c0: say whether it counts the lowest score (--c0 score: c0 becomes the count of "
            "score 1, c1 of score 2, and so on) or nothing that counts (--c0 drop)"
        )
    if c0 == "drop":
        return table.drop(columns="c0")
    moved = {name: f"c{int(name[1:]) + 1}" for name in map(str, table.columns) if re.fullmatch(r"c(0|[1-9]\d*)", name)}
    return table.rename(columns=moved).drop(columns=["mean", "std"], errors="ignore")


def write_histograms(table: pd.DataFrame, path: str | Path, provenance: Mapping[str, Any] | None = None) -> Path:
    """Write a histogram table as CSV."""
    count_columns(table)
    return write_table(table, path, provenance)
