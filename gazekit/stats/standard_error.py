"""How far a metric's mean over seeds may be off: by the test pictures, and by the luck of training.

With three seeds a bootstrap over seeds is far too sure of itself. The standard error and its degrees of freedom here
are those for several readers of the same cases (Obuchowski & Rockette 1995, Hillis 2007), with networks for readers
and pictures for cases: the variance between seeds on these pictures, over their number, plus the covariance that seeds
have because they see the same pictures, from the jackknife.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student

from gazekit.core.types import Floats
from gazekit.stats.metrics import METRICS, Features
from gazekit.stats.weighted_metrics import resampled

_ONE_BY_ONE, _GROUPS = 1000, 200  # pictures left out one by one up to so many, else in so many groups
_CELLS = 400_000


@dataclass(frozen=True)
class Uncertainty:
    """Standard error of a mean over seeds.

    Attributes
    ----------
    se, df : float
        Over pictures and seeds; of one seed only over pictures, with infinite degrees of freedom.
    pictures : float
        Standard deviation over pictures of the jackknife pseudo-values: over sqrt(N) it is the part of the
        standard error that more test pictures make smaller.
    luck : float
        The variance that only more seeds make smaller.
    """

    se: float
    df: float
    pictures: float
    luck: float = 0.0

    def p(self, value: float) -> float:
        """Return two-sided p of a value that would be 0 but for chance."""
        if self.se <= 0:
            return 1.0 if value == 0 else 0.0
        return float(2 * student.sf(abs(value) / self.se, self.df))

    def equivalence_p(self, value: float, margin: float) -> float:
        """Return the p-value of the two one-sided tests that a true value lies within ``margin`` of 0."""
        return max(self.not_below_p(value, margin), self.not_below_p(-value, margin))

    def not_below_p(self, value: float, margin: float) -> float:
        """Return the one-sided p-value that a true value is above ``-margin`` (non-inferiority)."""
        if self.se <= 0:
            return 0.0 if value > -margin else 1.0
        return float(student.sf((value + margin) / self.se, self.df))

    def detectable(self, alpha: float = 0.05, power: float = 0.8) -> float:
        """Return the smallest true value that has p <= ``alpha`` with the given power."""
        return float((student.ppf(1 - alpha / 2, self.df) + norm.ppf(power)) * self.se)

    def pictures_needed(self, value: float, alpha: float = 0.05, power: float = 0.8) -> float:
        """Test pictures with which a true value is seen; infinite where it takes more seeds (normal approximation)."""
        aim = (value / (norm.ppf(1 - alpha / 2) + norm.ppf(power))) ** 2 - self.luck
        return float(np.ceil(self.pictures**2 / aim)) if aim > 0 else float("inf")

    def widened(self, value: float, replicates: Floats, limits: tuple[float, float]) -> tuple[float, float]:
        """Return the 95 % percentile interval of bootstrap replicates, widened to what so few seeds allow to say."""
        low, high = np.quantile(replicates, [0.025, 0.975])
        spread = float(replicates.std(ddof=1))
        factor = max(1.0, student.ppf(0.975, self.df) * self.se / (norm.ppf(0.975) * spread)) if spread > 0 else 1.0
        return (
            float(np.clip(value + (low - value) * factor, *limits)),
            float(np.clip(value + (high - value) * factor, *limits)),
        )


def left_out(found: Features, threshold: float) -> dict[str, Floats]:
    """Return every metric without each picture (or group of pictures), from features (S, N): shape (S, G)."""
    parts: dict[str, list[Floats]] = {name: [] for name in METRICS}
    for index in _without(found.n, max(1, _CELLS // (found.n * len(found.mean)))):
        for name, value in defined(resampled(found, index, threshold)).items():
            parts[name].append(value)
    return {name: np.concatenate(values, axis=1) for name, values in parts.items()}


def pooled_luck(values: Floats) -> tuple[float, int]:
    """Return variance of a difference of two conditions from seed to seed, from all conditions (T, S), and its freedom.

    Twice the mean square of condition by seed, as Obuchowski and Rockette have it: with three seeds, two conditions by
    themselves know next to nothing of it.
    """
    rest = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    freedom = (values.shape[0] - 1) * (values.shape[1] - 1)
    return (2 * float((rest**2).sum()) / freedom if freedom else 0.0), freedom


def error_of(
    values: Floats, without: Floats, pictures: int, luck: tuple[float, int] | None = None, *, overlap: float = 1.0
) -> Uncertainty:
    """Return the error of the mean of values (S,) from the same ones without each picture or group (S, G).

    Parameters
    ----------
    values, without : ndarray
        A metric with each seed, shape (S,), and without each picture or group, shape (S, G).
    pictures : int
        The number of pictures.
    luck : (float, int), optional
        Their variance from seed to seed and its degrees of freedom, if more is known of it than they tell.
    overlap : float
        What the variance is multiplied with; above 1 in cross-validation, see `overlap_of`.
    """
    seeds, groups = without.shape
    centred = without - without.mean(axis=1, keepdims=True)
    covariance = (groups - 1) / groups * centred @ centred.T  # of the seeds' values, over test pictures
    of_mean = max(0.0, float(covariance.mean()))
    over_pictures = float(np.sqrt(overlap * pictures * of_mean))
    most = float("inf") if overlap == 1 else groups - 1.0
    if seeds == 1:
        return Uncertainty(float(np.sqrt(overlap * of_mean)), most, over_pictures)
    common = max(0.0, float(covariance.sum() - np.trace(covariance)) / (seeds * (seeds - 1)))
    one, freedom = luck if luck is not None and luck[1] > 0 else (float(np.var(values, ddof=1)), seeds - 1)
    between = one / seeds
    variance = between + common
    df = freedom * (variance / between) ** 2 if between > 0 else float("inf")
    lasting = max(0.0, between - (of_mean - common))  # less what each network errs by itself on single pictures
    return Uncertainty(float(np.sqrt(overlap * variance)), min(float(df), most), over_pictures, overlap * lasting)


def as_sample(error: Uncertainty, values: Floats, without: Floats, overlap: float = 1.0) -> Uncertainty:
    """Return the error of a mean over networks as that of a sample of networks: with what they differ by, besides.

    Parameters
    ----------
    error : Uncertainty
        Of the mean, for these networks alone.
    values, without : ndarray
        A metric of each network, shape (M,), and without each picture or group, shape (M, G).
    overlap : float
        See `overlap_of`.

    Notes
    -----
    A random effect: the variance between networks, less what single pictures make of it, and 0 where that is more
    (DerSimonian and Laird 1986); degrees of freedom by Satterthwaite.
    """
    networks, groups = without.shape
    centred = without - without.mean(axis=1, keepdims=True)
    covariance = (groups - 1) / groups * centred @ centred.T
    own = float(np.trace(covariance) - covariance.sum() / networks) / (networks - 1)  # of one, not shared by others
    among = max(0.0, float(np.var(values, ddof=1)) - overlap * own) / networks
    variance = error.se**2 + among
    if not among:
        return error
    df = variance**2 / (error.se**4 / error.df + among**2 / (networks - 1))
    return Uncertainty(float(np.sqrt(variance)), float(df), error.pictures, error.luck + among)


def overlap_of(folds: int) -> float:
    """Return what the variance is multiplied with where each is tested once in so many folds.

    Networks of two folds share most of their training pictures, so that a picture tells on its own prediction and, as
    a training picture, on all others. Nadeau and Bengio (2003) add the ratio of test to training pictures; half of it
    is what covers where the tests of folds do not overlap (docs/cross-validation.md has the simulation).
    """
    return 1 + folds / (2 * (folds - 1))


def defined(found: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return metrics with undefined correlations as 0: a constant prediction says nothing of the order."""
    return {name: np.nan_to_num(value, nan=0.0) for name, value in found.items()}


def _without(n: int, step: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield blocks of rows (B, n - left out): every row leaves out one picture, or every 200th."""
    rows = np.arange(n)
    if n > _ONE_BY_ONE:
        for group in range(_GROUPS):
            yield rows[rows % _GROUPS != group][None]
        return
    for start in range(0, n, step):
        gap = np.arange(start, min(n, start + step))[:, None]
        yield rows[: n - 1] + (rows[: n - 1] >= gap)
