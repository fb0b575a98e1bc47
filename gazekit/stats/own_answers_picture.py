"""The picture of an answer against a measure, own against own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gazekit.core.files import picture_format, whole_file
from gazekit.stats.own_answers import Centred, OwnAnswers, person_slopes


def draw_own_answers(results: Sequence[tuple[OwnAnswers, Centred]], out: str | Path) -> Path:
    """Draw a row of two panels for each result: all rows with the slope and its interval, and each person's slope.

    Parameters
    ----------
    results : sequence of (OwnAnswers, Centred)
        Results, and what they are of (`gazekit.stats.own_answers.centre`).
    out : path
        File to write: .png, .pdf or .svg.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4 * len(results)), layout="constrained")
    panels = figure.subplots(len(results), 2, squeeze=False)
    for (result, centred), (left, right) in zip(results, panels, strict=True):
        left.plot(centred.measure, centred.answer, ".", color="#88aacc", markersize=3, alpha=0.6)
        ends = np.array([centred.measure.min(), centred.measure.max()])
        left.fill_between(ends, result.low * ends, result.high * ends, color="#222222", alpha=0.15, linewidth=0)
        left.plot(ends, result.slope * ends, color="#222222")
        left.set_xlabel(f"{result.measure}, without levels of people and pictures")
        left.set_ylabel(f"{result.answer}, the same")
        p = f"p = {result.p:.3f}" if result.p >= 0.001 else "p < .001"
        left.set_title(f"{result.slope:+.3g} [{result.low:.3g}, {result.high:.3g}], {p}", fontsize=10)
        slopes = np.sort(person_slopes(centred))
        right.plot(slopes, np.arange(len(slopes)), ".", color="#3366aa", markersize=4)
        right.axvline(0, color="#aa2222", linewidth=1, linestyle="--")
        right.axvspan(result.low, result.high, color="#222222", alpha=0.15, linewidth=0)
        right.axvline(result.slope, color="#222222")
        right.set_xlabel(f"each person's slope of {result.answer} on {result.measure}")
        right.set_yticks([])
        right.set_title(f"{int((slopes > 0).sum())} of {int(np.isfinite(slopes).sum())} people above 0", fontsize=10)
    out = Path(out)
    with whole_file(out) as temporary:
        figure.savefig(temporary, format=picture_format(out), dpi=100)
    return out
