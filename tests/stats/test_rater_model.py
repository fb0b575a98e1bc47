"""The model of raters against scipy's distributions, and its weights against all others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import dirichlet_multinomial, norm

from gazekit.stats import rater_model
from gazekit.stats.rater_model import RaterModel, fit_raters


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


def test_the_fit_is_the_likeliest_concentration_and_bayes_rule(rng: np.random.Generator) -> None:
    """By scipy's likelihoods at every point of the grid; the means of draws err as single ratings say."""
    score = np.arange(1, 6)
    shares = rng.dirichlet(4 * np.array([0.1, 0.2, 0.4, 0.2, 0.1]), 30)
    votes = np.append(rng.integers(2, 9, 29), 1)
    counts = np.array([rng.multinomial(n, share) for n, share in zip(votes, shares, strict=True)])
    model = fit_raters(counts)
    fits = {}
    for concentration in (1e5, 100.0, 30.0, 10.0, 4.0):
        prior = concentration * model.centres
        log = np.array([dirichlet_multinomial.logpmf(row, prior, n) for row, n in zip(counts, votes, strict=True)])
        weights, _ = rater_model._weights(log)
        fits[concentration] = np.log(np.exp(log) @ weights).sum(), weights * np.exp(log)
    assert model.concentration == max(fits, key=lambda one: fits[one][0]) != 1e5
    share = fits[model.concentration][1]
    share /= share.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.diff(model.posterior, axis=1, prepend=0), share, atol=1e-9)
    draws = np.random.default_rng(0)
    plain = RaterModel(counts, model.centres, model.concentration, model.posterior)
    said = counts @ score / votes
    errors = np.mean([(plain.draw(draws) @ score - said) ** 2 for _ in range(10)], axis=0)[:29]
    each = [np.repeat(score, row) for row in counts[:29]]
    expected = np.mean([ratings.var(ddof=1) / len(ratings) for ratings in each])
    assert model.stretch == pytest.approx(np.clip(np.sqrt(expected / errors.mean()), 0.8, 1.25))
    assert 0.8 < model.stretch < 1.25


def test_no_spread_says_nothing_of_errors_and_the_stretch_has_limits() -> None:
    """Where nothing is known of errors, none; else a fifth less, or a quarter more, at most."""
    assert fit_raters(np.eye(5, dtype=np.int64)).stretch == 1.0
    assert fit_raters(np.array([[4, 0, 0], [0, 6, 0]])).stretch == 1.0
    for shift, limit in ((3.0, 1.25), (0.0, 0.8)):
        counts = np.tile([[1, 0, 0, 0, 1]] if shift else [[30, 31, 0, 0, 0]], (8, 1))
        near = counts[0] / counts[0].sum()
        centres = near[None] if shift else np.array([[0.0, 0.0, 0.0, 0.01, 0.99]])
        model = RaterModel(counts, np.maximum(centres, 1e-9), 1e7, np.ones((8, 1)))
        assert rater_model._stretch(model) == limit


def test_each_picture_draws_a_point_of_the_grid_by_its_posterior(rng: np.random.Generator) -> None:
    """Two points that are far apart and certain: a picture's draws are at either as often as its posterior says."""
    centres = np.array([[0.9, 0.1], [0.1, 0.9]])
    model = RaterModel(np.array([[1, 1], [1, 1]]), centres, 1e7, np.array([[0.25, 0.5], [1.0, 1.0]]))
    draws = np.stack([model.draw(rng)[:, 0] for _ in range(2000)])
    assert (draws[:, 0] > 0.5).mean() == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / 2000))
    assert (draws[:, 1] > 0.5).all()
    np.testing.assert_allclose(model.draw(rng).sum(axis=1), 1)
    far = RaterModel(np.array([[9, 1]]), np.array([[0.1, 0.9]]), 1e7, np.array([[1.0]]), stretch=1.25)
    assert far.draw(rng) == pytest.approx(np.array([[0.0, 1.0]]), abs=1e-3)  # a share is never below nothing


def test_large_splits_are_fitted_to_some_of_their_pictures(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evenly spread, the first and the last among them; every picture has a posterior of its own."""
    counts = rng.multinomial(8, rng.dirichlet(np.ones(4), 41))
    monkeypatch.setattr(rater_model, "_FITTED", 41)
    assert fit_raters(counts).posterior.shape[0] == 41
    monkeypatch.setattr(rater_model, "_FITTED", 5)
    alike = counts.copy()
    alike[[1, 9, 11, 39]] = [[8, 0, 0, 0]]  # these are not looked at for the weights
    some, other = fit_raters(counts), fit_raters(alike)
    assert other.concentration == some.concentration
    same = np.setdiff1d(np.arange(41), [1, 9, 11, 39])
    np.testing.assert_allclose(other.posterior[same], some.posterior[same])
    for end in (0, 40):
        changed = counts.copy()
        changed[end] = [8, 0, 0, 0] if counts[end, 0] < 8 else [0, 8, 0, 0]
        assert not np.allclose(fit_raters(changed).posterior[same[1:-1]], some.posterior[same[1:-1]])
