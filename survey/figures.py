"""A picture of a set of ratings: ``aggregate --report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.files import whole_file
from survey.p910 import MODERATE, joint_estimate
from survey.ratings import from_table, settle_duplicates

INK, ACCENT, WARN, GRID = "#1d2326", "#0b5563", "#c2410c", "#d8dbd9"


def draw_report(
    ratings: pd.DataFrame,
    histograms: pd.DataFrame,
    reliability: pd.DataFrame,
    screening: pd.DataFrame | None,
    path: str | Path,
    *,
    scale: int,
) -> Path:
    """Draw distribution, SD against mean, raters and reliability on one page (PNG, SVG or PDF by the suffix).

    Parameters
    ----------
    ratings : DataFrame
        All ratings, before screening.
    histograms : DataFrame
        The histogram table of the ratings that stay after screening.
    reliability : DataFrame
        As from `survey.reliability.reliability`.
    screening : DataFrame or None
        As from `survey.screening.screen`; None where nobody is left out.
    path : str or Path
        The file to write.
    scale : int
        Scores are 1 to this.
    """
    from matplotlib.figure import Figure

    path = Path(path)
    figure = Figure(figsize=(10.5, 7.4), layout="constrained", dpi=110)
    axes = figure.subplots(2, 2)
    _distribution(axes[0, 0], histograms, scale)
    _spread(axes[0, 1], histograms, scale)
    _raters(axes[1, 0], ratings, screening, scale)
    _reliability(axes[1, 1], reliability)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.title.set_fontweight("bold")
    no_dates = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with whole_file(path) as temporary:  # without dates the same ratings give the same bytes
        figure.savefig(temporary, format=path.suffix.lstrip(".") or "png", metadata=no_dates.get(path.suffix, {}))
    return path


def _distribution(axis: Any, histograms: pd.DataFrame, scale: int) -> None:
    counts = histograms[[f"c{k}" for k in range(1, scale + 1)]].to_numpy()
    score = np.arange(1, scale + 1)
    axis.bar(score, counts.sum(axis=0) / counts.sum(), color=ACCENT, alpha=0.25, label="ratings", width=0.9)
    means, _ = np.histogram(histograms["mean"], bins=np.arange(0.5, scale + 1))
    axis.bar(score, means / means.sum(), color=ACCENT, label="means of pictures", width=0.45)
    axis.set(title="Distribution", xlabel="score", ylabel="share")
    axis.set_xticks(score if scale <= 20 else score[:: scale // 10])
    axis.set_ylim(top=1.22 * axis.get_ylim()[1])
    axis.legend(frameon=False, fontsize=9, ncols=2, loc="upper center")


def _spread(axis: Any, histograms: pd.DataFrame, scale: int) -> None:
    mean = np.linspace(1, scale, 200)
    axis.plot(mean, np.sqrt((mean - 1) * (scale - mean)), color=GRID, label="largest possible")
    few = histograms["flags"].str.contains("few").to_numpy()
    for chosen, colour, label in ((~few, ACCENT, "pictures"), (few, WARN, "few ratings")):
        if chosen.any():
            axis.scatter(
                histograms["mean"][chosen], histograms["std"][chosen], s=9, color=colour, alpha=0.5, label=label, lw=0
            )
    axis.set(title="Disagreement against mean", xlabel="mean score", ylabel="SD of the ratings", xlim=(1, scale))
    axis.legend(frameon=False, fontsize=9, loc="center", bbox_to_anchor=(0.5, 0.75))


def _raters(axis: Any, ratings: pd.DataFrame, screening: pd.DataFrame | None, scale: int) -> None:
    single, _ = settle_duplicates(from_table(ratings, scale=scale))
    joint = joint_estimate(single, prior=MODERATE, tolerance=1e-6)
    votes = np.bincount(single.rater, minlength=len(single.raters))
    left_out = np.zeros(len(votes), bool)
    if screening is not None:
        excluded = screening.loc[screening["action"] == "excluded", "rater"].astype(str)
        left_out = np.isin(single.raters.astype(str), excluded)
    size = 12 + 60 * votes / max(votes.max(), 1)
    for chosen, colour, label in ((~left_out, ACCENT, "kept"), (left_out, WARN, "excluded")):
        chosen &= votes > 1
        if chosen.any():
            axis.scatter(
                joint.bias[chosen],
                joint.inconsistency[chosen],
                s=size[chosen],
                color=colour,
                alpha=0.6,
                label=label,
                lw=0,
            )
    axis.axvline(0, color=GRID, zorder=0)
    axis.set(title="Raters (joint estimate)", xlabel="bias (points)", ylabel="inconsistency (points)")
    axis.set_ylim(0, 1.25 * axis.get_ylim()[1])
    axis.legend(frameon=False, fontsize=9, ncols=2, loc="upper center")


def _reliability(axis: Any, reliability: pd.DataFrame) -> None:
    shown = reliability[~reliability["measure"].str.startswith("repeats: pairs")]
    shown = shown[~shown["measure"].str.contains("difference") & shown["value"].notna()].iloc[::-1]
    place = np.arange(len(shown))
    reach = np.abs(shown[["low", "high"]].to_numpy() - shown[["value"]].to_numpy())
    axis.errorbar(
        shown["value"], place, xerr=np.nan_to_num(reach.T), fmt="o", color=ACCENT, ecolor=INK, elinewidth=1, capsize=3
    )
    for y, (_, row) in zip(place, shown.iterrows(), strict=True):
        axis.annotate(
            f"{row['value']:.2f}", (row["value"], y), (0, 7), textcoords="offset points", ha="center", fontsize=9
        )
    axis.set_yticks(place, shown["measure"])
    axis.set(title="Reliability", xlim=(min(0.0, float(shown["value"].min()) - 0.05), 1.05))
    axis.set_ylim(-0.6, len(shown) - 0.2)
    axis.grid(axis="x", color=GRID)
