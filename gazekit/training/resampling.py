"""Intervals, permutation tests and effect sizes for networks tested on few pictures with few seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from gazekit.training.metrics import METRICS, Array, Features, metrics

_CELLS = 400_000  # values a block of resamples may hold: what keeps memory flat on large test splits
_MOST_WORK = 100_000_000  # values over all resamples: beyond it, fewer resamples
_ONE_BY_ONE, _GROUPS = 1000, 200  # of the jackknife


@dataclass(frozen=True)
class Difference:
    """A paired difference of one metric between two conditions, ``a - b``."""

    value: float
    low: float
    high: float
    p: float
    effect_size: float
    pictures_needed: float
    detectable: float


def bootstrap(
    seeds: Features, threshold: float, *, resamples: int = 2000, seed: int = 0
) -> dict[str, npt.NDArray[np.float64]]:
    """Bootstrap replicates of each metric's mean over seeds, over test pictures and over seeds.

    Pictures are drawn with replacement, the same for all seeds; seeds are drawn with replacement as well, and their
    deviations are widened by sqrt(S / (S - 1)), since a bootstrap over few units is too narrow by that
    factor (Davison & Hinkley 1997, 2.3). The same ``seed`` draws the same pictures and seeds in every
    condition, so that replicates of two conditions may be subtracted.

    Parameters
    ----------
    seeds : features of shape (S, N).

    Returns
    -------
    dict : per metric, shape (resamples,). An undefined correlation (a constant prediction) counts as 0.
    """
    count = seeds.mean.shape[0]
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    blocks: dict[str, list[Array]] = {name: [] for name in METRICS}
    for size in _blocks(seeds, resamples):
        pictures = rng.integers(0, seeds.n, (size, seeds.n))
        chosen = rng.integers(0, count, (size, count))
        found = defined(metrics(seeds.take(pictures), threshold))
        for name, value in found.items():  # (S, B)
            blocks[name].append(_over_seeds(value, chosen))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def interval(replicates: Array, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap replicates."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return float(low), float(high)


def permutation_p(
    a: Features, b: Features, threshold: float, *, permutations: int = 9999, seed: int = 0
) -> dict[str, float]:
    """Two-sided p of the paired permutation test over pictures, per metric.

    Where two conditions are alike, their predictions for a picture could as well be swapped. A picture is swapped
    with all its seeds, and the statistic is the difference of the means over seeds that the table shows.
    All 2^N swaps are done where that is not more than ``permutations``; else as many random ones, and the one
    observed counts among them (Phipson & Smyth 2010), so that p is never 0.
    """
    observed = difference(a, b, threshold)
    at_least = dict.fromkeys(METRICS, 0)
    total = 0
    for swap in _swaps(a, permutations, seed):
        found = difference(a.swapped(b, swap), b.swapped(a, swap), threshold)
        total += len(swap)
        for name, value in found.items():
            at_least[name] += int((np.abs(value) >= np.abs(observed[name]) - 1e-12).sum())
    exact = 2**a.n == total
    return {name: count / total if exact else (count + 1) / (total + 1) for name, count in at_least.items()}


def difference(a: Features, b: Features, threshold: float) -> dict[str, Array]:
    """Difference of each metric's mean over seeds (the first axis)."""
    left, right = defined(metrics(a, threshold)), defined(metrics(b, threshold))
    return {name: left[name].mean(axis=0) - right[name].mean(axis=0) for name in METRICS}


def defined(found: Mapping[str, Array]) -> dict[str, Array]:
    """Metrics with undefined correlations as 0: a constant prediction says nothing of the order."""
    return {name: np.nan_to_num(value, nan=0.0) for name, value in found.items()}


def picture_spread(a: Features, b: Features, threshold: float) -> dict[str, float]:
    """Standard deviation over pictures of the jackknife pseudo-values of the difference, per metric.

    A metric of N pictures behaves like a mean of N such values, correlations included (Efron 1982), so that its
    standard error is this over sqrt(N). Beyond 1,000 pictures they are left out in 200 groups.
    """
    n = a.n
    groups = n if n <= _ONE_BY_ONE else _GROUPS
    parts: dict[str, list[Array]] = {name: [] for name in METRICS}
    for index in _left_out(n, groups, max(1, _CELLS // (n * max(1, a.mean.shape[0])))):
        for name, value in difference(a.take(index), b.take(index), threshold).items():
            parts[name].append(value)
    return {
        name: float(np.sqrt(n * (groups - 1)) * np.concatenate(values).std(ddof=0)) for name, values in parts.items()
    }


def pictures_needed(spread: float, size: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Test pictures with which a true difference of ``size`` is seen with the given power (normal approximation)."""
    if size == 0:
        return float("inf")
    return float(np.ceil((_sum_of_quantiles(power, alpha) * spread / size) ** 2))


def detectable(spread: float, pictures: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest true difference that so many test pictures show with the given power."""
    return float(_sum_of_quantiles(power, alpha) * spread / np.sqrt(pictures))


def holm(p: npt.ArrayLike) -> Array:
    """Holm's step-down correction of a family of p values, in their order."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def _sum_of_quantiles(power: float, alpha: float) -> float:
    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power))


def _over_seeds(value: Array, chosen: npt.NDArray[np.int64]) -> Array:
    """Mean over drawn seeds (B, S) of values (S, B), deviations widened for the small number of seeds."""
    count = len(value)
    centre = value.mean(axis=0)
    if count == 1:
        return np.asarray(centre)
    drawn = np.take_along_axis(value.T, chosen, axis=1).mean(axis=1)
    return np.asarray(centre + np.sqrt(count / (count - 1)) * (drawn - centre))


def _blocks(found: Features, resamples: int) -> Iterator[int]:
    a_resample = max(1, found.mean.size)
    left = max(200, min(resamples, _MOST_WORK // a_resample))
    step = max(1, _CELLS // a_resample)
    while left > 0:
        yield min(step, left)
        left -= step


def _left_out(n: int, groups: int, step: int) -> Iterator[npt.NDArray[np.int64]]:
    """Blocks of rows (B, n - left out): every row leaves out one group, of every ``groups``-th picture."""
    rows = np.arange(n)
    if groups < n:
        for group in range(groups):
            yield rows[rows % groups != group][None]
        return
    for start in range(0, n, step):
        gap = np.arange(start, min(n, start + step))[:, None]
        yield rows[: n - 1] + (rows[: n - 1] >= gap)


def _swaps(a: Features, permutations: int, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
    if a.n < 31 and 2**a.n <= permutations:
        codes = np.arange(2**a.n)[:, None]
        yield (codes >> np.arange(a.n)) & 1 == 1
        return
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    for size in _blocks(a, permutations):
        yield rng.random((size, a.n)) < 0.5
