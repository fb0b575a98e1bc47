"""How far the raters agree: the limit for everything that is predicted from their ratings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.types import Floats
from survey.aggregation import count
from survey.ratings import Ratings, from_table, settle_duplicates

Level = Literal["interval", "ordinal"]
FEWEST_PICTURES = 5  # for the ceiling's correction


def krippendorff_alpha(counts: npt.NDArray[np.int64], level: Level = "interval") -> float:
    """Compute Krippendorff's alpha from the histograms (N, K) of N pictures; NaN where nothing varies.

    1 - observed / expected disagreement over the pairs of ratings of a picture (Krippendorff 2011); pictures with
    one rating have no pair. The difference of two scores is squared, on the scores (interval) or on their ranks
    (ordinal).
    """
    n = counts.sum(axis=1)
    paired = counts[n > 1].astype(np.float64)
    total = paired.sum(axis=0)
    if not len(paired):
        return float("nan")
    shares = paired / (paired.sum(axis=1) - 1)[:, None]
    observed = paired.T @ shares  # a rating's pair with itself, which both hold, is of no difference
    expected = np.outer(total, total) / (total.sum() - 1)
    place = np.arange(0.0, len(total)) if level == "interval" else np.cumsum(total) - total / 2
    difference = (place[:, None] - place[None, :]) ** 2
    disagreement = float((expected * difference).sum())
    return 1 - float((observed * difference).sum()) / disagreement if disagreement > 0 else float("nan")


def icc_oneway(ratings: Ratings) -> tuple[float, float, float]:
    """Compute ICC(1), ICC(1,k) and k by a one-way analysis of variance with unequal numbers of ratings.

    k is the average number of ratings corrected for its spread, (n - sum n_j^2 / n) / (N - 1); ICC(1,k) is the
    reliability of a mean of k ratings (Shrout & Fleiss 1979; McGraw & Wong 1996).
    """
    votes = np.bincount(ratings.image).astype(np.float64)
    sums = np.bincount(ratings.image, ratings.score)[votes > 0]
    votes = votes[votes > 0]
    n, pictures = votes.sum(), len(votes)
    if pictures < 2 or n <= pictures:
        return float("nan"), float("nan"), float(n / max(pictures, 1))
    middle = ratings.score.mean()
    between = (votes * (sums / votes - middle) ** 2).sum()
    within = ((ratings.score - middle) ** 2).sum() - between
    msb, msw = between / (pictures - 1), within / (n - pictures)
    k = (n - (votes**2).sum() / n) / (pictures - 1)
    if msb <= 0:
        return float("nan"), float("nan"), float(k)
    return float((msb - msw) / (msb + (k - 1) * msw)), float((msb - msw) / msb), float(k)


def split_half(ratings: Ratings, rng: np.random.Generator, splits: int = 50) -> float:
    """Correlate the means of two random halves of each picture's ratings, stepped up by Spearman-Brown.

    Returns the mean over many splits; pictures with one rating are left out. NaN where the means do not vary.
    """
    correlations = []
    for _ in range(splits):
        order = np.lexsort((rng.random(ratings.n), ratings.image))
        halves = [_means(ratings.image[h], ratings.score[h], len(ratings.images)) for h in (order[::2], order[1::2])]
        both = np.isfinite(halves[0]) & np.isfinite(halves[1])
        if both.sum() < 3 or min(np.ptp(h[both]) for h in halves) == 0:
            continue
        r = np.corrcoef(halves[0][both], halves[1][both])[0, 1]
        correlations.append(2 * r / (1 + r))
    return float(np.mean(correlations)) if correlations else float("nan")


@dataclass(frozen=True)
class Repeats:
    """Agreement of raters with themselves: number of pairs, their correlation, mean absolute difference in points."""

    pairs: float = 0.0
    correlation: float = float("nan")
    difference: float = float("nan")


def repeats(table: pd.DataFrame) -> Repeats:
    """Compare raters with themselves on the pictures that were shown twice (``kind`` main and repeat)."""
    if "kind" not in table.columns:
        return Repeats()
    both = table[table["kind"] == "main"].merge(table[table["kind"] == "repeat"], on=["rater", "image"])
    first, again = (both[name].to_numpy(dtype=np.float64) for name in ("score_x", "score_y"))
    if both.empty:
        return Repeats()
    varies = len(both) > 2 and np.ptp(first) > 0 and np.ptp(again) > 0
    correlation = float(np.corrcoef(first, again)[0, 1]) if varies else float("nan")
    return Repeats(float(len(both)), correlation, float(np.mean(np.abs(first - again))))


@dataclass(frozen=True)
class Components:
    """Variances of pictures, of raters' levels, and of what is left; and how a mean over raters carries the last two.

    ``rater_share`` is the part of the raters' variance that differs between the pictures' means: 0 where everybody
    rates everything (a rater's level then shifts all pictures alike), about 1 / n where raters see few pictures.
    """

    picture: float
    rater: float
    residual: float
    rater_share: float
    residual_share: float  # mean of 1 / n over pictures
    pictures: int
    slope: float = 0.0  # the part of the residual that is raters who spread their scores more, or less, than others

    @property
    def icc_consistency(self) -> float:
        """Return ICC(C,k): the reliability of the observed means, whatever the level of each rater."""
        noise = self.rater * self.rater_share + self.residual * self.residual_share
        return self.picture / (self.picture + noise) if self.picture + noise > 0 else float("nan")

    @property
    def ceiling(self) -> float:
        """Return the noise ceiling: the highest correlation of a perfect model with the observed means.

        The root of ICC(C,k), but that what raters' spreads have in common over the pictures' means is no noise, as with
        their levels; and without its bias. The noise's share is estimated by the inverse of an F ratio with N - 1
        degrees of freedom above, whose mean is (N - 1) / (N - 3) times too high (N pictures); uncorrected, few
        pictures show a ceiling that a perfect model passes (.921 where it reaches .927 with 20 pictures).
        """
        noise = (self.rater + self.slope) * self.rater_share + (self.residual - self.slope) * self.residual_share
        if not self.picture + noise > 0:
            return float("nan")
        few = self.pictures < FEWEST_PICTURES
        share = noise / (self.picture + noise) * (1.0 if few else (self.pictures - 3) / (self.pictures - 1))
        return math.sqrt(max(1 - share, 0.0))


def variance_components(ratings: Ratings) -> Components:
    """Estimate the variances of pictures, raters and residual, for crossed designs and sparse ones alike.

    A model with random pictures and raters, by the moments of Gao & Owen (2017, Electronic Journal of Statistics 11);
    where everybody rates everything these are those of the two-way analysis of variance. Takes time in proportion to
    the number of ratings.
    """
    score, n = ratings.score - ratings.score.mean(), float(ratings.n)
    per_picture, per_rater = (np.bincount(group).astype(float) for group in (ratings.image, ratings.rater))
    total = float((score**2).sum())
    within = [
        total - float((np.bincount(group, score)[size > 0] ** 2 / size[size > 0]).sum())
        for group, size in ((ratings.image, per_picture), (ratings.rater, per_rater))
    ]
    pictures, raters = int((per_picture > 0).sum()), int((per_rater > 0).sum())
    moments = np.array(
        [
            [0.0, n - pictures, n - pictures],
            [n - raters, 0.0, n - raters],
            [n**2 - (per_picture**2).sum(), n**2 - (per_rater**2).sum(), n**2 - n],
        ]
    )
    shares = (*_shares(ratings, per_picture, pictures), pictures)
    if pictures < 2 or raters < 2 or np.linalg.matrix_rank(moments) < 3:
        return Components(float("nan"), float("nan"), float("nan"), *shares)
    picture, rater, residual = np.maximum(np.linalg.solve(moments, [*within, n * total]), 0.0)
    slope = min(_slope_variance(ratings) / picture, residual) if picture > 0 else 0.0
    return Components(float(picture), float(rater), float(residual), *shares, float(slope))


def _slope_variance(ratings: Ratings) -> float:
    """Estimate how far raters' covariances with the means of the others vary, beyond what chance makes of it.

    Each score times the mean of the others, both from the rater's own mean, less the picture's mean of these products:
    a rater's mean of them is high where this rater spreads the scores more than others do. The others' means hold the
    opposite of a part of it, which ``shrunk`` makes up for.
    """
    images, raters = len(ratings.images), len(ratings.raters)
    shared = np.bincount(ratings.image, minlength=images)[ratings.image] > 1
    image, rater, score = ratings.image[shared], ratings.rater[shared], ratings.score[shared]
    votes = np.bincount(image, minlength=images)[image]
    seen = np.bincount(rater, minlength=raters)
    judged = seen >= 3
    if judged.sum() < 2:
        return 0.0
    others = (np.bincount(image, score, images)[image] - score) / (votes - 1)
    product = (score - _means(rater, score, raters)[rater]) * (others - _means(rater, others, raters)[rater])
    product *= seen[rater] / np.maximum(seen[rater] - 1, 1)
    product -= _means(image, product, images)[image]
    mean = _means(rater, product, raters)
    spread = np.bincount(rater, (product - mean[rater]) ** 2, raters)[judged] / (seen[judged] - 1)
    n = max(1 / float(np.mean(1 / votes)), 3.0)
    shrunk = ((n - 2) / (n - 1)) ** 2 * (n - 1) / n
    return max(float(np.average(mean[judged] ** 2 - spread / seen[judged], weights=seen[judged])) / shrunk, 0.0)


def _shares(ratings: Ratings, per_picture: Floats, pictures: int) -> tuple[float, float]:
    """Compute how much of the raters' and of the residual variance is between the pictures' means."""
    weight = 1.0 / per_picture[ratings.image]
    mean_weight = np.bincount(ratings.rater, weight) / pictures
    correction = pictures / max(pictures - 1, 1)
    residual = float((weight**2).sum() / pictures)
    return correction * (residual - float((mean_weight**2).sum())), residual


def reliability(
    table: pd.DataFrame, *, scale: int = 10, seed: int = 0, groups: int = 60, confidence: float = 0.95
) -> pd.DataFrame:
    """Compute every measure of reliability of a set of ratings, with intervals for new raters and new pictures.

    Raters are left out in turn, then pictures (in ``groups`` groups where there are more); both variances are added,
    less half of that of single ratings, which is in both. A bootstrap would count a rater who is drawn twice as two
    who agree fully.

    Parameters
    ----------
    table : DataFrame
        Columns rater, image, score; with a column ``kind``, repeats are compared too.
    scale : int
        Scores are 1 to this.
    seed : int
        Seed of the halves and of the groups of raters.
    groups : int
        Number of groups of raters, and of pictures, that are left out in turn, at most.
    confidence : float
        Cover of the intervals, 0 to 1.

    Returns
    -------
    DataFrame
        measure, value, low, high. ``ICC(C,k)`` is the reliability of the means by variance components, whatever the
        design; ``noise ceiling`` is its square root, without its bias where pictures are few: the highest correlation
        that a perfect model of the pictures can reach with the observed means.
    """
    ratings, _ = settle_duplicates(from_table(table, scale=scale))
    rng = np.random.default_rng(seed)
    values = np.array(_measures(ratings, scale))
    low, high = _interval(ratings, scale, groups, confidence, rng)
    k = icc_oneway(ratings)[2]
    names = [name.replace("k = ?", f"k = {k:.1f}".removesuffix(".0")) for name in MEASURES]
    rows = list(zip(names, values, low, high, strict=True))
    rows.append(("split half (Spearman-Brown)", split_half(ratings, rng), np.nan, np.nan))
    again = repeats(table)
    rows += [(f"repeats: {name}", value, np.nan, np.nan) for name, value in vars(again).items() if again.pairs]
    return pd.DataFrame(rows, columns=["measure", "value", "low", "high"])


MEASURES = (
    "Krippendorff's alpha (interval)",
    "Krippendorff's alpha (ordinal)",
    "ICC(1)",
    "ICC(1,k), k = ?",
    "ICC(C,k)",
    "noise ceiling",
)


def _measures(ratings: Ratings, scale: int) -> tuple[float, ...]:
    """Compute the values of `MEASURES`."""
    counts = count(ratings, scale)
    single, average, _ = icc_oneway(ratings)
    components = variance_components(ratings)
    alphas = krippendorff_alpha(counts, "interval"), krippendorff_alpha(counts, "ordinal")
    return *alphas, single, average, components.icc_consistency, components.ceiling


def _interval(
    ratings: Ratings, scale: int, groups: int, confidence: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Compute the ends of the intervals by leaving out groups of raters in turn, then of pictures.

    On the scale of Fisher's z, where the measures' errors are alike near 1 and in the middle. Both variances hold that
    of the single ratings: kept twice, nominal 95 % cover 97 to 98.5 %; taken off once, 91 to 96 %. Half of it is taken
    off, by simulation (tests/benchmarks/test_survey_bars.py).
    """
    from scipy import stats

    parts = min(groups, len(ratings.raters), len(ratings.images))
    if parts < 3:
        return np.full(len(MEASURES), np.nan), np.full(len(MEASURES), np.nan)
    whole = np.arctanh(np.clip(_measures(ratings, scale), -0.9999, 0.9999))
    variances = []
    for labels, size in (
        (ratings.rater, len(ratings.raters)),
        (ratings.image, len(ratings.images)),
        (np.arange(ratings.n), ratings.n),
    ):
        group = (rng.permutation(size) % parts)[labels]
        values = np.array([_measures(ratings.keep(group != g), scale) for g in range(parts)])
        z = np.arctanh(np.clip(values, -0.9999, 0.9999))
        variances.append((parts - 1) / parts * ((z - z.mean(axis=0)) ** 2).sum(axis=0))
    by_rater, by_picture, by_rating = variances
    variance = np.maximum(by_rater + by_picture - by_rating / 2, np.maximum(by_rater, by_picture))
    half = stats.t.ppf(0.5 + confidence / 2, parts - 1) * np.sqrt(variance)
    return np.tanh(whole - half), np.tanh(whole + half)


def _means(image: npt.NDArray[np.int32], score: Floats, images: int) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(np.bincount(image, score, minlength=images) / np.bincount(image, minlength=images))
