"""The comparison by category of picture (animal, landscape, ...), as in Table IV of Zhang et al. 2019."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from gazekit.stats.estimates import Measuring, estimate
from gazekit.stats.metrics import Features
from gazekit.stats.predictions import Pass
from gazekit.stats.standard_error import defined

FEWEST = 5  # pictures of a category; correlations of fewer say nothing


def category_table(
    found: dict[tuple[str, str], Features], images: list[str], table: pd.DataFrame, threshold: float, seed: int
) -> pd.DataFrame | None:
    """Return a row a category, model and condition: n and every metric with its 95 % interval.

    Parameters
    ----------
    found : dict[tuple[str, str], Features]
        (model, condition) -> features (S, N) of the test pictures ``images``.
    table : pd.DataFrame
        ``image,category``; a picture may stand in several categories, as in AVA.

    Returns
    -------
    DataFrame, or None where no category has five test pictures or more.
    """
    place = {image: row for row, image in enumerate(images)}
    rows = []
    for category, part in table.groupby("category", sort=True):
        index = np.array(sorted({place[image] for image in part["image"] if image in place}), dtype=np.int64)
        if len(index) < FEWEST:
            continue
        for (model, condition), features in found.items():
            some = Features(*(value[:, index] for value in features.arrays()))
            rows.append(_row(str(category), model, condition, some, threshold, seed))
    return pd.DataFrame(rows) if rows else None


def _row(category: str, model: str, condition: str, some: Features, threshold: float, seed: int) -> dict[str, Any]:
    found = estimate(some, [Pass(k) for k in range(len(some.mean))], Measuring(threshold, 2000, seed))
    row: dict[str, Any] = {"category": category, "model": model, "condition": condition, "n": some.n}
    row |= {metric: float(value.mean()) for metric, value in defined(found.values).items()}
    for metric, (low, high) in found.intervals().items():
        row[f"{metric}_low"], row[f"{metric}_high"] = low, high
    return row
