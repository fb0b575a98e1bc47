"""Conditions against each other, on the same pictures with the same seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from gazekit.conditions import references
from gazekit.core.errors import InputError, unknown_name
from gazekit.core.progress import track
from gazekit.stats.estimates import Estimates, estimate, limits_of
from gazekit.stats.metrics import METRICS, Features, features
from gazekit.stats.multiple_comparisons import holm
from gazekit.stats.predictions import Pass, Predictions
from gazekit.stats.resampling import permutation_p
from gazekit.stats.standard_error import Error, defined, error_of, pooled_luck

COLUMNS = [
    "model",
    "condition_a",
    "condition_b",
    "metric",
    "seeds",
    "value_a",
    "value_b",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "effect_size",
    "pictures_needed",
    "pictures_for_size",
    "detectable",
    "p_pictures",
    "p_seeds",
]


def pairs_of(predictions: Predictions, asked: Sequence[tuple[str, str]] | None) -> list[tuple[str, str, str]]:
    """Return the (model, a, b) to compare: conditions that have finished runs of the same seeds."""
    if asked is not None:
        asked = _different(asked)
    found: list[tuple[str, str, str]] = []
    for model in predictions.models:
        there = [condition for name, condition in predictions.predicted if name == model]
        wanted = default_pairs(there) if asked is None else list(asked)
        for name in {name for pair in wanted for name in pair} - set(predictions.conditions):
            raise unknown_name("condition", name, predictions.conditions)
        found += [(model, a, b) for a, b in wanted if a in there and b in there and _common(predictions, model, a, b)]
    return found


def default_pairs(conditions: Sequence[str]) -> list[tuple[str, str]]:
    """Return human attention with every other condition, then the others with whole pictures."""
    there = [name for name in references() if name in conditions]
    others = [name for name in conditions if name not in there]
    pairs = [(there[0], name) for name in there[1:]]
    for reference in there:
        pairs += [(reference, name) if reference == references()[0] else (name, reference) for name in others]
    return pairs


def paired_table(
    measured: Mapping[tuple[str, str], Estimates],
    pairs: Sequence[tuple[str, str, str]],
    threshold: float,
    permutations: int,
    seed: int,
    alpha: float = 0.05,
    size: float | None = None,
) -> pd.DataFrame:
    """Return a row a model, pair and metric: difference, interval, p, Holm's p within the metric, effect size, power.

    ``value_a``, ``value_b`` and their ``difference`` are means over the ``seeds`` that both conditions have.
    ``p`` is the larger one of the permutation test over pictures (``p_pictures``: are these networks alike?) and of the
    t test that counts the luck of training as well (``p_seeds``: would networks of other seeds be?).
    ``pictures_needed`` to see the difference found, and ``pictures_for_size`` one of the given ``size``, 8 times in 10;
    ``detectable`` is the least true difference that is seen so often. Seen means: by the first and hardest step of
    Holm's correction at ``alpha``.
    """
    rows = []
    level = min(0.05, alpha / max(1, len(pairs)))
    for model, a, b in track(pairs, "paired tests", len(pairs)):
        sides = measured[model, a], measured[model, b]
        test = partial(permutation_p, permutations=permutations, seed=seed, comparisons=len(pairs))
        differences = paired_differences(*sides, threshold, test, luck_of(measured, model), level, size)
        rows += [
            {"model": model, "condition_a": a, "condition_b": b, "metric": metric, **found}
            for metric, found in differences.items()
        ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for metric in METRICS:
        family = table["metric"] == metric
        table.loc[family, "p_holm"] = holm(table.loc[family, "p"])
    return table


def luck_of(measured: Mapping[tuple[str, str], Estimates], model: str) -> dict[str, tuple[float, int]]:
    """Return, per metric, the variance of a model's differences from seed to seed and its degrees of freedom."""
    sides = [found for (name, _), found in measured.items() if name == model]
    common = sorted(set.intersection(*(set(side.seeds) for side in sides)))
    if len(common) < 2:
        return dict.fromkeys(METRICS, (0.0, 0))
    rows = [(defined(side.values), [side.seeds.index(number) for number in common]) for side in sides]
    return {metric: pooled_luck(np.stack([values[metric][index] for values, index in rows])) for metric in METRICS}


def paired_differences(
    a: Estimates,
    b: Estimates,
    threshold: float,
    test: Callable[[Features, Features, float], dict[str, float]],
    luck: Mapping[str, tuple[float, int]],
    level: float = 0.05,
    size: float | None = None,
) -> dict[str, dict[str, float]]:
    """Compare two conditions over the seeds that both have: difference, interval, p and power of every metric.

    Parameters
    ----------
    test : Callable[[Features, Features, float], dict[str, float]]
        Gives p of two conditions by their pictures; `gazekit.stats.resampling.permutation_p`.
    luck : Mapping[str, tuple[float, int]]
        As `luck_of` gives it.
    level : float
        The p-value at which a difference counts as seen, where pictures are counted.
    size : float, optional
        Of a difference for which they are counted as well.
    """
    common = sorted(set(a.seeds) & set(b.seeds))
    a, b = a.only(common), b.only(common)
    by_pictures = test(a.features, b.features, threshold)
    rows = {}
    for metric in METRICS:
        sides = defined(a.values)[metric], defined(b.values)[metric]
        value = float((sides[0] - sides[1]).mean())
        error, low, high = _error(a, b, metric, luck[metric])
        by_seeds = error.p(value)
        rows[metric] = {
            "seeds": len(common),
            "value_a": float(sides[0].mean()),
            "value_b": float(sides[1].mean()),
            "difference": value,
            "low": low,
            "high": high,
            "p": max(by_pictures[metric], by_seeds),
            "p_holm": float("nan"),
            "effect_size": value / error.pictures if error.pictures > 0 else float("nan"),
            "pictures_needed": error.pictures_needed(value, level),
            "pictures_for_size": error.pictures_needed(size, level)
            if size is not None and error.se > 0
            else float("nan"),
            "detectable": error.detectable(level) if error.se > 0 else float("nan"),
            "p_pictures": by_pictures[metric],
            "p_seeds": by_seeds,
        }
    return rows


def floor_differences(predictions: Predictions, measured: Mapping[tuple[str, str], Estimates]) -> list[dict[str, Any]]:
    """Return how much farther from the ratings each condition's histograms are than a constant one: EMD, r = 2, paired.

    Returns
    -------
    list of dicts: model, condition, floor (the constant histogram's EMD), difference, low, high.
    """
    constant = predictions.constant
    floors: dict[int, Estimates] = {}  # by the number of seeds, which the pictures drawn depend on
    rows = []
    for (model, condition), found in track(measured.items(), "against the floor", len(measured)):
        count = len(found.seeds)
        if count not in floors:
            alike = features(np.broadcast_to(constant, (count, *constant.shape)), predictions.actual)
            floors[count] = estimate(alike, found.seeds, found.threshold, found.resamples, found.seed)
        floor = floors[count]
        value, there = float(found.values["emd2"].mean()), float(floor.values["emd2"].mean())
        _, low, high = _error(found, floor, "emd2", None)
        figures = {"floor": there, "difference": value - there, "low": low, "high": high}
        rows.append({"model": model, "condition": condition, **figures})
    return rows


def _error(a: Estimates, b: Estimates, metric: str, luck: tuple[float, int] | None) -> tuple[Error, float, float]:
    """Return the error of a difference of the same seeds' means, and its 95 % interval."""
    values = defined(a.values)[metric] - defined(b.values)[metric]
    error = error_of(values, a.without[metric] - b.without[metric], a.features.n, luck)
    replicates = a.replicates[metric] - b.replicates[metric]
    least, most = limits_of(metric)
    return error, *error.widened(float(values.mean()), replicates, (least - most, most - least))


def _different(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return every pair once, either way round."""
    found: dict[frozenset[str], tuple[str, str]] = {}
    for a, b in pairs:
        if a == b:
            raise InputError(f"a pair is of two different conditions; found {a} and {b}")
        found.setdefault(frozenset((a, b)), (a, b))
    return list(found.values())


def _common(predictions: Predictions, model: str, a: str, b: str) -> set[Pass]:
    return set(predictions.predicted[model, a]) & set(predictions.predicted[model, b])
