from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from survey.p910 import joint_estimate
from survey.ratings import from_table
from tests.fixtures.ratings import from_matrix

DEMO = Path(__file__).parent / "data" / "p910_demo.csv"


def test_equals_the_public_demonstration_of_p910() -> None:
    demo = pd.read_csv(DEMO, header=None).to_numpy()
    found = joint_estimate(from_table(from_matrix(demo[:79, :26])))
    np.testing.assert_allclose(found.score, demo[:79, 26], atol=1e-6)
    np.testing.assert_allclose(found.error, demo[:79, 27], atol=1e-6)
    np.testing.assert_allclose(found.bias, demo[79, :26], atol=1e-6)
    np.testing.assert_allclose(found.inconsistency, demo[80, :26], atol=1e-6)


def test_recovers_bias_and_inconsistency_of_sparse_ratings(rng: np.random.Generator) -> None:
    truth, bias, spread = rng.uniform(2, 9, 300), rng.normal(0, 1, 20), rng.uniform(0.3, 2.0, 20)
    bias -= bias.mean()
    scores = truth[:, None] + bias + rng.normal(size=(300, 20)) * spread
    scores[rng.random(scores.shape) < 0.5] = np.nan
    found = joint_estimate(from_table(from_matrix(scores)))
    np.testing.assert_allclose(found.bias, bias, atol=0.35)
    np.testing.assert_allclose(found.inconsistency, spread, atol=0.2)
    weighted = np.sqrt(np.mean((found.score - truth) ** 2))
    plain = np.sqrt(np.mean((np.nanmean(scores, axis=1) - truth) ** 2))
    assert weighted < 0.75 * plain


def test_the_order_of_the_ratings_does_not_matter(rng: np.random.Generator) -> None:
    table = from_matrix(rng.integers(1, 11, (12, 6)).astype(float))
    one = joint_estimate(from_table(table))
    other = joint_estimate(from_table(table.sample(frac=1, random_state=1)))
    assert other.score == pytest.approx(one.score, abs=1e-6)


def test_an_estimate_that_may_not_go_on_ends_near_the_settled_one(rng: np.random.Generator) -> None:
    ratings = from_table(from_matrix(rng.integers(1, 11, (12, 6)).astype(float)))
    settled = joint_estimate(ratings).score
    away = [np.abs(joint_estimate(ratings, most=most).score - settled).max() for most in (1, 8)]
    assert 0 < away[1] < away[0] < 1
