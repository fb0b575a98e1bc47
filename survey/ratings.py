"""Ratings as columns of small numbers: what every computation on them starts from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import unknown_name
from gazekit.core.types import Floats
from survey.errors import RatingsError, SurveyError

Duplicates = Literal["first", "last", "mean", "drop"]


@dataclass(frozen=True)
class Ratings:
    """Scores (n,) by raters (positions in ``raters``) of pictures (positions in ``images``)."""

    rater: npt.NDArray[np.int32]
    image: npt.NDArray[np.int32]
    score: Floats
    raters: npt.NDArray[Any]
    images: npt.NDArray[Any]

    @property
    def n(self) -> int:
        """Return the number of scores."""
        return len(self.score)

    def keep(self, chosen: npt.NDArray[Any]) -> Ratings:
        """Select scores by a mask or an order; the lists of raters and pictures stay."""
        return Ratings(self.rater[chosen], self.image[chosen], self.score[chosen], self.raters, self.images)


def from_table(table: pd.DataFrame, *, scale: int | None = None, kinds: bool = True) -> Ratings:
    """Read ratings from a table with the columns rater, image, score.

    Where there is a column ``kind``, only the rows ``main`` count (unless ``kinds`` is false). Pictures and raters
    are numbered in sorted order. Scores must be whole numbers 1..``scale`` where a scale is given.

    Raises
    ------
    SurveyError
        Columns are missing, there is no rating, or scores are not on the scale (rows are named).
    """
    missing = [name for name in ("rater", "image", "score") if name not in table.columns]
    if missing:
        raise SurveyError(
            f"ratings need the columns rater, image, score; missing: {', '.join(missing)} "
            f"(found {', '.join(map(str, table.columns[:20]))}). `gazekit survey import` maps other layouts"
        )
    attributes = sorted(set(table["attribute"].dropna())) if "attribute" in table.columns else []
    if len(attributes) > 1:
        raise SurveyError(
            f"these ratings answer several questions: {', '.join(attributes)}; choose one with --attribute"
        )
    others: list[str] = []
    if kinds and "kind" in table.columns:
        others = sorted(map(str, set(table["kind"].dropna())))
        table = table[(table["kind"] == "main").to_numpy()]
    if not len(table):
        why = f": of the column kind, main counts; it holds {', '.join(others[:10])}" if others else ""
        raise SurveyError(f"there is no rating in this table{why}")
    raters, images = _numbered(table["rater"]), _numbered(table["image"])
    score = pd.to_numeric(table["score"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~np.isfinite(score) | _unnamed(raters) | _unnamed(images)
    if scale is not None:
        with np.errstate(invalid="ignore"):
            wrong |= (score != np.floor(score)) | (score < 1) | (score > scale)
    if wrong.any():
        raise RatingsError(_say_wrong(table, wrong, scale, _unnamed(raters) | _unnamed(images)))
    return Ratings(
        raters.codes.astype(np.int32),
        images.codes.astype(np.int32),
        score,
        np.asarray(raters.categories),
        np.asarray(images.categories),
    )


def of_attribute(table: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """Take the ratings that answer one question (column ``attribute``); all of them where it is empty."""
    if not attribute:
        return table
    known = sorted(set(table["attribute"].dropna())) if "attribute" in table.columns else []
    if attribute not in known:
        raise unknown_name("question", attribute, known)
    return table[(table["attribute"] == attribute).to_numpy()]


def settle_duplicates(ratings: Ratings, policy: Duplicates = "first") -> tuple[Ratings, int]:
    """Leave one score for each rater and picture; return the ratings and how many pairs stood more than once.

    ``first`` and ``last`` go by the order of the rows, ``mean`` takes the mean, ``drop`` leaves such pairs out.
    """
    key = ratings.image.astype(np.int64) * len(ratings.raters) + ratings.rater
    order = np.argsort(key, kind="stable")
    key = key[order]
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    if len(starts) == len(key):
        return ratings, 0
    counts = np.diff(np.r_[starts, len(key)])
    several = int((counts > 1).sum())
    if policy == "mean":
        means = np.add.reduceat(ratings.score[order], starts) / counts
        return dataclasses.replace(ratings.keep(order[starts]), score=means), several
    if policy == "drop":
        chosen = order[starts[counts == 1]]
    elif policy == "last":
        chosen = order[starts + counts - 1]
    else:
        chosen = order[starts]
    return ratings.keep(np.sort(chosen)), several


def _numbered(names: pd.Series[Any]) -> pd.Categorical:
    """Give each name that occurs a number, in sorted order."""
    categories = pd.Categorical(names)
    return categories.set_categories(sorted(categories.remove_unused_categories().categories))


def _unnamed(names: pd.Categorical) -> npt.NDArray[np.bool_]:
    """Say where a name is missing or empty."""
    empty = [code for code, name in enumerate(names.categories) if not str(name).strip()]
    return np.isin(names.codes, [-1, *empty])


def _say_wrong(
    table: pd.DataFrame, wrong: npt.NDArray[np.bool_], scale: int | None, unnamed: npt.NDArray[np.bool_]
) -> str:
    rows = np.flatnonzero(unnamed if unnamed.any() else wrong)
    shown = "; ".join(
        f"row {row + 2}: rater {table['rater'].iloc[row]!s}, image {table['image'].iloc[row]!s}, "
        f"score {table['score'].iloc[row]!s}"
        for row in rows[:10]
    )
    expected = "numbers" if scale is None else f"whole numbers 1 to {scale}"
    more = " ..." if len(rows) > 10 else ""
    if unnamed.any():
        return (
            f"{counted(int(unnamed.sum()), 'score')} without rater or image: {shown}{more}. Fill in who rated what, or "
            f"use `gazekit survey import`, which leaves such rows out"
        )
    return (
        f"{counted(len(rows), 'score is', 'scores are')} not among the {expected}: {shown}{more}. "
        f"Give the right scale, or use `gazekit survey import`, which leaves rows out and converts scales"
    )
