"""Floors and ceilings: what a predictor that knows nothing reaches, and what the raters themselves allow."""

from __future__ import annotations

import numpy as np

from gazekit.core.types import Floats, Index
from gazekit.stats.metrics import METRICS, default_threshold, features, metrics


def constant_histogram(training: Index) -> Floats:
    """Return the mean of normalised histograms, shape (K,): the best guess that sees no picture."""
    return np.asarray((training / training.sum(axis=1, keepdims=True)).mean(axis=0))


def always_high(actual: Index, threshold: float | None = None) -> float:
    """Return accuracy of calling every picture high."""
    limit = default_threshold(actual.shape[1]) if threshold is None else threshold
    found = features(actual, actual)
    return float((found.true_mean > limit).mean())


def split_half(
    counts: Index, *, splits: int = 100, threshold: float | None = None, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """Return how well one random half of the raters predicts the other half: mean over splits, and its 95 % interval.

    The interval is a bootstrap's over pictures, ten draws of them a split.

    Each picture's raters are dealt to two halves without replacement (multivariate hypergeometric). Pictures with
    fewer than two ratings are left out. A network is tested against all raters, so that it may pass this a little.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3]))
    usable = np.asarray(counts)[np.asarray(counts).sum(axis=1) >= 2]
    if len(usable) == 0:
        return dict.fromkeys(METRICS, (np.nan, np.nan, np.nan))
    limit = default_threshold(usable.shape[1]) if threshold is None else threshold
    pictures = np.random.default_rng(np.random.SeedSequence([seed, 5]))
    rows: list[dict[str, Floats]] = []
    drawn: list[dict[str, Floats]] = []
    for _ in range(splits):
        half = np.stack([rng.multivariate_hypergeometric(row, int(row.sum()) // 2) for row in usable])
        found = features(half, usable - half)
        rows.append(metrics(found, limit))
        drawn.append(metrics(found.take(pictures.integers(0, found.n, (10, found.n))), limit))
    return {m: _interval(np.array([r[m] for r in rows]), np.concatenate([d[m] for d in drawn])) for m in METRICS}


def full_length(half: float) -> float:
    """Return the reliability of all raters together from the correlation of two halves (Spearman-Brown)."""
    return 2 * half / (1 + half) if half > -1 else float("nan")


def _interval(values: Floats, replicates: Floats) -> tuple[float, float, float]:
    low, high = np.quantile(replicates, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)
