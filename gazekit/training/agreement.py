"""How well a network's own attention tells where people looked, between a floor and a ceiling of people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention import saliency
from gazekit.attention.maps import attention_map

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

COLUMNS = ["map", "metric", "value", "low", "high", "n"]
CEILING = "other viewers (ceiling)"
FLOORS = ("centre of the picture (floor)", "people's map of another picture (floor)")
_OTHERS = 100  # pictures whose fixations are the negatives of the shuffled AUC
Map = npt.NDArray[np.float32]
Scores = dict[str, float]


@dataclass(frozen=True)
class Viewed:
    """A picture's human map and fixations, all in the pixels of the map's small grid."""

    index: int
    human: Map
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    duration_ms: npt.NDArray[np.float64]
    viewer: npt.NDArray[np.str_]
    sigma: float


def agreement_table(dataset: Dataset, indices: npt.NDArray[np.int64], own: Mapping[str, list[Map]]) -> pd.DataFrame:
    """A row a map and saliency metric: mean over test pictures with its 95 % bootstrap interval.

    Parameters
    ----------
    indices : the test split; pictures that nobody looked at are left out.
    own : name -> maps of every picture of the dataset (N, g, g), one array a seed.
    """
    viewed = [found for i in indices if (found := _viewed(dataset, int(i))) is not None]
    if not viewed:
        return pd.DataFrame(columns=COLUMNS)
    rows: dict[str, list[Scores]] = {name: [] for name in (*own, CEILING, *FLOORS)}
    for place, picture in enumerate(viewed):
        others = _others(viewed, place)
        for name, maps in own.items():
            rows[name].append(_mean([_scores(_fit(seed[picture.index], picture), picture, others) for seed in maps]))
        rows[CEILING].append(_mean(list(_other_viewers(picture, others))))
        rows[FLOORS[0]].append(_scores(_centre(picture), picture, others))
        rows[FLOORS[1]].append(_scores(_fit(viewed[place - 1].human, picture), picture, others))
    table = [row for name, scores in rows.items() for row in _summary(name, scores)]
    return pd.DataFrame(table, columns=COLUMNS)


def own_maps_of(folder: Path, models: list[str], count: int) -> dict[str, list[Map]]:
    """The kept maps of networks' own attention, by model and method."""
    found: dict[str, list[Map]] = {}
    for model in models:
        for path in sorted((folder / "synthetic" / model).glob("seed*.npz")):
            method = path.stem.partition("-")[2]
            with np.load(path) as content:
                if len(content["maps"]) == count:
                    found.setdefault(f"{model} ({method})" if method else model, []).append(content["maps"])
    return found


def _viewed(dataset: Dataset, i: int) -> Viewed | None:
    if not dataset.viewers[i]:
        return None
    human, table = dataset.human_map(i), dataset.fixations_of(i)
    scale = human.shape[0] / float(dataset.sizes[i][0])
    x, y = (table[name].to_numpy(np.float64) * scale for name in ("x_picture", "y_picture"))
    on = (x >= 0) & (y >= 0) & (x < human.shape[1]) & (y < human.shape[0])
    if not on.any():
        return None
    parameters = dataset.provenance["parameters"]
    sigma = parameters["sigma_px"] * scale if parameters.get("sigma_px") else max(human.shape) / 32
    duration, viewer = table["duration_ms"].to_numpy(np.float64), table["participant"].to_numpy(str)
    return Viewed(i, human, x[on], y[on], duration[on], viewer[on], sigma)


def _others(viewed: list[Viewed], place: int) -> npt.NDArray[np.float64]:
    """Fixations of the next pictures, as shares of their size, (2, m)."""
    chosen = [viewed[(place + step) % len(viewed)] for step in range(1, min(len(viewed), _OTHERS + 1))]
    points = [np.stack([v.x / v.human.shape[1], v.y / v.human.shape[0]]) for v in chosen]
    return np.concatenate(points, axis=1) if points else np.empty((2, 0))


def _scores(amap: Map, picture: Viewed, others: npt.NDArray[np.float64]) -> Scores:
    human, x, y = picture.human, picture.x, picture.y
    scores = {
        "nss": saliency.nss(amap, x, y),
        "auc_judd": saliency.auc_judd(amap, x, y),
        "cc": saliency.cc(amap, human),
        "sim": saliency.sim(amap, human),
        "kl": saliency.kl(amap, human),
        "ig": saliency.information_gain(amap, x, y, _centre(picture)),
    }
    if others.size:
        scores["auc_shuffled"] = saliency.auc_shuffled(
            amap, x, y, others[0] * human.shape[1], others[1] * human.shape[0]
        )
    return scores


def _other_viewers(picture: Viewed, others: npt.NDArray[np.float64]) -> Iterator[Scores]:
    """Each viewer against a map of all the others."""
    for name in np.unique(picture.viewer):
        mine = picture.viewer == name
        if mine.all():
            return
        size = (picture.human.shape[0], picture.human.shape[1])
        maps = [
            attention_map(picture.x[who], picture.y[who], picture.duration_ms[who], size=size, sigma_px=picture.sigma)
            for who in (mine, ~mine)
        ]
        one = Viewed(
            picture.index, maps[0], picture.x[mine], picture.y[mine], picture.duration_ms[mine],
            picture.viewer[mine], picture.sigma,
        )  # fmt: skip
        yield _scores(maps[1], one, others)


def _centre(picture: Viewed) -> Map:
    """A Gaussian of a quarter of each side about the middle: the centre bias."""
    height, width = picture.human.shape
    amap = np.outer(_bell(height), _bell(width))
    return np.asarray(amap / amap.sum(), dtype=np.float32)


def _bell(n: int) -> npt.NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * ((np.arange(n) + 0.5 - n / 2) / (n / 4)) ** 2))


def _fit(amap: Map, picture: Viewed) -> Map:
    height, width = picture.human.shape
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
