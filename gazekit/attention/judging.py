"""One map judged by the fixations of many people, with what is shared between them computed once.

The numbers are those of `gazekit.attention.saliency`; values of the map are compared as float32, as maps are made.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.attention import saliency
from gazekit.attention.maps import on_picture
from gazekit.core.types import Floats, Index, Map
from gazekit.shapes.centre import centre_prior

if TYPE_CHECKING:
    from gazekit.attention.viewings import Viewing

_LEAST = 1e-37  # stands in for 0 in logarithms that are multiplied with 0
_CONSTANT = 1e-9  # a density that varies less does not vary
JudgingConvention = Literal["gazekit", "mit", "pysaliency"]
CONVENTIONS: Mapping[JudgingConvention, str] = {
    "gazekit": "AUC-Judd by the exact rule; KL and IG of a map mixed with a tenth of the centre prior",
    "mit": "as the MIT benchmark's Matlab code: AUC-Judd at fixated values, KL and IG with 2.2e-16 added",
    "pysaliency": "as pysaliency: AUC-Judd at fixated values, KL and IG of densities raised by 1e-20",
}
_EPS = 2.220446049250313e-16
SHARE = 0.1  # of the centre prior in the density that KL and information gain take of a map


@dataclass(frozen=True)
class Fixated:
    """Where somebody looked in a picture: n fixations, and the map of them.

    Attributes
    ----------
    pixels : ndarray, shape (n,)
        Place of each fixation in the flat picture.
    map : ndarray, shape (height, width)
        Their map, not scaled.
    """

    pixels: Index
    map: Floats

    @classmethod
    def of(cls, viewing: Viewing, amap: Floats | None = None) -> Fixated:
        """Return what is needed of a viewing; its map may be given."""
        columns, rows, _ = on_picture(viewing.x, viewing.y, None, viewing.size)
        return cls(rows * viewing.size[1] + columns, viewing.map().astype(np.float64) if amap is None else amap)

    @cached_property
    def distinct(self) -> Index:
        """The places, each once."""
        return np.unique(self.pixels)

    @cached_property
    def density(self) -> Floats:
        """The map, sum 1."""
        return np.asarray(self.map / self.map.sum())

    @cached_property
    def total(self) -> float:
        """Sum of the map."""
        return float(self.map.sum())

    @cached_property
    def values(self) -> Map:
        """The density in single precision."""
        return in_single(self.map, self.total)

    @cached_property
    def norm(self) -> float:
        """Root of the summed squares of the density less its mean."""
        return _norm(self.values)

    @cached_property
    def entropy(self) -> float:
        """Sum of p log p over the density, in nats."""
        logs = np.maximum(self.values, np.float32(_LEAST))
        return dot(self.values, np.log(logs, out=logs))


@dataclass(frozen=True)
class Density:
    """A map as it is compared: sum 1, in single precision, (height, width)."""

    values: Map

    @cached_property
    def norm(self) -> float:
        """Root of the summed squares of the density less its mean."""
        return _norm(self.values)

    @cached_property
    def logs(self) -> Map:
        """Logarithm of the density mixed with a share of the centre prior, in nats."""
        mixed = np.float32(1 - SHARE) * self.values
        mixed += _centre_share(self._size)
        return np.asarray(np.log(mixed, out=mixed))

    @property
    def _size(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]

    def against(self, truth: Fixated, at: float) -> dict[str, float]:
        """Return the metrics that need no sorting; ``at`` is the mean of the density at the fixations."""
        pixels, norm = self.values.size, self.norm
        covariance = dot(self.values, truth.values) - 1 / pixels
        gained = self.logs.ravel()[truth.pixels].astype(np.float64) - _log_centre(self._size)[truth.pixels]
        return {
            "nss": float((at - 1 / pixels) / norm * np.sqrt(pixels)) if norm > 0 else 0.0,
            "cc": covariance / (norm * truth.norm) if norm * truth.norm > 0 else 0.0,
            "sim": 1 - cv2.norm(self.values, truth.values, cv2.NORM_L1) / 2,  # both sum to 1
            "kl": truth.entropy - dot(truth.values, self.logs),
            "ig": float(gained.mean() / np.log(2)),
        }


@dataclass(frozen=True)
class Candidate:
    """A map that is to be judged, with the fixations of other pictures.

    Attributes
    ----------
    map : ndarray, shape (height, width)
        The map, of any scale, 0 or more.
    others : ndarray
        Places of other pictures' fixations in the flat picture.
    centre : bool
        Whether it is the centre prior, whose values are sorted once for all pictures of a size.
    """

    map: Floats
    others: Index
    centre: bool = False

    @cached_property
    def density(self) -> Floats:
        """The map, sum 1."""
        return np.asarray(self.map / self.map.sum())

    @cached_property
    def shown(self) -> Density:
        """The map as it is compared."""
        return Density(self.values)

    @cached_property
    def values(self) -> Map:
        """The density in single precision."""
        return in_single(self.map, self._total)

    @cached_property
    def everywhere(self) -> saliency.Floating | saliency.Ordered:
        """All values, to be counted."""
        return saliency.Ordered(sorted_centre(self._size)[0]) if self.centre else self.values.ravel()

    @cached_property
    def elsewhere(self) -> saliency.Floating | saliency.Ordered:
        """Values at the other pictures' fixations, to be counted."""
        if not self.centre:
            return self.values.ravel()[self.others]
        values, order = sorted_centre(self._size)
        return saliency.Ordered(values, np.bincount(self.others, minlength=len(values))[order])

    @property
    def _size(self) -> tuple[int, int]:
        return self.map.shape[0], self.map.shape[1]

    def judged(self, truth: Fixated, convention: JudgingConvention = "gazekit") -> dict[str, float]:
        """Return every metric of the map against where somebody looked, by a convention of `CONVENTIONS`."""
        flat = self.values.ravel()[truth.pixels]
        found = {
            **self.shown.against(truth, self.map.ravel()[truth.pixels].mean() / self._total),
            "auc_judd": saliency.auc_of_values(flat, self.everywhere, self.values.ravel()[truth.distinct]),
            "auc_shuffled": saliency.auc_against(flat, self.elsewhere),
        }
        return found if convention == "gazekit" else found | self._published(truth, convention, found["nss"])

    @cached_property
    def _total(self) -> float:
        return float(self.map.sum())

    def _published(self, truth: Fixated, convention: JudgingConvention, score: float) -> dict[str, float]:
        """Return what the MIT benchmark's Matlab code, or pysaliency, computes otherwise."""
        flat, p, q = self.values.ravel()[truth.pixels], truth.density.ravel(), self.density.ravel()
        prior, width = _centre((self.map.shape[0], self.map.shape[1])), self.map.shape[1]
        if convention == "mit":
            score *= np.sqrt((q.size - 1) / q.size)  # Matlab's std divides by n - 1
            divergence = float(p @ np.log(_EPS + p / (q + _EPS)))
            gained = np.log2(_EPS + q) - np.log2(_EPS + (prior / prior.sum()).ravel())
            gain = float(gained[truth.pixels].mean())
        else:
            divergence = saliency.kl(self.map, truth.map)
            gain = saliency.information_gain(self.map, truth.pixels % width, truth.pixels // width, prior)
        return {
            "nss": float(score),
            "auc_judd": saliency.auc_of_values(flat, self.everywhere, self.values.ravel()[truth.distinct], "mit"),
            "kl": divergence,
            "ig": gain,
        }


class Elsewhere:
    """Where people looked in a set of pictures, as places in a picture of any size.

    Parameters
    ----------
    looks : mapping
        Image id to `Viewing`.
    """

    def __init__(self, looks: Mapping[str, Viewing]) -> None:
        views = list(looks.values())
        inside = [v.inside for v in views]
        ends = np.cumsum([0, *(int(on.sum()) for on in inside)])
        self._own = {image: slice(*pair) for image, pair in zip(looks, itertools.pairwise(ends), strict=True)}
        self._x, self._y = (
            np.concatenate([getattr(v, axis)[on].astype(np.float64) for v, on in zip(views, inside, strict=True)])
            for axis in ("x", "y")
        )
        sizes = np.repeat([v.size for v in views], np.diff(ends), axis=0)
        self._heights, self._widths = sizes[:, 0], sizes[:, 1]
        self._places: dict[tuple[int, int], tuple[Index, Index]] = {}

    def than(self, image: str, size: tuple[int, int]) -> Index:
        """Return the places of the fixations of all other pictures in a flat picture of a size, ascending."""
        counts = self.counts(image, size)
        return np.repeat(np.arange(len(counts)), counts)

    def counts(self, image: str, size: tuple[int, int]) -> Index:
        """Return how many fixations of all other pictures lie on each pixel of a flat picture of a size."""
        if size not in self._places:
            self._places = {size: self._at(size)}  # pictures of many sizes do not pile up
        places, counts = self._places[size]
        own = places[self._own[image]]
        return np.asarray(counts - np.bincount(own[own >= 0], minlength=len(counts)))

    def _at(self, size: tuple[int, int]) -> tuple[Index, Index]:
        """Return the place of every fixation (-1: off the picture), and the number at every place."""
        height, width = size
        row = (self._y * (height / self._heights)).astype(np.int64)
        column = (self._x * (width / self._widths)).astype(np.int64)
        places = np.where((row < height) & (column < width), row * width + column, -1)
        return places, np.bincount(places[places >= 0], minlength=height * width)


def in_single(amap: Floats, total: float) -> Map:
    """Return a map over its sum, in single precision."""
    values = np.empty(amap.shape, dtype=np.float32)
    return np.multiply(amap, 1 / total, out=values, casting="same_kind")


def dot(first: Map, second: Map) -> float:
    """Return the sum of products, row by row in single precision and over rows in double."""
    return float(np.einsum("ij,ij->i", first, second).sum(dtype=np.float64))


def _norm(values: Map) -> float:
    norm = float(np.sqrt(max(dot(values, values) - 1 / values.size, 0.0)))
    return norm if norm > _CONSTANT else 0.0


@lru_cache(maxsize=8)
def sorted_centre(size: tuple[int, int]) -> tuple[npt.NDArray[np.float32], Index]:
    """Return the values of the centre prior in ascending order, and their places."""
    values = centre_density(size).values.ravel()
    order = np.argsort(values, kind="stable")
    return values[order], order


@lru_cache(maxsize=8)
def centre_density(size: tuple[int, int]) -> Density:
    """Return the centre prior of a size as it is compared."""
    prior = _centre(size)
    return Density(in_single(prior, float(prior.sum())))


@lru_cache(maxsize=8)
def _centre(size: tuple[int, int]) -> Floats:
    return centre_prior(size).astype(np.float64)


@lru_cache(maxsize=8)
def _centre_share(size: tuple[int, int]) -> Map:
    return (SHARE * _centre(size)).astype(np.float32)


@lru_cache(maxsize=8)
def _log_centre(size: tuple[int, int]) -> Floats:
    prior = _centre(size)
    return np.asarray(np.log(prior / prior.sum()).ravel())
