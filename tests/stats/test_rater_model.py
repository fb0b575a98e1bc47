"""The model of raters against scipy's distributions, and its weights against all others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import dirichlet_multinomial, norm

from gazekit.stats import rater_model
from gazekit.stats.rater_model import RaterModel


def test_the_likelihood_is_that_of_the_dirichlet_multinomial(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rater_model, "_CELLS", 100)  # in blocks
    centres = rng.dirichlet(np.ones(5), 9)
    counts = rng.multinomial(8, centres[rng.integers(0, 9, 23)])
    found = rater_model._log_likelihood(counts, centres, 3.5)
    assert found.shape == (23, 9)
    orders = gammaln(9) - gammaln(counts + 1).sum(axis=1)  # in how many orders the same counts come
    for point, centre in enumerate(centres):
        np.testing.assert_allclose(found[:, point] + orders, dirichlet_multinomial.logpmf(counts, 3.5 * centre, 8))


def test_the_grid_holds_normal_distributions_whose_ends_are_open() -> None:
    centres = rater_model._grid(7)
    np.testing.assert_allclose(centres.sum(axis=1), 1)
    edges = [-np.inf, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, np.inf]
    for mean, sigma in ((0.5, 0.3), (7.5, 3.5), (0.5, 3.5)):  # the corners of the grid
        expected = np.maximum(np.diff(norm.cdf(edges, mean, sigma)), 1e-9)
        apart = np.abs(centres - expected / expected.sum()).sum(axis=1)
        assert apart.min() < 1e-9


def test_no_other_weights_are_likelier(rng: np.random.Generator) -> None:
    log = rng.normal(-3, 1.5, (200, 4))
    weights, fit = rater_model._weights(log)
    assert weights.sum() == pytest.approx(1)
    assert fit == pytest.approx(np.log(np.exp(log) @ weights).sum())
    others = [weights * np.exp(rng.normal(0, 0.05, 4)) for _ in range(50)] + [np.full(4, 0.25)]
    assert all(np.log(np.exp(log) @ (other / other.sum())).sum() < fit + 1e-3 for other in others)


def test_draws_have_the_mean_and_the_spread_of_the_posterior(rng: np.random.Generator) -> None:
    """One centre, so that the posterior is a Dirichlet distribution; stretched, what was said stays the middle."""
    counts, centres = np.array([[6, 2, 2]]), np.array([[0.2, 0.3, 0.5]])
    alpha = 4 * centres[0] + counts[0]
    model = RaterModel(counts, centres, 4.0, np.array([[1.0]]))
    draws = np.concatenate([model.draw(rng) for _ in range(6000)])
    np.testing.assert_allclose(draws.mean(axis=0), alpha / 14, atol=0.01)
    np.testing.assert_allclose(draws.std(axis=0), np.sqrt(alpha * (14 - alpha) / 14**2 / 15), atol=0.005)
    half = RaterModel(counts, centres, 4.0, np.array([[1.0]]), stretch=0.5)
    said = counts[0] / 10
    drawn = np.concatenate([half.draw(rng) for _ in range(6000)])
    np.testing.assert_allclose(drawn.mean(axis=0), said + 0.5 * (alpha / 14 - said), atol=0.01)
