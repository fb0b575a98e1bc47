"""From ratings to the histogram table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gazekit.core.types import Floats, Index
from survey.p910 import MODERATE, joint_estimate
from survey.ratings import Duplicates, Ratings, from_table, settle_duplicates


def aggregate(
    ratings: pd.DataFrame | Ratings,
    *,
    scale: int = 10,
    duplicates: Duplicates = "first",
    min_ratings: int = 10,
    confidence: float = 0.95,
    joint: bool = False,
) -> pd.DataFrame:
    """Make the histogram table of a set of ratings, a row a picture, sorted by picture.

    Parameters
    ----------
    ratings : DataFrame or Ratings
        A table with the columns rater, image, score; with a column ``kind`` only its rows ``main`` count.
    scale : int
        Scores are whole numbers 1..``scale``.
    duplicates : {"first", "last", "mean", "drop"}
        What becomes of a rater who scored a picture more than once (`settle_duplicates`; a mean is rounded to the
        nearest whole score, halves to the even one).
    min_ratings : int
        Pictures with fewer ratings are flagged ``few``, never dropped.
    confidence : float
        Cover of the intervals, 0 to 1.
    joint : bool
        Add ``joint`` and ``joint_se``: score and standard error of the joint estimate of ITU-T P.910, moderated for
        sparse ratings (`survey.p910.MODERATE`).

    Returns
    -------
    DataFrame
        image, n, c1..cK, mean, std (population SD of the histogram), sd_sample (n - 1), mean_low and mean_high
        (t interval), dirichlet_low and dirichlet_high, p1..pK (smoothed), flags (``few``; ``converted`` from
        another scale).
    """
    converted = isinstance(ratings, pd.DataFrame) and "original" in ratings.columns
    if isinstance(ratings, pd.DataFrame):
        ratings = from_table(ratings, scale=scale)
    ratings, several = settle_duplicates(ratings, duplicates)
    counts = count(ratings, scale)
    table = pd.DataFrame({"image": ratings.images, "n": counts.sum(axis=1)})
    table = pd.concat([table, describe(counts, confidence)], axis=1)
    if joint:
        estimate = joint_estimate(ratings, prior=MODERATE)
        table["joint"], table["joint_se"] = estimate.score, estimate.error
    few = np.where(table["n"] < min_ratings, "few", "")
    table["flags"] = [" ".join(filter(None, (flag, "converted" if converted else ""))) for flag in few]
    table.attrs["duplicates"] = {"policy": duplicates, "pairs": several}
    return table[table["n"] > 0].reset_index(drop=True) if duplicates == "drop" else table


def count(ratings: Ratings, scale: int) -> Index:
    """Count each score of each picture, shape (pictures, scale)."""
    bucket = np.rint(ratings.score).astype(np.int64) - 1
    flat = np.bincount(ratings.image * np.int64(scale) + bucket, minlength=len(ratings.images) * scale)
    return np.asarray(flat.reshape(-1, scale))


def describe(counts: Index, confidence: float = 0.95) -> pd.DataFrame:
    """Compute counts, moments, intervals and smoothed distributions of histograms, shape (N, K), as columns.

    The t interval is mean +- t(n - 1) s / sqrt(n); where all agree, s is that of a picture with one rating a point
    off, since ten people who agree do not make it certain that everybody would. The Dirichlet interval is of the mean
    under `posterior`: a beta distribution on [1, K] of that mean's own mean and variance. The smoothed distribution is
    the posterior's mean.
    """
    from scipy import stats

    scale = counts.shape[1]
    score = np.arange(1, scale + 1)
    n = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = counts @ score / n
        squares = np.maximum(counts @ score**2 - n * mean**2, 0.0)
        std, sample = np.sqrt(squares / n), np.sqrt(squares / (n - 1))
        spread = np.sqrt(np.maximum(squares, (n - 1) / n) / (n - 1))
        half = stats.t.ppf(0.5 + confidence / 2, n - 1) * spread / np.sqrt(n)
    low, high = dirichlet_interval(counts, confidence)
    columns: dict[str, Floats | Index] = {f"c{k}": counts[:, k - 1] for k in score}
    columns |= {"mean": mean, "std": std, "sd_sample": sample}
    columns |= {"mean_low": mean - half, "mean_high": mean + half, "dirichlet_low": low, "dirichlet_high": high}
    weight = posterior(counts)
    smooth = weight / weight.sum(axis=1, keepdims=True)
    return pd.DataFrame(columns | {f"p{k}": smooth[:, k - 1] for k in score})


def posterior(counts: Index) -> Floats:
    """Compute Dirichlet weights (N, K): a picture's counts, and the study's distribution with the weight of one rating.

    Dirichlet(1/2) would draw ten ratings on ten scores a third of the way to the middle of the scale.
    """
    whole = counts.sum(axis=0) + 0.5
    return np.asarray(counts + whole / whole.sum())


def dirichlet_interval(counts: Index, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Compute the interval of the mean score under `posterior`: lower and upper ends, each of shape (N,).

    The spread is estimated from the same n ratings; so, as in the t interval, they count as n - 1.
    """
    from scipy import stats

    scale = counts.shape[1]
    score = np.arange(scale) / (scale - 1)  # 0..1, where a beta distribution lives
    weight = posterior(counts)
    total = weight.sum(axis=1)
    mean = weight @ score / total
    n = counts.sum(axis=1)
    variance = (weight @ score**2 / total - mean**2) / (total * np.maximum(n - 1, 0.5) / np.maximum(n, 1) + 1)
    size = mean * (1 - mean) / variance - 1
    tail = (1 - confidence) / 2
    low = stats.beta.ppf(tail, mean * size, (1 - mean) * size)
    high = stats.beta.ppf(1 - tail, mean * size, (1 - mean) * size)
    return 1 + low * (scale - 1), 1 + high * (scale - 1)
