"""From finished runs to tables with intervals, and to words that follow from them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.dataset import open_dataset
from gazekit.errors import FormatError, InputError, unknown_name
from gazekit.files import write_text
from gazekit.histograms import count_columns
from gazekit.tables import read_table, write_table
from gazekit.training.agreement import COLUMNS, agreement_table, own_maps_of
from gazekit.training.bounds import always_high, constant_histogram, full_length, split_half
from gazekit.training.categories import category_table
from gazekit.training.measured import Measured, measure
from gazekit.training.metrics import METRICS, Array, Features, default_threshold, features, metrics
from gazekit.training.resampling import bootstrap, holm, interval, permutation_p
from gazekit.training.spread import defined, error_of, pooled_luck
from gazekit.training.wording import conclusion

REFERENCES = ("human", "original")


@dataclass(frozen=True)
class Results:
    """Predictions of a comparison folder, and what they are compared with."""

    folder: Path
    config: dict[str, Any]
    images: list[str]  # test split
    actual: npt.NDArray[np.int64]  # (N, K)
    training: npt.NDArray[np.int64]  # (M, K)
    predicted: dict[tuple[str, str], dict[int, Array]]  # (model, condition) -> seed -> (N, K)
    threshold: float

    def features(self, model: str, condition: str) -> Features:
        """Features (S, N) of all seeds of a model on a condition."""
        seeds = self.predicted[model, condition]
        return features(np.stack([seeds[seed] for seed in sorted(seeds)]), self.actual)


def compare(
    folder: str | Path,
    *,
    primary: str = "srcc",
    pairs: Sequence[tuple[str, str]] | None = None,
    threshold: float | None = None,
    resamples: int = 2000,
    permutations: int = 9999,
    alpha: float = 0.05,
    seed: int = 0,
    dataset: str | Path | None = None,
    categories: str | Path | None = None,
) -> Path:
    """Write ``comparison.csv``, ``paired.csv``, ``agreement.csv`` and ``conclusion.json`` of a comparison folder.

    Parameters
    ----------
    folder : as `gazekit.training.train` leaves it; unfinished cells are left out, and said to be.
    primary : the metric that the conclusion is drawn from; one metric, so that chance has one occasion.
    pairs : conditions to compare, as (a, b); else ``human`` with every other one and every other with ``original``.
    threshold : a picture is "high" when its mean score is above it; half the scale unless given.
    resamples, permutations : of the bootstrap and of the permutation test; fewer are done on very large splits.
    alpha : a difference is claimed when Holm's p is at most this and its 95 % interval leaves out 0.
    dataset : the dataset file, if it was moved since the training: only the agreement of maps needs it, and is left
        out where there is none.
    categories : a table of ``image,category``; then ``categories.csv`` has the metrics by category.

    Returns
    -------
    The folder.

    Raises
    ------
    InputError, FormatError : not such a folder, no finished cell, predictions that do not fit the ratings.
    """
    if primary not in METRICS:
        raise unknown_name("metric", primary, METRICS)
    results = read_results(folder, threshold)
    measured = {
        key: measure(results.features(*key), sorted(seeds), results.threshold, resamples, seed)
        for key, seeds in results.predicted.items()
    }
    table = comparison_table(results, measured, seed)
    paired = paired_table(measured, pairs_of(results, pairs), results.threshold, permutations, seed)
    write_table(table, results.folder / "comparison.csv")
    write_table(paired, results.folder / "paired.csv")
    write_table(_agreement(results, dataset), results.folder / "agreement.csv")
    if categories is not None:
        found = {key: value.features for key, value in measured.items()}
        by_category = category_table(found, results.images, categories, results.threshold, seed)
        write_table(by_category, results.folder / "categories.csv")
    words = conclusion(table, paired, primary=primary, alpha=alpha, config=results.config)
    write_text(results.folder / "conclusion.json", json.dumps(words, indent=1) + "\n")
    return results.folder


def read_results(folder: str | Path, threshold: float | None = None) -> Results:
    """The predictions and ratings of a comparison folder."""
    folder = Path(folder)
    if not (folder / "config.json").is_file() or not (folder / "truth.csv").is_file():
        raise InputError(f"{folder} is not a comparison folder (config.json, truth.csv); gazekit train writes one")
    config = json.loads((folder / "config.json").read_text())
    truth = read_table(folder / "truth.csv", ["image", "split"], "table of ratings")
    columns = count_columns(truth)
    test, training = truth[truth["split"] == "test"], truth[truth["split"] == "train"]
    images = list(test["image"])
    predicted: dict[tuple[str, str], dict[int, Array]] = {}
    grid = config["grid"]
    for model, condition, seed in itertools.product(grid["models"], grid["conditions"], grid["seeds"]):
        cell = folder / "runs" / model / condition / f"seed{seed}"
        if (cell / "done.json").exists():
            predicted.setdefault((model, condition), {})[seed] = _predictions(cell, images, len(columns))
    if not predicted:
        raise InputError(f"{folder} has no finished run yet; start the same gazekit train again")
    return Results(
        folder,
        config,
        images,
        test[columns].to_numpy(np.int64),
        training[columns].to_numpy(np.int64),
        predicted,
        default_threshold(len(columns)) if threshold is None else threshold,
    )


def pairs_of(results: Results, asked: Sequence[tuple[str, str]] | None) -> list[tuple[str, str, str]]:
    """The (model, a, b) to compare."""
    found: list[tuple[str, str, str]] = []
    for model in results.config["grid"]["models"]:
        there = [condition for name, condition in results.predicted if name == model]
        wanted = default_pairs(there) if asked is None else list(asked)
        for name in {name for pair in wanted for name in pair} - set(results.config["grid"]["conditions"]):
            raise unknown_name("condition", name, results.config["grid"]["conditions"])
        found += [(model, a, b) for a, b in wanted if a in there and b in there]
    return found


def default_pairs(conditions: Sequence[str]) -> list[tuple[str, str]]:
    """Human attention with every other condition, then the others with whole pictures."""
    pairs = []
    for reference, flipped in zip(REFERENCES, (False, True), strict=True):
        if reference in conditions:
            others = [name for name in conditions if name not in REFERENCES]
            if reference == "human" and "original" in conditions:
                others.insert(0, "original")
            pairs += [(other, reference) if flipped else (reference, other) for other in others]
    return pairs


def comparison_table(results: Results, measured: Mapping[tuple[str, str], Measured], seed: int) -> pd.DataFrame:
    """A row a seed, a row a model and condition with intervals, and the floors and ceilings."""
    rows: list[dict[str, Any]] = []
    for (model, condition), found in measured.items():
        for row, number in enumerate(found.seeds):
            values = {m: v[row] for m, v in found.values.items()}
            rows.append(_row("seed", model, condition, number, found.features.n, values))
        each = defined(found.values)
        means = {m: v.mean() for m, v in each.items()}
        rows.append(_row("condition", model, condition, "", found.features.n, means, found.intervals()))
    rows += _floor_rows(results, seed) + _ceiling_rows(results, seed)
    order = {"seed": 0, "condition": 1, "floor": 2, "ceiling": 3}
    return pd.DataFrame(rows).sort_values("level", key=lambda level: level.map(order), kind="stable")


def paired_table(
    measured: Mapping[tuple[str, str], Measured],
    pairs: Sequence[tuple[str, str, str]],
    threshold: float,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """A row a model, pair and metric: difference, interval, p, Holm's p within the metric, effect size, power.

    ``p`` is the larger one of the permutation test over pictures (``p_pictures``: are these networks alike?) and of the
    t test that counts the luck of training as well (``p_seeds``: would networks of other seeds be?).
    """
    rows = []
    for model, a, b in pairs:
        if not set(measured[model, a].seeds) & set(measured[model, b].seeds):
            continue
        sides = measured[model, a], measured[model, b]
        differences = paired_differences(*sides, threshold, permutations, seed, luck_of(measured, model))
        rows += [
            {"model": model, "condition_a": a, "condition_b": b, "metric": metric, **found}
            for metric, found in differences.items()
        ]
    columns = "model condition_a condition_b metric difference low high p p_holm effect_size pictures_needed detectable"
    table = pd.DataFrame(rows, columns=[*columns.split(), "p_pictures", "p_seeds"])
    for metric in METRICS:
        family = table["metric"] == metric
        table.loc[family, "p_holm"] = holm(table.loc[family, "p"])
    return table


def luck_of(measured: Mapping[tuple[str, str], Measured], model: str) -> dict[str, tuple[float, int]]:
    """How much differences of a model's conditions vary from seed to seed, per metric: variance and its freedom."""
    sides = [found for (name, _), found in measured.items() if name == model]
    common = sorted(set.intersection(*(set(side.seeds) for side in sides)))
    rows = [defined(side.some([side.seeds.index(number) for number in common]).values) for side in sides]
    if len(common) < 2:
        return dict.fromkeys(METRICS, (0.0, 0))
    return {metric: pooled_luck(np.stack([row[metric] for row in rows])) for metric in METRICS}


def paired_differences(
    a: Measured, b: Measured, threshold: float, permutations: int, seed: int, luck: Mapping[str, tuple[float, int]]
) -> dict[str, dict[str, float]]:
    """Everything about the difference of two conditions over the seeds that both have, a metric each.

    ``luck`` : as `luck_of` gives it.
    """
    common = sorted(set(a.seeds) & set(b.seeds))
    a, b = (side.some([side.seeds.index(number) for number in common]) for side in (a, b))
    by_pictures = permutation_p(a.features, b.features, threshold, permutations=permutations, seed=seed)
    rows = {}
    for metric in METRICS:
        values = defined(a.values)[metric] - defined(b.values)[metric]
        value, n = float(values.mean()), a.features.n
        error = error_of(values, a.without[metric] - b.without[metric], n, luck[metric])
        low, high = error.widened(value, a.replicates[metric] - b.replicates[metric], (-np.inf, np.inf))
        by_seeds = error.p(value)
        rows[metric] = {
            "difference": value,
            "low": low,
            "high": high,
            "p": max(by_pictures[metric], by_seeds),
            "p_holm": float("nan"),
            "effect_size": value / error.pictures if error.pictures > 0 else float("nan"),
            "pictures_needed": error.pictures_needed(value),
            "detectable": error.detectable(),
            "p_pictures": by_pictures[metric],
            "p_seeds": by_seeds,
        }
    return rows


def _predictions(cell: Path, images: Sequence[str], buckets: int) -> Array:
    columns = [f"p{k + 1}" for k in range(buckets)]
    table = read_table(cell / "predictions.csv", ["image", *columns], "table of predictions")
    if list(table["image"]) != list(images) or f"p{buckets + 1}" in table:
        raise FormatError(
            f"{cell / 'predictions.csv'} does not fit the ratings in truth.csv: {len(table)} pictures there, "
            f"{len(images)} of {buckets} buckets expected; it comes from another dataset or split"
        )
    return np.asarray(table[columns], dtype=np.float64)


def _floor_rows(results: Results, seed: int) -> list[dict[str, Any]]:
    constant = np.broadcast_to(constant_histogram(results.training), results.actual.shape)
    found = features(constant, results.actual)
    replicates = bootstrap(_one(found), results.threshold, seed=seed)
    bounds = {m: interval(v) for m, v in replicates.items() if m not in ("lcc", "srcc", "lcc_std")}
    high = {"accuracy": always_high(results.actual, results.threshold)}
    return [
        _row("floor", "constant histogram", "", "", found.n, metrics(found, results.threshold), bounds),
        _row("floor", "always high", "", "", found.n, high),
    ]


def _ceiling_rows(results: Results, seed: int) -> list[dict[str, Any]]:
    half = split_half(results.actual, threshold=results.threshold, seed=seed)
    values = {m: v[0] for m, v in half.items()}
    bounds = {m: (v[1], v[2]) for m, v in half.items()}
    correlations = {m: np.sqrt(max(full_length(values[m]), 0.0)) for m in ("lcc", "lcc_std")}
    n = len(results.actual)
    return [
        _row("ceiling", "half of the raters", "", "", n, values, bounds),
        _row("ceiling", "true means", "", "", n, correlations),
    ]


def _agreement(results: Results, dataset: str | Path | None) -> pd.DataFrame:
    path = Path(dataset) if dataset is not None else results.folder / results.config["dataset"]["path"]
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    data = open_dataset(path, verify=False)
    if data.sha256 != results.config["dataset"]["sha256"]:
        raise InputError(f"{path} is not the dataset that {results.folder} was trained on; give that one as dataset")
    own = own_maps_of(results.folder, results.config["grid"]["models"], len(data))
    return agreement_table(data, data.indices("test", results.config["scheme"]), own)


def _one(found: Features) -> Features:
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
