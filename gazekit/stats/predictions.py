"""Predicted histograms beside the raters' ones, of every model on every condition with every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Floats, Index
from gazekit.stats.metrics import Features, features


@dataclass(frozen=True)
class Predictions:
    """Predictions for N test pictures with K buckets, and what they are compared with.

    Attributes
    ----------
    images : list of str
        The test pictures.
    actual : ndarray, shape (N, K)
        Their rating counts.
    training : ndarray, shape (M, K)
        Rating counts of the training pictures.
    predicted : dict
        (model, condition) to seed to predicted shares, shape (N, K).
    threshold : float
        A picture is "high" when its mean score is above it.
    models, conditions : sequence of str
        What was asked for, in the order of the grid.
    unfinished : sequence of (model, condition, seed)
        Runs that were asked for and have no predictions yet.
    """

    images: list[str]
    actual: Index
    training: Index
    predicted: dict[tuple[str, str], dict[int, Floats]]
    threshold: float
    models: Sequence[str]
    conditions: Sequence[str]
    unfinished: Sequence[tuple[str, str, int]] = ()

    def features(self, model: str, condition: str) -> Features:
        """Return the features, shape (S, N), of all seeds of a model on a condition."""
        seeds = self.predicted[model, condition]
        return features(np.stack([seeds[seed] for seed in sorted(seeds)]), self.actual)
