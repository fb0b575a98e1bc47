"""Ceilings are what the true distributions score, and a panel of raters is worth as many raters as it has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.stats.comparison import compare
from gazekit.stats.estimates import Measuring, estimate
from gazekit.stats.metrics import METRICS, evaluate, features
from gazekit.stats.noise_ceiling import split_half
from gazekit.stats.predictions import Pass, Predictions
from gazekit.stats.rater_model import fit_raters
from gazekit.stats.worth import ceilings, references_of, worth_table


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
