"""A model on a condition, measured on the test split with all its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Floats
from gazekit.stats.metrics import Features, metrics
from gazekit.stats.predictions import Pass
from gazekit.stats.resampling import bootstrap
from gazekit.stats.standard_error import defined, error_of, left_out


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
    threshold, resamples, seed
        How they were estimated.
    """

    seeds: tuple[Pass, ...]
    features: Features
    values: dict[str, Floats]
    replicates: dict[str, Floats]
    without: dict[str, Floats]
    threshold: float
    resamples: int
    seed: int

    def intervals(self) -> dict[str, tuple[float, float]]:
        """Return the 95 % interval of each metric's mean over seeds."""
        return {
            m: error_of(v, self.without[m], self.features.n).widened(float(v.mean()), self.replicates[m], limits_of(m))
            for m, v in defined(self.values).items()
        }

    def only(self, seeds: Sequence[Pass]) -> Estimates:
        """Return the same of some of the seeds alone."""
        if tuple(seeds) == self.seeds:
            return self
        rows = [self.seeds.index(number) for number in seeds]
        features = Features(*(value[rows] for value in self.features.arrays()))
        return estimate(features, seeds, self.threshold, self.resamples, self.seed)


def estimate(features: Features, seeds: Sequence[Pass], threshold: float, resamples: int, seed: int) -> Estimates:
    """Measure a model on a condition, from features (S, N) of some seeds."""
    values = {m: np.asarray(v) for m, v in metrics(features, threshold).items()}
    replicates = bootstrap(features, threshold, resamples=resamples, seed=seed)
    without = left_out(features, threshold)
    return Estimates(tuple(seeds), features, values, replicates, without, threshold, resamples, seed)


def limits_of(metric: str) -> tuple[float, float]:
    """Return the least and the largest value that a metric can have."""
    if metric in ("lcc", "srcc", "lcc_std"):
        return -1.0, 1.0
    return 0.0, 1.0 if metric == "accuracy" else float("inf")
