"""All metrics of many resamples of the same pictures at once: what a picture counts in each is a whole number.

A resample changes how often a picture counts, never its values. Sums over pictures are then products of two matrices,
and ranks are running sums over an order that is found once: thousands of resamples without one being sorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from gazekit.core.types import Bools, Floats, Index
from gazekit.stats.metrics import METRICS, Features, correlation

_CELLS = 100_000  # pictures times resamples that are worked on together: what stays in the processor's cache
_LITTLE = 1e-3  # of the sum of squares; where less than this varies, sums are too coarse and pictures are taken


def resampled(found: Features, index: Index, threshold: float) -> dict[str, Floats]:
    """Return what `gazekit.stats.metrics.metrics` gives of ``found.take(index)``: (S, N) and (B, n) give (S, B)."""
    weighted, (draws, _) = WeightedMetrics(found, threshold), index.shape
    place = index + found.n * np.arange(draws)[:, None]
    counts = np.bincount(place.ravel(), minlength=draws * found.n).reshape(draws, found.n)
    return weighted(counts.T.astype(np.float64))


def swapped(a: Features, b: Features, swap: Bools, threshold: float) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the metrics of both sides after pictures changed sides: (S, N) and a swap (B, N) give twice (S, B)."""
    both = Features(*(np.concatenate(pair, axis=-1) for pair in zip(a.arrays(), b.arrays(), strict=True)))
    weighted, taken = WeightedMetrics(both, threshold), swap.T.astype(np.float64)
    sides = np.concatenate([1 - taken, taken]), np.concatenate([taken, 1 - taken])
    untied = all(order.untied for order in weighted.orders) and np.array_equal(a.true_mean, b.true_mean)
    if not untied:
        left, right = (weighted(side) for side in sides)
        return left, right
    ranks = weighted.rank_correlations_of_halves(sides[0])
    left, right = (weighted(side, rank) for side, rank in zip(sides, ranks, strict=True))
    return left, right


class WeightedMetrics:
    """The metrics of pictures that count as often as is said.

    Parameters
    ----------
    found : Features
        Of M pictures, shape (S, M).
    threshold : float
        As `gazekit.stats.metrics.metrics`.
    """

    def __init__(self, found: Features, threshold: float) -> None:
        self._found = found
        mean, true_mean, std, true_std = (
            values - values.mean(axis=-1, keepdims=True)
            for values in (found.mean, found.true_mean, found.std, found.true_std)
        )
        error = found.mean - found.true_mean
        right = (found.mean > threshold) == (found.true_mean > threshold)
        self._sums = {
            "accuracy": right.astype(np.float64),
            "mae": np.abs(error),
            "rmse": error**2,
            "emd1": found.emd1,
            "emd2": found.emd2,
            "lcc": _products(mean, true_mean),
            "lcc_std": _products(std, true_std),
        }
        self.orders = [_Order.of(values) for values in found.mean]
        alike = bool((found.true_mean == found.true_mean[:1]).all())
        self._true_orders = [_Order.of(values) for values in (found.true_mean[:1] if alike else found.true_mean)]

    def __call__(self, weights: Floats, rank_correlations: Floats | None = None) -> dict[str, Floats]:
        """Return every metric, shape (S, B), of weights (M, B); correlations are NaN where a side does not vary."""
        count = weights.sum(axis=0)
        found = {name: values @ weights / count for name, values in self._sums.items()}
        found["rmse"] = np.sqrt(found["rmse"])
        for name, x, y in (
            ("lcc", self._found.mean, self._found.true_mean),
            ("lcc_std", self._found.std, self._found.true_std),
        ):
            found[name] = _correlations(found[name], x, y, weights)
        if rank_correlations is None:
            parts = [self._rank_correlations(some, some.sum(axis=0)) for some in _blocks(weights)]
            rank_correlations = np.concatenate(parts, axis=-1)
        return {name: found.get(name, rank_correlations) for name in METRICS}

    def rank_correlations_of_halves(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return those of the pictures that are taken, weights (M, B) of 0 and 1, and of those that are left.

        Half of them are taken always, each picture's place on one side, and no two predictions are equal: the ranks of
        the ratings stay, and those of what is left follow from those of what is taken.
        """
        half = len(weights) // 2
        middle, variance = half * (half + 1) ** 2, half * (half**2 - 1) / 3  # of ranks, twice as large
        steps = 2 * np.arange(1.0, 2 * half + 1)
        results = []
        for n, order in enumerate(self.orders):
            true = 2 * rankdata(self._found.true_mean[n, :half])
            spread = float(((true - half - 1) ** 2).sum())
            actual = np.concatenate([true, true])[order.order]
            sums = [_sums_of_halves(some[order.order], actual, steps) for some in _blocks(weights)]
            scale = np.sqrt(variance) * np.sqrt(spread)
            both = np.concatenate(sums, axis=-1) - middle
            results.append(np.clip(both / scale, -1, 1) if scale > 0 else np.full(both.shape, np.nan))
        left, right = np.stack(results, axis=1)
        return left, right

    def _rank_correlations(self, weights: Floats, count: Floats) -> Floats:
        true = [order.in_place(order.ranks(weights)[1]) for order in self._true_orders]
        middle = count * (count + 1) ** 2  # what squares sum to of ranks that do not vary, twice as large
        results = []
        for n, order in enumerate(self.orders):
            sorted_weights, ranks = order.ranks(weights)
            actual = true[n % len(true)][order.order]
            weighed = sorted_weights * ranks
            products, own, others = (
                np.einsum("mb,mb->b", first, second) - middle
                for first, second in ((weighed, actual), (weighed, ranks), (sorted_weights * actual, actual))
            )
            varies = (own > 0) & (others > 0)
            scale = np.sqrt(np.where(varies, own, 1)) * np.sqrt(np.where(varies, others, 1))
            results.append(np.where(varies, np.clip(products / scale, -1, 1), np.nan))
        return np.stack(results)


@dataclass(frozen=True)
class _Order:
    """Values in ascending order; equal ones share a rank.

    Attributes
    ----------
    order : ndarray, shape (M,)
        The pictures, by value.
    first, last : ndarray, shape (M,)
        Where the equal values of each place begin, and where they end; half open.
    """

    order: Index
    first: Index
    last: Index

    @property
    def untied(self) -> bool:
        """Whether no two values are equal."""
        return bool((self.last - self.first == 1).all())

    @classmethod
    def of(cls, values: Floats) -> _Order:
        order = np.argsort(values, kind="stable")  # sums in one order, on every processor
        ordered = values[order]
        return cls(order, np.searchsorted(ordered, ordered, "left"), np.searchsorted(ordered, ordered, "right"))

    def ranks(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return the weights (M, B) in this order, and twice the mean rank of each place among what counts."""
        ordered = weights[self.order]
        running = np.zeros((len(weights) + 1, weights.shape[1]))
        np.cumsum(ordered, axis=0, out=running[1:])
        if self.untied:
            return ordered, running[:-1] + running[1:] + 1
        return ordered, running[self.first] + running[self.last] + 1

    def in_place(self, values: Floats) -> Floats:
        """Return what stands in this order in the order of the pictures."""
        result = np.empty_like(values)
        result[self.order] = values
        return result


def _blocks(weights: Floats) -> Iterator[Floats]:
    """Yield weights (M, b) of some resamples each."""
    step = max(1, _CELLS // len(weights))
    return (weights[:, n : n + step] for n in range(0, weights.shape[1], step))


def _sums_of_halves(taken: Floats, actual: Floats, steps: Floats) -> Floats:
    """Sum the products of twice the ranks over what is taken (M, b), in ascending order, and over what is left: (2, b).

    ``actual`` are the ranks of the ratings, ``steps`` twice the places from 1 on.
    """
    ranks = 2 * np.cumsum(taken, axis=0)  # of what is left they are the steps less these
    sums = actual @ (taken * ranks)
    rest = actual @ steps - actual @ ranks - (actual * steps) @ taken + sums
    return np.stack([sums, rest])


def _products(x: Floats, y: Floats) -> Floats:
    """Return what a correlation sums, (5, S, M)."""
    return np.stack([x, y, x * x, y * y, x * y])


def _correlations(sums: Floats, x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return correlations (S, B) from mean products (5, S, B); with too little to go by, of the pictures themselves."""
    x_mean, y_mean, xx, yy, xy = sums
    x_varies, y_varies = xx - x_mean**2, yy - y_mean**2
    constant = (np.ptp(x, axis=-1) == 0) | (np.ptp(y, axis=-1) == 0)
    clear = (x_varies > _LITTLE * xx) & (y_varies > _LITTLE * yy) & ~constant[:, None]
    scale = np.sqrt(np.where(clear, x_varies, 1)) * np.sqrt(np.where(clear, y_varies, 1))
    result = np.where(clear, np.clip((xy - x_mean * y_mean) / scale, -1, 1), np.nan)
    for s, b in np.argwhere(~clear & ~constant[:, None]):
        pictures = np.repeat(np.arange(len(weights)), weights[:, b].astype(np.int64))
        result[s, b] = correlation(x[s, pictures], y[s, pictures])
    return np.asarray(result)
