"""One page on the quality of recordings: every participant's figures against the thresholds, and when gaze was lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.files import picture_format, whole_file
from gazekit.core.types import Floats
from gazekit.events.samples import prepare
from gazekit.events.settings import QualitySection
from gazekit.session.model import Session

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOSS_BINS = 120  # of a recording's length, in the strip of each participant
_EYES = {"left": "#3366aa", "right": "#cc6633", "average": "#222222"}
_PANELS = (
    ("trueness_deg", "max_accuracy_deg", "trueness (deg)"),
    ("rms_s2s_deg", "max_rms_s2s_deg", "precision RMS-S2S (deg)"),
    ("loss_percent", "max_loss_percent", "loss (%)"),
    ("rate_hz", None, "samples with gaze a second"),
)


def loss_over_time(session: Session, bins: int = LOSS_BINS) -> Floats:
    """Compute the share of samples without gaze in equal parts of the recording, (bins,); NaN where none came."""
    samples = prepare(session.recording, session.screen)
    if len(samples) < 2:
        return np.full(bins, np.nan)
    stamp = samples.stamp_us[samples.delivered]
    part = np.minimum((stamp - stamp[0]) * bins // (stamp[-1] - stamp[0] + 1), bins - 1)
    count = np.bincount(part, minlength=bins)
    lost = np.bincount(part, weights=samples.lost[samples.delivered], minlength=bins)
    return np.where(count > 0, lost / np.maximum(count, 1), np.nan)


def draw_quality(
    table: pd.DataFrame,
    losses: Sequence[Floats],
    thresholds: QualitySection,
    out: str | Path,
) -> Path:
    """Draw the page.

    Parameters
    ----------
    table : DataFrame
        Tables of `session_quality`, of one or more sessions one after the other.
    losses : sequence of ndarray
        `loss_over_time` of each session, in the same order.
    thresholds : QualitySection
        Drawn as lines.
    out : path
        File to write: .png, .pdf or .svg.

    Returns
    -------
    Path
        The file.
    """
    from matplotlib.figure import Figure

    whole = table[table["part"] == "whole"]
    names = _row_names(whole)
    n = len(names)
    figure = Figure(figsize=(11, 2.4 + 0.32 * n + 0.32 * n), layout="constrained")
    grid = figure.add_gridspec(2, len(_PANELS), height_ratios=[1 + 0.32 * n, 0.6 + 0.32 * n])
    first: Axes | None = None
    for column, (name, limit, title) in enumerate(_PANELS):
        axes = figure.add_subplot(grid[0, column], sharey=first)
        first = first or axes
        _dots(axes, whole, name, getattr(thresholds, limit) if limit else None, title)
        axes.tick_params(labelleft=column == 0)
    assert first is not None
    first.set_yticks(range(n), names)
    first.set_ylim(n - 0.5, -0.5)
    for tick, verdict in zip(first.get_yticklabels(), _verdicts(whole), strict=True):
        tick.set_color("#117733" if verdict == "pass" else "#aa2222")
    _strips(figure.add_subplot(grid[1, :]), losses, names)
    failed = sum(v != "pass" for v in _verdicts(whole))
    figure.suptitle(f"Data quality of {counted(n, 'recording')}: {n - failed} pass, {failed} fail", fontsize=12)
    out = Path(out)
    with whole_file(out) as temporary:
        figure.savefig(temporary, format=picture_format(out), dpi=100)
    return out


def _row_names(whole: pd.DataFrame) -> list[str]:
    average = whole[whole["eye"] == "average"]
    return [
        f"{row.participant}{' ' + row.session if row.session else ''}  {row.verdict}" for row in average.itertuples()
    ]


def _verdicts(whole: pd.DataFrame) -> list[str]:
    return [str(v) for v in whole.loc[whole["eye"] == "average", "verdict"]]


def _dots(axes: Axes, whole: pd.DataFrame, name: str, limit: float | None, title: str) -> None:
    for eye, colour in _EYES.items():
        values = whole.loc[whole["eye"] == eye, name].to_numpy(dtype=float)
        marker = "D" if eye == "average" else "o"
        axes.plot(values, np.arange(len(values)), marker, color=colour, label=eye, alpha=0.8, markersize=5)
    if limit is not None:
        axes.axvline(limit, color="#aa2222", linewidth=1, linestyle="--")
    if not np.isfinite(whole[name].to_numpy(dtype=float)).any():
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", va="center", color="#777777")
    axes.margins(x=0.08)
    axes.set_xlim(left=0)
    axes.set_xlabel(title)
    axes.grid(axis="x", alpha=0.3)
    if name == "loss_percent":
        axes.legend(fontsize=7, loc="best")


def _strips(axes: Axes, losses: Sequence[Floats], names: Sequence[str]) -> None:
    image = axes.imshow(
        100 * np.stack(losses), aspect="auto", vmin=0, vmax=100, cmap="magma_r", interpolation="nearest"
    )
    axes.set_yticks(range(len(names)), [name.rsplit("  ", 1)[0] for name in names])
    axes.set_xticks(np.linspace(-0.5, LOSS_BINS - 0.5, 5), ["0", "25", "50", "75", "100"])
    for row in range(len(names) - 1):
        axes.axhline(row + 0.5, color="white", linewidth=2)
    axes.set_xlabel("part of the recording (%)")
    axes.set_title("gaze lost over time (%)", fontsize=10)
    axes.figure.colorbar(image, ax=axes, pad=0.01, shrink=0.9)
