"""From finished runs to tables with intervals, and to words that follow from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gazekit.core.errors import InputError, unknown_name
from gazekit.core.files import write_text
from gazekit.core.progress import track
from gazekit.core.tables import read_table, write_table
from gazekit.dataset import open_dataset
from gazekit.stats.categories import FEWEST, category_table
from gazekit.stats.conclusion import conclusion
from gazekit.stats.estimates import Measured, measure
from gazekit.stats.metrics import METRICS, Features, features, metrics
from gazekit.stats.noise_ceiling import always_high, constant_histogram, full_length, split_half
from gazekit.stats.paired import floor_differences, paired_table, pairs_of
from gazekit.stats.resampling import affordable, bootstrap, interval, swaps
from gazekit.stats.standard_error import defined
from gazekit.training.agreement import COLUMNS, agreement_table, own_maps_of
from gazekit.training.results import Results, read_results

if TYPE_CHECKING:
    from gazekit.dataset import Dataset


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
    difference: float | None = None,
    dataset: str | Path | None = None,
    categories: str | Path | None = None,
) -> Path:
    """Write ``comparison.csv``, ``paired.csv``, ``agreement.csv`` and ``conclusion.json`` of a comparison folder.

    Where pictures are of categories, ``categories.csv`` has the metrics by category.

    Parameters
    ----------
    folder : as `gazekit.training.train` leaves it; unfinished cells are left out, and the conclusion says so.
    primary : the metric that the conclusion is drawn from; one metric, so that chance has one occasion.
    pairs : conditions to compare, as (a, b); else ``human`` with every other one and every other with ``original``.
    threshold : a picture is "high" when its mean score is above it; half the scale unless given.
    resamples, permutations : of the bootstrap and of the permutation test; fewer are done on very large splits.
    alpha : a difference is claimed when Holm's p is at most this and its 95 % interval leaves out 0.
    difference : of the primary metric; then the conclusion says how many test pictures would be needed to see one so
        large.
    dataset : the dataset file, if it was moved since the training: the agreement of maps and the dataset's categories
        need it, and are left out where there is none.
    categories : a table of ``image,category``; else the dataset's own categories are taken.

    Returns
    -------
    The folder.

    Raises
    ------
    InputError, FormatError : not such a folder, no finished cell, predictions that do not fit the ratings, numbers
        that make no sense.
    """
    if primary not in METRICS:
        raise unknown_name("metric", primary, METRICS)
    _check_numbers(resamples, permutations, alpha, difference)
    results = read_results(folder, threshold)
    data = _dataset(results, dataset)
    measured = {
        key: measure(results.features(*key), sorted(seeds), results.threshold, resamples, seed)
        for key, seeds in track(results.predicted.items(), "intervals", len(results.predicted))
    }
    table = comparison_table(results, measured, seed)
    paired = paired_table(measured, pairs_of(results, pairs), results.threshold, permutations, seed, alpha, difference)
    found = {key: value.features for key, value in measured.items()}
    by_category = _by_category(results, found, data, categories, seed)
    words = conclusion(
        table,
        paired,
        primary=primary,
        alpha=alpha,
        floors=floor_differences(results, measured),
        unfinished=results.unfinished,
        difference=difference,
    )
    words["method"] = _method(results, measured, len(words["claims"]), resamples, permutations, seed)
    write_table(table, results.folder / "comparison.csv")
    write_table(paired, results.folder / "paired.csv")
    write_table(_agreement(results, data), results.folder / "agreement.csv")
    if by_category is None:
        _remove_categories(results.folder / "categories.csv")
    else:
        write_table(by_category, results.folder / "categories.csv")
    write_text(results.folder / "conclusion.json", json.dumps(words, indent=1) + "\n")
    return results.folder


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


def _check_numbers(resamples: int, permutations: int, alpha: float, difference: float | None) -> None:
    for name, value, least in (("resamples", resamples, 100), ("permutations", permutations, 99)):
        if value < least:
            raise InputError(f"{name} is {value}; {least} or more are needed")
    if not 0 < alpha < 1:
        raise InputError(f"alpha is {alpha}; it must be between 0 and 1")
    if difference is not None and not 0 < difference < np.inf:
        raise InputError(f"the difference to be seen is {difference}; it must be a number above 0")


def _dataset(results: Results, given: str | Path | None) -> Dataset | None:
    """The dataset that was trained on, where it is still there."""
    path = Path(given) if given is not None else results.folder / results.config["dataset"]["path"]
    if given is None and not path.exists():
        return None
    data = open_dataset(path, verify=False)
    if data.sha256 != results.config["dataset"]["sha256"]:
        raise InputError(f"{path} is not the dataset that {results.folder} was trained on; give that one as dataset")
    return data


def _by_category(
    results: Results,
    found: dict[tuple[str, str], Features],
    data: Dataset | None,
    given: str | Path | None,
    seed: int,
) -> pd.DataFrame | None:
    """By the categories of a table, else by the dataset's own, where there are any."""
    if given is not None:
        if Path(given).resolve() == (results.folder / "categories.csv").resolve():
            raise InputError(f"{given} would be replaced by the metrics by category; give the table another name")
        asked = read_table(given, ["image", "category"], "table of categories")
        table = category_table(found, results.images, asked, results.threshold, seed)
        if table is None:
            raise InputError(
                f"{given}: none of {asked['category'].nunique()} categories has {FEWEST} pictures of the test split or "
                f"more ({asked['image'].isin(results.images).sum()} of its rows are of test pictures)"
            )
        return table
    if data is None:
        return None
    rows = [(data.ids[i], name) for name in data.categories for i in data.category(name)]
    own = pd.DataFrame(rows, columns=["image", "category"])
    return category_table(found, results.images, own, results.threshold, seed)


def _remove_categories(path: Path) -> None:
    """Remove the table by category of another comparison; a table of somebody else's stays."""
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace").startswith("category,model,condition,"):
        path.unlink()


def _method(
    results: Results,
    measured: Mapping[tuple[str, str], Measured],
    comparisons: int,
    resamples: int,
    permutations: int,
    seed: int,
) -> dict[str, Any]:
    """The parameters of the comparison, as they were used."""
    found = [side.features for side in measured.values()]
    return {
        "threshold": results.threshold,
        "resamples": min(affordable(side, resamples) for side in found),
        "permutations": min(swaps(side, permutations, comparisons) for side in found),
        "seed": seed,
    }


def _floor_rows(results: Results, seed: int) -> list[dict[str, Any]]:
    constant = np.broadcast_to(constant_histogram(results.training), results.actual.shape)
    found = features(constant, results.actual)
    replicates = bootstrap(_one(found), results.threshold, seed=seed)
    bounds = {m: interval(v) for m, v in replicates.items() if m not in ("lcc", "srcc", "lcc_std")}
    high = {"accuracy": always_high(results.actual, results.threshold)}
    return [
        _row("floor", "constant histogram", "", "", found.n, metrics(found, results.threshold), bounds),
        _row("floor", "always high", "", "", found.n, high, {"accuracy": _always_high_bounds(results, seed)}),
    ]


def _always_high_bounds(results: Results, seed: int) -> tuple[float, float]:
    best = np.broadcast_to(np.eye(results.actual.shape[1])[-1], results.actual.shape)  # every mean is the highest
    return interval(bootstrap(_one(features(best, results.actual)), results.threshold, seed=seed)["accuracy"])


def _ceiling_rows(results: Results, seed: int) -> list[dict[str, Any]]:
    half = split_half(results.actual, threshold=results.threshold, seed=seed)
    values = {m: v[0] for m, v in half.items()}
    bounds = {m: (v[1], v[2]) for m, v in half.items()}
    highest = {m: tuple(_reliability(value) for value in half[m]) for m in ("lcc", "lcc_std")}
    n = len(results.actual)
    true_means = {m: v[0] for m, v in highest.items()}
    return [
        _row("ceiling", "half of the raters", "", "", n, values, bounds),
        _row("ceiling", "true means", "", "", n, true_means, {m: (v[1], v[2]) for m, v in highest.items()}),
    ]


def _reliability(half: float) -> float:
    """The correlation with all raters' means that the true means would have."""
    return float(np.sqrt(max(full_length(half), 0.0)))


def _agreement(results: Results, data: Dataset | None) -> pd.DataFrame:
    if data is None:
        return pd.DataFrame(columns=COLUMNS)
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
