from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import permutation_test

from gazekit.stats.metrics import METRICS, Features
from gazekit.stats.resampling import affordable, bootstrap, difference, interval, permutation_p, swaps
from gazekit.stats.standard_error import left_out
from tests.fixtures.simulated_networks import simulated


def test_the_exact_permutation_test_agrees_with_scipy(rng: np.random.Generator) -> None:
    a, b = simulated(rng, 9, 1, noise=(0.5, 2.0))
    left, right = np.abs(a.mean - a.true_mean)[0], np.abs(b.mean - b.true_mean)[0]
    expected = permutation_test(
        (left, right), lambda x, y: np.mean(x) - np.mean(y), permutation_type="samples", n_resamples=np.inf
    )
    assert permutation_p(a, b, 5.0)["mae"] == pytest.approx(expected.pvalue)


def test_of_several_seeds_all_swaps_flip_the_pictures_mean_differences(rng: np.random.Generator) -> None:
    """Of the absolute error, whose mean is a mean over pictures: signs are flipped, all 2^8 of them."""
    a, b = simulated(rng, 8, 3, noise=(0.5, 1.5))
    each = (np.abs(a.mean - a.true_mean) - np.abs(b.mean - b.true_mean)).mean(axis=0)
    signs = np.array(list(itertools.product((-1, 1), repeat=8)))
    expected = (np.abs(signs @ each) >= abs(each.sum()) - 1e-9).mean()
    assert permutation_p(a, b, 5.0, permutations=9999, seed=0)["mae"] == expected


def test_the_random_permutation_test_comes_close_to_the_exact_one(rng: np.random.Generator) -> None:
    a, b = simulated(rng, 12, 2, noise=(0.8, 1.6))
    exact = permutation_p(a, b, 5.0, permutations=4096)
    drawn = permutation_p(a, b, 5.0, permutations=4000)
    assert drawn == pytest.approx(exact, abs=0.04)


def test_p_is_never_zero_and_one_for_the_same() -> None:
    a, b = simulated(np.random.default_rng(0), 60, 2, noise=(0.1, 4.0))
    assert permutation_p(a, b, 5.0, permutations=199)["mae"] == 1 / 200
    assert permutation_p(a, a, 5.0, permutations=199)["srcc"] == 1.0


def test_one_seed_has_an_interval_of_pictures_only(rng: np.random.Generator) -> None:
    a, _ = simulated(rng, 50, 1, noise=(1.0, 1.0))
    values = np.abs(a.mean - a.true_mean)[0]
    low, high = interval(bootstrap(a, 5.0, resamples=4000)["mae"])
    error = values.std() / np.sqrt(50)
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.25 * error)


def test_replicates_repeat_and_pair(rng: np.random.Generator) -> None:
    a, b = simulated(rng, 30, 3, noise=(0.5, 0.5))
    first, again, other = bootstrap(a, 5.0, seed=1), bootstrap(a, 5.0, seed=1), bootstrap(b, 5.0, seed=1)
    for metric in METRICS:
        assert np.array_equal(first[metric], again[metric])
    same_pictures = first["mae"] - other["mae"]
    apart = first["mae"] - bootstrap(b, 5.0, seed=2)["mae"]
    assert same_pictures.std() < apart.std()


@pytest.mark.parametrize("n", [5, 40])
def test_large_splits_are_worked_through_in_blocks(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    a, _ = simulated(np.random.default_rng(1), n, 2, noise=(0.5, 1.0))
    whole = bootstrap(a, 5.0, resamples=300), left_out(a, 5.0)
    monkeypatch.setattr("gazekit.stats.resampling._CELLS", 100)
    monkeypatch.setattr("gazekit.stats.standard_error._CELLS", 100)
    blocks = bootstrap(a, 5.0, resamples=300), left_out(a, 5.0)
    for metric, replicates in blocks[0].items():
        assert len(replicates) == 300
        assert replicates.mean() == pytest.approx(whole[0][metric].mean(), abs=0.15)
        assert blocks[1][metric] == pytest.approx(whole[1][metric])


def test_swaps_are_all_there_where_they_are_few() -> None:
    a, b = simulated(np.random.default_rng(2), 4, 1, noise=(1.0, 1.0))
    by_hand = []
    for swap in itertools.product([False, True], repeat=4):
        mask = np.array([swap])
        by_hand.append(float(difference(a.swapped(b, mask), b.swapped(a, mask), 5.0)["emd2"][0]))
    observed = by_hand[0]
    expected = np.mean(np.abs(by_hand) >= abs(observed) - 1e-12)
    assert permutation_p(a, b, 5.0)["emd2"] == pytest.approx(expected)


def test_large_splits_leave_room_for_a_claim() -> None:
    large = Features(*(np.zeros((5, 25_549)) for _ in range(6)))
    assert affordable(large, 9999) == swaps(large, 9999) == 782
    assert swaps(large, 9999, comparisons=40) == 1600  # Holm's first step of 40 at .05: p of .00125
    assert swaps(large, 99, comparisons=40) == 99
    few = Features(*(np.zeros((5, 10)) for _ in range(6)))
    assert swaps(few, 9999) == swaps(few, 1024) == 1024
    assert swaps(few, 1023) == 1023
    largest = Features(*(np.broadcast_to(0.0, (5, 2_000_000)) for _ in range(6)))
    assert [affordable(largest, asked) for asked in (9999, 199)] == [200, 199]
    assert [swaps(largest, 9999, comparisons) for comparisons in (1, 5, 6)] == [200, 200, 240]


@pytest.mark.parametrize("varies", ["pictures", "seeds", "both"])
def test_replicates_vary_as_means_over_pictures_and_seeds_do(rng: np.random.Generator, varies: str) -> None:
    """The same pictures are drawn for every seed, and seeds besides; in theory, variance over number."""
    each = rng.normal(0, 1, (1, 30)) * (varies != "seeds") + rng.normal(0, 0.5, (4, 1)) * (varies != "pictures")
    side = Features(*[np.zeros((4, 30))] * 4, each, each)
    replicates = bootstrap(side, 5.0, resamples=5000)["emd1"]
    assert len(replicates) == 5000
    assert len(bootstrap(side, 5.0)["emd1"]) == 2000
    expected = each.mean(axis=0).var() / 30 + each.mean(axis=1).var() / 4
    assert replicates.mean() == pytest.approx(each.mean(), abs=5 * np.sqrt(expected / 5000))
    assert replicates.var() == pytest.approx(expected, rel=0.12)


def test_an_interval_leaves_out_a_fortieth_at_either_end() -> None:
    assert interval(np.arange(201.0)) == (5.0, 195.0)
