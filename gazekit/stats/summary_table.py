"""``comparison.csv``: every run, every condition with its intervals, the floors and the ceilings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gazekit.stats.estimates import Estimates
from gazekit.stats.metrics import METRICS, Features, features, metrics
from gazekit.stats.noise_ceiling import always_high, full_length, split_half
from gazekit.stats.predictions import Predictions
from gazekit.stats.resampling import bootstrap, interval
from gazekit.stats.standard_error import defined


def summary_table(
    predictions: Predictions,
    estimates: Mapping[tuple[str, str], Estimates],
    seed: int,
    true: Mapping[str, tuple[float, float, float]] | None = None,
) -> pd.DataFrame:
    """Return a row a seed, a row a model and condition with intervals, and the floors and ceilings.

    ``true`` is what the true distributions score, with intervals: `gazekit.stats.worth.ceilings`.
    """
    rows: list[dict[str, Any]] = []
    for (model, condition), estimates_of_one in estimates.items():
        n = estimates_of_one.features.n
        for place, (number, _) in enumerate(estimates_of_one.seeds):
            values = {m: v[place] for m, v in estimates_of_one.values.items()}
            rows.append(_row("seed", model, condition, number, n, values))
        means = {m: v.mean() for m, v in defined(estimates_of_one.values).items()}
        rows.append(_row("condition", model, condition, "", n, means, estimates_of_one.intervals()))
    rows += _floor_rows(predictions, seed) + _ceiling_rows(predictions, seed)
    if true is not None:
        values, bounds = {m: v[0] for m, v in true.items()}, {m: (v[1], v[2]) for m, v in true.items()}
        rows.append(_row("ceiling", "true distribution", "", "", len(predictions.actual), values, bounds))
    order = {"seed": 0, "condition": 1, "floor": 2, "ceiling": 3}
    return pd.DataFrame(rows).sort_values("level", key=lambda level: level.map(order), kind="stable")


def _floor_rows(predictions: Predictions, seed: int) -> list[dict[str, Any]]:
    actual, threshold = predictions.actual, predictions.threshold
    constant = features(predictions.constant, actual)
    replicates = bootstrap(_one_seed(constant), threshold, seed=seed)
    bounds = {m: interval(v) for m, v in replicates.items() if m not in ("lcc", "srcc", "lcc_std")}
    highest = features(np.broadcast_to(np.eye(actual.shape[1])[-1], actual.shape), actual)  # every mean is the highest
    high_bounds = interval(bootstrap(_one_seed(highest), threshold, seed=seed)["accuracy"])
    high = {"accuracy": always_high(actual, threshold)}
    return [
        _row("floor", "constant histogram", "", "", constant.n, metrics(constant, threshold), bounds),
        _row("floor", "always high", "", "", constant.n, high, {"accuracy": high_bounds}),
    ]


def _ceiling_rows(predictions: Predictions, seed: int) -> list[dict[str, Any]]:
    half = split_half(predictions.actual, threshold=predictions.threshold, seed=seed)
    values = {m: v[0] for m, v in half.items()}
    bounds = {m: (v[1], v[2]) for m, v in half.items()}
    # the correlation that the true means would have with all raters' means
    highest = {m: tuple(float(np.sqrt(max(full_length(v), 0.0))) for v in half[m]) for m in ("lcc", "lcc_std")}
    n = len(predictions.actual)
    true_means = {m: v[0] for m, v in highest.items()}
    return [
        _row("ceiling", "half of the raters", "", "", n, values, bounds),
        _row("ceiling", "true means", "", "", n, true_means, {m: (v[1], v[2]) for m, v in highest.items()}),
    ]


def _one_seed(found: Features) -> Features:
    return Features(*(value[None] for value in found.arrays()))


def _row(
    level: str,
    model: str,
    condition: str,
    seed: int | str,
    n: int,
    values: Mapping[str, Any],
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Any]:
    row: dict[str, Any] = {"level": level, "model": model, "condition": condition, "seed": seed, "n": n}
    row |= {metric: float(values.get(metric, np.nan)) for metric in METRICS}
    for metric in METRICS:
        row[f"{metric}_low"], row[f"{metric}_high"] = (bounds or {}).get(metric, (np.nan, np.nan))
    return row
