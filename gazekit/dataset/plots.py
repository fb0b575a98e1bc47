"""Pictures of a dataset: how scores are distributed, and what is rated how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gazekit.attention.drawing import fit_picture
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.files import picture_format, whole_file
from gazekit.dataset.layout import SPLITS
from gazekit.dataset.reader import Dataset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#e69f00", "#009e73")  # Okabe-Ito: apart for colour-blind readers


def plot_scores(dataset: Dataset, out: str | Path, scheme: str = "default") -> Path:
    """Plot how many pictures have which mean score, and how many are high and low in each split.

    High is a mean above half the scale (5 of 10, as in the paper).
    """
    from matplotlib.figure import Figure

    rated = np.isfinite(dataset.mean)
    middle = dataset.scale / 2
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    parts = [dataset.mean[dataset.indices(s, scheme)] for s in SPLITS]  # type: ignore[arg-type]
    bins = np.arange(1, dataset.scale + 0.26, 0.25)
    if any(len(part) for part in parts):
        left.hist(parts, bins=bins.tolist(), stacked=True, color=COLOURS, label=SPLITS)
        left.legend(frameon=False, loc="upper left")
    else:
        left.hist(dataset.mean[rated], bins=bins.tolist(), color="#777777")
    left.axvline(middle, color="black", linewidth=0.8, linestyle=":")
    left.set(
        xlabel=f"mean score (1 to {dataset.scale})",
        ylabel="pictures",
        title=f"{counted(int(rated.sum()), 'rated picture')}",
    )
    place = np.arange(len(SPLITS))
    for shift, name, high in ((-0.2, f"> {middle:g}", True), (0.2, f"≤ {middle:g}", False)):
        counts = [int(((part > middle) == high).sum()) for part in parts]
        bars = right.bar(place + shift, counts, width=0.38, label=name, color="#cc79a7" if high else "#999999")
        right.bar_label(bars, fontsize=8)
    right.set_xticks(place, SPLITS)
    right.set(ylabel="pictures", title="high and low scores")
    right.legend(frameon=False, title="mean score", loc="upper right")
    return _save(figure, out)


def plot_samples(dataset: Dataset, out: str | Path, indices: Sequence[int] | None = None) -> Path:
    """Plot pictures with mean and standard deviation of their scores, and their histograms.

    By default six rated pictures: two with a high mean and a low deviation, two with a high deviation, two with a low
    mean and a low deviation.
    """
    from matplotlib.figure import Figure

    shown = list(sample_rows(dataset) if indices is None else indices)
    if not shown:
        raise InputError(f"{dataset.path}: no picture is rated, so there are no samples to show")
    figure = Figure(figsize=(2.3 * len(shown), 3.6), layout="constrained")
    axes = figure.subplots(2, len(shown), squeeze=False, height_ratios=(3, 1))
    for column, i in enumerate(shown):
        top, below = axes[0, column], axes[1, column]
        top.imshow(fit_picture(dataset.picture(i), 480))
        top.set_axis_off()
        top.set_title(f"({chr(97 + column)}) μ = {dataset.mean[i]:.3f}\nσ = {dataset.std[i]:.3f}", fontsize=10)
        below.bar(np.arange(1, dataset.scale + 1), dataset.counts[i], color="#0072b2")
        below.set(xticks=[1, dataset.scale], yticks=[], xlabel="score")
        below.spines[["top", "right", "left"]].set_visible(False)
    return _save(figure, out)


def sample_rows(dataset: Dataset, each: int = 2) -> list[int]:
    """Return pictures that show the range: high and agreed on, disagreed on, low and agreed on."""
    rated = np.flatnonzero(dataset.counts.sum(axis=1) > 0)
    level = np.argsort(np.argsort(dataset.mean[rated])) / max(len(rated) - 1, 1)
    spread = np.argsort(np.argsort(dataset.std[rated])) / max(len(rated) - 1, 1)
    chosen: list[int] = []
    for worth in (level - spread, spread, -level - spread):
        order = [int(i) for i in rated[np.argsort(-worth, kind="stable")] if int(i) not in chosen]
        chosen += order[:each]
    return chosen


def _save(figure: Figure, out: str | Path) -> Path:
    out = Path(out)
    with whole_file(out) as temporary:
        figure.savefig(temporary, format=picture_format(out), dpi=110, metadata=_PLAIN.get(out.suffix))
    return out


_PLAIN = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
