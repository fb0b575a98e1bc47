"""How sure a mask is: what it would be with other viewers, and how many viewers would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gazekit.attention.viewings import Viewing
from gazekit.core.errors import InputError
from gazekit.core.progress import track
from gazekit.core.types import Floats, Map, Mask
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.shapes.rectangles import Box
from gazekit.shapes.regions import around

LONGEST = 200  # pixels of the longer side at which masks are made again and again


@dataclass(frozen=True)
class MaskUncertainty:
    """What a mask would be with other viewers of the same kind.

    Attributes
    ----------
    probability : ndarray of float32
        Of each pixel to be kept, on the picture made smaller.
    low, high : Box
        95 % interval of the top, left, bottom and right edge of the rectangle (of the region: around it), in pixels
        of the picture.
    agreement : float
        Mean overlap (intersection over union) of the masks with that of all viewers.
    """

    probability: Map
    low: Box
    high: Box
    agreement: float


def mask_uncertainty(
    viewing: Viewing, spec: MaskSpec | None = None, *, resamples: int = 200, seed: int = 0
) -> MaskUncertainty:
    """Draw the viewers of a picture again with replacement, and make the mask of each draw.

    Parameters
    ----------
    viewing : Viewing
        What people looked at in the picture; two viewers or more.
    spec : MaskSpec, optional
        What of their map a mask keeps.
    resamples : int
        Draws.
    seed : int
        Of the draws.

    Raises
    ------
    InputError
        Fewer than two viewers.
    """
    spec, small = spec or MaskSpec(), viewing.scaled(LONGEST)
    maps = _person_maps(small)
    if len(maps) < 2:
        raise InputError(f"{viewing.image}: how sure a mask is can be said of two viewers or more; found {len(maps)}")
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(maps), np.full(len(maps), 1 / len(maps)), resamples)
    masks = [spec.mask(_sum(maps, draw)) for draw in weights]
    whole = spec.mask(_sum(maps, np.ones(len(maps))))
    scale = np.tile(np.array(viewing.size) / np.array(small.size), 2)
    edges = np.array([around(mask) for mask in masks]) * scale
    low, high = ([int(edge) for edge in np.rint(np.quantile(edges, q, axis=0))] for q in (0.025, 0.975))
    return MaskUncertainty(
        probability=np.mean(masks, axis=0).astype(np.float32),
        low=(low[0], low[1], low[2], low[3]),
        high=(high[0], high[1], high[2], high[3]),
        agreement=float(np.mean([overlap(mask, whole) for mask in masks])),
    )


def viewers_curve(
    looks: Mapping[str, Viewing], spec: MaskSpec | None = None, *, draws: int = 5, seed: int = 0
) -> pd.DataFrame:
    """Say how many viewers would do: how much the masks of two groups of k different viewers overlap.

    Parameters
    ----------
    looks : mapping
        Image id to `Viewing`.
    spec : MaskSpec, optional
        What of their map a mask keeps.
    draws : int
        Of two groups for each picture and k.
    seed : int
        Of the draws.

    Returns
    -------
    DataFrame
        ``viewers`` (k, up to half of those that all pictures have), ``overlap`` (intersection over union, mean over
        pictures), ``low``, ``high`` (95 %, bootstrap over pictures), ``pictures``.
    """
    spec = spec or MaskSpec()
    several = {image: look.scaled(LONGEST) for image, look in looks.items() if len(look.participants) > 1}
    if not several:
        raise InputError("how many viewers would do can be said where pictures have two viewers or more")
    most = min(len(look.participants) for look in several.values()) // 2
    rng, rows = np.random.default_rng(seed), []
    for look in track(several.values(), "viewers", len(several)):
        maps = _person_maps(look)
        for k in range(1, most + 1):
            order = [rng.permutation(len(maps)) for _ in range(draws)]
            pairs = [(o[:k], o[k : 2 * k]) for o in order]
            rows.append(
                (k, np.mean([overlap(*(spec.mask(maps[list(group)].sum(axis=0)) for group in p)) for p in pairs]))
            )
    table, result = pd.DataFrame(rows, columns=["viewers", "overlap"]), []
    for k, part in table.groupby("viewers"):
        values = part["overlap"].to_numpy(np.float64)
        means = values[np.random.default_rng(seed).integers(0, len(values), (2000, len(values)))].mean(axis=1)
        result.append([k, values.mean(), *np.quantile(means, [0.025, 0.975]), len(values)])
    return pd.DataFrame(result, columns=["viewers", "overlap", "low", "high", "pictures"])


def overlap(first: Mask, second: Mask) -> float:
    """Return the intersection of two masks over their union."""
    return float((first & second).sum() / (first | second).sum())


def _person_maps(look: Viewing) -> Floats:
    return np.array([look.of(name).unscaled_map() for name in look.participants])


def _sum(maps: Floats, weights: Sequence[float] | Floats) -> Floats:
    return np.asarray(np.tensordot(np.asarray(weights, dtype=np.float64), maps, axes=1))
