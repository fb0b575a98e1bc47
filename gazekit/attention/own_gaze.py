"""How each person looked at each picture, in numbers of that person's own gaze and map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gazekit.attention.viewings import Viewing
from gazekit.attention.worth import LONGEST, nss_of
from gazekit.core.progress import track

MEASURES = ("fixations", "looked_ms", "spread", "typical")


def own_gaze_table(looks: Mapping[str, Viewing]) -> pd.DataFrame:
    """Return a row a person and picture: how much, how widely and how typically the person looked.

    Parameters
    ----------
    looks : mapping
        Image id to `Viewing`.

    Returns
    -------
    DataFrame
        ``participant``, ``image``, ``fixations``, ``looked_ms`` (their durations), ``spread`` (root mean square
        distance from their weighted mean, as a share of the picture's diagonal), ``typical`` (NSS of the map of all
        others at the person's fixations; NaN where nobody else looked).
    """
    rows = []
    for image, look in track(looks.items(), "own gaze", len(looks)):
        small = look.scaled(LONGEST)
        maps = {name: small.of(name).unscaled_map() for name in small.participants}
        everybody = np.sum(list(maps.values()), axis=0)
        for name, amap in maps.items():
            own, alone = small.of(name), len(maps) == 1
            on, weights = own.counted, own.weights[own.counted]
            place = np.stack([own.x[on], own.y[on]]).astype(np.float64)
            middle = (place * weights).sum(axis=1, keepdims=True) / weights.sum()
            square = float(((place - middle) ** 2).sum(axis=0) @ weights / weights.sum())
            spread = float(np.sqrt(square) / np.hypot(*small.size))
            typical = np.nan if alone else nss_of(own, np.maximum(everybody - amap, 0))
            rows.append([name, image, int(on.sum()), float(own.duration_ms[on].sum()), spread, typical])
    return pd.DataFrame(rows, columns=["participant", "image", *MEASURES])
