"""A study whose truth is known, as the bars state it."""

from __future__ import annotations

import numpy as np
import pandas as pd


def simulated_study(
    rng: np.random.Generator, pictures: int = 80, per_picture: int = 10, raters: int = 25, liars: int = 2
) -> tuple[pd.DataFrame, pd.Series, set[str]]:
    """Ratings on 1..10, the true means, and who answers at random.

    True means are uniform on 2.5..8.5. A rater has a bias (SD 0.4) and an inconsistency (uniform on 0.4..0.9), which
    with rounding gives the spread of 0.8 points that a 95 % interval of +-0.55 at ten ratings belongs to. Pictures are
    spread over the raters evenly, as the assignment does.
    """
    truth = rng.uniform(2.5, 8.5, pictures)
    bias, spread = rng.normal(0, 0.4, raters), rng.uniform(0.4, 0.9, raters)
    rows = []
    shown = np.zeros(raters)
    for image in range(pictures):
        order = np.lexsort((rng.random(raters), shown))[:per_picture]
        shown[order] += 1
        for rater in order:
            score = truth[image] + bias[rater] + rng.normal(0, spread[rater])
            if rater < liars:
                score = rng.uniform(0.5, 10.5)
            rows.append((f"r{rater:02d}", f"p{image:02d}", int(np.clip(np.rint(score), 1, 10))))
    table = pd.DataFrame(rows, columns=["rater", "image", "score"])
    names = [f"p{image:02d}" for image in range(pictures)]
    return table, pd.Series(truth, index=names), {f"r{k:02d}" for k in range(liars)}
