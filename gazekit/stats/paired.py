"""Conditions and models against each other, on the same pictures with the same seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from gazekit.core.progress import track
from gazekit.stats.contrasts import ALL_NETWORKS, Contrast
from gazekit.stats.estimates import Estimates, error_of_difference, estimate, luck_of, mean_of
from gazekit.stats.metrics import METRICS, features
from gazekit.stats.multiple_comparisons import gatekeeping, holm
from gazekit.stats.options import ComparisonOptions
from gazekit.stats.predictions import Predictions
from gazekit.stats.resampling import permutation_p
from gazekit.stats.standard_error import defined, pooled_luck
from gazekit.stats.training_luck import together

Measured = Mapping[tuple[str, str], Estimates]


@dataclass
class Difference:
    """A row of ``paired.csv``: two sides in one metric.

    Attributes
    ----------
    value_a, value_b, difference, low, high : float
        Means over the ``seeds`` that both have; the difference with its 95 % interval.
    p : float
        The larger of ``p_pictures`` (permutation over pictures: are these networks alike?) and ``p_seeds`` (t test that
        counts the luck of training: would networks of other seeds be?).
    p_holm : float
        Corrected over all comparisons of the metric.
    pictures_needed, pictures_for_size, detectable : float
        Test pictures that it takes to see the difference that was stated, else the margin, 8 times in 10 by the hardest
        step of Holm's correction (both columns say the same; of the primary metric alone, and never of the difference
        found); and the least true difference that is seen so often.
    p_equivalence, p_not_inferior : float
        Within the margin, of the primary metric alone, whose units the margin has.
    """

    model: str
    condition_a: str
    condition_b: str
    metric: str
    seeds: int
    value_a: float
    value_b: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    effect_size: float
    pictures_needed: float
    pictures_for_size: float
    detectable: float
    p_pictures: float
    p_seeds: float
    model_b: str = ""
    family: int = 0
    p_equivalence: float = float("nan")
    p_not_inferior: float = float("nan")


def paired_table(
    measured: Measured, contrasts: Sequence[Contrast], options: ComparisonOptions | None = None
) -> pd.DataFrame:
    """Return a row a contrast and metric, see `Difference`.

    Columns ``model_b``, ``family`` and those of equivalence are there only where models are compared with models, a
    primary contrast is tested first, or there is a margin.
    """
    options = options or ComparisonOptions()
    sizes = Counter(contrast.family for contrast in contrasts)
    rows = [
        row
        for contrast in track(contrasts, "paired tests", len(contrasts))
        for row in _differences(measured, contrast, options, sizes[contrast.family])
    ]
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(Difference.__dataclass_fields__))
    for metric in METRICS:
        of_metric = table["metric"] == metric
        table.loc[of_metric, "p_holm"] = gatekeeping(table.loc[of_metric, "p"], table.loc[of_metric, "family"])
        for column in ("p_equivalence", "p_not_inferior") if metric == options.metric else ():
            table.loc[of_metric, column] = holm(table.loc[of_metric, column])
    unused = ["model_b"] if not table["model_b"].any() else []
    unused += ["family"] if options.primary_contrast is None else []
    unused += ["p_equivalence", "p_not_inferior"] if options.margin is None else []
    return table.drop(columns=unused)


def _differences(
    measured: Measured, contrast: Contrast, options: ComparisonOptions, comparisons: int
) -> list[Difference]:
    """Compare two sides over the seeds that both have, in every metric."""
    networks = _sides(measured, contrast)
    a, b = (mean_of(side) for side in zip(*networks, strict=True))
    luck, level = _luck(measured, contrast), min(0.05, options.alpha / comparisons)
    by_pictures = permutation_p(
        a.features,
        b.features,
        a.measuring.threshold,
        permutations=options.permutations,
        seed=options.seed,
        comparisons=comparisons,
    )
    rows = []
    for metric in METRICS:
        sides = defined(a.values)[metric], defined(b.values)[metric]
        value = float((sides[0] - sides[1]).mean())
        error, low, high = error_of_difference(a, b, metric, luck.get(metric), networks)
        by_seeds, primary = error.p(value), metric == options.metric
        size = options.difference if options.difference is not None else options.margin
        asked = size is not None and primary and error.se > 0
        needed = error.pictures_needed(size or 0.0, level) if asked else float("nan")
        row = Difference(
            contrast.model_a,
            contrast.condition_a,
            contrast.condition_b,
            metric,
            len(a.seeds),
            float(sides[0].mean()),
            float(sides[1].mean()),
            value,
            low,
            high,
            max(by_pictures[metric], by_seeds),
            float("nan"),
            value / error.pictures if error.pictures > 0 else float("nan"),
            needed,
            needed,
            error.detectable(level) if error.se > 0 else float("nan"),
            by_pictures[metric],
            by_seeds,
            contrast.model_b if contrast.model_b != contrast.model_a else "",
            contrast.family,
        )
        if options.margin is not None and primary:
            better = value if METRICS[metric].higher_is_better else -value
            row.p_equivalence = error.equivalence_p(value, options.margin)
            row.p_not_inferior = error.not_below_p(better, options.margin)
        rows.append(row)
    return rows


def _sides(measured: Measured, contrast: Contrast) -> list[tuple[Estimates, Estimates]]:
    """Return both sides, of the seeds that both have; over all networks those of each one that has both.

    Networks that were trained with other seeds each are taken with as many seeds as all have.
    """
    if contrast.model_a == ALL_NETWORKS:
        models = [m for m, c in measured if c == contrast.condition_a and (m, contrast.condition_b) in measured]
        pairs = [(measured[m, contrast.condition_a], measured[m, contrast.condition_b]) for m in models]
        pairs = [(a, b) for a, b in pairs if {*a.seeds} & {*b.seeds}]
    else:
        pairs = [(measured[contrast.sides[0]], measured[contrast.sides[1]])]
    shared = [sorted({*a.seeds} & {*b.seeds}) for a, b in pairs]
    common = sorted(set.intersection(*map(set, shared)))
    count = min(map(len, shared))
    chosen = [common or seeds[:count] for seeds in shared]
    return [(a.only(seeds), b.only(seeds)) for (a, b), seeds in zip(pairs, chosen, strict=True)]


def _luck(measured: Measured, contrast: Contrast) -> dict[str, tuple[float, int]]:
    """Return, per metric, the variance of a model's differences from seed to seed and its degrees of freedom.

    It is pooled over all conditions of the model, and in cross-validation told by every fold besides; nothing is known
    beforehand of models against models.
    """
    if contrast.model_a != contrast.model_b or contrast.model_a == ALL_NETWORKS:
        return {}
    sides = [side for (name, _), side in measured.items() if name == contrast.model_a]
    common = sorted(set.intersection(*(set(side.seeds) for side in sides)))
    if len(common) < 2:
        return dict.fromkeys(METRICS, (0.0, 0))
    sides = [side.only(common) for side in sides]
    found = {}
    for metric in METRICS:
        values = np.stack([defined(side.values)[metric] for side in sides])
        by_fold = luck_of((values, np.stack([side.without[metric] for side in sides])), sides[0])
        found[metric] = pooled_luck(values) if by_fold is None else together(pooled_luck(values), by_fold)
    return found


def floor_differences(predictions: Predictions, measured: Measured) -> list[dict[str, str | float]]:
    """Return how much farther from the ratings each condition's histograms are than a constant one: EMD, r = 2, paired.

    Returns
    -------
    list of dict
        model, condition, floor (the constant histogram's EMD), difference, low, high.
    """
    constant = predictions.constant
    floors: dict[int, Estimates] = {}  # by the number of seeds, which the pictures drawn depend on
    rows: list[dict[str, str | float]] = []
    for (model, condition), side in track(measured.items(), "against the floor", len(measured)):
        count = len(side.seeds)
        if count not in floors:
            alike = features(np.broadcast_to(constant, (count, *constant.shape)), predictions.actual)
            floors[count] = estimate(alike, side.seeds, side.measuring)
        value, floor = (float(one.values["emd2"].mean()) for one in (side, floors[count]))
        _, low, high = error_of_difference(side, floors[count], "emd2")
        figures = {"floor": floor, "difference": value - floor, "low": low, "high": high}
        rows.append({"model": model, "condition": condition, **figures})
    return rows
