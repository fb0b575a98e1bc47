"""Figures of scores: how they are spread, predicted against true ones, and what each picture gains from gaze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gazekit.conditions import condition as condition_of
from gazekit.conditions import references
from gazekit.core.types import Floats
from gazekit.histograms import count_columns, moments
from gazekit.report.charts import COLOURS, INK, LINE, MUTED, SERIES, STYLE, svg
from gazekit.report.prediction_examples import Judged, judge
from gazekit.report.wording_of_metrics import metric
from gazekit.stats.comparison_folder import Comparison

_PARTS = {"train": "train", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class Gain:
    """By how much less a picture's mean score is missed where people's attention is seen and not the whole picture."""

    image: str
    true_mean: float
    whole: float
    human: float

    @property
    def gain(self) -> float:
        """Return how much smaller the error is, score units."""
        return abs(self.whole - self.true_mean) - abs(self.human - self.true_mean)


def distribution_figure(comparison: Comparison) -> str:
    """Draw how many pictures have which mean score, by split: paper 1's Figure 5. Empty where there are no ratings."""
    truth = comparison.truth
    columns = count_columns(truth) if len(truth) else []
    rated = truth[truth[columns].sum(axis=1) > 0] if len(columns) else truth
    if not len(rated):
        return ""
    mean = pd.Series(moments(rated[columns].to_numpy(np.float64))[0], index=rated.index)
    parts = [part for part in _PARTS if (rated["split"] == part).any()]
    edges = np.arange(0.75, len(columns) + 0.5, 0.5)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 2.5))
        axes = figure.add_axes((0.1, 0.2, 0.87, 0.72))
        values = [mean[rated["split"] == part].to_numpy() for part in parts]
        colours = [SERIES[0], SERIES[4], SERIES[1]][: len(parts)] if len(parts) > 1 else [SERIES[0]]
        axes.hist(values, bins=edges.tolist(), stacked=True, color=colours, label=[_PARTS[part] for part in parts])
        threshold = comparison.conclusion.get("method", {}).get("threshold")
        if threshold is not None:
            high = int((mean > threshold).sum())
            axes.axvline(threshold, color=INK, lw=1, ls=":")
            axes.set_title(f"{high:,} high, {len(mean) - high:,} low", fontsize=10, color=MUTED)
        if len(parts) > 1:
            axes.legend(frameon=False, fontsize=9)
        axes.set_xlabel("mean score")
        axes.set_ylabel("pictures")
        axes.tick_params(length=0, labelcolor=MUTED)
        return svg(figure, "Mean scores of the pictures")


def scatter_figure(judged: Sequence[Judged]) -> str:
    """Draw every test picture's predicted mean score against its true one."""
    true, predicted = (np.array([getattr(j, name) for j in judged]) for name in ("true_mean", "predicted_mean"))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.6, 3.4))
        axes = figure.add_axes((0.17, 0.17, 0.8, 0.8))
        ends = [float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))]
        axes.plot(ends, ends, color=LINE, lw=1)
        axes.plot(true, predicted, "o", ms=4, mfc="none", mew=1.1, color=SERIES[0], alpha=0.8)
        axes.set_xlabel("true mean score")
        axes.set_ylabel("predicted mean score")
        axes.tick_params(length=0, labelcolor=MUTED, labelsize=9)
        axes.grid(color=LINE, lw=0.5)
        axes.set_axisbelow(True)
        return svg(figure, "Predicted against true mean score of every test picture")


def gains(comparison: Comparison) -> list[Gain]:
    """Return what every test picture gains from people's attention, from the highest; mean over networks and seeds."""
    human, whole = references()[:2]
    pairs = {(run.model, run.condition) for run in comparison.runs if len(run.predictions)}
    models = sorted({model for model, _ in pairs if {(model, human), (model, whole)} <= pairs})
    sides = [[judge(comparison, model, name) for model in models] for name in (human, whole)]
    if not models or not all(judged for side in sides for judged in side):
        return []
    predicted = [np.mean([[j.predicted_mean for j in judged] for judged in side], axis=0) for side in sides]
    rows = [
        Gain(j.image, j.true_mean, float(predicted[1][k]), float(predicted[0][k])) for k, j in enumerate(sides[0][0])
    ]
    return sorted(rows, key=lambda row: -row.gain)


def gain_figure(rows: Sequence[Gain]) -> str:
    """Draw the gains of all pictures, sorted, with their mean."""
    values: Floats = np.array([row.gain for row in rows])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 2.3))
        axes = figure.add_axes((0.12, 0.2, 0.86, 0.75))
        axes.bar(np.arange(len(values)), values, width=1.0, color=SERIES[0], alpha=0.75)
        axes.axhline(0, color=INK, lw=1)
        axes.axhline(float(values.mean()), color=SERIES[1], lw=1.5, ls="--")
        axes.set_xlabel(
            f"test pictures, sorted (mean {values.mean():+.3f}, {int((values > 0).sum())} of {len(values)} gain)"
        )
        axes.set_ylabel("gain, scores")
        axes.set_xticks([])
        axes.tick_params(length=0, labelcolor=MUTED)
        return svg(figure, f"How much less is missed with {condition_of(references()[0]).keeps}, picture by picture")


def learning_figure(comparison: Comparison) -> str:
    """Draw the metric of the conclusion by the number of training pictures; empty where no curve was trained."""
    table, name = comparison.learning_curve, str(comparison.conclusion.get("primary", "srcc"))
    if not len(table):
        return ""
    kind = metric(name)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.0))
        axes = figure.add_axes((0.13, 0.18, 0.84, 0.76))
        for number, ((model, condition), rows) in enumerate(table.groupby(["model", "condition"], sort=False)):
            rows, colour = rows.sort_values("pictures"), SERIES[number % COLOURS]
            values = [rows[column] * kind.scale for column in (name, f"{name}_low", f"{name}_high")]
            axes.plot(rows["pictures"], values[0], "o-", color=colour, ms=5, lw=1.6, label=f"{model}, {condition}")
            axes.fill_between(rows["pictures"], values[1], values[2], color=colour, alpha=0.12, lw=0)
        axes.legend(frameon=False, fontsize=9)
        axes.set_xlabel("training pictures")
        axes.set_ylabel(kind.label)
        axes.tick_params(length=0, labelcolor=MUTED)
        axes.grid(axis="y", color=LINE, lw=0.6)
        return svg(figure, f"{kind.label} by the number of training pictures")
