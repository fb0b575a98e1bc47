"""The comparison by category of picture (animal, landscape, ...), as in paper 2's Table IV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.errors import InputError
from gazekit.tables import read_table
from gazekit.training.measured import measure
from gazekit.training.metrics import Features
from gazekit.training.spread import defined

FEWEST = 5  # pictures of a category; correlations of fewer say nothing


def category_table(
    found: dict[tuple[str, str], Features], images: list[str], path: str | Path, threshold: float, seed: int
) -> pd.DataFrame:
    """A row a category, model and condition: n and every metric with its 95 % interval.

    Parameters
    ----------
    found : (model, condition) -> features (S, N) of the test pictures ``images``.
    path : table of ``image,category``; a picture may stand in several categories, as in AVA.

    Raises
    ------
    InputError : no category has five test pictures or more.
    """
    table = read_table(path, ["image", "category"], "table of categories")
    place = {image: row for row, image in enumerate(images)}
    rows = []
    for category, part in table.groupby("category", sort=True):
        index = np.array(sorted({place[image] for image in part["image"] if image in place}), dtype=np.int64)
        if len(index) < FEWEST:
            continue
        for (model, condition), features in found.items():
            some = Features(*(value[:, index] for value in features.arrays()))
            rows.append(_row(str(category), model, condition, some, threshold, seed))
    if not rows:
        raise InputError(
            f"{path}: none of {table['category'].nunique()} categories has {FEWEST} pictures of the test split or more "
            f"({table['image'].isin(images).sum()} of its rows are of test pictures)"
        )
    return pd.DataFrame(rows)


def _row(category: str, model: str, condition: str, some: Features, threshold: float, seed: int) -> dict[str, Any]:
    found = measure(some, range(len(some.mean)), threshold, 2000, seed)
    row: dict[str, Any] = {"category": category, "model": model, "condition": condition, "n": some.n}
    row |= {metric: float(value.mean()) for metric, value in defined(found.values).items()}
    for metric, (low, high) in found.intervals().items():
        row[f"{metric}_low"], row[f"{metric}_high"] = low, high
    return row
