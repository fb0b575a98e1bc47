"""Intervals, permutation tests and effect sizes for networks tested on few pictures with few seeds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gazekit.core.types import Floats
from gazekit.stats.metrics import METRICS, Features, metrics
from gazekit.stats.standard_error import defined
from gazekit.stats.weighted_metrics import resampled, swapped

_CELLS = 400_000  # values a block of resamples may hold: what keeps memory flat on large test splits
_MOST_WORK = 100_000_000  # values over all resamples: beyond it, fewer resamples
_FEWEST = 200


def bootstrap(
    seeds: Features, threshold: float, *, resamples: int = 2000, seed: int = 0
) -> dict[str, npt.NDArray[np.float64]]:
    """Return bootstrap replicates of each metric's mean over seeds, over test pictures and over seeds.

    Pictures are drawn with replacement, the same for all seeds, and so are seeds. The same ``seed`` draws the same
    pictures and seeds in every condition, so that replicates of two conditions may be subtracted. Few seeds make these
    replicates too sure of themselves: `gazekit.stats.standard_error.Error.widened` mends that.

    Parameters
    ----------
    seeds : Features
        Features of shape (S, N).

    Returns
    -------
    dict
        Per metric, shape (resamples,). An undefined correlation (a constant prediction) counts as 0.
    """
    count = seeds.mean.shape[0]
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    blocks: dict[str, list[Floats]] = {name: [] for name in METRICS}
    for size in _blocks(seeds, affordable(seeds, resamples)):
        pictures = rng.integers(0, seeds.n, (size, seeds.n))
        chosen = rng.integers(0, count, (size, count))
        found = defined(resampled(seeds, pictures, threshold))
        for name, value in found.items():  # (S, B)
            blocks[name].append(np.take_along_axis(value.T, chosen, axis=1).mean(axis=1))
    return {name: np.concatenate(parts) for name, parts in blocks.items()}


def interval(replicates: Floats) -> tuple[float, float]:
    """Return the 95 % percentile interval of bootstrap replicates."""
    low, high = np.quantile(replicates, [0.025, 0.975])
    return float(low), float(high)


def permutation_p(
    a: Features, b: Features, threshold: float, *, permutations: int = 9999, seed: int = 0, comparisons: int = 1
) -> dict[str, float]:
    """Return two-sided p of the paired permutation test over pictures, per metric.

    Where two conditions are alike, their predictions for a picture could as well be swapped. A picture is swapped
    with all its seeds, and the statistic is the difference of the means over seeds that the table shows.
    All 2^N swaps are done where that is not more than ``permutations``; else as many random ones, and the one
    observed counts among them (Phipson & Smyth 2010), so that p is never 0.
    """
    observed = difference(a, b, threshold)
    permutations = swaps(a, permutations, comparisons)
    at_least = dict.fromkeys(METRICS, 0)
    total = 0
    for swap in _swaps(a, permutations, seed):
        left, right = map(defined, swapped(a, b, swap, threshold))
        total += len(swap)
        for name in METRICS:
            value = left[name].mean(axis=0) - right[name].mean(axis=0)
            at_least[name] += int((np.abs(value) >= np.abs(observed[name]) - 1e-12).sum())
    exact = _all_swaps(a, total)
    return {name: count / total if exact else (count + 1) / (total + 1) for name, count in at_least.items()}


def difference(a: Features, b: Features, threshold: float) -> dict[str, Floats]:
    """Return difference of each metric's mean over seeds (the first axis)."""
    left, right = defined(metrics(a, threshold)), defined(metrics(b, threshold))
    return {name: left[name].mean(axis=0) - right[name].mean(axis=0) for name in METRICS}


def affordable(found: Features, asked: int, fewest: int = _FEWEST) -> int:
    """Return how many resamples of features (S, N) are made of those asked for: fewer on very large splits."""
    return min(asked, max(fewest, _MOST_WORK // found.mean.size))


def swaps(found: Features, asked: int, comparisons: int = 1) -> int:
    """Return how many swaps a permutation test makes of those asked for.

    All 2^N where they are not more; on very large splits fewer, but enough for Holm's correction of so many comparisons
    to leave room for a claim at 5 %.
    """
    return 2**found.n if _all_swaps(found, asked) else affordable(found, asked, max(_FEWEST, 40 * comparisons))


def _all_swaps(found: Features, count: int) -> bool:
    return bool(2**found.n <= count)


def _blocks(found: Features, left: int) -> Iterator[int]:
    step = max(1, _CELLS // found.mean.size)
    while left > 0:
        yield min(step, left)
        left -= step


def _swaps(a: Features, permutations: int, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
    if _all_swaps(a, permutations):
        codes = np.arange(2**a.n)[:, None]
        yield (codes >> np.arange(a.n)) & 1 == 1
        return
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    for size in _blocks(a, permutations):
        yield rng.random((size, a.n)) < 0.5
