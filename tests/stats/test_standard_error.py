from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, ttest_1samp
from scipy.stats import t as student

from gazekit.stats.metrics import METRICS, Features, metrics
from gazekit.stats.resampling import bootstrap, difference
from gazekit.stats.standard_error import Uncertainty, as_sample, defined, error_of, left_out, overlap_of, pooled_luck
from gazekit.stats.training_luck import luck_of_folds, together
from tests.fixtures.simulated_networks import simulated


def of_difference(a: Features, b: Features, metric: str) -> Uncertainty:
    values = left_out(a, 5.0)[metric] - left_out(b, 5.0)[metric]
    return error_of(values.mean(axis=1), values, a.n)


def test_of_a_mean_over_pictures_it_is_the_standard_error(rng: np.random.Generator) -> None:
    a, b = simulated(rng, 40, 1, noise=(0.5, 1.0))
    each = (np.abs(a.mean - a.true_mean) - np.abs(b.mean - b.true_mean))[0]
    found = of_difference(a, b, "mae")
    assert found.pictures == pytest.approx(each.std(ddof=1))
    assert found.se == pytest.approx(each.std(ddof=1) / np.sqrt(40))
    assert found.df == np.inf


def test_without_pictures_in_common_it_is_the_t_test_over_seeds() -> None:
    """Where pictures make no difference, what is left is Student's t over the seeds."""
    values = np.array([0.1, 0.25, 0.16, 0.3])
    found = error_of(values, np.repeat(values[:, None], 30, axis=1), 30)
    expected = ttest_1samp(values, 0.0)
    assert found.df == pytest.approx(3)
    assert found.p(float(values.mean())) == pytest.approx(expected.pvalue)


def test_pooled_luck_of_two_conditions_is_their_own_and_of_many_the_true_one(rng: np.random.Generator) -> None:
    two = rng.normal(0, 1, (2, 5))
    assert pooled_luck(two) == (pytest.approx(np.var(two[0] - two[1], ddof=1)), 4)
    many = rng.normal(0, 0.3, (60, 40)) + rng.normal(0, 1, 40) + rng.normal(0, 2, (60, 1))
    variance, freedom = pooled_luck(many)
    assert variance == pytest.approx(2 * 0.3**2, rel=0.1)
    assert freedom == 59 * 39
    assert pooled_luck(rng.normal(size=(3, 1)))[1] == 0


def test_of_a_correlation_it_is_what_many_test_splits_show() -> None:
    rng = np.random.default_rng(8)
    pairs = [simulated(rng, 80, 1, noise=(1.0, 2.0)) for _ in range(300)]
    found = [float(difference(a, b, 5.0)["lcc"]) for a, b in pairs]
    assert np.mean([of_difference(a, b, "lcc").se for a, b in pairs]) == pytest.approx(np.std(found), rel=0.15)


def test_in_groups_it_is_about_that_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = simulated(np.random.default_rng(5), 900, 1, noise=(1.0, 2.0))
    one_by_one = of_difference(a, b, "srcc")
    monkeypatch.setattr("gazekit.stats.standard_error._ONE_BY_ONE", 100)
    assert of_difference(a, b, "srcc").se == pytest.approx(one_by_one.se, rel=0.2)


@pytest.mark.parametrize(
    ("luck", "shared", "own"),
    [
        pytest.param(0.5, 0.3, 0.3, id="mostly-luck"),
        pytest.param(0.0, 0.8, 0.3, id="mostly-pictures"),
        pytest.param(0.1, 0.5, 1.0, id="mostly-own-errors"),
    ],
)
def test_the_interval_covers_over_pictures_and_seeds(luck: float, shared: float, own: float) -> None:
    """A nominal 95 % interval of a mean over few seeds, lucky or not, on 40 pictures covers about as often."""
    rng, seeds = np.random.default_rng(4), 3
    hits = 0
    for draw in range(120):
        noise = rng.normal(0, own, (seeds, 40)) + rng.normal(0, shared, (1, 40)) + rng.normal(0, luck, (seeds, 1))
        found = Features(*[np.zeros((seeds, 40))] * 4, 5.0 + noise, 5.0 + noise)
        values = left_out(found, 5.0)["emd1"]
        replicates = bootstrap(found, 5.0, resamples=300, seed=draw)["emd1"]
        mean = float(found.emd1.mean())
        low, high = error_of(found.emd1.mean(axis=1), values, 40).widened(mean, replicates, (-np.inf, np.inf))
        hits += low <= 5.0 <= high
    assert hits / 120 >= 0.89


def test_the_interval_keeps_within_what_is_possible() -> None:
    error = Uncertainty(0.4, 2.0, 1.0)
    low, high = error.widened(0.9, np.random.default_rng(0).normal(0.9, 0.1, 500), (-1.0, 1.0))
    assert low > -1.0
    assert high == 1.0


def test_networks_count_as_a_sample_of_networks(rng: np.random.Generator) -> None:
    """By hand where pictures leave no error; networks that differ by no more than pictures explain change nothing."""
    alone, values = Uncertainty(0.02, 99, 1.0), np.array([0.0, 0.1, 0.2])
    steady = np.repeat(values[:, None], 50, axis=1)  # without any picture they are the same
    error = as_sample(alone, values, steady)
    assert error.se == pytest.approx(np.sqrt(0.02**2 + 0.01 / 3))
    assert error.df == pytest.approx(error.se**4 / (0.02**4 / 99 + (0.01 / 3) ** 2 / 2))
    scattered = steady + rng.normal(0, 0.01, steady.shape)  # each network errs on pictures of its own
    assert as_sample(alone, values, scattered).se < error.se
    assert as_sample(alone, np.full(3, 0.1), scattered) == alone


def test_one_sided_p_of_a_margin() -> None:
    """By Student's t; and where there is no error at all, the edge itself is not above it."""
    error = Uncertainty(0.5, 7.0, 1.0)
    assert error.not_below_p(0.2, 0.3) == pytest.approx(student.sf(1.0, 7))
    assert error.equivalence_p(0.2, 0.3) == pytest.approx(student.sf(0.2, 7))
    exact = Uncertainty(0.0, 7.0, 0.0)
    assert [exact.not_below_p(value, 0.3) for value in (-0.3, -0.2)] == [1.0, 0.0]
    assert [exact.p(value) for value in (0.0, 0.1)] == [1.0, 0.0]


def test_pictures_needed_and_detectable_are_inverse() -> None:
    error = Uncertainty(1.0 / np.sqrt(200), np.inf, 1.0)
    assert error.pictures_needed(error.detectable()) in (200, 201)
    assert error.pictures_needed(0.0) == np.inf
    assert Uncertainty(0.1, np.inf, 1.0).pictures_needed(0.5) == 32  # (1.95996 + 0.84162)^2 / 0.25, rounded up
    assert Uncertainty(0.1, np.inf, 2.0).pictures_needed(0.5) == 126  # four times as many, before rounding
    assert Uncertainty(0.1, np.inf, 1.0, luck=1.0).pictures_needed(0.5) == np.inf  # it takes more seeds


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 11])
def test_pictures_needed_gives_the_power_that_it_promises(alpha: float) -> None:
    rng = np.random.default_rng(3)
    n = int(Uncertainty(0.1, np.inf, 1.0).pictures_needed(0.4, alpha))
    edge = norm.ppf(1 - alpha / 2)
    seen = [abs(x.mean()) / (x.std(ddof=1) / np.sqrt(n)) > edge for x in rng.normal(0.4, 1.0, (4000, n))]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("apart", [False, True], ids=["one-deal", "dealt-twice"])
@pytest.mark.parametrize("conditions", [1, 2])
def test_folds_tell_the_luck_of_training_as_many_seeds_would(conditions: int, apart: bool) -> None:
    """Each network of a fold has luck of its own, and errs on pictures by itself; the truth is known."""
    rng, n, k = np.random.default_rng(3), 60, 10
    found = []
    for _ in range(400):
        folds = np.stack([rng.permutation(np.arange(n) % k + 1) for _ in range(2)])
        folds = folds if apart else folds[[0, 0]]
        luck = rng.normal(0, 0.5, (conditions, 2, k + 1))
        picture = rng.normal(0, 2, n) + rng.normal(0, 1, (conditions, 1, n)) + rng.normal(0, 0.7, (conditions, 2, n))
        each = picture + np.stack([luck[:, s, folds[s]] for s in (0, 1)], axis=1)
        without = (each.sum(axis=2, keepdims=True) - each) / (n - 1)
        found.append(luck_of_folds(each.mean(axis=2), without, folds))
    expected = (1 if conditions == 1 else 2) * (0.5**2 / k + 0.7**2 / n)
    assert np.mean([variance for variance, _ in found]) == pytest.approx(expected, rel=0.12)
    assert found[0][1] == k
    assert together((1.0, 2), (4.0, 1)) == (2.0, 3)
    assert luck_of_folds(each[:, :1].mean(axis=2), without[:, :1], folds[:1]) == (0.0, 0)


@pytest.mark.parametrize("overlap", [1.0, 1.6])
@pytest.mark.parametrize("luck", [None, (0.3, 11), (0.3, 0)], ids=["own", "known", "nothing-known"])
def test_the_error_is_that_of_readers_and_cases(
    rng: np.random.Generator, overlap: float, luck: tuple[float, int] | None
) -> None:
    """By Obuchowski and Rockette: pseudo-values of pictures, whose covariance is that of seeds."""
    noise = rng.normal(0, 1, (1, 25)) + rng.normal(0, 0.7, (3, 25)) + rng.normal(0, 0.4, (3, 1))
    values, without = noise.mean(axis=1), (noise.sum(axis=1, keepdims=True) - noise) / 24
    covariance = np.cov(noise) / 25
    common = covariance[np.triu_indices(3, 1)].mean()
    one, freedom = luck if luck is not None and luck[1] else (values.var(ddof=1), 2)
    variance = one / 3 + common
    found = error_of(values, without, 25, luck, overlap=overlap)
    assert found.se == pytest.approx(np.sqrt(overlap * variance))
    df = freedom * (variance / (one / 3)) ** 2
    assert found.df == pytest.approx(df if overlap == 1 else min(df, 24))
    assert found.pictures == pytest.approx(np.sqrt(overlap) * noise.mean(axis=0).std(ddof=1))
    own = (np.trace(covariance) - 3 * common) / 9  # what each errs by itself on single pictures
    assert found.luck == pytest.approx(overlap * max(0.0, one / 3 - own))
    alone = error_of(values[:1], without[:1], 25, overlap=overlap)
    assert alone.se == pytest.approx(np.sqrt(overlap / 25) * noise[0].std(ddof=1))
    assert (alone.df, alone.luck) == (np.inf if overlap == 1 else 24, 0.0)


def test_seeds_that_err_against_each_other_have_no_common_error() -> None:
    """What seeds have in common cannot be less than nothing, and of no luck at all freedom is without end."""
    noise = np.array([[1.0, -1.0, 2.0, -2.0], [-1.0, 1.0, -2.0, 2.0]])
    without = -noise / 3
    found = error_of(noise.mean(axis=1) + np.array([0.1, 0.3]), without, 4)
    assert found.se == pytest.approx(np.sqrt(0.02 / 2))
    assert (found.pictures, found.df) == (0.0, pytest.approx(1.0))
    assert error_of(np.zeros(2), without, 4).df == np.inf


def test_the_interval_is_widened_by_the_error_over_that_of_the_replicates(rng: np.random.Generator) -> None:
    replicates, everywhere = rng.gamma(2, 0.1, 400), (-np.inf, np.inf)
    low, high = np.quantile(replicates, [0.025, 0.975])
    for se, df in ((0.5, np.inf), (0.5, 4.0), (0.01, np.inf)):
        factor = max(1.0, student.ppf(0.975, df) / norm.ppf(0.975) * se / np.std(replicates, ddof=1))
        found = Uncertainty(se, df, 1.0).widened(0.3, replicates, everywhere)
        assert found == pytest.approx((0.3 + (low - 0.3) * factor, 0.3 + (high - 0.3) * factor))
    assert Uncertainty(0.5, 4.0, 1.0).widened(0.3, np.full(9, 0.25), everywhere) == (0.25, 0.25)


@pytest.mark.parametrize("one_by_one", [11, 12], ids=["groups", "one-by-one"])
def test_values_without_pictures_are_those_of_the_others(
    rng: np.random.Generator, one_by_one: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gazekit.stats.standard_error._ONE_BY_ONE", one_by_one)
    monkeypatch.setattr("gazekit.stats.standard_error._GROUPS", 5)
    side = simulated(rng, 12, 2, noise=(0.5, 1.0))[0]
    side = Features(np.where(np.arange(2)[:, None], side.mean, 5.0), *side.arrays()[1:])  # one does not vary
    left = [[k] for k in range(12)] if one_by_one == 12 else [np.arange(k, 12, 5) for k in range(5)]
    found = left_out(side, 5.0)
    for name in METRICS:
        each = [defined(metrics(side.take(np.delete(np.arange(12), out)[None]), 5.0))[name][:, 0] for out in left]
        np.testing.assert_allclose(found[name], np.stack(each, axis=1), atol=1e-12)
    assert (found["lcc"][0] == 0).all()


@pytest.mark.parametrize("conditions", [1, 3])
def test_the_luck_of_folds_by_all_pairs_of_pictures(rng: np.random.Generator, conditions: int) -> None:
    """Pictures err together that share a fold in either of two deals: a quadratic form of who does."""
    n = 12
    folds = np.stack([rng.permutation(np.arange(n) % 4 + 1) for _ in range(3)])
    each = rng.normal(0, 1, (conditions, 3, n))
    without = (each.sum(axis=2, keepdims=True) - each) / (n - 1)
    shares = each / n - (each.mean(axis=0) / n if conditions > 1 else 0)
    variances = []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        apart = shares[:, one] - shares[:, other]
        same = [folds[s][:, None] == folds[s] for s in (one, other)]
        either, both = (np.einsum("ti,ij,tj->t", apart, how, apart) for how in (same[0] | same[1], same[0] & same[1]))
        variances.append(np.maximum(either, both).sum() / (conditions - 1 if conditions > 1 else 2))
    found = luck_of_folds(each.mean(axis=2), without, folds)
    assert found == (pytest.approx(np.mean(variances)), 4 * max(1, conditions - 1) * 2)


def test_of_nothing_known_nothing_is_told_and_training_pictures_count_by_half() -> None:
    assert together((0.0, 0), (0.0, 0)) == (0.0, 0)
    assert [overlap_of(folds) for folds in (2, 5, 10)] == pytest.approx([2, 1 + 5 / 8, 1 + 5 / 9])


@pytest.mark.parametrize("overlap", [1.0, 1.5])
def test_what_pictures_make_of_networks_differences_is_taken_off(rng: np.random.Generator, overlap: float) -> None:
    """The variance of one network's own error: its variance over pictures less what it shares with the others."""
    noise = rng.normal(0, 1, (1, 30)) + rng.normal(0, 1, (4, 30)) + np.array([[0.0], [0.5], [1.0], [1.6]])
    values, without = noise.mean(axis=1), (noise.sum(axis=1, keepdims=True) - noise) / 29
    covariance = np.cov(noise) / 30
    own = np.diag(covariance).mean() - covariance[np.triu_indices(4, 1)].mean()
    among = (values.var(ddof=1) - overlap * own) / 4
    assert among > 0
    alone = Uncertainty(0.1, 20.0, 0.7, luck=0.02)
    found = as_sample(alone, values, without, overlap)
    assert found.se == pytest.approx(np.sqrt(0.1**2 + among))
    assert found.df == pytest.approx(found.se**4 / (0.1**4 / 20 + among**2 / 3))
    assert (found.pictures, found.luck) == (0.7, pytest.approx(0.02 + among))
    assert overlap != 1 or as_sample(alone, values, without) == found
