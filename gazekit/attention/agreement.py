"""How well people's maps agree: the ceiling that people set, and the floors of the centre and of chance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention import saliency
from gazekit.attention.judging import Candidate, Elsewhere, Fixated, JudgingConvention
from gazekit.attention.maps import on_picture
from gazekit.attention.one_out import judge_one_out, mean_scores
from gazekit.attention.viewings import Viewing
from gazekit.core.errors import InputError
from gazekit.core.parallel import Run, results
from gazekit.core.progress import track
from gazekit.core.types import Floats, Index
from gazekit.shapes.centre import centre_prior

Others = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
HALF = "half of the viewers"
REST = "all other viewers, one left out"
CENTRE = "centre prior"
SHUFFLED = "another picture's map"
Scores = Mapping[str, object]
_PICTURES_A_PROCESS, _FEWEST_A_PART, _PARTS = 50, 25, 8


def agreement(
    amap: npt.ArrayLike, truth: Viewing, others: Others, convention: JudgingConvention = "gazekit"
) -> dict[str, float]:
    """Return every metric of a map against where people looked.

    NSS and the AUCs are taken at the fixations, CC, SIM and KL against their map, information gain over the centre
    prior. KL and information gain take the map as a density mixed with a tenth of the centre prior: a map of few
    viewers is 0 where the next one may look, and one such fixation would make them arbitrary.

    Parameters
    ----------
    amap : array_like
        Shape of the picture of ``truth``.
    truth : Viewing
        Where people looked.
    others : tuple of ndarray
        X and y of other pictures' fixations, in this picture's pixels.
    convention : str
        Of `gazekit.attention.judging.CONVENTIONS`: ``mit`` and ``pysaliency`` take the map as it is.
    """
    candidate = Candidate(np.asarray(amap, dtype=np.float64), places_of(others, truth.size))
    return candidate.judged(Fixated.of(truth), convention)


def places_of(others: Others, size: tuple[int, int]) -> Index:
    """Return the places of fixations in the flat picture of (height, width)."""
    columns, rows, _ = on_picture(*others, None, size)
    return rows * size[1] + columns


def other_fixations(looks: Mapping[str, Viewing], image: str) -> Others:
    """Return the fixations of all other pictures, scaled to this picture's size."""
    height, width = looks[image].size
    rest = [v for name, v in looks.items() if name != image]
    if not rest:
        raise InputError("the shuffled AUC needs the fixations of at least one other picture")
    x = np.concatenate([v.x * (width / v.size[1]) for v in rest])
    y = np.concatenate([v.y * (height / v.size[0]) for v in rest])
    return x, y


def halves_table(
    looks: Mapping[str, Viewing], *, longest: int = 400, seed: int = 0, workers: int = 1, run: Run[Any] | None = None
) -> pd.DataFrame:
    """Return half of the viewers against the other half, beside the centre prior and another picture's map.

    For every picture its viewers are split in two at random. All three candidates are judged by the second half:
    the map of the first half, the centre prior, and the first half's map of another picture.

    Parameters
    ----------
    looks : mapping
        Two pictures or more, each with two viewers or more (others are left out).
    longest : int
        Maps are made at this size (longer side, pixels).
    seed : int
        Of the split.
    workers : int
        Processes, for many pictures.
    run : callable, optional
        Does the work instead, see `gazekit.core.parallel.side_by_side`.

    Returns
    -------
    DataFrame with ``map``, ``metric``, ``value`` (mean over pictures), ``low``, ``high`` (95 %, bootstrap over
    pictures), ``pictures`` (those in which the metric is defined).
    """
    small = _several_viewers(looks, longest)
    rng = np.random.default_rng(seed)
    split = {name: rng.permutation(v.participants).tolist() for name, v in small.items()}
    return _summary(_scores(_halves_of, (small, split), "agreement of halves", workers, run), seed)


def _halves_of(small: Mapping[str, Viewing], split: Mapping[str, list[str]], names: Sequence[str]) -> list[Scores]:
    every, elsewhere, scores = list(small), Elsewhere(small), list[Scores]()
    for name in names:
        half, before = len(split[name]) // 2, every[every.index(name) - 1]
        truth, others = Fixated.of(small[name].of(*split[name][half:])), elsewhere.than(name, small[name].size)
        borrowed = small[before].of(*split[before][: len(split[before]) // 2]).map()
        candidates: dict[str, npt.NDArray[np.floating[Any]]] = {
            HALF: small[name].of(*split[name][:half]).map(),
            CENTRE: centre_prior(small[name].size),
            SHUFFLED: _at_size(borrowed, small[name].size),
        }
        for label, amap in candidates.items():
            judged = Candidate(amap.astype(np.float64), others, centre=label == CENTRE).judged(truth)
            scores.append({"map": label, "image": name, **judged})
    return scores


def _at_size(amap: npt.ArrayLike, size: tuple[int, int]) -> Floats:
    """Resize another picture's map; even where nothing is left of it, as on a picture of few pixels."""
    resized = cv2.resize(np.asarray(amap), size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized if resized.sum() > 0 else np.ones(size))


def inter_observer_table(
    looks: Mapping[str, Viewing], *, longest: int = 400, seed: int = 0, workers: int = 1, run: Run[Any] | None = None
) -> pd.DataFrame:
    """Return the inter-observer ceiling: each viewer against the map of all others, with the centre prior as the floor.

    Columns as `halves_table`; a picture's value is the mean over its viewers.
    """
    small = _several_viewers(looks, longest)
    return _summary(_scores(_one_out_of, (small,), "inter-observer agreement", workers, run), seed)


def _one_out_of(small: Mapping[str, Viewing], names: Sequence[str]) -> list[Scores]:
    elsewhere = Elsewhere(small)
    scores: list[Scores] = []
    for name in names:
        judged = judge_one_out(small[name], elsewhere.counts(name, small[name].size))
        scores += [
            {"map": label, "image": name, **mean_scores(s)} for label, s in zip((REST, CENTRE), judged, strict=True)
        ]
    return scores


def _scores(
    work: Callable[..., list[Scores]], shared: tuple[Any, ...], what: str, workers: int, run: Run[Any] | None
) -> list[Scores]:
    """Judge pictures side by side; the scores in the order of the pictures."""
    names = list(shared[0])
    workers = min(workers, max(1, len(names) // _PICTURES_A_PROCESS))
    count = min(max(1, len(names) // _FEWEST_A_PART), _PARTS)  # each part takes all pictures along
    jobs = [(*shared, [names[i] for i in part]) for part in np.array_split(np.arange(len(names)), count)]
    made = results(work, jobs, workers=workers) if run is None else run(work, jobs)
    place = {name: n for n, name in enumerate(names)}
    return sorted(
        (row for rows in track(made, what, len(jobs)) for row in rows), key=lambda row: place[str(row["image"])]
    )


def _several_viewers(looks: Mapping[str, Viewing], longest: int) -> dict[str, Viewing]:
    kept = {name: v.scaled(longest) for name, v in looks.items() if len(v.participants) > 1}
    if len(kept) < 2:
        raise InputError(
            "agreement between people needs two pictures or more with two viewers or more each; "
            f"found {len(kept)} of {len(looks)}"
        )
    return kept


def _summary(scores: Sequence[Scores], seed: int, resamples: int = 2000) -> pd.DataFrame:
    table = pd.DataFrame(scores)
    rows = []
    for label in dict.fromkeys(table["map"]):
        own = table[table["map"] == label]
        for metric in saliency.METRICS:
            values = own[metric].to_numpy(np.float64)
            values = values[np.isfinite(values)]  # an area is not defined where every pixel is fixated
            rows.append([label, metric, *_mean_interval(values, seed, resamples), len(values)])
    return pd.DataFrame(rows, columns=["map", "metric", "value", "low", "high", "pictures"])


def _mean_interval(values: npt.NDArray[np.float64], seed: int, resamples: int) -> tuple[float, float, float]:
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    low, high = np.quantile(values[_draws(len(values), seed, resamples)].mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


@lru_cache(maxsize=2)
def _draws(count: int, seed: int, resamples: int) -> Index:
    return np.random.default_rng(seed).integers(0, count, (resamples, count))


def as_markdown(table: pd.DataFrame, metrics: Iterable[str] = saliency.METRICS) -> str:
    """Return a table of agreement as Markdown: a row a map, a column a metric, intervals in brackets."""
    metrics = list(metrics)
    lines = ["| map | " + " | ".join(metrics) + " |", "|---|" + "---|" * len(metrics)]
    for label in dict.fromkeys(table["map"]):
        own = table[table["map"] == label].set_index("metric").loc[metrics]
        cells = [f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in own.itertuples()]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
