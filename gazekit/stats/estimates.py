"""A model on a condition, measured on the test pictures with all its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Floats, Index
from gazekit.stats.metrics import Features, metrics
from gazekit.stats.predictions import OutOfFold, Pass
from gazekit.stats.resampling import bootstrap
from gazekit.stats.standard_error import Uncertainty, as_sample, defined, error_of, left_out
from gazekit.stats.training_luck import Luck, luck_of_folds


@dataclass(frozen=True)
class Measuring:
    """How metrics are measured.

    Attributes
    ----------
    threshold : float
        A picture is "high" above this mean score.
    resamples, seed : int
        Of the bootstrap.
    overlap : float
        What the variance is multiplied with, for training sets that overlap in cross-validation.
    folds : OutOfFold, optional
        In cross-validation, which networks tested each picture: they tell the luck of training.
    """

    threshold: float
    resamples: int = 2000
    seed: int = 0
    overlap: float = 1.0
    folds: OutOfFold | None = None


@dataclass(frozen=True)
class Estimates:
    """A model on a condition: its metrics with S seeds, and what their errors are computed from.

    Attributes
    ----------
    seeds : tuple of Pass
        The seeds.
    features : Features
        Of N pictures, shape (S, N).
    values, replicates, without : dict
        Per metric its values (S,), bootstrap replicates of their mean (B,), values without each picture (S, G).
    measuring : Measuring
        How they were measured.
    """

    seeds: tuple[Pass, ...]
    features: Features
    values: dict[str, Floats]
    replicates: dict[str, Floats]
    without: dict[str, Floats]
    measuring: Measuring

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % interval of each metric's mean over seeds."""
        found = {}
        for metric, values in defined(self.values).items():
            luck = luck_of((values[None], self.without[metric][None]), self)
            error = error_of(values, self.without[metric], self.features.n, luck, overlap=self.measuring.overlap)
            found[metric] = error.widened(float(values.mean()), self.replicates[metric], limits_of(metric))
        return found

    @property
    def folds(self) -> Index | None:
        """Return the fold of each picture with every seed, (S, N); None where there are none to tell the luck by."""
        folds, without = self.measuring.folds, next(iter(self.without.values()))
        if folds is None or without.shape[1] != folds.of_picture.shape[1]:  # pictures were left out in groups
            return None
        return folds.of_picture[[repeat - 1 for _, repeat in self.seeds]]

    def only(self, seeds: Sequence[Pass]) -> Estimates:
        """Return the same of some of the seeds alone."""
        if tuple(seeds) == self.seeds:
            return self
        rows = [self.seeds.index(number) for number in seeds]
        return estimate(Features(*(value[rows] for value in self.features.arrays())), seeds, self.measuring)


def estimate(features: Features, seeds: Sequence[Pass], measuring: Measuring) -> Estimates:
    """Measure a model on a condition, from features (S, N) of some seeds."""
    values = {m: np.asarray(v) for m, v in metrics(features, measuring.threshold).items()}
    replicates = bootstrap(features, measuring.threshold, resamples=measuring.resamples, seed=measuring.seed)
    return Estimates(tuple(seeds), features, values, replicates, left_out(features, measuring.threshold), measuring)


def mean_of(models: Sequence[Estimates]) -> Estimates:
    """Return the mean over several models with the same seeds; their features stand one above the other."""
    if len(models) == 1:
        return models[0]
    return Estimates(
        models[0].seeds,
        Features(*(np.concatenate(parts) for parts in zip(*(one.features.arrays() for one in models), strict=True))),
        _means([defined(one.values) for one in models]),
        _means([one.replicates for one in models]),
        _means([one.without for one in models]),
        models[0].measuring,
    )


def error_of_difference(
    a: Estimates,
    b: Estimates,
    metric: str,
    luck: tuple[float, int] | None = None,
    networks: Sequence[tuple[Estimates, Estimates]] = (),
) -> tuple[Uncertainty, float, float]:
    """Return the standard error of the difference of the same seeds' means, and its 95 % interval.

    Where the two are means over several ``networks`` (their own two sides each), these count as a sample of networks:
    what they differ by is in the error, as a random effect beside that of pictures.
    """
    values = defined(a.values)[metric] - defined(b.values)[metric]
    without = a.without[metric] - b.without[metric]
    luck = luck or luck_of((values[None], without[None]), a)
    error = error_of(values, without, a.features.n, luck, overlap=a.measuring.overlap)
    if len(networks) > 1:
        each = [(defined(one.values)[metric] - defined(other.values)[metric]).mean() for one, other in networks]
        rest = [(one.without[metric] - other.without[metric]).mean(axis=0) for one, other in networks]
        error = as_sample(error, np.array(each), np.stack(rest), a.measuring.overlap)
    replicates = a.replicates[metric] - b.replicates[metric]
    least, most = limits_of(metric)
    return error, *error.widened(float(values.mean()), replicates, (least - most, most - least))


def luck_of(found: tuple[Floats, Floats], side: Estimates) -> Luck | None:
    """Return the luck of training of values (T, S) and the same without each picture, by the folds of a side."""
    return None if side.folds is None or len(side.seeds) < 2 else luck_of_folds(*found, side.folds)


def limits_of(metric: str) -> tuple[float, float]:
    """Return the least and the largest value that a metric can have."""
    if metric in ("lcc", "srcc", "lcc_std"):
        return -1.0, 1.0
    return 0.0, 1.0 if metric == "accuracy" else float("inf")


def _means(values: Sequence[dict[str, Floats]]) -> dict[str, Floats]:
    return {metric: np.asarray(np.mean([one[metric] for one in values], axis=0)) for metric in values[0]}
