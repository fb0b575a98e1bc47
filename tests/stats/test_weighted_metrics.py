from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gazekit.stats.metrics import METRICS, Features, metrics
from gazekit.stats.weighted_metrics import resampled, swapped
from tests.fixtures.simulated_networks import simulated


def _rounded(found: Features) -> Features:
    """Return predictions and ratings with many ties."""
    return Features(*(np.round(value, 1) for value in found.arrays()))


def _alike(found: Features) -> Features:
    """Return means that hardly differ between pictures, and standard deviations that do not."""
    mean, std = 5 + 1e-3 * found.mean, np.full_like(found.std, 0.3)
    return Features(mean, std, found.true_mean, found.true_std, found.emd1, found.emd2)


def _few(found: Features) -> Features:
    """Return predictions of two values."""
    two = np.where(found.mean > np.median(found.mean), 6.0, 4.0)
    return Features(two, found.std, found.true_mean, found.true_std, found.emd1, found.emd2)


def _rated_alike(found: Features) -> Features:
    """Return ratings whose means are all the same, and standard deviations of predictions that are."""
    same = np.full_like(found.mean, 5.5)
    return Features(found.mean, same, same, found.true_std, found.emd1, found.emd2)


def _same(found: Features) -> Features:
    return found


@pytest.mark.parametrize("change", [_same, _rounded, _alike, _few, _rated_alike])
@pytest.mark.parametrize("n", [2, 7, 40])
def test_resamples_equal_those_of_pictures_taken(
    n: int, change: Callable[[Features], Features], rng: np.random.Generator
) -> None:
    side = change(simulated(rng, n, 3, noise=(0.5, 2.0))[0])
    index = rng.integers(0, n, (50, n))
    expected, found = metrics(side.take(index), 5.0), resampled(side, index, 5.0)
    for name in METRICS:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("change", [_same, _rounded, _alike, _few, _rated_alike])
@pytest.mark.parametrize("n", [2, 7, 40])
def test_swaps_equal_those_of_pictures_swapped(
    n: int, change: Callable[[Features], Features], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gazekit.stats.weighted_metrics._CELLS", 200)
    a, b = map(change, simulated(rng, n, 3, noise=(0.5, 2.0)))
    b = Features(b.mean, b.std, a.true_mean, a.true_std, b.emd1, b.emd2)
    swap = rng.random((50, n)) < 0.5
    expected = metrics(a.swapped(b, swap), 5.0), metrics(b.swapped(a, swap), 5.0)
    for side, found in zip(expected, swapped(a, b, swap, 5.0), strict=True):
        for name in METRICS:
            np.testing.assert_allclose(found[name], side[name], rtol=0, atol=1e-12, err_msg=name)


def test_ratings_of_each_seed_may_differ(rng: np.random.Generator) -> None:
    side = simulated(rng, 20, 3, noise=(0.5, 2.0))[0]
    other = Features(side.mean, side.std, rng.permuted(side.true_mean, axis=1), side.true_std, side.emd1, side.emd2)
    index = rng.integers(0, 20, (10, 20))
    expected, found = metrics(other.take(index), 5.0), resampled(other, index, 5.0)
    for name in METRICS:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-12, err_msg=name)
