"""What raters say of a picture, as a model: the true distribution behind a few ratings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaln
from scipy.stats import norm

from gazekit.core.types import Floats, Index
from gazekit.histograms import moments

_CONCENTRATIONS = (1e5, 100.0, 30.0, 10.0, 4.0)  # how close distributions are to normal ones
_MEANS, _SIGMAS, _STEPS = 61, 10, 60
_FITTED = 1000  # pictures that tell how distributions are spread; more change nothing
_CELLS = 4_000_000


@dataclass(frozen=True)
class RaterModel:
    """Posterior of every picture's true distribution of ratings, given the ratings that it has.

    A true distribution is a Dirichlet draw around a normal distribution cut into the K scores. How means and standard
    deviations are spread over pictures is estimated from all pictures at once, on a grid, without assuming a shape
    (nonparametric maximum likelihood, Laird 1978); the concentration of the draw is the likeliest of a few.

    Attributes
    ----------
    counts : ndarray, shape (N, K)
        Ratings.
    centres : ndarray, shape (G, K)
        The grid.
    concentration : float
        Of the Dirichlet draw.
    posterior : ndarray, shape (N, G)
        Cumulated over the grid.
    stretch : float
        Draws are moved away from what the raters said by this factor, so that the means of ratings err as much as the
        raters' own variance says: a distribution estimated from the same ratings is a little too close to them.
    """

    counts: Index
    centres: Floats
    concentration: float
    posterior: Floats
    stretch: float = 1.0

    def draw(self, rng: np.random.Generator) -> Floats:
        """Draw a true distribution for every picture, shape (N, K)."""
        place = (self.posterior < rng.random((len(self.counts), 1))).sum(axis=1).clip(max=len(self.centres) - 1)
        gamma = rng.standard_gamma(self.concentration * self.centres[place] + self.counts)
        said = self.counts / self.counts.sum(axis=1, keepdims=True)
        true = np.maximum(said + self.stretch * (gamma / gamma.sum(axis=1, keepdims=True) - said), 0)
        return np.asarray(true / true.sum(axis=1, keepdims=True))


def fit_raters(counts: Index) -> RaterModel:
    """Fit the model to the ratings of N pictures, shape (N, K); every picture needs one rating or more."""
    centres = _grid(counts.shape[1])
    some = counts if len(counts) <= _FITTED else counts[np.linspace(0, len(counts) - 1, _FITTED).astype(int)]
    fits = [_weights(_log_likelihood(some, centres, one)) for one in _CONCENTRATIONS]
    best = int(np.argmax([fit for _, fit in fits]))
    log = _log_likelihood(counts, centres, _CONCENTRATIONS[best])
    share = fits[best][0] * np.exp(log - log.max(axis=1, keepdims=True))
    posterior = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)
    model = RaterModel(counts, centres, _CONCENTRATIONS[best], posterior)
    return replace(model, stretch=_stretch(model))


def _stretch(model: RaterModel) -> float:
    """Return the factor with which the means' errors are as large as the variance of single ratings says."""
    n = model.counts.sum(axis=1)
    mean, std = moments(model.counts)
    rng = np.random.default_rng(0)
    errors = np.mean([(moments(model.draw(rng))[0] - mean) ** 2 for _ in range(10)], axis=0)[n > 1]
    expected = (std[n > 1] ** 2 / (n[n > 1] - 1)).mean() if (n > 1).any() else 0.0
    return float(np.clip(np.sqrt(expected / errors.mean()), 0.8, 1.25)) if expected > 0 else 1.0


def _weights(log: Floats) -> tuple[Floats, float]:
    """Return the grid's weights by maximum likelihood (EM), and the log likelihood with them."""
    largest = log.max(axis=1, keepdims=True)
    likelihood, weights = np.exp(log - largest), np.full(log.shape[1], 1 / log.shape[1])
    for _ in range(_STEPS):
        share = likelihood * weights
        weights = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
    return weights, float((np.log(likelihood @ weights) + largest[:, 0]).sum())


def _grid(buckets: int) -> Floats:
    means, sigmas = np.linspace(0.5, buckets + 0.5, _MEANS), np.geomspace(0.3, buckets / 2, _SIGMAS)
    mean, sigma = (axis.reshape(-1, 1) for axis in np.meshgrid(means, sigmas))
    inner = norm.cdf((np.arange(1, buckets) + 0.5 - mean) / sigma)
    edges = np.hstack([np.zeros_like(mean), inner, np.ones_like(mean)])
    centres = np.maximum(np.diff(edges, axis=1), 1e-9)
    return np.asarray(centres / centres.sum(axis=1, keepdims=True))


def _log_likelihood(counts: Index, centres: Floats, concentration: float) -> Floats:
    """Return the Dirichlet-multinomial log likelihood of each picture at each grid point, but for what all share."""
    prior = concentration * centres
    rows, step = [], max(1, _CELLS // prior.size)
    for start in range(0, len(counts), step):
        some = counts[start : start + step]
        log = (gammaln(some[:, None] + prior) - gammaln(prior)).sum(axis=2)
        rows.append(log + (gammaln(concentration) - gammaln(some.sum(axis=1) + concentration))[:, None])
    return np.concatenate(rows)
