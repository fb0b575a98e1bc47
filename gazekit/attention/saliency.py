"""How well a map tells where people looked: the metrics of the MIT/Tübingen saliency benchmark.

Maps are arrays (height, width) of any scale; fixations are picture pixels and are truncated to the pixel that they lie
in. Fixations that are NaN or off the map are left out. Definitions: Bylinskii et al. 2019 and Kümmerer et al. 2015;
equal to pysaliency where it defines the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gazekit.attention.maps import on_picture
from gazekit.core.errors import InputError
from gazekit.core.types import Floats

METRICS = ("nss", "auc_judd", "auc_shuffled", "cc", "sim", "kl", "ig")
BETTER = {"nss": 1, "auc_judd": 1, "auc_shuffled": 1, "cc": 1, "sim": 1, "kl": -1, "ig": 1}
Floating = npt.NDArray[np.floating[Any]]
Convention = Literal["exact", "mit"]


@dataclass(frozen=True)
class Ordered:
    """Numbers in ascending order, for those that are compared again and again; each may stand several times."""

    values: Floating
    times: npt.NDArray[np.int64] | None = None

    @cached_property
    def below(self) -> npt.NDArray[np.int64]:
        """How many numbers stand before each, and in all."""
        times = np.ones(len(self.values), dtype=np.int64) if self.times is None else self.times
        return np.concatenate([[0], np.cumsum(times)])

    def __len__(self) -> int:
        return int(self.below[-1])


_FEW = 16  # values that are counted one by one: to sort 120,000 numbers takes as long
_TINY = 1e-20  # added to every pixel before a logarithm, as in pysaliency

__all__ = ["BETTER", "METRICS", "auc_judd", "auc_shuffled", "cc", "information_gain", "kl", "nss", "sim"]


def nss(smap: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Return the normalised scanpath saliency: the mean z-score of the map at the fixations; 0 for a constant map.

    Taken at the fixation points, with the map's population standard deviation.

    Raises
    ------
    InputError
        Not a map, or no fixation on it.

    Examples
    --------
    >>> round(nss([[0, 0, 0, 4]], [3.5], [0.5]), 4)
    1.7321
    """
    array, rows, columns = _at_fixations(smap, x, y)
    if array.min() == array.max():
        return 0.0
    return float((array[rows, columns].mean() - array.mean()) / array.std())


def auc_judd(smap: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike, *, convention: Convention = "exact") -> float:
    """Return the area under the ROC of fixations against all pixels without one. NaN where every pixel is fixated.

    Parameters
    ----------
    smap : array_like, shape (height, width)
        The map.
    x, y : array_like
        Fixations, pixels.
    convention : str
        ``exact``: the chance that a fixated value is above another pixel's, half of it where they are equal (Mann and
        Whitney), so that a blind map has 0.5 however few fixations judge it. ``mit``: thresholds at the fixated
        values only, joined by straight lines, as the MIT benchmark and pysaliency have it; a blind map judged by n
        fixations then has 0.5 + 0.5 / (n + 1).

    Raises
    ------
    InputError
        Not a map, or no fixation on it.

    Examples
    --------
    >>> auc_judd([[0, 1, 2, 3]], [3.5], [0.5])
    1.0
    """
    array, rows, columns = _at_fixations(smap, x, y)
    fixated = array.ravel()[np.unique(rows * array.shape[1] + columns)]
    return auc_of_values(array[rows, columns], array.ravel(), fixated, convention)


def auc_of_values(
    values: Floating, everything: Floating | Ordered, fixated: Floating, convention: Convention = "exact"
) -> float:
    """Return the area under the ROC of values at n fixations against those of all pixels but the fixated ones."""
    negatives = len(everything) - len(fixated)
    if not negatives:
        return float("nan")
    positive, count = np.unique(values, return_counts=True)
    if convention == "exact":
        above, equal = (a - b for a, b in zip(_above(everything, positive), _above(fixated, positive), strict=True))
        return float(count @ (negatives - above - equal / 2) / (len(values) * negatives))
    positive, hits = positive[::-1], np.cumsum(count[::-1])
    alarms = _at_least(everything, positive) - _at_least(fixated, positive)
    false = np.concatenate([[0.0], alarms / negatives, [1.0]])
    hit = np.concatenate([[0.0], hits / len(values), [1.0]])
    return float((np.diff(false) * (hit[1:] + hit[:-1])).sum() / 2)


def auc_shuffled(
    smap: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike, other_x: npt.ArrayLike, other_y: npt.ArrayLike
) -> float:
    """Return the area under the ROC of fixations against the fixations of other pictures: a centre bias earns nothing.

    Parameters
    ----------
    other_x, other_y : array_like
        Fixations of other pictures, rescaled to this map's size; this picture's own excluded.

    Raises
    ------
    InputError
        Not a map, or no fixation of either kind on it.

    Examples
    --------
    >>> auc_shuffled([[0, 1, 2, 3]], [3.5], [0.5], [3.5, 0.5], [0.5, 0.5])
    0.75
    """
    array, rows, columns = _at_fixations(smap, x, y)
    _, other_rows, other_columns = _at_fixations(array, other_x, other_y)
    return auc_against(array[rows, columns], array[other_rows, other_columns])


def auc_against(values: Floating, elsewhere: Floating | Ordered) -> float:
    """Return the chance that a value is above one of those elsewhere; half of it where they are equal."""
    positive, count = np.unique(values, return_counts=True)
    above, equal = _above(elsewhere, positive)
    return float(count @ (len(elsewhere) - above - equal / 2) / (len(values) * len(elsewhere)))


def cc(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return Pearson's correlation of two maps over pixels; 0 where either is constant.

    Examples
    --------
    >>> cc([[1, 2, 3]], [[3, 2, 1]])
    -1.0
    """
    a, b = _pair(first, second)
    if a.min() == a.max() or b.min() == b.max():
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def sim(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Return the mass that two maps share, 0 to 1, after each is shifted if negative and scaled to sum 1.

    Examples
    --------
    >>> sim([[1, 0, 1]], [[0, 0, 1]])
    0.5
    """
    a, b = _pair(first, second)
    return float(np.minimum(_density(a), _density(b)).sum())


def kl(smap: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the Kullback-Leibler divergence of a map from the true one, which comes second, in nats: 0 is perfect.

    Both are shifted if negative, raised by 1e-20 and scaled to sum 1.

    Examples
    --------
    >>> round(kl([[1, 1]], [[3, 1]]), 4)
    0.1308
    """
    q, p = (_density(array, _TINY) for array in _pair(smap, truth))
    return float((p * (np.log(p) - np.log(q))).sum())


def information_gain(
    smap: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike, baseline: npt.ArrayLike | None = None
) -> float:
    """Return how many bits per fixation a map knows more than a baseline (Kümmerer et al. 2015).

    Parameters
    ----------
    smap : array_like
        A density over pixels; scaled to sum 1 after 1e-20 is added.
    baseline : array_like, optional
        The density to beat, usually the centre bias; uniform if not given.

    Raises
    ------
    InputError
        Not maps of one size, or no fixation on them.

    Examples
    --------
    >>> information_gain([[1, 1, 2]], [2.5], [0.5], [[1, 2, 1]])
    1.0
    """
    array, rows, columns = _at_fixations(smap, x, y)
    base = np.ones(array.shape) if baseline is None else _pair(array, baseline)[1]
    gain = np.log2(_density(array, _TINY)[rows, columns]) - np.log2(_density(base, _TINY)[rows, columns])
    return float(gain.mean())


def _map(smap: npt.ArrayLike) -> Floats:
    array = np.asarray(smap)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiub":
        raise InputError(f"a map has the shape (height, width) and holds numbers; found {array.dtype} {array.shape}")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise InputError(f"a map must be finite; {int((~np.isfinite(array)).sum())} pixels are not")
    return array


def _pair(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[Floats, Floats]:
    a, b = _map(first), _map(second)
    if a.shape != b.shape:
        raise InputError(f"two maps must have one size; found {a.shape} and {b.shape} (resize one of them first)")
    return a, b


def _at_fixations(
    smap: npt.ArrayLike, x: npt.ArrayLike, y: npt.ArrayLike
) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    array = _map(smap)
    columns, rows, _ = on_picture(x, y, None, (array.shape[0], array.shape[1]))
    return array, rows, columns


def _density(array: Floats, minimum: float = 0.0) -> Floats:
    low = array.min()
    shifted = (array - low if low < 0 else array) + minimum
    total = shifted.sum()
    return np.asarray(shifted / total) if total else np.full(array.shape, 1 / array.size)


def _above(numbers: Floating | Ordered, values: Floating) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Count how many numbers are above each of the values, and how many equal it."""
    if not isinstance(numbers, Ordered) and len(values) > _FEW:
        numbers = Ordered(np.sort(numbers))
    at_least = _at_least(numbers, values)
    above = _at_least(numbers, np.nextafter(values, np.inf, dtype=values.dtype))
    return above, at_least - above


def _at_least(numbers: Floating | Ordered, values: Floating) -> npt.NDArray[np.int64]:
    """Count how many numbers are as high as each of the values, or higher; without sorting, where these are few."""
    if isinstance(numbers, Ordered):
        return np.asarray(len(numbers) - numbers.below[np.searchsorted(numbers.values, values, side="left")])
    if len(values) <= _FEW:
        return np.array([np.count_nonzero(numbers >= value) for value in values], dtype=np.int64)
    return np.asarray(len(numbers) - np.searchsorted(np.sort(numbers), values, side="left"))
