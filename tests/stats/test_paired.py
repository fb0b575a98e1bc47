"""The table of paired tests by hand: means, errors of pictures and luck of training, Holm's p and margins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gazekit.stats.contrasts import ALL_NETWORKS, Contrast
from gazekit.stats.estimates import Estimates, Measuring, error_of_difference, estimate, mean_of
from gazekit.stats.options import ComparisonOptions
from gazekit.stats.paired import paired_table
from gazekit.stats.predictions import Pass
from gazekit.stats.resampling import permutation_p
from gazekit.stats.standard_error import as_sample, error_of
from tests.fixtures.simulated_networks import simulated

N, SEEDS = 40, [Pass(seed, 1) for seed in range(4)]
CONTRASTS = [Contrast("m", "human", "m", "original"), Contrast("m", "human", "m", "centre")]


@pytest.fixture
def measured(rng: np.random.Generator) -> dict[tuple[str, str], Estimates]:
    """Two networks on three conditions of the same pictures; the second one's centre has seeds of its own."""
    found = {}
    for model, noise in (("m", (0.8, 1.3)), ("w", (0.9, 1.2))):
        human, original = simulated(np.random.default_rng(7), N, 4, noise=noise, training=0.4)
        centre = simulated(np.random.default_rng(7), N, 4, noise=(1.6, 1.0), training=0.4)[0]
        for condition, features in (("human", human), ("original", original), ("centre", centre)):
            seeds = SEEDS if (model, condition) != ("w", "centre") else [Pass(seed, 1) for seed in (2, 3, 8, 9)]
            found[model, condition] = estimate(features, seeds, Measuring(5.0, 200))
    return found


def errors(side: Estimates) -> np.ndarray:
    """Return how far each picture's mean is from the raters', of every seed (S, N)."""
    return np.abs(side.features.mean - side.features.true_mean)


def row(table: pd.DataFrame, metric: str = "mae", **where: str) -> Any:
    for name, value in where.items():
        table = table[table[name] == value]
    (found,) = table[table["metric"] == metric].to_dict("records")
    return found


def test_a_row_is_what_the_pictures_and_seeds_say(measured: dict[tuple[str, str], Estimates]) -> None:
    options = ComparisonOptions(metric="mae", resamples=200, permutations=199, difference=0.2, margin=0.3)
    table = paired_table(measured, CONTRASTS, options)
    a, b, c = (measured["m", condition] for condition in ("human", "original", "centre"))
    apart = errors(a) - errors(b)
    found = row(table, condition_b="original")
    assert (found["model"], found["seeds"]) == ("m", 4)
    assert found["value_a"] == pytest.approx(errors(a).mean())
    assert found["value_b"] == pytest.approx(errors(b).mean())
    assert found["difference"] == pytest.approx(apart.mean())
    pictures = apart.mean(axis=0).std(ddof=1)
    assert found["effect_size"] == pytest.approx(apart.mean() / pictures)
    expected = permutation_p(a.features, b.features, 5.0, permutations=199, seed=0, comparisons=2)["mae"]
    assert found["p_pictures"] == expected
    luck = pooled([errors(side).mean(axis=1) for side in (a, b, c)]) / 4  # of the mean of four seeds
    assert luck > 0
    z = abs(apart.mean()) / np.sqrt(pictures**2 / N + luck)
    assert found["p_seeds"] >= 2 * stats.norm.sf(z) * 0.999  # and fewer degrees of freedom
    assert found["p_seeds"] == pytest.approx(2 * stats.norm.sf(z), abs=0.05)
    assert found["p"] == max(found["p_pictures"], found["p_seeds"])
    needed = (stats.norm.ppf(0.9875) + stats.norm.ppf(0.8)) ** 2  # alpha 5 %, by two comparisons
    assert found["pictures_needed"] == found["pictures_for_size"]
    if found["pictures_needed"] < np.inf:
        assert found["pictures_needed"] == np.ceil(pictures**2 / (0.2**2 / needed - luck))
    assert np.isnan(row(table, metric="srcc", condition_b="original")["pictures_needed"])
    assert found["p_not_inferior"] <= found["p_equivalence"]  # less of an error is better


def pooled(values: list[np.ndarray]) -> float:
    """Return the variance from seed to seed of the difference of two conditions: of a two-way table, doubled."""
    table = np.stack(values)
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    return float(2 * (rest**2).sum() / ((table.shape[0] - 1) * (table.shape[1] - 1)))


def test_holm_is_taken_by_metric_and_margins_in_the_direction_of_the_metric(
    measured: dict[tuple[str, str], Estimates],
) -> None:
    options = {"resamples": 200, "permutations": 199}
    table = paired_table(measured, CONTRASTS, ComparisonOptions(margin=0.02, **options))
    assert not {"family", "model_b"} & set(table)
    for metric, of_metric in table.groupby("metric"):
        small, large = of_metric.sort_values("p")[["p", "p_holm"]].to_numpy()
        assert small[1] == pytest.approx(min(1, 2 * small[0]))
        assert large[1] == pytest.approx(max(small[1], large[0]))
        assert of_metric["p_not_inferior"].notna().all() == (metric == "srcc")
    better = row(table, metric="srcc", condition_b="centre")
    assert better["difference"] > 0.02
    assert better["p_not_inferior"] < 0.05 < better["p_equivalence"]
    assert "p_equivalence" not in paired_table(measured, CONTRASTS, ComparisonOptions(**options))


def test_several_networks_are_a_sample_of_networks(measured: dict[tuple[str, str], Estimates]) -> None:
    networks = [(measured[m, "human"], measured[m, "original"]) for m in "mw"]
    a, b = (mean_of(side) for side in zip(*networks, strict=True))
    apart = [errors(one) - errors(other) for one, other in networks]
    values = np.mean([each.mean(axis=1) for each in apart], axis=0)  # a seed each
    without = [[np.delete(each, k, axis=1).mean(axis=1) for k in range(N)] for each in apart]  # (networks, N, seeds)
    alone = error_of(values, np.mean(without, axis=0).T, N)
    expected = as_sample(alone, np.array([each.mean() for each in apart]), np.mean(without, axis=2))
    found, low, high = error_of_difference(a, b, "mae", networks=networks)
    assert [found.se, found.df] == pytest.approx([expected.se, expected.df])
    assert low < values.mean() < high


def test_sides_share_their_seeds_and_networks_count_alike(measured: dict[tuple[str, str], Estimates]) -> None:
    contrasts = [
        Contrast("w", "human", "w", "centre"),
        Contrast("m", "human", "w", "human"),
        Contrast(ALL_NETWORKS, "human", ALL_NETWORKS, "original"),
    ]
    table = paired_table(measured, contrasts, ComparisonOptions(resamples=200, permutations=199))
    own = row(table, model="w", condition_b="centre")
    human, centre = errors(measured["w", "human"])[2:], errors(measured["w", "centre"])[:2]  # seeds 2 and 3
    assert own["seeds"] == 2
    assert [own["value_a"], own["value_b"]] == pytest.approx([human.mean(), centre.mean()])
    models = row(table, model="m", condition_b="human")
    assert models["model_b"] == "w"
    apart = errors(measured["m", "human"]).mean() - errors(measured["w", "human"]).mean()
    assert models["difference"] == pytest.approx(apart)
    everybody = row(table, model=ALL_NETWORKS)
    each = [errors(measured[m, "human"]).mean() - errors(measured[m, "original"]).mean() for m in "mw"]
    assert everybody["difference"] == pytest.approx(np.mean(each))
    assert everybody["seeds"] == 4
