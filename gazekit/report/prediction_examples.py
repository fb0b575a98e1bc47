"""Predicted against true histograms: best and worst pictures, and what kind of histogram a model fails on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.histograms import moments
from gazekit.report.wording_of_metrics import metric
from gazekit.stats.comparison_folder import Comparison, distributions


@dataclass(frozen=True)
class Judged:
    """A test picture with its true and its predicted histogram (mean over seeds)."""

    image: str
    true: list[float]
    predicted: list[float]
    true_mean: float
    predicted_mean: float
    emd: float
    shape: str


def shown_model(comparison: Comparison) -> tuple[str, str]:
    """Return model and condition whose predictions are shown: the best by EMD (r = 2), of those with predictions."""
    table = comparison.rows[comparison.rows["level"] == "condition"]
    done = {(r.model, r.condition) for r in comparison.runs if len(r.predictions)}
    name = next((m for m in ("emd2", *comparison.metrics) if m in comparison.metrics), "")
    if not done or not name:
        return "", ""
    table = table[[pair in done for pair in zip(table["model"], table["condition"], strict=True)]]
    table = table.sort_values(name, ascending=not metric(name).higher_is_better, kind="stable")
    return (str(table["model"].iloc[0]), str(table["condition"].iloc[0])) if len(table) else ("", "")


def judge(comparison: Comparison, model: str, name: str) -> list[Judged]:
    """Return every test picture as a model saw it on a condition, in the order of the tables."""
    tables = [r.predictions for r in comparison.runs if (r.model, r.condition) == (model, name) and len(r.predictions)]
    if not tables or not len(comparison.truth):
        return []
    predicted = pd.concat([distributions(t, "p") for t in tables]).groupby(level=0, sort=False).mean()
    true = distributions(comparison.truth, "c")
    if predicted.shape[1] != true.shape[1]:
        return []
    images = [image for image in predicted.index if image in true.index]
    p, t = predicted.loc[images].to_numpy(), true.loc[images].to_numpy()
    emd = np.sqrt(((np.cumsum(p, axis=1) - np.cumsum(t, axis=1)) ** 2).mean(axis=1))
    return [
        Judged(str(image), list(t[k]), list(p[k]), *_means(t[k], p[k]), float(emd[k]), histogram_shape(t[k]))
        for k, image in enumerate(images)
    ]


def histogram_shape(share: npt.NDArray[np.float64]) -> str:
    """Return what a histogram looks like: bimodal, skewed, or plain.

    Bimodal by Sarle's coefficient above 5/9 with two separated peaks; skewed where the skewness is beyond 1.
    """
    (mean,), (std,) = moments(share[None])
    if std <= 0:
        return "one score only"
    z = (np.arange(1, len(share) + 1) - mean) / std
    skewness, kurtosis = float((share * z**3).sum()), float((share * z**4).sum())
    if (skewness**2 + 1) / kurtosis > 5 / 9 and _peaks(share) >= 2:
        return "bimodal"
    if abs(skewness) > 1:
        return "a tail of low scores" if skewness < 0 else "a tail of high scores"
    return ""


def _peaks(share: npt.NDArray[np.float64]) -> int:
    padded = np.concatenate([[0.0], share, [0.0]])
    padded = padded[np.concatenate([[True], np.diff(padded) != 0])]  # a plateau is one peak
    return int(((padded[1:-1] > padded[:-2]) & (padded[1:-1] > padded[2:]) & (padded[1:-1] > 0.1)).sum())


def _means(true: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> tuple[float, float]:
    mean, _ = moments(np.stack([true, predicted]))
    return float(mean[0]), float(mean[1])
