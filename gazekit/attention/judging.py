"""One map judged by the fixations of many people, with what is shared between them computed once.

The numbers are those of `gazekit.attention.saliency`; values of the map are compared as float32, as maps are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from gazekit.attention import saliency
from gazekit.attention.maps import on_picture
from gazekit.core.types import Floats, Index
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
    def density(self) -> Floats:
        """The map, sum 1."""
        return np.asarray(self.map / self.map.sum())

    @cached_property
    def norm(self) -> float:
        """Root of the summed squares of the density less its mean."""
        return _norm(self.density)

    @cached_property
    def entropy(self) -> float:
        """Sum of p log p over the density, in nats."""
        flat = self.density.ravel()
        return float(flat @ np.log(np.maximum(self.values, np.float32(_LEAST))))

    @cached_property
    def values(self) -> npt.NDArray[np.float32]:
        """The flat density in single precision."""
        return self.density.astype(np.float32).ravel()


@dataclass(frozen=True)
class Candidate:
    """A map that is to be judged, with the fixations of other pictures.

    Attributes
    ----------
    map : ndarray, shape (height, width)
        The map, of any scale, 0 or more.
    others : ndarray
        Places of other pictures' fixations in the flat picture.
    """

    map: Floats
    others: Index

    @cached_property
    def density(self) -> Floats:
        """The map, sum 1."""
        return np.asarray(self.map / self.map.sum())

    @cached_property
    def values(self) -> npt.NDArray[np.float32]:
        """The flat density as it is compared."""
        return self.density.astype(np.float32).ravel()

    @cached_property
    def elsewhere(self) -> npt.NDArray[np.float32]:
        """Values at the other pictures' fixations."""
        return self.values[self.others]

    @cached_property
    def log_density(self) -> Floats:
        """Logarithm of the map as a density mixed with a share of the centre prior, flat, in nats."""
        shape = (self.map.shape[0], self.map.shape[1])
        mixed = ((1 - SHARE) * self.density + SHARE * _centre(shape)).astype(np.float32)
        return np.log(mixed, out=mixed).ravel().astype(np.float64)

    def judged(self, truth: Fixated, convention: JudgingConvention = "gazekit") -> dict[str, float]:
        """Return every metric of the map against where somebody looked, by a convention of `CONVENTIONS`."""
        size, own = self.values.size, _norm(self.density)
        at, flat = self.density.ravel()[truth.pixels], self.values[truth.pixels]
        covariance = float(self.density.ravel() @ truth.density.ravel()) - 1 / size
        mixed, prior = self.log_density, _log_centre((self.map.shape[0], self.map.shape[1]))
        found = {
            "nss": float((at.mean() - 1 / size) / own * np.sqrt(size)) if own > 0 else 0.0,
            "auc_judd": saliency.auc_of_values(flat, self.values, self.values[np.unique(truth.pixels)]),
            "auc_shuffled": saliency.auc_against(flat, self.elsewhere),
            "cc": covariance / (own * truth.norm) if own * truth.norm > 0 else 0.0,
            "sim": float(np.minimum(self.values, truth.values).sum()),
            "kl": truth.entropy - float(truth.density.ravel() @ mixed),
            "ig": float((mixed[truth.pixels] - prior[truth.pixels]).mean() / np.log(2)),
        }
        return found if convention == "gazekit" else found | self._published(truth, convention, found["nss"])

    def _published(self, truth: Fixated, convention: JudgingConvention, score: float) -> dict[str, float]:
        """Return what the MIT benchmark's Matlab code, or pysaliency, computes otherwise."""
        flat, p, q = self.values[truth.pixels], truth.density.ravel(), self.density.ravel()
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
            "auc_judd": saliency.auc_of_values(flat, self.values, self.values[np.unique(truth.pixels)], "mit"),
            "kl": divergence,
            "ig": gain,
        }


def others_of(looks: Mapping[str, Viewing], image: str) -> Index:
    """Return the places of the fixations of all other pictures, scaled to this picture's size, in the flat picture."""
    height, width = looks[image].size
    rest = [v for name, v in looks.items() if name != image]
    x = np.concatenate([v.x[v.inside] * (width / v.size[1]) for v in rest]) if rest else np.zeros(0)
    y = np.concatenate([v.y[v.inside] * (height / v.size[0]) for v in rest]) if rest else np.zeros(0)
    columns, rows, _ = on_picture(x, y, None, (height, width))
    return rows * width + columns


def _norm(density: Floats) -> float:
    flat = density.ravel()
    norm = float(np.sqrt(max(float(flat @ flat) - 1 / flat.size, 0.0)))
    return norm if norm > _CONSTANT else 0.0


@lru_cache(maxsize=8)
def _centre(size: tuple[int, int]) -> Floats:
    return centre_prior(size).astype(np.float64)


@lru_cache(maxsize=8)
def _log_centre(size: tuple[int, int]) -> Floats:
    prior = _centre(size)
    return np.asarray(np.log(prior / prior.sum()).ravel())
