"""Predicted histograms beside the raters' ones, of every model on every condition with every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gazekit.core.types import Floats, Index
from gazekit.stats.metrics import Features, features
from gazekit.stats.noise_ceiling import constant_histogram


class Pass(NamedTuple):
    """A seed of training; with cross-validation, of a repeat."""

    seed: int
    repeat: int = 1


@dataclass(frozen=True)
class OutOfFold:
    """The fold of each of N pictures, shape (R, N) for R repeats; each fold's networks never saw its pictures."""

    of_picture: Index

    @property
    def count(self) -> int:
        """Return the number of folds, K."""
        return int(self.of_picture.max())

    def constant(self, actual: Index) -> Floats:
        """Return every picture's mean training histogram, shape (N, K), of the first repeat's folds.

        Trained on are all but the picture's own fold and the next one, which is for validation.
        """
        fold, shares = self.of_picture[0], actual / actual.sum(axis=1, keepdims=True)
        means = [shares[(fold != k) & (fold != k % self.count + 1)].mean(axis=0) for k in range(1, self.count + 1)]
        return np.asarray(np.stack(means)[fold - 1])


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
        Rating counts of the training pictures; empty where every picture is tested once.
    predicted : dict
        (model, condition) to seed (and repeat) to predicted shares, shape (N, K).
    threshold : float
        A picture is "high" when its mean score is above it.
    models, conditions : sequence of str
        What was asked for, in the order of the grid.
    unfinished : sequence of (model, condition, seed)
        Runs that were asked for and have no predictions yet.
    folds : OutOfFold, optional
        Where every picture is tested once: the part that it was tested with.
    """

    images: list[str]
    actual: Index
    training: Index
    predicted: dict[tuple[str, str], dict[Pass, Floats]]
    threshold: float
    models: Sequence[str]
    conditions: Sequence[str]
    unfinished: Sequence[tuple[str, str, int]] = ()
    folds: OutOfFold | None = None

    @property
    def constant(self) -> Floats:
        """Return the histogram that is predicted without seeing a picture, for each picture, shape (N, K)."""
        if self.folds is not None:
            return self.folds.constant(self.actual)
        return np.broadcast_to(constant_histogram(self.training), self.actual.shape)

    def features(self, model: str, condition: str) -> Features:
        """Return the features, shape (S, N), of all seeds of a model on a condition."""
        passes = self.predicted[model, condition]
        return features(np.stack([passes[one] for one in sorted(passes)]), self.actual)
