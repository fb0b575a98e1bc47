"""What a score is worth: as a share of what can be reached, and as a number of raters.

Between the floor, which sees no picture, and the ceiling, a network that predicts every picture's true distribution, a
model takes a share of the way. And the mean of k further raters, put in as a model, reaches a score as well: the k with
the same score is what a model is worth. Both need the distribution that ratings are drawn from, see `rater_model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.progress import track
from gazekit.core.types import Floats, Index
from gazekit.stats.estimates import Estimates
from gazekit.stats.metrics import METRICS, Features, Metric, features, metrics
from gazekit.stats.predictions import Predictions
from gazekit.stats.rater_model import fit_raters
from gazekit.stats.standard_error import defined
from gazekit.stats.weighted_metrics import resampled

PANELS = (1, 2, 3, 5, 8, 12, 20, 30, 50, 100, 200, 500)
FEWEST_RATED = 8  # pictures with two ratings or more
MOST = 5000  # pictures that are looked at; of larger test splits as many, evenly spread
Scores = dict[str, Floats]


@dataclass(frozen=True)
class References:
    """Scores of the floor, the ceiling and panels of raters, on B draws of test pictures.

    Attributes
    ----------
    pictures : ndarray, shape (n,)
        Which test pictures are looked at.
    draws : ndarray, shape (B, n)
        Places among them; the first draw is all of them.
    floor, ceiling : dict
        Per metric, shape (B,).
    panels : dict
        Per metric, shape (B, P), of as many raters as `PANELS` says.
    threshold : float
        Of the accuracy.
    """

    pictures: Index
    draws: Index
    floor: Scores
    ceiling: Scores
    panels: Scores
    threshold: float


def references_of(predictions: Predictions, draws: int = 200, seed: int = 0) -> References:
    """Compute what the floor, the true distributions and panels of raters score, with the raters that there are."""
    n = len(predictions.actual)
    pictures = np.arange(n) if n <= MOST else np.linspace(0, n - 1, MOST).astype(np.int64)
    actual = predictions.actual[pictures]
    model, rng = fit_raters(actual), np.random.default_rng(np.random.SeedSequence([seed, 6]))
    places = rng.integers(0, len(pictures), (draws, len(pictures)))
    places[0] = np.arange(len(pictures))
    floor = features(predictions.constant[pictures], actual)
    rows: dict[str, list[Scores]] = {"floor": [], "ceiling": [], "panels": []}
    for place in track(places, "ceilings", draws):
        true = model.draw(rng)
        panels = np.stack([rng.multinomial(size, true) for size in PANELS])
        rows["floor"].append(_scores(floor, place, predictions.threshold))
        rows["ceiling"].append(_scores(features(true, actual), place, predictions.threshold))
        rows["panels"].append(_scores(features(panels, actual), place, predictions.threshold))
    stacked = {name: {m: np.stack([row[m] for row in made]) for m in METRICS} for name, made in rows.items()}
    return References(
        pictures, places, stacked["floor"], stacked["ceiling"], _monotone(stacked["panels"]), predictions.threshold
    )


def reachable_known(actual: Index) -> bool:
    """Return whether enough pictures have two ratings or more, which tell what is a picture's and what a rater's."""
    return int((actual.sum(axis=1) > 1).sum()) >= FEWEST_RATED


def ceilings(references: References) -> dict[str, tuple[float, float, float]]:
    """Return, per metric, what a network scores that predicts the true distributions, with its 95 % interval."""
    return {m: (float(v.mean()), *_interval(v)) for m, v in references.ceiling.items()}


def worth_table(measured: Mapping[tuple[str, str], Estimates], references: References) -> pd.DataFrame:
    """Return a row a model, condition and metric: share of the reachable gain, and number of raters.

    ``raters`` is the size of the panel whose mean has the same score: 0 where even one rater has a better one, empty
    where it would take more than 500.
    """
    rows: list[dict[str, Any]] = []
    for (model, condition), side in measured.items():
        taken = Features(*(value[:, references.pictures] for value in side.features.arrays()))
        scores = defined(resampled(taken, references.draws, references.threshold))
        score = {m: v.mean(axis=0) for m, v in scores.items()}
        for metric in METRICS:
            values = score[metric]
            share = _share(values, references.floor[metric], references.ceiling[metric], METRICS[metric])
            sign = 1 if METRICS[metric].higher_is_better else -1
            panels = sign * references.panels[metric]
            raters = np.array([_raters(sign * v, curve) for v, curve in zip(values, panels, strict=True)])
            whole = _raters(sign * values[0], panels.mean(axis=0))  # of all pictures, by the mean curve
            row: dict[str, Any] = {"model": model, "condition": condition, "metric": metric}
            row |= {"reachable": float(share[0])}
            row["reachable_low"], row["reachable_high"] = _interval(share)
            row |= {"raters": whole if np.isfinite(whole) else float("nan")}
            low, high = np.sort(raters)[[int(0.025 * len(raters)), int(0.975 * len(raters))]]
            row["raters_low"], row["raters_high"] = (one if np.isfinite(one) else float("nan") for one in (low, high))
            rows.append(row)
    return pd.DataFrame(rows)


def _scores(some: Features, places: Index, threshold: float) -> Scores:
    return defined(metrics(some.take(places), threshold))


def _monotone(panels: Scores) -> Scores:
    """Return curves that get better with every rater: the best so far, of few and of many raters."""
    curves = {}
    for metric, values in panels.items():
        sign = 1 if METRICS[metric].higher_is_better else -1
        up = np.maximum.accumulate(sign * values, axis=1)
        down = np.minimum.accumulate((sign * values)[:, ::-1], axis=1)[:, ::-1]
        curves[metric] = sign * (up + down) / 2
    return curves


def _raters(score: float, curve: Floats) -> float:
    """Return the panel that has the score on a rising curve: 0 below one rater, infinite above the largest panel."""
    if score <= curve[0]:
        return 0.0 if score < curve[0] else 1.0
    if score > curve[-1]:
        return float("inf")
    return float(np.exp(np.interp(score, curve, np.log(PANELS))))


def _share(values: Floats, floor: Floats, ceiling: Floats, metric: Metric) -> Floats:
    """Return the share of the way from floor to ceiling, NaN where no ceiling stands clear of the floor."""
    way = (ceiling - floor) if metric.higher_is_better else (floor - ceiling)
    if np.quantile(way, 0.025) <= 0:
        return np.full(len(values), np.nan)
    ceiling = np.concatenate([[ceiling.mean()], ceiling[1:]])  # of all pictures, by the mean over what may be true
    gap = floor - ceiling  # 0 in a resample of few pictures, which then tells nothing
    return np.asarray(np.divide(floor - values, gap, out=np.full(len(values), np.nan), where=gap != 0))


def _interval(values: Floats) -> tuple[float, float]:
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)
