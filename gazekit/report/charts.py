"""Figures as inline SVG that takes its colours from the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gazekit.conditions import references
from gazekit.report.comparison_tables import claimed
from gazekit.report.wording_of_metrics import condition, metric
from gazekit.stats.comparison_folder import Comparison
from gazekit.stats.contrasts import ALL_NETWORKS

COLOURS = 12  # of models; with as many markers as there are, sixty models are told apart
# colours that stand for the page's own while matplotlib draws
INK, MUTED, LINE = "#010203", "#020304", "#030405"
SERIES = tuple(f"#0405{number:02x}" for number in range(6, 6 + COLOURS))
_PAGE = {INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)"}
_PAGE |= {colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)}
_MARKERS, _GLYPHS = ("o", "s", "D", "^", "v"), "●■◆▲▼"
_ROW, _GAP = 0.26, 0.8  # inches of a row; rows between two groups
_SCREEN, _CLOSEST = 4.2, 0.14  # inches of rows on the first screen; of a row, where there are more
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gazekit",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": LINE,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def results_figure(comparison: Comparison, name: str) -> str:
    """Draw one metric of every condition: values with intervals, single seeds, floor and ceiling."""
    table = comparison.rows
    runs = table[table["level"] == "condition"]
    conditions, models = list(dict.fromkeys(runs["condition"])), list(dict.fromkeys(runs["model"]))
    with matplotlib.rc_context(STYLE):
        figure, axes = _canvas(len(conditions), len(models))
        for m, model in enumerate(models):
            of_model = runs[runs["model"] == model].set_index("condition").reindex(conditions)
            place = _places(len(conditions), len(models), m)
            scale = metric(name).scale
            low, high = (of_model.get(f"{name}_{side}", of_model[name]) * scale for side in ("low", "high"))
            seeds = table[(table["level"] == "seed") & (table["model"] == model)]
            for where, one in zip(place, conditions, strict=True):
                values = seeds.loc[seeds["condition"] == one, name] * scale
                axes.plot(values, np.full(len(values), where), "|", color=_colour(m), ms=7, alpha=0.6, ls="none")
            _intervals(axes, of_model[name] * scale, low, high, place, m, np.ones(len(place), dtype=bool))
        _reference_lines(axes, table, name)
        _finish_rows(axes, [condition(c) for c in conditions], len(models))
        axes.set_xlabel(f"{metric(name).label} ({'more' if metric(name).higher_is_better else 'less'} is better)")
        return svg(figure, f"{metric(name).label} of each condition with its 95 % interval")


def paired_figure(comparison: Comparison, name: str) -> str:
    """Draw the paired differences of one metric with their intervals; filled where a difference is claimed."""
    table = comparison.paired[comparison.paired["metric"] == name]
    labels = [_label_of_pair(row) for row in table.to_dict("records")]
    alpha = float(comparison.conclusion.get("alpha", 0.05))
    filled = [claimed(row, alpha) for row in table.to_dict("records")]
    title = f"Paired differences in {metric(name).label} with their 95 % intervals"
    ends = ["difference", "low", "high"]
    table = table.assign(claimed=filled, label=labels, **{end: table[end] * metric(name).scale for end in ends})
    return _differences(table, f"difference in {metric(name).label}", title)


def forest_figure(comparison: Comparison) -> str:
    """Draw people's attention against everything else, for each network and over all; filled where it is claimed."""
    words = comparison.conclusion
    claims = [claim for claim in [*words.get("over_networks", ()), *words.get("claims", ())] if "model_b" not in claim]
    # of a primary contrast over all networks, the claim behind its gate counts
    claims = list({(claim["model"], claim.get("a"), claim.get("b")): claim for claim in claims}.values())
    first, name = references()[0], metric(str(words.get("primary", "srcc")))
    rows = pd.DataFrame([claim for claim in claims if claim.get("a") == first and "difference" in claim])
    if rows.empty:
        return ""
    ends = ["difference", "low", "high"]
    rows = rows.assign(label=rows["b"].map(condition), **{end: rows[end] * name.scale for end in ends})
    arrow = "{} better →" if name.higher_is_better else "← {} better"
    label = f"difference in {name.label}\n{arrow.format(condition(first).lower())}"
    return _differences(rows, label, f"{condition(first)} against everything else, in {name.label}", against=True)


def _label_of_pair(row: Mapping[Any, Any]) -> str:
    """Return what stands beside a difference; models are named where they are compared with each other."""
    sides = [condition(row["condition_a"]), condition(row["condition_b"])]
    second = row.get("model_b")
    if isinstance(second, str) and second:
        sides = [f"{model}, {side.lower()}" for model, side in zip((row["model"], second), sides, strict=True)]
    return f"{sides[0]}\n− {sides[1]}"


def _differences(table: pd.DataFrame, label: str, title: str, *, against: bool = False) -> str:
    models = list(dict.fromkeys(table["model"]))
    pairs = list(dict.fromkeys(table["label"]))
    offset = 1 if ALL_NETWORKS in models else 0  # it is drawn in ink
    with matplotlib.rc_context(STYLE):
        row = max(_CLOSEST, min(_ROW, _SCREEN / (len(pairs) * (len(models) + _GAP)))) if against else _ROW
        figure, axes = _canvas(len(pairs), len(models), 0.38 if against else 0.5, row)
        axes.axvline(0, color=INK, lw=1)
        for m, model in enumerate(models):
            of_model = table[table["model"] == model].set_index("label").reindex(pairs)
            filled = of_model["claimed"].eq(True).to_numpy()
            place = _places(len(pairs), len(models), m)
            number = None if model == ALL_NETWORKS else m - offset
            value, low, high = (of_model[end] for end in ("difference", "low", "high"))
            _intervals(axes, value, low, high, place, number, filled, 7 * (row / _ROW) ** 0.5)
        _finish_rows(axes, pairs, len(models))
        axes.set_xlabel(label)
        return svg(figure, title)


def training_figure(comparison: Comparison, model: str, name: str) -> str:
    """Draw training and validation loss by epoch: every seed thin, their mean bold. Empty if nothing was logged."""
    logs = [r.metrics for r in comparison.runs if r.model == model and r.condition == name and len(r.metrics)]
    logs = [log for log in logs if {"epoch", "train_loss", "validation_loss"} <= set(log.columns)]
    if not logs:
        return ""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.3, 2.1))
        axes = figure.add_axes((0.17, 0.24, 0.8, 0.7))
        for column, colour, dash in (("train_loss", SERIES[0], "--"), ("validation_loss", SERIES[1], "-")):
            for log in logs:
                axes.plot(log["epoch"], log[column], color=colour, lw=0.8, alpha=0.45, ls=dash)
            mean = pd.concat(logs).groupby("epoch")[column].mean()
            axes.plot(mean.index, mean, color=colour, lw=2.2, ls=dash)
        axes.tick_params(length=0, labelcolor=MUTED, labelsize=9)
        axes.grid(axis="y", color=LINE, lw=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel("epoch", fontsize=9)
        return svg(figure, f"Loss by epoch of {model} on {condition(name)}")


def model_key(models: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return what stands for each model in the figures: its name, its colour, its glyph."""
    return [(name, f"var(--series-{m % COLOURS + 1})", _GLYPHS[m % len(_GLYPHS)]) for m, name in enumerate(models)]


def _colour(m: int | None) -> str:
    return INK if m is None else SERIES[m % COLOURS]


def _places(groups: int, models: int, m: int) -> np.ndarray:
    """Return the height of a model's row in every group, from above; each has its own."""
    return np.arange(groups) * (models + _GAP) + m


def _canvas(groups: int, models: int, margin: float = 0.38, row: float = _ROW) -> tuple[Figure, Axes]:
    height = row * max(groups * (models + _GAP), 2 * groups) + 1.0
    figure = Figure(figsize=(5.4, height))
    return figure, figure.add_axes((margin, 0.75 / height, 0.96 - margin, 1 - 1.0 / height))


def _intervals(
    axes: Axes,
    value: pd.Series,
    low: pd.Series,
    high: pd.Series,
    place: np.ndarray,
    m: int | None,
    filled: np.ndarray,
    points: float = 7,
) -> None:
    """Draw values with intervals, model ``m``'s in its colour and marker; hollow where they are not filled."""
    axes.hlines(place, low, high, color=_colour(m), lw=2)
    marker = "D" if m is None else _MARKERS[m % len(_MARKERS)]
    for full in (True, False):
        rows = filled == full
        face = _colour(m) if full else "none"
        axes.plot(value[rows], place[rows], marker, color=_colour(m), mfc=face, mew=1.6, ms=points, ls="none")


def _reference_lines(axes: Axes, table: pd.DataFrame, name: str) -> None:
    for level, dash in (("floor", ":"), ("ceiling", "--")):
        values = table.loc[table["level"] == level, name].dropna()
        if not len(values):
            continue
        best = float(values.max() if metric(name).higher_is_better else values.min()) * metric(name).scale
        axes.axvline(best, color=MUTED, lw=1.2, ls=dash)
        axes.text(best, 1.0, level, transform=axes.get_xaxis_transform(), ha="center", va="bottom", color=MUTED)


def _finish_rows(axes: Axes, labels: Sequence[str], models: int) -> None:
    middle = (models - 1) / 2
    axes.set_yticks(_places(len(labels), models, 0) + middle, labels)
    axes.set_ylim(_places(len(labels), models, 0)[-1] + models - 0.3, -0.7)
    axes.tick_params(length=0)
    axes.grid(axis="x", color=LINE, lw=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4))


def svg(figure: Figure, title: str) -> str:
    """Return a figure as inline SVG that takes its colours from the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for drawn, page in _PAGE.items():
        text = text.replace(drawn, page)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*pt"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*pt"', r"\1", text))
    marked = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    # ids are unique in a file, and a page holds many of these
    salt = re.sub(r"\W+", "-", title)
    text = re.sub(r'id="([^"]+)"', rf'id="{salt}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\1{salt}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{marked}"', 1)
