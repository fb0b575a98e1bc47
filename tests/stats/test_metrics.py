from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr, wasserstein_distance

from gazekit.core.errors import InputError
from gazekit.stats.metrics import METRICS, Metric, correlation, features, metrics
from gazekit.stats.noise_ceiling import always_high, constant_histogram, full_length, split_half
from gazekit.training import evaluate


@pytest.fixture
def predicted(rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.ones(10) * 2, 80)


@pytest.fixture
def actual(rng: np.random.Generator) -> np.ndarray:
    return np.stack([rng.multinomial(11, row) for row in rng.dirichlet(np.ones(10), 80)])


def test_equal_to_scipy(predicted: np.ndarray, actual: np.ndarray) -> None:
    score = np.arange(1, 11)
    q = actual / actual.sum(1, keepdims=True)
    mean = predicted @ score / predicted.sum(1)
    true = actual @ score / actual.sum(1)  # of counts: equal means are ties
    sd = np.sqrt(predicted @ score**2 - mean**2)
    true_sd = np.sqrt(q @ score**2 - true**2)
    expected = {
        "accuracy": np.mean((mean > 5) == (true > 5)),
        "lcc": pearsonr(mean, true).statistic,
        "srcc": spearmanr(mean, true).statistic,
        "lcc_std": pearsonr(sd, true_sd).statistic,
        "mae": np.abs(true - mean).mean(),
        "rmse": np.sqrt(((true - mean) ** 2).mean()),
        "emd1": np.mean([wasserstein_distance(score, score, p, t) for p, t in zip(predicted, q, strict=True)]) / 10,
    }
    found = evaluate(predicted, actual)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)
    gap = np.cumsum(predicted - q, axis=1)
    assert found["emd2"] == pytest.approx(np.sqrt((gap**2).mean(1)).mean(), abs=1e-9)


def test_ties_are_ranked_as_scipy_does(rng: np.random.Generator) -> None:
    p = np.eye(5)[rng.integers(0, 5, 60)]
    q = np.eye(5)[rng.integers(0, 5, 60)]
    assert evaluate(p, q)["srcc"] == pytest.approx(spearmanr(p.argmax(1), q.argmax(1)).statistic, abs=1e-9)


def test_many_resamples_are_the_same_as_one_by_one(
    predicted: np.ndarray, actual: np.ndarray, rng: np.random.Generator
) -> None:
    index = rng.integers(0, 80, (5, 80))
    together = metrics(features(predicted, actual).take(index), 5.0)
    for row in range(5):
        alone = evaluate(predicted[index[row]], actual[index[row]])
        assert {name: value[row] for name, value in together.items()} == pytest.approx(alone, abs=1e-12)


def test_a_perfect_prediction(actual: np.ndarray) -> None:
    found = evaluate(actual, actual)
    assert found == pytest.approx(
        {"accuracy": 1, "lcc": 1, "srcc": 1, "lcc_std": 1, "mae": 0, "rmse": 0, "emd1": 0, "emd2": 0}, abs=1e-9
    )


def test_a_constant_prediction_has_no_correlation(actual: np.ndarray) -> None:
    found = evaluate(np.full((80, 10), 0.1), actual)
    assert np.isnan([found["lcc"], found["srcc"], found["lcc_std"]]).all()
    assert np.isfinite([found["mae"], found["emd1"]]).all()


@pytest.mark.parametrize(
    ("p", "q"),
    [
        pytest.param(np.ones((3, 10)), np.ones((3, 7)), id="other-K"),
        pytest.param(np.ones((3, 10)), np.ones((4, 10)), id="other-N"),
        pytest.param(np.ones(10), np.ones(10), id="one-dimension"),
        pytest.param(np.ones((0, 10)), np.ones((0, 10)), id="empty"),
        pytest.param(np.ones((3, 10)), np.zeros((3, 10)), id="no-ratings"),
        pytest.param(np.full((3, 10), np.nan), np.ones((3, 10)), id="nan"),
        pytest.param(np.ones((3, 1)), np.ones((3, 1)), id="one-bucket"),
        pytest.param(np.array([[2.0, -1.0]]), np.ones((1, 2)), id="negative"),
    ],
)
def test_wrong_input_is_named(p: np.ndarray, q: np.ndarray) -> None:
    with pytest.raises(InputError):
        evaluate(p, q)


def test_the_floors(rng: np.random.Generator) -> None:
    training = np.array([[1, 0, 1], [0, 4, 0]])
    assert constant_histogram(training) == pytest.approx([0.25, 0.5, 0.25])  # a picture counts once, not a rating
    assert always_high(np.array([[0, 0, 3], [0, 2, 0], [5, 0, 0], [0, 1, 9]]), threshold=2.0) == pytest.approx(0.5)


def test_raters_that_agree_have_a_ceiling_of_one() -> None:
    counts = 12 * np.eye(10, dtype=np.int64)
    half = split_half(counts)
    assert half["srcc"][0] == pytest.approx(1)
    assert half["emd2"][0] == pytest.approx(0)


def test_raters_that_rate_at_random_have_none(rng: np.random.Generator) -> None:
    counts = rng.multinomial(12, np.full(10, 0.1), 800)
    low, high = split_half(counts, splits=40)["lcc"][1:]
    assert low < 0 < high


def test_the_split_half_ceiling_is_the_reliability(rng: np.random.Generator) -> None:
    """Half against half of 2m raters correlates as theory says: s^2 / (s^2 + e^2 / m)."""
    score = np.arange(1, 11)
    p = np.exp(-((score - rng.uniform(3, 8, (2000, 1))) ** 2) / 4)
    p /= p.sum(1, keepdims=True)
    counts = np.stack([rng.multinomial(20, row) for row in p])
    mean = p @ score
    noise = (p @ score**2 - mean**2).mean() / 10
    expected = mean.var() / (mean.var() + noise)
    found = split_half(counts, splits=10)["lcc"][0]
    assert found == pytest.approx(expected, abs=0.015)
    assert full_length(found) == pytest.approx(mean.var() / (mean.var() + noise / 2), abs=0.01)


def test_pictures_of_one_rating_are_left_out_of_the_ceiling() -> None:
    assert np.isnan(split_half(np.eye(5, dtype=np.int64))["lcc"][0])


def test_each_metric_is_better_for_the_truth_than_for_noise(actual: np.ndarray, rng: np.random.Generator) -> None:
    noise = evaluate(rng.permutation(actual), actual)
    for name, value in evaluate(actual + 0.5, actual).items():
        assert (value > noise[name]) == METRICS[name].higher_is_better, name


def test_a_metric_has_a_name_for_a_sentence_and_is_shown_as_it_is_unless_said() -> None:
    assert (METRICS["lcc"].in_words, METRICS["lcc"].label) == ("LCC of the mean", "LCC")
    plain = Metric("Kappa", True, "agreement")
    assert (plain.in_words, plain.scale, f"{0.12345 * plain.scale:.{plain.digits}f}") == ("Kappa", 1.0, "0.123")


def test_a_picture_at_the_threshold_is_not_high() -> None:
    """One picture and two scores are enough; the threshold is half the scale unless it is given."""
    middle, high = np.array([[1.0, 1.0]]), np.array([[1.0, 1.1]])
    found = [evaluate(p, q, threshold=1.5)["accuracy"] for p in (middle, high) for q in (middle, high)]
    assert found == [1.0, 0.0, 0.0, 1.0]
    assert evaluate(middle, high)["accuracy"] == 1.0  # both above 1
    one = np.array([[1.0, 0.0]])
    assert evaluate(one, middle)["accuracy"] == 0.0
    assert np.isnan(evaluate(one, middle)["lcc"])


def test_a_correlation_keeps_its_limits_and_needs_two_sides_that_vary(rng: np.random.Generator) -> None:
    x = rng.normal(0, 1, (2000, 7))
    for sign in (1, -1):
        found = correlation(x, sign * (3 * x + 1))
        assert np.abs(found).max() <= 1
        np.testing.assert_allclose(found, sign)
    still, little = 5 + 1e-14 * np.arange(7.0), 1e-3 * x
    assert np.isnan(correlation(x, np.broadcast_to(still, x.shape))).all()
    assert np.isnan(correlation(np.broadcast_to(still, x.shape), x)).all()
    np.testing.assert_allclose(correlation(little, x), 1)
    tiny = np.array([1e-200, 0.0])  # its square is 0
    assert np.isnan(correlation(tiny, np.array([0.0, 1.0])))


def test_pictures_of_two_ratings_have_halves_of_one(rng: np.random.Generator) -> None:
    """Both halves of every split are known, but for which is which; one rating is left out."""
    counts = np.array([[1, 0, 1], [2, 0, 0], [0, 1, 1], [0, 0, 1]])
    half = split_half(counts, splits=30)
    assert half["mae"][0] == pytest.approx((2 + 0 + 1) / 3)
    assert half["emd1"][0] == pytest.approx((2 / 3 + 0 + 1 / 3) / 3)
    assert half["accuracy"][0] == split_half(counts, splits=30, threshold=1.5, seed=0)["accuracy"][0]
    assert split_half(counts, splits=5, threshold=3.0)["accuracy"] == (1.0, 1.0, 1.0)  # none is above the scale


def test_the_interval_of_halves_is_a_bootstraps_over_pictures(rng: np.random.Generator) -> None:
    counts = np.array([rng.multinomial(20, row) for row in rng.dirichlet(np.ones(5), 300)])
    mean, low, high = split_half(counts, splits=60)["mae"]
    halves = np.stack([rng.multivariate_hypergeometric(row, 10) for row in counts]), np.arange(1, 6)
    apart = np.abs((2 * halves[0] - counts) @ halves[1] / 10)
    assert mean == pytest.approx(apart.mean(), rel=0.1)
    assert (low, high) == pytest.approx(
        (mean - 1.96 * apart.std() / np.sqrt(300), mean + 1.96 * apart.std() / np.sqrt(300)), rel=0.04
    )


def test_of_halves_as_far_apart_as_can_be_no_reliability_is_told() -> None:
    assert full_length(0.5) == pytest.approx(2 / 3)
    assert full_length(-0.5) == -2.0
    assert np.isnan(full_length(-1.0))


def test_half_the_scale_is_high_unless_said() -> None:
    counts = np.array([[1, 1], [0, 2], [2, 0]])
    assert always_high(counts) == pytest.approx(2 / 3)
    assert always_high(counts, threshold=1.5) == pytest.approx(1 / 3)
