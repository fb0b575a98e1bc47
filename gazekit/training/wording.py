"""The words of a conclusion, which follow from the intervals and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gazekit.training.metrics import METRICS

CONDITIONS = {
    "original": "whole pictures",
    "human": "what people looked at",
    "human-removed": "what people did not look at",
    "centre": "the middle of the picture",
    "shuffled": "what people looked at in another picture",
    "random": "a random part",
    "synthetic": "what the network itself looks at",
    "synthetic-masks": "what the network itself looks at, by its masks",
    "synthetic-excitation": "what the network itself looks at, by excitation backprop",
    "synthetic-gradcam": "what the network itself looks at, by Grad-CAM",
}


def conclusion(
    table: pd.DataFrame, paired: pd.DataFrame, *, primary: str, alpha: float, config: Mapping[str, Any]
) -> dict[str, Any]:
    """Sentences and the figures that they rest on.

    A difference is claimed when Holm's p over all comparisons of the primary metric is at most ``alpha`` and
    the 95 % interval leaves out 0.

    Returns
    -------
    dict : "sentences" (list of str), "primary", "alpha", "claims" (a dict a comparison: model, a, b, difference,
        low, high, p_holm, claimed).
    """
    rows = paired[paired["metric"] == primary]
    claims = [_claim(row, alpha) for _, row in rows.iterrows()]
    levels = table[table["level"] == "condition"]
    n = int(levels["n"].iloc[0])
    seeds = len(config["grid"]["seeds"])
    sentences = [_headline(claims, primary, n, seeds)]
    sentences += [_floor_sentence(table, model) for model in levels["model"].unique()]
    for claim, (_, row) in zip(claims, rows.iterrows(), strict=True):
        sentences.append(_sentence(claim, row, levels, primary, n))
    return {"sentences": sentences, "primary": primary, "alpha": alpha, "pictures": n, "seeds": seeds, "claims": claims}


def _claim(row: pd.Series, alpha: float) -> dict[str, Any]:
    claimed = bool(row["p_holm"] <= alpha and (row["low"] > 0 or row["high"] < 0))
    figures = {key: float(row[key]) for key in ("difference", "low", "high", "p", "p_holm")}
    return {
        "model": row["model"],
        "a": row["condition_a"],
        "b": row["condition_b"],
        "metric": row["metric"],
        **figures,
        "claimed": claimed,
    }


def _headline(claims: list[dict[str, Any]], primary: str, n: int, seeds: int) -> str:
    what = f"{METRICS[primary].label} on {n} test pictures, {seeds} seed{'s' if seeds != 1 else ''}"
    if not claims:
        return f"Nothing was compared: there is one condition only ({what})."
    seen = [claim for claim in claims if claim["claimed"]]
    if not seen:
        return (
            f"No difference between the conditions can be seen with {n} pictures ({what}; {len(claims)} comparisons)."
        )
    return f"{len(seen)} of {len(claims)} comparisons show a difference ({what})."


def _floor_sentence(table: pd.DataFrame, model: str) -> str:
    floor = table[(table["level"] == "floor") & (table["model"] == "constant histogram")].iloc[0]
    rows = table[(table["level"] == "condition") & (table["model"] == model)]
    better = rows[rows["emd2_high"] < floor["emd2"]]
    start = f"{model}: against a constant histogram (EMD, r = 2, of {floor['emd2']:.4f})"
    if better.empty:
        return f"{start} no condition does better beyond doubt: nothing that it predicts should be relied on."
    names = ", ".join(better["condition"])
    return f"{start} these conditions do better: {names}."


def _sentence(claim: Mapping[str, Any], row: pd.Series, levels: pd.DataFrame, primary: str, n: int) -> str:
    label = METRICS[primary].label
    a, b = claim["a"], claim["b"]
    values = {name: _value(levels, claim["model"], name, primary) for name in (a, b)}
    shown = (
        f"{values[a]:.3f} against {values[b]:.3f}, difference {claim['difference']:+.3f} "
        f"[{claim['low']:+.3f}, {claim['high']:+.3f}], p = {_p(claim['p_holm'])} after Holm's correction"
    )
    between = f"{_name(a)} ({a}) and {_name(b)} ({b})"
    if claim["claimed"]:
        better = a if (claim["difference"] > 0) == METRICS[primary].higher_is_better else b
        return f"{claim['model']}: between {between}, {better} gives the better {label}: {shown}."
    seen = f"a true difference of {row['detectable']:.3f} would be seen 8 times in 10"
    if claim["low"] > 0 or claim["high"] < 0:
        seen += "; by itself the interval leaves out 0, but among so many comparisons chance does that too"
    return (
        f"{claim['model']}: between {between}, no difference in {label} can be seen with {n} pictures: {shown}; {seen}."
    )


def _value(levels: pd.DataFrame, model: str, condition: str, metric: str) -> float:
    row = levels[(levels["model"] == model) & (levels["condition"] == condition)]
    return float(row[metric].iloc[0])


def _name(condition: str) -> str:
    return CONDITIONS.get(condition, condition)


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"{value:.3f}" if np.isfinite(value) else "n/a"
