"""How many pictures, people, raters and seeds it takes to see a difference, before there are any."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from scipy.stats import t as student

from gazekit.core.errors import InputError
from gazekit.core.types import Floats
from gazekit.histograms import moments
from gazekit.stats.comparison_folder import read_predictions
from gazekit.stats.metrics import correlation
from gazekit.stats.standard_error import overlap_of

_STUDIES = 600  # simulated for every design
_HALF_VIEWER = 0.35  # viewers at which half of the benefit of a perfect map is left (NSS of 1, 2, 7 viewers of OSIE)


@dataclass(frozen=True)
class World:
    """What is expected of networks and raters.

    Attributes
    ----------
    score : float
        SRCC of a network on whole pictures with the true mean scores.
    alike : float
        Correlation of the errors of two conditions' predictions; higher ones make differences easier to see.
    lasting : float
        Share of the errors' variance that all seeds have in common.
    rater_sd : float
        Standard deviation of single ratings of a picture over that of pictures' true means.
    """

    score: float = 0.6
    alike: float = 0.7
    lasting: float = 0.7
    rater_sd: float = 1.9

    def __post_init__(self) -> None:
        for name in ("score", "alike", "lasting"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 0 or more and below 1")


@dataclass(frozen=True)
class Design:
    """A study: pictures that are tested, people who look at each, raters of each, seeds of training."""

    pictures: int
    people: float
    raters: int
    seeds: int


def world_of(pilot: str | Path, pair: tuple[str, str] = ("human", "original")) -> World:
    """Estimate the world from a pilot comparison folder, over its networks that saw both conditions."""
    predictions = read_predictions(pilot)
    n = predictions.actual.sum(axis=1)
    mean, std = moments(predictions.actual)
    several = n > 1
    if not several.any():
        raise InputError(f"{pilot} has one rating of each test picture, which tell nothing of how raters differ")
    within = float((std**2 * n / np.maximum(n - 1, 1))[several].mean())
    between = max(float(mean.var(ddof=1)) - within / float(n.mean()), 0.05 * within)
    reliability = between / (between + within / float(n.mean()))
    truth = _unit(rankdata(mean)[None])
    scores, alike, lasting = [], [], []
    for model in predictions.models:
        if not all((model, condition) in predictions.predicted for condition in pair):
            continue
        errors, shared = [], []  # of a network with every seed; and what of them is the raters' own noise
        for condition in pair:
            passes = np.stack([*predictions.predicted[model, condition].values()])
            ranked = _unit(rankdata(moments(passes)[0], axis=1))
            score = ranked @ truth[0]
            errors.append(ranked - score[:, None] * truth)
            shared.append(float((score**2).mean()) / reliability * (1 - reliability))
        scores.append(float(score.mean()))
        means = [error.mean(axis=0) for error in errors]
        spread = np.prod([max(m @ m - noise, 1e-3) for m, noise in zip(means, shared, strict=True)])
        alike.append(float((means[0] @ means[1] - np.sqrt(shared[0] * shared[1])) / np.sqrt(spread)))
        own, others = errors[0][0], errors[0][1:]
        lasting += [float((own @ other - shared[0]) / max(own @ own - shared[0], 1e-3)) for other in others]
    if not scores:
        raise InputError(f"{pilot} has no network that was trained on {pair[0]} and {pair[1]}")
    return World(
        score=float(np.clip(np.mean(scores) / np.sqrt(reliability), 0, 0.98)),
        alike=float(np.clip(np.mean(alike), 0, 0.98)),
        lasting=float(np.clip(np.mean(lasting), 0, 0.98)) if lasting else World.lasting,
        rater_sd=float(np.sqrt(within / between)),
    )


def power_of(
    design: Design, difference: float, world: World | None = None, *, alpha: float = 0.05, folds: int = 0, seed: int = 0
) -> float:
    """Return how often a difference in SRCC would be claimed.

    Predictions of two conditions are simulated: the true means with errors that the conditions share in part, and
    seeds in part. The ratings are the true means with the raters' noise. The difference is what perfect maps of
    people's attention would give; few viewers leave less of it.

    Parameters
    ----------
    design : Design
        The study.
    difference : float
        In SRCC, with the true mean scores.
    world : World, optional
        What is expected of networks and raters.
    alpha : float
        Two-sided p at which it is claimed, after correction.
    folds : int
        In how many folds every picture is tested once; 0 for a test split.
    seed : int
        Of the simulation.

    Examples
    --------
    >>> few, many = (power_of(Design(n, 15, 12, 3), 0.1, folds=10) for n in (40, 400))
    >>> few < 0.5 < many
    True
    """
    world = world or World()
    if folds and not 3 <= folds <= design.pictures:
        raise InputError(
            f"{folds} folds of {design.pictures} pictures cannot be: 3 folds or more, of one picture or more each; 0 "
            "is a test split"
        )
    gain = difference * design.people / (design.people + _HALF_VIEWER)
    if not -world.score <= gain < 1 - world.score:
        raise InputError(f"a difference of {difference:g} from a score of {world.score:.2f} cannot be")
    scores = [each.mean(axis=0) for each in simulated_scores(design, gain, world, np.random.default_rng(seed))]
    found = scores[0] - scores[1]
    se = float(found.std(ddof=1)) * np.sqrt(overlap_of(folds) if folds else 1.0)
    edge = student.ppf(1 - alpha / 2, design.pictures - 1) * se
    return float((np.sign(difference) * found > edge).mean() if difference else (np.abs(found) > edge).mean())


def simulated_scores(design: Design, gain: float, world: World, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Simulate the SRCC of every seed in many studies: with the gain and without it, (seeds, studies) each."""
    shape = (_STUDIES, design.pictures)
    true = rng.standard_normal(shape)
    rated = rankdata(true + world.rater_sd / np.sqrt(design.raters) * rng.standard_normal(shape), axis=1)
    shared = rng.standard_normal(shape)
    errors = [np.sqrt(world.alike) * shared + np.sqrt(1 - world.alike) * rng.standard_normal(shape) for _ in range(2)]

    def scores(share: float, error: Floats) -> Floats:
        level = 2 * np.sin(np.pi / 6 * share)  # Pearson's of a normal pair with this rank correlation
        each = []
        for _ in range(design.seeds):
            noise = np.sqrt(world.lasting) * error + np.sqrt(1 - world.lasting) * rng.standard_normal(shape)
            each.append(correlation(rankdata(level * true + np.sqrt(1 - level**2) * noise, axis=1), rated))
        return np.stack(each)

    return scores(world.score + gain, errors[0]), scores(world.score, errors[1])


def power_table(
    difference: float,
    designs: Sequence[Design],
    world: World | None = None,
    *,
    alpha: float = 0.05,
    folds: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """Return a row a design: pictures, people, raters, seeds, and how often the difference would be claimed."""
    rows = [
        {
            "pictures": one.pictures,
            "people": one.people,
            "raters": one.raters,
            "seeds": one.seeds,
            "power": power_of(one, difference, world, alpha=alpha, folds=folds, seed=seed),
        }
        for one in designs
    ]
    return pd.DataFrame(rows)


def designs_of(
    pictures: Sequence[int], people: Sequence[float], raters: Sequence[int], seeds: Sequence[int]
) -> list[Design]:
    """Return every combination, the smallest first."""
    return [Design(*numbers) for numbers in itertools.product(pictures, people, raters, seeds)]


def _unit(values: Floats) -> Floats:
    centred = values - values.mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt((centred**2).sum(axis=-1, keepdims=True)))
