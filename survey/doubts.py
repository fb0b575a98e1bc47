"""What may be wrong with ratings that can be counted all the same: told, never corrected."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from gazekit.core.alike import written_alike
from gazekit.core.counting import counted
from gazekit.core.types import Index
from survey.picture_names import written_apart

WEIGHTS = ("weight", "weights", "gewicht", "gewichtung", "poids", "peso")
LEAST = 50  # ratings that tell whether an end of the scale is used


def doubts(images: Iterable[str], counts: Index) -> list[str]:
    """Doubt histograms (n, K): percentages for counts, a scale that is too long, a picture under two names.

    Examples
    --------
    >>> doubts(["a.jpg", "b.jpg"], np.array([[20, 80, 0], [50, 30, 20]]))
    ['each picture has 100 ratings: are these percentages, and not counts?']
    """
    return [*_percentages(counts), *_unused(counts), *_names(images)]


def _percentages(counts: Index) -> list[str]:
    """Doubt counts that sum to a hundred, or do so but for rounding."""
    sums = counts.sum(axis=1)
    sums = sums[sums > 0]
    hundred = len(sums) > 1 and (np.abs(sums - 100) <= counts.shape[1] // 2).all() and (sums == 100).mean() >= 0.5
    about = "" if (sums == 100).all() else "about "
    return [f"each picture has {about}100 ratings: are these percentages, and not counts?"] if hundred else []


def _unused(counts: Index) -> list[str]:
    """Doubt a scale of which nobody used the upper part."""
    scale, used = counts.shape[1], np.flatnonzero(counts.sum(axis=0))
    if scale < 4 or counts.sum() < LEAST or not len(used) or used[-1] + 1 > 0.7 * scale:
        return []
    return [
        f"no score is above {used[-1] + 1} on a scale of 1 to {scale}, in {counted(int(counts.sum()), 'rating')}: "
        f"is the scale 1 to {used[-1] + 1}?"
    ]


def _names(images: Iterable[str]) -> list[str]:
    apart = written_apart(map(str, images))
    shown = ", ".join(apart[:5]) + (f" ... ({len(apart)})" if len(apart) > 5 else "")
    return [f"taken for different pictures, though only case or suffix differs: {shown}"] if apart else []


def doubts_of_table(table: pd.DataFrame) -> list[str]:
    """Doubt ratings one by one: raters whose names differ only in capitals or blanks, weights that nothing uses.

    Examples
    --------
    >>> for doubt in doubts_of_table(pd.DataFrame({"rater": ["a", "A", "b"], "weight": [1, 2, 1]})):
    ...     print(doubt)
    taken for different raters, though only capitals or blanks differ: A and a
    weight is not used: each rating counts once
    """
    said = raters_apart(table["rater"].dropna().unique())
    weights = [str(name) for name in table.columns if str(name).strip().lower() in WEIGHTS]
    return said + [f"{name} is not used: each rating counts once" for name in weights if table[name].nunique() > 1]


def raters_apart(raters: Iterable[object], most: int = 5) -> list[str]:
    """Say which raters count as different, though their names differ in capitals or blanks only; nothing without."""
    alike = [" and ".join(group) for group in written_alike(raters)]
    shown = ", ".join(alike[:most]) + (f" ... ({len(alike)})" if len(alike) > most else "")
    return [f"taken for different raters, though only capitals or blanks differ: {shown}"] if alike else []
