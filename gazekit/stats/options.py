"""What a comparison is to claim, and with how many resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gazekit.core.errors import InputError, unknown_name
from gazekit.stats.metrics import METRICS


@dataclass(frozen=True)
class ComparisonOptions:
    """Options of `gazekit.stats.compare`.

    Attributes
    ----------
    primary : str
        The metric that the conclusion is drawn from; one metric, so that chance has one occasion.
    pairs : sequence of (a, b), optional
        Conditions to compare; else ``human`` with every other one and every other with ``original``.
    threshold : float, optional
        A picture is "high" when its mean score is above it; half the scale unless given.
    resamples, permutations : int
        Of the bootstrap and of the permutation test; fewer are done on very large splits.
    alpha : float
        A difference is claimed when Holm's p is at most this and its 95 % interval leaves out 0.
    seed : int
        Of everything random.
    difference : float, optional
        Of the primary metric; then the conclusion says how many test pictures are needed to see one so large.
    """

    primary: str = "srcc"
    pairs: Sequence[tuple[str, str]] | None = None
    threshold: float | None = None
    resamples: int = 2000
    permutations: int = 9999
    alpha: float = 0.05
    seed: int = 0
    difference: float | None = None

    def __post_init__(self) -> None:
        if self.primary not in METRICS:
            raise unknown_name("metric", self.primary, METRICS)
        for name, value, least in (("resamples", self.resamples, 100), ("permutations", self.permutations, 99)):
            if value < least:
                raise InputError(f"{name} is {value}; {least} or more are needed")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha}; it must be between 0 and 1")
        if self.difference is not None and not 0 < self.difference < np.inf:
            raise InputError(f"the difference to be seen is {self.difference}; it must be a number above 0")
