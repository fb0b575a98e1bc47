"""How much of a difference is the luck of training, told from the folds of cross-validation.

A seed of a cross-validated study is K networks that were trained apart, each of which tells of its own fold. What two
seeds differ by in each fold is therefore K observations of the luck, where their pooled values are one: with two seeds
Student's t has about K degrees of freedom, and not one.
"""

from __future__ import annotations

import itertools

import numpy as np

from gazekit.core.types import Floats, Index

Luck = tuple[float, int]  # variance from seed to seed, and its degrees of freedom


def luck_of_folds(values: Floats, without: Floats, folds: Index) -> Luck:
    """Return the variance of a value from seed to seed, from what seeds differ by in each fold.

    Parameters
    ----------
    values : ndarray, shape (T, S)
        A metric of T conditions with S seeds; of one, the variance of that value, else of a difference of any two.
    without : ndarray, shape (T, S, N)
        The same without each picture (jackknife).
    folds : ndarray, shape (S, N)
        The fold of each picture for every seed; seeds of one repeat have the same.

    Returns
    -------
    (float, int)
        Its degrees of freedom are 0 where there is one seed.

    Notes
    -----
    Differences of pseudo-values are summed in folds. Where two seeds were dealt into folds apart, those of either are
    added and those of the intersections taken off, as for errors in two kinds of clusters (Cameron, Gelbach and Miller
    2011).
    """
    conditions, seeds, pictures = without.shape
    if seeds < 2:
        return 0.0, 0
    shares = values[..., None] - (pictures - 1) / pictures * without  # pseudo-values over N: they sum to the value
    shares = shares - (shares.mean(axis=0) if conditions > 1 else 0.0)
    variances = []
    for one, other in itertools.combinations(range(seeds), 2):
        apart = shares[:, one] - shares[:, other]
        crossed = folds[one] * (folds[other].max() + 1) + folds[other]
        parts = [_squares(apart, labels) for labels in (folds[one], folds[other], crossed)]
        both = np.maximum(parts[0] + parts[1] - parts[2], parts[2])
        variances.append(both.sum() / (conditions - 1) if conditions > 1 else both.sum() / 2)
    return float(np.mean(variances)), int(folds[0].max()) * max(1, conditions - 1) * (seeds - 1)


def together(*known: Luck) -> Luck:
    """Return estimates of one variance as one, each with the weight of its degrees of freedom."""
    freedom = sum(df for _, df in known)
    return (sum(variance * df for variance, df in known) / freedom if freedom else 0.0), freedom


def _squares(values: Floats, labels: Index) -> Floats:
    """Return the sum of squares of the sums of values (T, N) over pictures of one label, (T,)."""
    sums = np.stack([np.bincount(labels, weights=row) for row in values])
    return np.asarray((sums**2).sum(axis=1))
