"""Claims that may be looked at while ratings come in: intervals and p values that stay right however often one looks.

The t test's Bayes factor with a normal prior on the effect size is a martingale where nothing is to be found, whatever
the spread (Lai 1976; Hendriksen, de Heide & Gruenwald 2021; Wang & Ramdas 2025): it exceeds 1 / alpha at any time with
a chance of at most alpha. So the survey may be stopped when it does. An ordinary t interval that is looked at fifty
times is wrong far more often than 5 % of the time.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.types import Floats
from survey.errors import RatingsError
from survey.ratings import from_table, settle_duplicates

FEWEST = 8
"""Values before anything is claimed: with fewer, skewed scores are too far from normal ones."""
PRIOR = 1.0
"""Variance of the prior on the effect size (a mean in units of its spread): bounds are narrowest for sizes near 1."""


def evidence(n: npt.ArrayLike, mean: npt.ArrayLike, sd: npt.ArrayLike, prior: float = PRIOR) -> Floats:
    """Compute the Bayes factor against a true mean of 0 from n values, their mean and their standard deviation.

    1 where nothing can be said (fewer than `FEWEST` values, or no spread).
    """
    n, mean, sd = (np.asarray(part, np.float64) for part in (n, mean, sd))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = n * mean**2 / sd**2 / (n - 1)  # t squared over its degrees of freedom
        grown = 1 + n * prior
        logarithm = -0.5 * np.log(grown) + n / 2 * (np.log1p(ratio) - np.log1p(ratio / grown))
    known = (n >= FEWEST) & (sd > 0)
    return np.asarray(np.where(known, np.exp(np.minimum(logarithm, 700)), 1.0))


def half_width(n: npt.ArrayLike, sd: npt.ArrayLike, confidence: float = 0.95, prior: float = PRIOR) -> Floats:
    """Compute half the width of the interval about a mean of n values that holds at all times at once.

    Infinite for fewer than `FEWEST` values.

    Examples
    --------
    >>> half_width([5, 20, 100], [1.0, 1.0, 1.0]).round(2).tolist()
    [inf, 0.77, 0.33]
    """
    n, sd = np.asarray(n, np.float64), np.asarray(sd, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        grown = 1 + n * prior
        bound = np.exp(2 / n * (0.5 * np.log(grown) - np.log(1 - confidence)))
        ratio = (bound - 1) / (1 - bound / grown)
        half = np.sqrt(ratio * (n - 1) / n) * sd
    return np.asarray(np.where((n >= FEWEST) & (bound < grown), half, np.inf))


@dataclass(frozen=True)
class GroupDifference:
    """How much higher one group of pictures is rated than another, and what may be claimed of it at any time."""

    raters: int  # who rated pictures of both
    difference: float  # points
    low: float  # of the interval that holds at all times
    high: float
    p: float  # the smallest so far; it may be looked at after every rater


def group_difference(
    table: pd.DataFrame, first: Collection[str], second: Collection[str], *, scale: int = 10, confidence: float = 0.95
) -> GroupDifference:
    """Compare two groups of pictures, rater by rater, so that it may be repeated while ratings come in.

    Each rater gives one value: the mean of the ratings of the first group less that of the second. Raters come in the
    order of their last ratings (column ``rated_utc``, else of the rows), since a value must not change any more once
    it was looked at: leave out those who are still at work.

    Parameters
    ----------
    table : DataFrame
        Columns rater, image, score; kind and rated_utc where they are known.
    first, second : collection of str
        Pictures of the two groups.
    scale : int
        Scores are 1 to this.
    confidence : float
        Cover of the interval at all times at once, 0 to 1.

    Raises
    ------
    RatingsError
        A picture is in both groups, or nobody rated pictures of both.
    """
    both = sorted(set(first) & set(second))
    if both:
        raise RatingsError(f"pictures are in both groups: {', '.join(both[:10])}")
    main = table[(table["kind"] == "main").to_numpy()] if "kind" in table.columns else table
    ratings, _ = settle_duplicates(from_table(main, scale=scale))
    means = []
    for group in (first, second):
        chosen = ratings.keep(np.isin(ratings.images.astype(str), list(group))[ratings.image])
        size = np.bincount(chosen.rater, minlength=len(ratings.raters))
        with np.errstate(invalid="ignore"):
            means.append(np.bincount(chosen.rater, chosen.score, minlength=len(ratings.raters)) / size)
    order = main["rated_utc"] if "rated_utc" in main.columns else pd.Series(np.arange(len(main)), index=main.index)
    last = order.groupby(main["rater"].astype(str).to_numpy()).max().rank(method="first")
    values = (means[0] - means[1])[np.argsort(last.reindex([str(name) for name in ratings.raters]).to_numpy())]
    values = values[np.isfinite(values)]
    n = len(values)
    if not n:
        raise RatingsError("nobody rated pictures of both groups; give names as they stand in the column image")
    counts = np.arange(1, n + 1)
    running = np.cumsum(values) / counts
    squares = np.maximum(np.cumsum(values**2) - counts * running**2, 0.0)
    sd = np.sqrt(squares / np.maximum(counts - 1, 1))
    half = float(half_width(n, sd[-1], confidence))
    p = float(min(1.0, 1 / evidence(counts, running, sd).max()))
    return GroupDifference(n, float(running[-1]), float(running[-1]) - half, float(running[-1]) + half, p)
