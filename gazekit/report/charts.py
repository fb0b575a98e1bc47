"""Figures as inline SVG that takes its colours from the page, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gazekit.report.wording_of_metrics import condition, metric
from gazekit.stats.comparison_folder import Comparison

# colours that stand for the page's own while matplotlib draws
_PAGE = {
    "#010203": "currentColor",
    "#020304": "var(--muted)",
    "#030405": "var(--line)",
    "#040506": "var(--series-1)",
    "#050607": "var(--series-2)",
    "#060708": "var(--series-3)",
    "#070809": "var(--series-4)",
}
_INK, _MUTED, _LINE, *_SERIES = _PAGE
_MARKERS = ("o", "s", "D", "^")
_GLYPHS = "●■◆▲"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gazekit",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _LINE,
    "xtick.color": _MUTED,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
}


def results_figure(comparison: Comparison, name: str) -> str:
    """Return one metric of every condition: values with intervals, single seeds, floor and ceiling."""
    table = comparison.rows
    cells = table[table["level"] == "condition"]
    conditions, models = list(dict.fromkeys(cells["condition"])), list(dict.fromkeys(cells["model"]))
    with matplotlib.rc_context(_STYLE):
        figure, axes = _canvas(rows=len(conditions) * (0.6 + 0.4 * len(models)) / 1.6 + 0.6)
        for m, model in enumerate(models):
            own = cells[cells["model"] == model].set_index("condition").reindex(conditions)
            place = np.arange(len(conditions)) + (m - (len(models) - 1) / 2) * 0.26
            seeds = table[(table["level"] == "seed") & (table["model"] == model)]
            _dots(axes, seeds, conditions, place, name, _SERIES[m % 4])
            _intervals(axes, own, name, place, m)
        _reference_lines(axes, table, name)
        _finish_rows(axes, [condition(c) for c in conditions])
        axes.set_xlabel(f"{metric(name).label} ({'more' if metric(name).higher_is_better else 'less'} is better)")
        return _svg(figure, f"{metric(name).label} of each condition with its 95 % interval")


def paired_figure(comparison: Comparison, name: str) -> str:
    """Return the paired differences of one metric with their intervals, and the line of no difference."""
    table = comparison.paired[comparison.paired["metric"] == name]
    models = list(dict.fromkeys(table["model"]))
    pairs = list(dict.fromkeys(zip(table["condition_a"], table["condition_b"], strict=True)))
    with matplotlib.rc_context(_STYLE):
        figure, axes = _canvas(rows=len(pairs) * (0.6 + 0.4 * len(models)) / 1.6 + 0.6, margin=0.5)
        axes.axvline(0, color=_INK, lw=1)
        for m, model in enumerate(models):
            own = table[table["model"] == model].set_index(["condition_a", "condition_b"]).reindex(pairs)
            place = np.arange(len(pairs)) + (m - (len(models) - 1) / 2) * 0.26
            named = own.rename(columns={"difference": name, "low": f"{name}_low", "high": f"{name}_high"})
            _intervals(axes, named, name, place, m)
        _finish_rows(axes, [f"{condition(a)}\n− {condition(b)}" for a, b in pairs])
        axes.set_xlabel(f"difference in {metric(name).label}")
        return _svg(figure, f"Paired differences in {metric(name).label} with their 95 % intervals")


def training_figure(comparison: Comparison, model: str, name: str) -> str:
    """Draw training and validation loss by epoch: every seed thin, their mean bold. Empty if nothing was logged."""
    logs = [r.metrics for r in comparison.runs if r.model == model and r.condition == name and len(r.metrics)]
    logs = [log for log in logs if {"epoch", "train_loss", "validation_loss"} <= set(log.columns)]
    if not logs:
        return ""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(3.3, 2.1))
        axes = figure.add_axes((0.17, 0.24, 0.8, 0.7))
        for column, colour, dash in (("train_loss", _SERIES[0], "--"), ("validation_loss", _SERIES[1], "-")):
            for log in logs:
                axes.plot(log["epoch"], log[column], color=colour, lw=0.8, alpha=0.45, ls=dash)
            mean = pd.concat(logs).groupby("epoch")[column].mean()
            axes.plot(mean.index, mean, color=colour, lw=2.2, ls=dash)
        axes.tick_params(length=0, labelcolor=_MUTED, labelsize=9)
        axes.grid(axis="y", color=_LINE, lw=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel("epoch", fontsize=9)
        return _svg(figure, f"Loss by epoch of {model} on {condition(name)}")


def model_key(models: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return what stands for each model in the figures: its name, its colour, its glyph."""
    return [(name, f"var(--series-{m % 4 + 1})", _GLYPHS[_marker(m)]) for m, name in enumerate(models)]


def _marker(m: int) -> int:
    """Return the marker of model ``m``; four colours by four markers tell sixteen models apart."""
    return (m + m // 4) % 4


def _canvas(rows: float, margin: float = 0.38) -> tuple[Figure, Axes]:
    height = 0.42 * rows + 0.8
    figure = Figure(figsize=(5.4, height))
    return figure, figure.add_axes((margin, 0.55 / height, 0.96 - margin, 1 - 0.8 / height))


def _intervals(axes: Axes, table: pd.DataFrame, name: str, place: np.ndarray, m: int) -> None:
    low, high = (table.get(f"{name}_{side}", table[name]) for side in ("low", "high"))
    axes.hlines(place, low, high, color=_SERIES[m % 4], lw=2)
    axes.plot(table[name], place, _MARKERS[_marker(m)], color=_SERIES[m % 4], ms=7, ls="none")


def _dots(
    axes: Axes, seeds: pd.DataFrame, conditions: Sequence[str], place: np.ndarray, name: str, colour: str
) -> None:
    for where, c in zip(place, conditions, strict=True):
        values = seeds.loc[seeds["condition"] == c, name]
        axes.plot(values, np.full(len(values), where + 0.12), "|", color=colour, ms=5, alpha=0.6, ls="none")


def _reference_lines(axes: Axes, table: pd.DataFrame, name: str) -> None:
    for level, dash in (("floor", ":"), ("ceiling", "--")):
        values = table.loc[table["level"] == level, name].dropna()
        if not len(values):
            continue
        best = float(values.max() if metric(name).higher_is_better else values.min())
        axes.axvline(best, color=_MUTED, lw=1.2, ls=dash)
        axes.text(best, 1.0, level, transform=axes.get_xaxis_transform(), ha="center", va="bottom", color=_MUTED)


def _finish_rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(length=0)
    axes.grid(axis="x", color=_LINE, lw=0.6)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4))


def _svg(figure: Figure, title: str) -> str:
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
