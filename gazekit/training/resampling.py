"""Intervals, permutation tests and effect sizes for networks tested on few pictures with few seeds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gazekit.training.metrics import METRICS, Array, Features, metrics
from gazekit.training.spread import defined

_CELLS = 400_000  # values a block of resamples may hold: what keeps memory flat on large test splits
_MOST_WORK = 100_000_000  # values over all resamples: beyond it, fewer resamples


def bootstrap(
    seeds: Features, threshold: float, *, resamples: int = 2000, seed: int = 0
) -> dict[str, npt.NDArray[np.float64]]:
    """Bootstrap replicates of each metric's mean over seeds, over test pictures and over seeds.

    Pictures are drawn with replacement, the same for all seeds, and so are seeds. The same ``seed`` draws the same
    pictures and seeds in every condition, so that replicates of two conditions may be subtracted. Few seeds make these
    replicates too sure of themselves: `gazekit.training.spread.Error.widened` mends that.

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
            blocks[name].append(np.take_along_axis(value.T, chosen, axis=1).mean(axis=1))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def interval(replicates: Array) -> tuple[float, float]:
    """The 95 % percentile interval of bootstrap replicates."""
    low, high = np.quantile(replicates, [0.025, 0.975])
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


def holm(p: npt.ArrayLike) -> Array:
    """Holm's step-down correction of a family of p values, in their order."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def _blocks(found: Features, resamples: int) -> Iterator[int]:
    a_resample = max(1, found.mean.size)
    left = max(200, min(resamples, _MOST_WORK // a_resample))
    step = max(1, _CELLS // a_resample)
    while left > 0:
        yield min(step, left)
        left -= step


def _swaps(a: Features, permutations: int, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
    if a.n < 31 and 2**a.n <= permutations:
        codes = np.arange(2**a.n)[:, None]
        yield (codes >> np.arange(a.n)) & 1 == 1
        return
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    for size in _blocks(a, permutations):
        yield rng.random((size, a.n)) < 0.5
