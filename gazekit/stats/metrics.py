"""The metrics of both papers, on one set of predictions or on many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from gazekit.core.errors import InputError
from gazekit.core.types import Floats
from gazekit.histograms import moments


@dataclass(frozen=True)
class Metric:
    """A metric: how it is written in a sentence, and whether more is better."""

    label: str
    higher_is_better: bool


METRICS = {
    "accuracy": Metric("accuracy", True),
    "lcc": Metric("LCC of the mean", True),
    "srcc": Metric("SRCC of the mean", True),
    "lcc_std": Metric("LCC of the standard deviation", True),
    "mae": Metric("MAE of the mean", False),
    "rmse": Metric("RMSE of the mean", False),
    "emd1": Metric("EMD (r = 1)", False),
    "emd2": Metric("EMD (r = 2)", False),
}


@dataclass(frozen=True)
class Features:
    """What the metrics need of each picture; arrays of one shape (..., N), the last axis being pictures.

    Predicted and true mean and standard deviation (score units 1..K), and EMD at r = 1 and 2.
    """

    mean: Floats
    std: Floats
    true_mean: Floats
    true_std: Floats
    emd1: Floats
    emd2: Floats

    @property
    def n(self) -> int:
        """The number of pictures."""
        return int(self.mean.shape[-1])

    def take(self, index: npt.NDArray[np.int64]) -> Features:
        """The pictures of an index (B, n), from features (..., N): shape (..., B, n)."""
        return Features(*(value[..., index] for value in self.arrays()))

    def swapped(self, other: Features, swap: npt.NDArray[np.bool_]) -> Features:
        """Where ``swap`` (B, N) is true the other's picture; from features (S, N): shape (S, B, N)."""
        pairs = zip(self.arrays(), other.arrays(), strict=True)
        return Features(*(np.where(swap, b[..., None, :], a[..., None, :]) for a, b in pairs))

    def arrays(self) -> tuple[Floats, ...]:
        """The six arrays, in the order of the fields."""
        return (self.mean, self.std, self.true_mean, self.true_std, self.emd1, self.emd2)


def features(predicted: npt.ArrayLike, actual: npt.ArrayLike) -> Features:
    """Features of predictions, shape (..., N, K), against ratings (..., N, K); counts or probabilities.

    Raises
    ------
    InputError : K differs, fewer than one picture, a row that sums to nothing or is not finite.
    """
    p, q = _distributions(predicted, "predicted"), _distributions(actual, "actual")
    if p.shape[-2:] != q.shape[-2:]:
        raise InputError(
            f"predictions and ratings must be of one shape (N, K); found {p.shape[-2:]} predicted "
            f"and {q.shape[-2:]} actual"
        )
    gap = np.abs(np.cumsum(p - q, axis=-1))
    # moments of the counts themselves, so that equal means are exactly equal and rank as ties
    true_mean, true_std = (np.broadcast_to(value, p.shape[:-1]) for value in moments(actual))
    mean, std = moments(predicted)
    return Features(mean, std, true_mean, true_std, gap.mean(axis=-1), np.sqrt((gap**2).mean(axis=-1)))


def metrics(found: Features, threshold: float) -> dict[str, Floats]:
    """All metrics over the last axis; correlations are NaN where a side does not vary.

    ``threshold`` is in score units: a picture is "high" when its mean is above it.
    """
    error = found.mean - found.true_mean
    return {
        "accuracy": ((found.mean > threshold) == (found.true_mean > threshold)).mean(axis=-1),
        "lcc": correlation(found.mean, found.true_mean),
        "srcc": correlation(_ranks(found.mean), _ranks(found.true_mean)),
        "lcc_std": correlation(found.std, found.true_std),
        "mae": np.abs(error).mean(axis=-1),
        "rmse": np.sqrt((error**2).mean(axis=-1)),
        "emd1": found.emd1.mean(axis=-1),
        "emd2": found.emd2.mean(axis=-1),
    }


def evaluate(predicted: npt.ArrayLike, actual: npt.ArrayLike, *, threshold: float | None = None) -> dict[str, float]:
    """All metrics of both papers for predicted rating distributions.

    Parameters
    ----------
    predicted : probabilities, shape (N, K).
    actual : counts or probabilities, shape (N, K).
    threshold : a picture is "high" when its mean score is above it; half the scale (K / 2) unless given, which
        is the papers' 5 of 10.

    Returns
    -------
    dict : accuracy (0-1); lcc and srcc of the mean, lcc_std of the standard deviation (NaN where a side does not
        vary); mae and rmse of the mean, in score units; emd1 and emd2, the Earth Mover's Distance at r = 1 and 2.
    """
    found = features(predicted, actual)
    limit = default_threshold(np.shape(actual)[-1]) if threshold is None else threshold
    return {name: float(value) for name, value in metrics(found, limit).items()}


def default_threshold(buckets: int) -> float:
    """Half the scale: 5 for ten buckets (both papers)."""
    return buckets / 2


def correlation(x: Floats, y: Floats) -> Floats:
    """Pearson's correlation over the last axis; NaN where a side does not vary."""
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    x_scale, y_scale = np.sqrt((x**2).sum(axis=-1)), np.sqrt((y**2).sum(axis=-1))
    still = (x_scale < 1e-12) | (y_scale < 1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = (x * y).sum(axis=-1) / (x_scale * y_scale)
    return np.asarray(np.where(still, np.nan, np.clip(result, -1.0, 1.0)))


def _ranks(x: Floats) -> Floats:
    return np.asarray(rankdata(x, axis=-1), dtype=np.float64)


def _distributions(values: npt.ArrayLike, what: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 2 or array.shape[-1] < 2 or array.shape[-2] < 1:
        raise InputError(f"{what}: rating distributions have the shape (N, K) with K of 2 or more; found {array.shape}")
    total = array.sum(axis=-1, keepdims=True)
    if not np.isfinite(total).all() or (total <= 0).any() or (array < 0).any():
        raise InputError(f"{what}: every row must hold finite values of 0 or more with a sum above 0")
    return np.asarray(array / total)
