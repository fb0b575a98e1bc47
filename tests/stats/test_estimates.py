"""What a model's estimates hold, by hand: intervals, folds that tell the luck of training, and means of models."""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.stats.estimates import (
    Estimates,
    Measuring,
    error_of_difference,
    estimate,
    limits_of,
    luck_of,
    mean_of,
)
from gazekit.stats.metrics import METRICS, Features, metrics
from gazekit.stats.predictions import OutOfFold, Pass
from gazekit.stats.resampling import bootstrap
from gazekit.stats.standard_error import as_sample, defined, error_of, left_out
from gazekit.stats.training_luck import luck_of_folds
from tests.fixtures.simulated_networks import simulated

SEEDS = [Pass(0, 1), Pass(0, 2), Pass(1, 2)]
FOLDS = np.stack([np.arange(20) % 5 + 1, np.arange(20) // 4 + 1])  # of either repeat


@pytest.fixture
def sides(rng: np.random.Generator) -> tuple[Estimates, Estimates]:
    """Two conditions in five folds, dealt twice."""
    folds = OutOfFold(FOLDS)
    measuring = Measuring(5.0, 100, 3, overlap=1.6, folds=folds)
    a, b = (estimate(side, SEEDS, measuring) for side in simulated(rng, 20, 3, noise=(0.5, 1.0), training=0.5))
    return a, b


def test_an_estimate_is_the_metrics_their_replicates_and_values_without_pictures(
    sides: tuple[Estimates, Estimates],
) -> None:
    side = sides[0]
    for metric, values in metrics(side.features, 5.0).items():
        assert np.array_equal(side.values[metric], values)
        replicates = bootstrap(side.features, 5.0, resamples=100, seed=3)
        assert np.array_equal(side.replicates[metric], replicates[metric])
        assert np.array_equal(side.without[metric], left_out(side.features, 5.0)[metric])
    plain = Measuring(5.0)
    assert (plain.resamples, plain.seed, plain.overlap, plain.folds) == (2000, 0, 1.0, None)


def test_folds_are_those_of_each_seeds_repeat_and_none_where_pictures_are_left_out_in_groups(
    sides: tuple[Estimates, Estimates], monkeypatch: pytest.MonkeyPatch
) -> None:
    side = sides[0]
    assert side.folds is not None
    assert np.array_equal(side.folds, FOLDS[[0, 1, 1]])
    values, without = side.values["mae"][None], side.without["mae"][None]
    assert luck_of((values, without), side) == luck_of_folds(values, without, FOLDS[[0, 1, 1]])
    two, one = side.only(SEEDS[1:]), side.only(SEEDS[:1])
    assert luck_of((values[:, 1:], without[:, 1:]), two) == luck_of_folds(values[:, 1:], without[:, 1:], FOLDS[[1, 1]])
    assert luck_of((values[:, :1], without[:, :1]), one) is None
    monkeypatch.setattr("gazekit.stats.standard_error._ONE_BY_ONE", 10)
    monkeypatch.setattr("gazekit.stats.standard_error._GROUPS", 7)
    in_groups = estimate(side.features, SEEDS, side.measuring)
    assert in_groups.folds is None
    assert luck_of((values, in_groups.without["mae"][None]), in_groups) is None
    no_folds = estimate(side.features, SEEDS, Measuring(5.0, 100))
    assert no_folds.folds is None


def test_some_of_the_seeds_are_measured_anew(sides: tuple[Estimates, Estimates]) -> None:
    side = sides[0]
    assert side.only(SEEDS) is side
    found = side.only([SEEDS[2], SEEDS[0]])
    rows = [2, 0]
    again = estimate(Features(*(value[rows] for value in side.features.arrays())), [SEEDS[2], SEEDS[0]], side.measuring)
    assert found.seeds == again.seeds
    for metric in METRICS:
        assert np.array_equal(found.values[metric], again.values[metric])
        assert np.array_equal(found.replicates[metric], again.replicates[metric])


def test_intervals_count_pictures_the_luck_of_folds_and_their_overlap(sides: tuple[Estimates, Estimates]) -> None:
    side = sides[1]
    for metric, found in side.intervals().items():
        values, without = side.values[metric], side.without[metric]
        luck = luck_of_folds(values[None], without[None], FOLDS[[0, 1, 1]])
        error = error_of(values, without, 20, luck, overlap=1.6)
        assert found == error.widened(float(values.mean()), side.replicates[metric], limits_of(metric))


def test_a_difference_is_of_the_same_seeds_and_networks_are_a_sample(sides: tuple[Estimates, Estimates]) -> None:
    a, b = sides
    values, without = a.values["srcc"] - b.values["srcc"], a.without["srcc"] - b.without["srcc"]
    luck = luck_of_folds(values[None], without[None], FOLDS[[0, 1, 1]])
    expected = error_of(values, without, 20, luck, overlap=1.6)
    error, low, high = error_of_difference(a, b, "srcc")
    replicates = a.replicates["srcc"] - b.replicates["srcc"]
    assert error == expected
    assert (low, high) == expected.widened(float(values.mean()), replicates, (-2.0, 2.0))
    known = error_of_difference(a, b, "srcc", (0.5, 9))[0]
    assert known == error_of(values, without, 20, (0.5, 9), overlap=1.6)
    assert error_of_difference(a, b, "srcc", networks=[(a, b)])[0] == expected  # one is no sample
    other = estimate(Features(*(value[:, ::-1] for value in b.features.arrays())), SEEDS, b.measuring)
    networks = [(a, b), (a, other)]
    each = np.array([(one.values["srcc"] - two.values["srcc"]).mean() for one, two in networks])
    rest = np.stack([(one.without["srcc"] - two.without["srcc"]).mean(axis=0) for one, two in networks])
    sample = error_of_difference(a, b, "srcc", networks=networks)[0]
    assert sample == as_sample(expected, each, rest, 1.6)


def test_the_mean_of_models_is_of_their_values_and_pictures_stand_one_above_the_other(
    sides: tuple[Estimates, Estimates],
) -> None:
    a, b = sides
    assert mean_of([a]) is a
    found = mean_of([a, b])
    assert (found.seeds, found.measuring) == (a.seeds, a.measuring)
    assert found.features.mean.shape == (6, 20)
    for metric in METRICS:
        both = [defined(side.values)[metric] for side in (a, b)]
        np.testing.assert_allclose(found.values[metric], np.mean(both, axis=0))
        np.testing.assert_allclose(found.replicates[metric], (a.replicates[metric] + b.replicates[metric]) / 2)
        np.testing.assert_allclose(found.without[metric], (a.without[metric] + b.without[metric]) / 2)


def test_the_limits_are_those_that_no_prediction_passes(rng: np.random.Generator) -> None:
    expected = {"lcc": (-1, 1), "srcc": (-1, 1), "lcc_std": (-1, 1), "accuracy": (0, 1)}
    for metric in METRICS:
        assert limits_of(metric) == expected.get(metric, (0, np.inf))
