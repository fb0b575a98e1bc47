"""What a comparison is to claim, and with how many resamples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gazekit.attention.judging import CONVENTIONS, JudgingConvention
from gazekit.core.errors import InputError, unknown_name
from gazekit.stats.metrics import METRICS


@dataclass(frozen=True)
class ComparisonOptions:
    """Options of `gazekit.stats.compare`.

    Attributes
    ----------
    metric : str
        The metric that the conclusion is drawn from; one metric, so that chance has one occasion.
    primary_contrast : (a, b), optional
        Two conditions whose difference is tested first, over all networks and then for each; other pairs are claimed
        only where all of these are.
    margin : float, optional
        Two conditions within this of each other, in the metric, count as equivalent (two one-sided tests).
    pairs : sequence of (a, b), optional
        Conditions, or MODEL:CONDITION, to compare; else ``human`` with every other one and all with ``original``.
    threshold : float, optional
        A picture is "high" when its mean score is above it; half the scale unless given.
    resamples, permutations : int
        Of the bootstrap and of the permutation test; fewer are done on very large splits.
    alpha : float
        A difference is claimed when Holm's p is at most this and its 95 % interval leaves out 0.
    seed : int
        Of everything random.
    convention : str
        How maps are judged: ``gazekit``, ``mit`` or ``pysaliency``; see `gazekit.attention.judging.CONVENTIONS`.
    difference : float, optional
        Of the primary metric; then the conclusion says how many test pictures are needed to see one so large, as it
        says of the margin where there is no difference.
    """

    metric: str = "srcc"
    primary_contrast: tuple[str, str] | None = None
    margin: float | None = None
    pairs: Sequence[tuple[str, str]] | None = None
    threshold: float | None = None
    resamples: int = 2000
    permutations: int = 9999
    alpha: float = 0.05
    seed: int = 0
    difference: float | None = None
    convention: JudgingConvention = "gazekit"

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise unknown_name("metric", self.metric, METRICS)
        if self.convention not in CONVENTIONS:
            raise unknown_name("convention", self.convention, CONVENTIONS)
        for name, value, least in (("resamples", self.resamples, 100), ("permutations", self.permutations, 99)):
            if value < least:
                raise InputError(f"{name} is {value}; {least} or more are needed")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha}; it must be between 0 and 1")
        for what, size in (("difference to be seen", self.difference), ("margin of equivalence", self.margin)):
            if size is not None and not 0 < size < np.inf:
                raise InputError(f"the {what} is {size}; it must be a number above 0")
