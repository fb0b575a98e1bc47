"""Ceilings are what the true distributions score, and a panel of raters is worth as many raters as it has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.stats import worth
from gazekit.stats.comparison import compare
from gazekit.stats.estimates import Measuring, estimate
from gazekit.stats.metrics import METRICS, Features, evaluate, features, metrics
from gazekit.stats.noise_ceiling import split_half
from gazekit.stats.predictions import Pass, Predictions
from gazekit.stats.rater_model import fit_raters
from gazekit.stats.worth import PANELS, References, ceilings, references_of, worth_table
from tests.fixtures.simulated_networks import simulated


def true_distributions(rng: np.random.Generator, n: int, buckets: int, *, two_peaks: bool = False) -> np.ndarray:
    score, mean = np.arange(1, buckets + 1), rng.uniform(0.2, 0.9, (n, 1)) * buckets
    shares = np.exp(-((score - mean) ** 2) / (2 * (0.12 * buckets) ** 2))
    if two_peaks:
        shares = shares + 0.5 * np.exp(-((score - (buckets + 1 - mean)) ** 2) / (2 * (0.1 * buckets) ** 2))
    return shares / shares.sum(axis=1, keepdims=True)


def rated(rng: np.random.Generator, true: np.ndarray, raters: int) -> Predictions:
    counts = rng.multinomial(raters, true)
    names = [str(number) for number in range(len(true))]
    return Predictions(names, counts, counts, {}, true.shape[1] / 2, [], [])


@pytest.mark.parametrize(
    ("n", "buckets", "raters", "two_peaks"),
    [
        pytest.param(400, 10, 12, False, id="few-raters"),
        pytest.param(200, 10, 60, False, id="many-raters"),
        pytest.param(300, 5, 8, False, id="five-scores"),
        pytest.param(300, 7, 20, True, id="two-peaks"),
    ],
)
def test_the_ceiling_is_what_a_perfect_network_scores(
    rng: np.random.Generator, n: int, buckets: int, raters: int, two_peaks: bool
) -> None:
    true = true_distributions(rng, n, buckets, two_peaks=two_peaks)
    predictions = rated(rng, true, raters)
    ceiling, perfect = ceilings(references_of(predictions, 60)), evaluate(true, predictions.actual)
    half = split_half(predictions.actual, splits=20)
    for metric in ("mae", "rmse", "emd1", "emd2"):
        assert ceiling[metric][0] == pytest.approx(perfect[metric], rel=0.12)
        assert half[metric][0] > 1.5 * perfect[metric]  # half of the raters is no ceiling of errors
    for metric in ("lcc", "srcc", "accuracy"):
        assert ceiling[metric][0] == pytest.approx(perfect[metric], abs=0.04 if not two_peaks else 0.12)


def test_draws_of_the_truth_scatter_as_ratings_do(rng: np.random.Generator) -> None:
    predictions = rated(rng, true_distributions(rng, 300, 10), 10)
    model = fit_raters(predictions.actual)
    score = np.arange(1, 11)
    observed = predictions.actual @ score / 10
    errors = np.mean([(model.draw(rng) @ score - observed) ** 2 for _ in range(20)])
    spread = (predictions.actual @ score**2 / 10 - observed**2) / 9
    assert errors == pytest.approx(spread.mean(), rel=0.05)


@pytest.mark.once
def test_a_panel_put_in_as_a_model_is_worth_its_size(rng: np.random.Generator) -> None:
    inside, values = 0, []
    for _ in range(20):
        true = true_distributions(rng, 150, 10)
        predictions = rated(rng, true, 15)
        panel = features(rng.multinomial(8, true)[None], predictions.actual)
        side = estimate(panel, [Pass(0)], Measuring(5.0, 100))
        row = (
            worth_table({("panel", "original"): side}, references_of(predictions, 100)).set_index("metric").loc["emd2"]
        )
        inside += row["raters_low"] <= 8 <= row["raters_high"]
        values.append(row["raters"])
    assert np.median(values) == pytest.approx(8, rel=0.2)
    assert inside >= 17  # 95 % of 20 is 19; 16 or fewer have a probability of 0.3 %


def test_the_comparison_says_what_scores_are_worth(folder: Path) -> None:
    compare(folder, resamples=100, permutations=99)
    table = pd.read_csv(folder / "worth.csv").set_index(["model", "condition", "metric"])
    assert set(table.index.get_level_values("metric")) == set(METRICS)
    good, bad = table.loc[("a", "human", "srcc")], table.loc[("a", "shuffled", "srcc")]
    assert good["reachable"] > 0.8 > bad["reachable_high"]
    assert bad["raters"] == 0
    assert good["raters_low"] >= 1
    assert good["reachable_low"] < good["reachable"] < good["reachable_high"]
    ceiling = pd.read_csv(folder / "comparison.csv").query("level == 'ceiling'").set_index("model")
    assert ceiling.loc["true distribution", list(METRICS)].notna().all()
    assert ceiling.loc["true distribution", "emd2"] < ceiling.loc["half of the raters", "emd2"]
    assert json.loads((folder / "conclusion.json").read_text())["primary"] == "srcc"


def test_where_nothing_can_be_gained_no_share_is_told(rng: np.random.Generator) -> None:
    alike = np.tile(np.array([[0.1, 0.2, 0.4, 0.2, 0.1]]), (60, 1))
    predictions = rated(rng, alike, 8)
    side = estimate(features(alike[None], predictions.actual), [Pass(0)], Measuring(2.5, 100))
    table = worth_table({("m", "original"): side}, references_of(predictions, 60)).set_index("metric")
    assert np.isnan(table.loc["mae", "reachable"])


def test_a_score_is_worth_the_panel_between_whose_neighbours_it_lies() -> None:
    curve = np.log(PANELS) / 10
    assert [worth._raters(score, curve) for score in (-0.1, 0.0, np.log(500) / 10, 0.63)] == pytest.approx(
        [0.0, 1.0, 500.0, np.inf]
    )
    assert worth._raters(np.log(7.0) / 10, curve) == pytest.approx(7.0)


def test_curves_rise_by_what_is_best_so_far_of_few_and_of_many() -> None:
    for metric, sign in (("srcc", 1), ("mae", -1)):
        values = sign * np.array([[0.1, 0.3, 0.2, 0.6], [0.4, 0.0, 0.5, 0.5]])
        expected = sign * np.array([[0.1, 0.25, 0.25, 0.6], [0.2, 0.2, 0.5, 0.5]])
        np.testing.assert_allclose(worth._monotone({metric: values})[metric], expected)


def test_the_share_is_of_the_way_from_floor_to_ceiling() -> None:
    floor, ceiling, values = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.9, 0.7]), np.array([0.3, 0.2, 0.6])
    expected = [0.2 / (0.7 - 0.1), 0.0, 0.3 / 0.4]  # the first is of all pictures: the mean ceiling
    np.testing.assert_allclose(worth._share(values, floor, ceiling, METRICS["srcc"]), expected)
    np.testing.assert_allclose(worth._share(1 - values, 1 - floor, 1 - ceiling, METRICS["mae"]), expected)
    for none in (floor, floor - 0.1):
        assert np.isnan(worth._share(values, floor, none, METRICS["srcc"])).all()
    clear = np.full(100, 0.0), np.append(np.ones(99), 0.0)  # one draw of pictures that tells nothing
    shares = worth._share(np.full(100, 0.5), *clear, METRICS["srcc"])
    assert np.isnan(shares).tolist() == [False] * 99 + [True]
    assert worth._interval(shares) == pytest.approx((0.5, 0.5), abs=0.01)
    assert worth._interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
    assert np.isnan(worth._interval(np.full(3, np.nan))).all()


def test_the_table_by_hand(rng: np.random.Generator) -> None:
    """Of eight of ten pictures, on forty draws of them, with two seeds."""
    side = estimate(simulated(rng, 10, 2, noise=(0.8, 1.0))[0], [Pass(0), Pass(1)], Measuring(5.0, 100))
    pictures, draws = np.array([0, 1, 2, 4, 5, 6, 8, 9]), rng.integers(0, 8, (40, 8))
    draws[0] = np.arange(8)
    size, sign = np.sqrt(PANELS), {name: 1 if one.higher_is_better else -1 for name, one in METRICS.items()}
    panels = {m: sign[m] * (0.9 - 2 / size + rng.normal(0, 0.001, (40, 1))) for m in METRICS}
    floor = {m: sign[m] * rng.uniform(-0.2, 0.0, 40) + (2.0 if sign[m] < 0 else 0) for m in METRICS}
    ceiling = {m: sign[m] * rng.uniform(0.8, 1.0, 40) + (0.9 if sign[m] < 0 else 0) for m in METRICS}
    found = worth_table(
        {("m", "human"): side}, References(pictures, draws, floor, ceiling, panels, threshold=5.0)
    ).set_index("metric")
    assert (found["model"] == "m").all()
    assert (found["condition"] == "human").all()
    taken = Features(*(value[:, pictures] for value in side.features.arrays()))
    for metric, row in found.iterrows():
        values = np.nan_to_num([metrics(taken.take(draw[None]), 5.0)[metric][:, 0].mean() for draw in draws])
        way = ceiling[metric] - floor[metric]
        way[0] = ceiling[metric].mean() - floor[metric][0]
        share = (values - floor[metric]) / way
        assert row["reachable"] == pytest.approx(share[0])
        assert [row["reachable_low"], row["reachable_high"]] == pytest.approx(np.quantile(share, [0.025, 0.975]))
        up, curves = sign[metric] * values, sign[metric] * panels[metric]
        whole = worth._raters(up[0], curves.mean(axis=0))
        each = np.sort([worth._raters(value, curve) for value, curve in zip(up, curves, strict=True)])
        expected = [one if one <= 500 else np.nan for one in (whole, each[1], each[39])]
        assert row[["raters", "raters_low", "raters_high"]].tolist() == pytest.approx(expected, nan_ok=True)
    assert ((found["raters"] > 1) & (found["raters"] < 500)).any()


def test_references_are_scores_of_the_floor_the_truth_and_panels(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = rated(rng, true_distributions(rng, 21, 5), 9)
    monkeypatch.setattr(worth, "MOST", 11)
    found = references_of(predictions, draws=30, seed=2)
    assert found.pictures.tolist() == [*range(0, 21, 2)]
    assert found.draws.shape == (30, 11)
    assert found.draws[0].tolist() == [*range(11)]
    assert found.draws.max() == 10
    assert found.threshold == predictions.threshold
    actual = predictions.actual[::2]
    floor = features(predictions.constant[::2], actual)
    for draw, place in enumerate(found.draws):
        expected = metrics(floor.take(place[None]), predictions.threshold)
        for metric in METRICS:
            assert found.floor[metric][draw] == pytest.approx(np.nan_to_num(expected[metric])[0])
    assert found.panels["emd2"].shape == (30, len(PANELS))
    assert found.panels["emd2"][:, -1].mean() == pytest.approx(found.ceiling["emd2"].mean(), rel=0.05)  # of 500
    assert found.panels["emd2"][:, 0].mean() > 2 * found.ceiling["emd2"].mean()
    ceiling = ceilings(found)["mae"]
    assert ceiling == pytest.approx((found.ceiling["mae"].mean(), *np.quantile(found.ceiling["mae"], [0.025, 0.975])))
    monkeypatch.setattr(worth, "MOST", 21)
    whole = references_of(predictions, draws=3)
    assert whole.pictures.tolist() == [*range(21)]
    again = references_of(predictions, draws=3, seed=0)
    assert np.array_equal(whole.draws, again.draws)
    assert np.array_equal(whole.ceiling["mae"], again.ceiling["mae"])
