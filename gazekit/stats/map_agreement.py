"""How well a network's own attention tells where people looked, between a floor and a ceiling of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention import saliency
from gazekit.attention.agreement import CENTRE, REST, SHUFFLED, other_fixations, places_of
from gazekit.attention.judging import Candidate, Fixated, JudgingConvention
from gazekit.attention.viewings import Viewing
from gazekit.core.progress import track
from gazekit.core.types import Map
from gazekit.shapes.centre import centre_prior

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

COLUMNS = ["map", "metric", "value", "low", "high", "n"]
CEILING = f"{REST} (ceiling)"
FLOORS = (f"{CENTRE} (floor)", f"{SHUFFLED} (floor)")
_LONGEST = 96  # maps are compared at this size (longer side, pixels)
_OTHERS = 100  # pictures whose fixations are the negatives of the shuffled AUC
Scores = dict[str, float]


def agreement_table(
    dataset: Dataset,
    indices: npt.NDArray[np.int64],
    own: Mapping[str, list[Map]],
    convention: JudgingConvention = "gazekit",
) -> pd.DataFrame:
    """Return a row a map and saliency metric: mean over test pictures with its 95 % bootstrap interval.

    Every map is judged by each viewer of a picture in turn, and a picture's value is the mean over its viewers: the map
    of all other viewers, which is the ceiling, as the networks' maps and the floors. (Against the map of all viewers at
    once CC, SIM and KL come out better for the same map, so that networks would pass the ceiling.)

    Parameters
    ----------
    indices : ndarray
        The test split; pictures that nobody or only one looked at are left out (with one viewer each there is
        no ceiling), and nothing is made of fewer than two.
    own : Mapping[str, list[ndarray]]
        Name to maps of every picture of the dataset (N, g, g), one array a seed.
    convention : str
        Of the metrics: see `gazekit.attention.judging.CONVENTIONS`.
    """
    looks = {i: dataset.viewing(i) for i in indices.tolist() if dataset.viewers[i]}
    seen = {i: look.take(look.inside).scaled(_LONGEST) for i, look in looks.items() if look.inside.any()}
    several = {i: viewing for i, viewing in seen.items() if len(viewing.participants) > 1}
    if len(several) > 1:  # the same pictures for the ceiling and what stands under it
        seen = several
    if len(seen) < 2:
        return pd.DataFrame(columns=COLUMNS)
    rows: dict[str, list[Scores]] = {name: [] for name in (*own, CEILING, *FLOORS)}
    places = list(seen)
    for place, i in enumerate(track(places, "agreement of maps", len(places))):
        viewing = seen[i]
        others = places_of(_others(seen, places, place), viewing.size)
        viewers = [Fixated.of(viewing.of(name)) for name in viewing.participants]
        candidates = {name: [_fit(maps[i], viewing) for maps in seeds] for name, seeds in own.items()}
        candidates[FLOORS[0]] = [centre_prior(viewing.size)]
        candidates[FLOORS[1]] = [_fit(seen[places[place - 1]].map(), viewing)]
        for name, maps in candidates.items():
            judged = [Candidate(amap.astype(np.float64), others) for amap in maps]
            rows[name].append(_mean([amap.judged(viewer, convention) for amap in judged for viewer in viewers]))
        left_out = [rest.map().astype(np.float64) for _, rest in viewing.leave_one_out()]
        pairs = zip(left_out, viewers, strict=bool(left_out))
        rows[CEILING].append(_mean([Candidate(amap, others).judged(viewer, convention) for amap, viewer in pairs]))
    table = [row for name, scores in rows.items() for row in _summary(name, scores)]
    return pd.DataFrame(table, columns=COLUMNS)


def own_maps_of(folder: Path, models: list[str], count: int) -> dict[str, list[Map]]:
    """Return the kept maps of networks' own attention, by model and method."""
    from gazekit.dataset.synthetic import read_attention

    found: dict[str, list[Map]] = {}
    for model in models:
        for path in sorted((folder / "synthetic" / model).glob("seed*.npz")):
            method = path.stem.partition("-")[2]
            _, maps = read_attention(path, count)
            found.setdefault(f"{model} ({method})" if method else model, []).append(maps)
    return found


def _others(seen: Mapping[int, Viewing], places: list[int], place: int) -> tuple[Any, Any]:
    near = [places[(place + step) % len(places)] for step in range(min(len(places), _OTHERS + 1))]
    return other_fixations({str(i): seen[i] for i in near}, str(places[place]))


def _fit(amap: Map, viewing: Viewing) -> Map:
    height, width = viewing.size
    return np.maximum(cv2.resize(amap, (width, height), interpolation=cv2.INTER_LINEAR), 0)


def _mean(scores: list[Scores]) -> Scores:
    names = scores[0] if scores else {}
    return {name: float(np.mean([row[name] for row in scores])) for name in names}


def _summary(name: str, scores: list[Scores], resamples: int = 2000) -> Iterator[list[Any]]:
    for metric in saliency.METRICS:
        values = np.array([row.get(metric, np.nan) for row in scores])
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        rng = np.random.default_rng(np.random.SeedSequence([0, 4]))
        means = values[rng.integers(0, len(values), (resamples, len(values)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        yield [name, metric, float(values.mean()), float(low), float(high), len(values)]
