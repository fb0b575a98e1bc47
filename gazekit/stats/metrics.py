"""The metrics of Mandal et al. 2020 and Zhang et al. 2019, on one set of predictions or on many resamples at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.core.types import Floats
from gazekit.histograms import moments


@dataclass(frozen=True)
class Metric:
    """A metric: what it is called in a table and in a sentence, which way is better, and what it is.

    ``scale`` is what a value is multiplied with where it is shown.
    """

    label: str
    higher_is_better: bool
    meaning: str
    sentence: str = ""
    digits: int = 3
    scale: float = 1.0

    @property
    def in_words(self) -> str:
        """Return the name for a sentence."""
        return self.sentence or self.label


METRICS = {
    "accuracy": Metric("Accuracy", True, "share of pictures put on the right side of the threshold", "accuracy"),
    "lcc": Metric("LCC", True, "Pearson's correlation of predicted and true mean score", "LCC of the mean"),
    "srcc": Metric("SRCC", True, "Spearman's rank correlation of predicted and true mean score", "SRCC of the mean"),
    "lcc_std": Metric(
        "LCC of sd",
        True,
        "Pearson's correlation of predicted and true standard deviation",
        "LCC of the standard deviation",
    ),
    "mae": Metric("MAE", False, "mean absolute error of the mean score", "MAE of the mean"),
    "rmse": Metric("RMSE", False, "root mean square error of the mean score", "RMSE of the mean"),
    "emd1": Metric("EMD r=1", False, "earth mover's distance of the histograms, r = 1", "EMD (r = 1)"),
    "emd2": Metric("EMD r=2", False, "earth mover's distance of the histograms, r = 2", "EMD (r = 2)"),
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
        """Return the number of pictures."""
        return int(self.mean.shape[-1])

    def take(self, index: npt.NDArray[np.int64]) -> Features:
        """Return the pictures of an index (B, n), from features (..., N): shape (..., B, n)."""
        return Features(*(value[..., index] for value in self.arrays()))

    def swapped(self, other: Features, swap: npt.NDArray[np.bool_]) -> Features:
        """Return where ``swap`` (B, N) is true the other's picture; from features (S, N): shape (S, B, N)."""
        pairs = zip(self.arrays(), other.arrays(), strict=True)
        return Features(*(np.where(swap, b[..., None, :], a[..., None, :]) for a, b in pairs))

    def arrays(self) -> tuple[Floats, ...]:
        """Return the six arrays, in the order of the fields."""
        return (self.mean, self.std, self.true_mean, self.true_std, self.emd1, self.emd2)


def features(predicted: npt.ArrayLike, actual: npt.ArrayLike) -> Features:
    """Return features of predictions, shape (..., N, K), against ratings (..., N, K); counts or probabilities.

    Raises
    ------
    InputError
        K differs, fewer than one picture, a row that sums to nothing or is not finite.
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
    """Return all metrics over the last axis; correlations are NaN where a side does not vary.

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
    """Evaluate predicted rating distributions by all metrics of Mandal et al. 2020 and Zhang et al. 2019.

    Parameters
    ----------
    predicted : array_like
        Probabilities, shape (N, K).
    actual : array_like
        Counts or probabilities, shape (N, K).
    threshold : float, optional
        A picture is "high" when its mean score is above it; half the scale (K / 2) unless given, which is the
        papers' 5 of 10.

    Returns
    -------
    dict
        Accuracy (0-1); lcc and srcc of the mean, lcc_std of the standard deviation (NaN where a side does not
        vary); mae and rmse of the mean, in score units; emd1 and emd2, the Earth Mover's Distance at r = 1, 2.

    Examples
    --------
    >>> predicted = [[0.1, 0.8, 0.1], [0.0, 0.2, 0.8], [0.6, 0.3, 0.1]]
    >>> actual = [[1, 8, 1], [0, 3, 7], [7, 3, 0]]
    >>> scores = evaluate(predicted, actual)
    >>> round(scores["srcc"], 3), round(scores["mae"], 3), round(scores["emd1"], 3)
    (1.0, 0.1, 0.033)
    """
    found = features(predicted, actual)
    limit = default_threshold(np.shape(actual)[-1]) if threshold is None else threshold
    return {name: float(value) for name, value in metrics(found, limit).items()}


def default_threshold(buckets: int) -> float:
    """Return half the scale: 5 for ten buckets, as in the papers."""
    return buckets / 2


def correlation(x: Floats, y: Floats) -> Floats:
    """Compute Pearson's correlation over the last axis; NaN where a side does not vary."""
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    x_scale, y_scale = np.sqrt((x**2).sum(axis=-1)), np.sqrt((y**2).sum(axis=-1))
    still = (x_scale < 1e-12) | (y_scale < 1e-12)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = (x * y).sum(axis=-1) / (x_scale * y_scale)
    return np.asarray(np.where(still, np.nan, np.clip(result, -1.0, 1.0)))


def _ranks(x: Floats) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(rankdata(x, axis=-1))


def _distributions(values: npt.ArrayLike, what: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 2 or array.shape[-1] < 2 or array.shape[-2] < 1:
        raise InputError(f"{what}: rating distributions have the shape (N, K) with K of 2 or more; found {array.shape}")
    total = array.sum(axis=-1, keepdims=True)
    if not np.isfinite(total).all() or (total <= 0).any() or (array < 0).any():
        raise InputError(f"{what}: every row must hold finite values of 0 or more with a sum above 0")
    return np.asarray(array / total)
