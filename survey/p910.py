"""The joint estimate of picture score, rater bias and rater inconsistency (ITU-T P.910, alternating projection).

Model: score = picture's score + rater's bias + noise whose spread is the rater's inconsistency (Li et al. 2020,
"A simple model for subject behavior in subjective experiments"; ITU-T P.913 clause 12.6, P.910 appendix).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gazekit.core.types import Floats, Index
from survey.ratings import Ratings

TINY = 1e-8
MODERATE = 20.0
"""Ratings' worth of the common inconsistency for each rater, where raters see few pictures.

The plain method lets scores lean on whoever agrees with them by chance: with 32 ratings a rater, errors grow past those
of the plain mean.
"""


@dataclass(frozen=True)
class Joint:
    """Score and its standard error by picture; bias and inconsistency by rater."""

    score: Floats
    error: Floats
    bias: Floats
    inconsistency: Floats


def joint_estimate(ratings: Ratings, *, prior: float = 0.0, tolerance: float = 1e-8, most: int = 1000) -> Joint:
    """Estimate picture scores, rater biases and rater inconsistencies together.

    Alternates until the scores move less than ``tolerance`` (Euclidean norm): each rater's inconsistency is the SD of
    what score and bias leave over; scores are means of the unbiased ratings weighted by 1 / inconsistency^2;
    biases are mean differences from the scores. Biases sum to zero at the end. Pictures or raters without
    a rating get NaN.

    Parameters
    ----------
    ratings : Ratings
        Each pair of rater and picture once, complete or sparse.
    prior : float
        0 is the Recommendation; else each rater's variance is drawn to the common one, which counts as this many
        ratings.
    tolerance : float
        Where to stop, in points.
    most : int
        Number of iterations at most.
    """
    image, rater, values = ratings.image, ratings.rater, ratings.score
    score = _mean(image, values, len(ratings.images))
    bias = _mean(rater, values - score[image], len(ratings.raters))
    per_rater = np.bincount(rater, minlength=len(ratings.raters))
    for _ in range(most):
        residual = values - score[image] - bias[rater]
        spread = _sd(rater, residual, len(ratings.raters))
        of_picture = _sd(image, residual, len(ratings.images))
        before = score
        weight = 1.0 / (_moderated(spread**2, per_rater, prior)[rater] + TINY)
        score = _mean(image, values - bias[rater], len(ratings.images), weight)
        bias = _mean(rater, values - score[image], len(ratings.raters))
        if np.linalg.norm(np.nan_to_num(before - score)) < tolerance:
            break
    votes = np.bincount(image, minlength=len(ratings.images))
    shift = float(np.nanmean(bias))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = of_picture / np.sqrt(votes)
    return Joint(score + shift, error, bias - shift, spread)


def _moderated(variance: Floats, per_rater: Index, prior: float) -> Floats:
    if prior == 0:
        return variance
    common = float(np.nansum(variance * per_rater) / per_rater.sum())
    return np.asarray((per_rater * variance + prior * common) / (per_rater + prior))


def _mean(group: npt.NDArray[np.int32], values: Floats, groups: int, weight: Floats | None = None) -> Floats:
    total = np.bincount(group, values if weight is None else values * weight, minlength=groups)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / np.bincount(group, weight, minlength=groups))


def _sd(group: npt.NDArray[np.int32], values: Floats, groups: int) -> Floats:
    middle = _mean(group, values, groups)
    return np.sqrt(_mean(group, (values - middle[group]) ** 2, groups))
