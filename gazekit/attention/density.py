"""A density of where people look in a picture, as likely as can be: bandwidth and mixture by leave-one-viewer-out.

A Gaussian of 1 degree is a custom. What predicts a viewer best from all the others is, for every picture, another
width, mixed with the centre bias and with an even density: so ceilings rise, and maps of few viewers are less spotty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy.special import ndtr

from gazekit.attention.judging import SHARE
from gazekit.attention.settings import MapKind
from gazekit.attention.viewings import Viewing
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.types import Floats, Index, Map
from gazekit.shapes.centre import centre_prior
from gazekit.shapes.gaussian_sum import GaussianSum

FACTORS = tuple(float(factor) for factor in np.geomspace(0.35, 2.8, 10))  # of the customary sigma
EVEN = np.array([0.8, 0.1, 0.1])  # shares that the search begins with: Gaussians, centre, everywhere
STEPS = 60
FEWEST = 3  # viewers of a density
_Key = TypeVar("_Key")


@dataclass(frozen=True)
class LikelyDensity:
    """The density of a picture.

    Attributes
    ----------
    viewing : Viewing
        Whose it is.
    sigma_px : float
        Sigma of the Gaussians, pixels of the picture.
    shares : tuple of float
        Of the Gaussians, of the centre prior, and of the even density; they sum to 1.
    """

    viewing: Viewing
    sigma_px: float
    shares: tuple[float, float, float]

    def map(self) -> Map:
        """Return the density as a map, float32 of the picture's size, sum 1."""
        people, centre, _ = self.shares
        size = self.viewing.size
        gaussians = replace(self.viewing, sigma_px=self.sigma_px).map().astype(np.float64)
        density = people * gaussians + centre * centre_prior(size) + self.shares[2] / (size[0] * size[1])
        return np.asarray(density / density.sum(), dtype=np.float32)

    @cached_property
    def bits(self) -> float:
        """Information gain over the centre prior at each viewer's fixations, as the others choose sigma and shares."""
        who = _codes(self.viewing)
        terms = _left_out_terms(self.viewing, who)
        return float(np.concatenate([_unseen(terms, who, person) for person in np.unique(who)]).mean())

    @cached_property
    def customary_bits(self) -> float:
        """The same of the map of the viewing's own sigma, mixed with a tenth of the centre prior."""
        centre = centre_prior(self.viewing.size).astype(np.float64)[_pixels(self.viewing)]
        others = _others(self.viewing, _codes(self.viewing), self.viewing.sigma_px)
        return float(np.log2(((1 - SHARE) * others + SHARE * centre) / centre).mean())


@dataclass(frozen=True)
class LikelyViewing(Viewing):
    """Fixations whose maps are densities by likelihood; of fewer than three viewers, Gaussians of the customary sigma.

    Who is taken out of it, or drawn again, is fitted anew.
    """

    @property
    def is_fitted(self) -> bool:
        """Whether there are viewers enough."""
        return len(self.participants) >= FEWEST

    def map(self) -> Map:
        """Return the density, float32 (height, width), sum 1."""
        return self._density.map() if self.is_fitted else super().map()

    def closed_map(self) -> GaussianSum | Map:
        """Return the map, for masks: a density has no closed form."""
        return self.map() if self.is_fitted else super().closed_map()

    @cached_property
    def _density(self) -> LikelyDensity:
        return likely_density(self)


def of_kind(looks: Mapping[_Key, Viewing], kind: MapKind) -> dict[_Key, Viewing]:
    """Return viewings whose maps are of a kind, by picture."""
    if kind == "gaussian":
        return dict(looks)
    return {image: LikelyViewing(**_columns(look)) for image, look in looks.items()}


def likely_density(viewing: Viewing) -> LikelyDensity:
    """Fit the density of a picture to its viewers, each predicted from all the others.

    Parameters
    ----------
    viewing : Viewing
        Of three viewers or more.

    Raises
    ------
    InputError
        Fewer than three viewers.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> spots = rng.normal((30, 20), 2.0, (40, 2)).clip(0, 39)
    >>> table = pd.DataFrame(spots, columns=["x_picture", "y_picture"]).assign(image="a", duration_ms=200.0)
    >>> table["participant"] = [f"p{k % 4}" for k in range(40)]
    >>> from gazekit.attention.viewings import viewings
    >>> fitted = likely_density(viewings(table, {"a": (40, 60)}, sigma_px=8)["a"])
    >>> fitted.sigma_px < 4, fitted.bits > fitted.customary_bits
    (True, True)
    """
    people = viewing.participants
    if len(people) < FEWEST:
        raise InputError(f"{viewing.image} has {counted(len(people), 'viewer')}; a density needs three or more")
    looks = Viewing(**_columns(viewing)).take(viewing.counted)
    terms = _left_out_terms(looks, _codes(looks))
    shares = _shares(terms)
    best = int(np.log(np.einsum("sk,snk->sn", shares, terms)).mean(axis=1).argmax())
    people_share, centre, even = (float(share) for share in shares[best])
    return LikelyDensity(looks, viewing.sigma_px * FACTORS[best], (people_share, centre, even))


def density_table(looks: Mapping[str, Viewing]) -> tuple[pd.DataFrame, dict[str, LikelyDensity]]:
    """Fit the density of every picture with three viewers or more; a row a picture, and the densities by picture.

    Returns
    -------
    DataFrame
        ``image``, ``viewers``, ``sigma_px``, ``share_people``, ``share_centre``, ``share_even``, ``bits``,
        ``bits_customary`` (of the map of the viewings' own sigma) and ``gain``, the difference.
    dict
        Picture to `LikelyDensity`.
    """
    fitted = {image: likely_density(look) for image, look in looks.items() if len(look.participants) >= FEWEST}
    rows = [
        (image, len(d.viewing.participants), d.sigma_px, *d.shares, d.bits, d.customary_bits, d.bits - d.customary_bits)
        for image, d in fitted.items()
    ]
    names = ["image", "viewers", "sigma_px", "share_people", "share_centre", "share_even", "bits", "bits_customary",
             "gain"]  # fmt: skip
    return pd.DataFrame(rows, columns=names), fitted


def _columns(look: Viewing) -> dict[str, Any]:
    return {column.name: getattr(look, column.name) for column in fields(Viewing)}


def _codes(looks: Viewing) -> Index:
    """Return who made each fixation, as a number."""
    return np.asarray(looks.viewer, dtype=np.int64)


def _pixels(looks: Viewing) -> tuple[Index, Index]:
    return looks.y.astype(np.int64), looks.x.astype(np.int64)


def _left_out_terms(looks: Viewing, who: Index) -> Floats:
    """Return (factors, n, 3): densities a pixel at each fixation, of the other viewers, the centre, and everywhere."""
    height, width = looks.size
    centre = centre_prior(looks.size).astype(np.float64)[_pixels(looks)]
    even = np.full(len(who), 1 / (height * width))
    return np.stack([
        np.stack([_others(looks, who, looks.sigma_px * factor), centre, even], axis=1) for factor in FACTORS
    ])  # fmt: skip


def _others(looks: Viewing, who: Index, sigma: float) -> Floats:
    """Return the density of all other viewers' Gaussians at each fixation; what falls off the picture is lost."""
    place = np.stack([looks.x, looks.y]).astype(np.float64)
    distance = ((place[:, :, None] - place[:, None]) ** 2).sum(axis=0)
    weight = looks.weights * (who[:, None] != who)
    inside = np.prod(
        [ndtr((side - at) / sigma) - ndtr(-at / sigma) for side, at in zip(looks.size[::-1], place, strict=True)],
        axis=0,
    )
    kernel = np.exp(-0.5 * distance / sigma**2) / (2 * np.pi * sigma**2)
    return np.asarray((kernel * weight).sum(axis=1) / (weight * inside).sum(axis=1))


def _shares(terms: Floats) -> Floats:
    """Return for each factor the shares of a mixture that make its fixations most likely, (factors, 3).

    By expectation and maximisation; ``terms`` is (factors, n, 3).
    """
    shares = np.tile(EVEN, (len(terms), 1))
    for _ in range(STEPS):
        parts = shares[:, None] * terms
        shares = (parts / parts.sum(axis=2, keepdims=True)).mean(axis=1)
    least = np.maximum(shares, 1e-6)
    return np.asarray(least / least.sum(axis=1, keepdims=True))


def _unseen(terms: Floats, who: Index, person: int) -> Floats:
    """Return the gain at a person's fixations, with sigma and shares that predict the others best."""
    others, theirs = terms[:, who != person], terms[:, who == person]
    shares = _shares(others)
    best = int(np.log(np.einsum("sk,snk->sn", shares, others)).mean(axis=1).argmax())
    return np.asarray(np.log2(theirs[best] @ shares[best] / theirs[best][:, 1]))
