"""A page of measures: every person's mean over pictures, and the spread of the pictures around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.files import picture_format, whole_file
from gazekit.measures.codebook import codebook
from gazekit.measures.viewing import KEYS, WHOLE

_ACROSS = 6


def draw_measures(table: pd.DataFrame, out: str | Path) -> Path:
    """Draw a panel for each measure and answer of whole pictures that is a number: a row a person, the mean in black.

    Parameters
    ----------
    table : DataFrame
        As `gazekit.measures.join_sessions` or `fixation_measures` returns it.
    out : path
        File to write: .png, .pdf or .svg.

    Raises
    ------
    InputError
        No column has a number.
    """
    from matplotlib.figure import Figure

    whole = table[table["area"] == WHOLE]
    numbers = whole.drop(columns=[name for name in (*KEYS, "order") if name in whole]).select_dtypes("number")
    names = [name for name in numbers if numbers[name].notna().any()]
    if not names:
        raise InputError("no measure has a value, so that there is nothing to draw")
    people, rows = np.unique(whole["participant"].astype(str), return_inverse=True)
    units = codebook(whole).set_index("column")["unit"]
    down = -(-len(names) // _ACROSS)
    height = max(1.6, 0.6 + 0.16 * len(people))
    figure = Figure(figsize=(2.6 * min(_ACROSS, len(names)) + 0.6, down * height + 0.4), layout="constrained")
    axes = np.asarray(figure.subplots(down, min(_ACROSS, len(names)), squeeze=False, sharey=True)).ravel()
    for panel in axes[len(names) :]:
        panel.axis("off")
    for panel, name in zip(axes, names, strict=False):
        values = numbers[name].to_numpy(float)
        panel.plot(values, rows, ".", color="#88aacc", markersize=3, alpha=0.7)
        panel.plot(whole[name].groupby(rows).mean().reindex(range(len(people))), range(len(people)), "k.", markersize=6)
        panel.set_xlabel(f"{name}" if units[name] in ("count", "answer", "") else f"{name} ({units[name]})", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(people)), people)
    axes[0].set_ylim(len(people) - 0.5, -0.5)
    figure.suptitle(
        f"{counted(len(people), 'person', 'people')}, {counted(whole['image'].nunique(), 'picture')}; black: "
        f"the person's mean",
        fontsize=10,
    )
    out = Path(out)
    with whole_file(out) as temporary:
        figure.savefig(temporary, format=picture_format(out), dpi=100)
    return out
