"""Whether a difference is another for one group of raters than for another: its interaction with the group."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.core.tables import read_table
from gazekit.core.types import Floats, Index
from gazekit.histograms import checked_counts, count_columns
from gazekit.stats.contrasts import Contrast
from gazekit.stats.metrics import features, metrics
from gazekit.stats.multiple_comparisons import holm
from gazekit.stats.options import ComparisonOptions
from gazekit.stats.predictions import Pass, Predictions
from gazekit.stats.standard_error import Uncertainty, defined, error_of, left_out
from gazekit.stats.training_luck import luck_of_folds

FEWEST = 8  # pictures that a group rated


def read_groups(path: str | Path, predictions: Predictions) -> dict[str, tuple[Index, Index]]:
    """Read ratings by group of raters: a histogram table with a column ``group``.

    Returns
    -------
    dict
        Group to the places of its pictures among the test pictures, shape (n,), and its counts, shape (n, K).

    Groups of fewer than eight test pictures, and rows without a group, are told on standard error and left out.

    Raises
    ------
    InputError
        Fewer than two groups that rated eight test pictures or more, or another scale.
    FormatError
        Counts that are no counts, or a picture that stands twice for a group.
    """
    table = read_table(path, ["image", "group"], "table of ratings by group")
    columns = count_columns(table)
    if len(columns) != predictions.actual.shape[1]:
        raise InputError(
            f"{path} has ratings from 1 to {len(columns)}; the networks' are 1 to {predictions.actual.shape[1]}"
        )
    table[columns] = checked_counts(table, columns, path).astype(np.int64)
    if nameless := int(table["group"].isna().sum()):
        print(f"{path}: {counted(nameless, 'row has', 'rows have')} no group, left out", file=sys.stderr)
    twice = table.loc[table.duplicated(["image", "group"]) & table["group"].notna(), ["image", "group"]]
    if len(twice):
        shown = ", ".join(f"{image} ({group})" for image, group in twice.head(5).itertuples(index=False))
        raise FormatError(f"{path}: each picture may stand once for a group; repeated: {shown}. Add its counts up")
    place = {image: row for row, image in enumerate(predictions.images)}
    groups = {}
    for name, part in table.groupby("group", sort=True):
        rows = part[part["image"].isin(place) & (part[columns].sum(axis=1) > 0)]
        if len(rows) < FEWEST:
            print(
                f"{path}: the group {name} is left out: it rated {counted(len(rows), 'test picture')}, and {FEWEST} or "
                "more are needed",
                file=sys.stderr,
            )
        else:
            groups[str(name)] = (rows["image"].map(place).to_numpy(np.int64), rows[columns].to_numpy(np.int64))
    if len(groups) < 2:
        raise InputError(
            f"{path}: {counted(len(groups), 'group')} rated {FEWEST} test pictures or more; two or more are needed"
        )
    return groups


def group_table(
    predictions: Predictions,
    contrasts: Sequence[Contrast],
    groups: Mapping[str, tuple[Index, Index]],
    options: ComparisonOptions,
    overlap: float = 1.0,
) -> pd.DataFrame:
    """Return every contrast's difference for each group, and between each two groups, in the chosen metric.

    Between two groups it is taken on the pictures that both rated, so that other pictures are no reason.

    Returns
    -------
    pd.DataFrame
        model, condition_a, condition_b, metric, group, against (empty for a group by itself), n, difference, low, high,
        p and, of the interactions, p_holm.
    """
    rows: list[dict[str, Any]] = []
    for contrast in contrasts:
        if not all(side in predictions.predicted for side in contrast.sides):
            continue
        names = {"model": contrast.model_a, "condition_a": contrast.condition_a, "condition_b": contrast.condition_b}
        names["metric"] = options.metric
        for group, (places, counts) in groups.items():
            values, without = _difference(predictions, contrast, places, counts, options.metric)
            error = _error(predictions, contrast, (values, without), places, overlap)
            rows.append(names | {"group": group, "against": "", "n": len(places), **_figures(values, error)})
        for one, other in itertools.combinations(groups, 2):
            both = np.intersect1d(groups[one][0], groups[other][0])
            if len(both) < FEWEST:
                continue
            sides = []
            for places, counts in (groups[one], groups[other]):
                order = np.argsort(places)
                rows_of_both = order[np.searchsorted(places[order], both)]
                sides.append(_difference(predictions, contrast, both, counts[rows_of_both], options.metric))
            values, without = (left - right for left, right in zip(*sides, strict=True))
            error = _error(predictions, contrast, (values, without), both, overlap)
            rows.append(names | {"group": one, "against": other, "n": len(both), **_figures(values, error)})
    table = pd.DataFrame(rows)
    interactions = table["against"] != ""
    table.loc[interactions, "p_holm"] = holm(table.loc[interactions, "p"])
    return table


def _error(
    predictions: Predictions, contrast: Contrast, found: tuple[Floats, Floats], places: Index, overlap: float
) -> Uncertainty:
    """Return the error of a difference on some pictures; the luck of training by folds, where there are any."""
    values, without = found
    luck = None
    if predictions.folds is not None and len(values) > 1 and without.shape[1] == len(places):
        repeats = [repeat - 1 for _, repeat in _passes(predictions, contrast)]
        luck = luck_of_folds(values[None], without[None], predictions.folds.of_picture[repeats][:, places])
    return error_of(values, without, len(places), luck, overlap=overlap)


def _passes(predictions: Predictions, contrast: Contrast) -> list[Pass]:
    """Return the seeds that both sides of a contrast have."""
    a, b = (predictions.predicted[side] for side in contrast.sides)
    return sorted(a.keys() & b.keys())


def _difference(
    predictions: Predictions, contrast: Contrast, places: Index, counts: Index, metric: str
) -> tuple[Floats, Floats]:
    """Return a metric's difference of two sides over some pictures' ratings, (S,), and without each picture (S, G)."""
    a, b = (predictions.predicted[side] for side in contrast.sides)
    passes = _passes(predictions, contrast)
    sides = [features(np.stack([side[one][places] for one in passes]), counts) for side in (a, b)]
    values = [defined(metrics(side, predictions.threshold))[metric] for side in sides]
    without = [left_out(side, predictions.threshold)[metric] for side in sides]
    return values[0] - values[1], without[0] - without[1]


def _figures(values: Floats, error: Uncertainty) -> dict[str, float]:
    value, half = float(values.mean()), float(student.ppf(0.975, error.df) * error.se)
    return {"difference": value, "low": value - half, "high": value + half, "p": error.p(value)}
