"""How often the comparison claims a difference where there is none, and finds one where there is.

Simulated predictions of networks on 48 test pictures: 2 models, 4 conditions, 3 seeds, with luck of training a seed
and noise shared between conditions. The real networks' rates are in the demo's own benchmark.

pytest -m benchmark -s tests/benchmarks/test_training_claims.py
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from gazekit.stats.conclusion import conclusion
from gazekit.stats.contrasts import contrasts_of
from gazekit.stats.estimates import Measuring, estimate
from gazekit.stats.options import ComparisonOptions
from gazekit.stats.paired import paired_table
from gazekit.stats.predictions import Pass, Predictions
from gazekit.stats.summary_table import summary_table

MODELS, CONDITIONS, SEEDS, PICTURES = ("a", "b"), ("original", "human", "shuffled", "synthetic"), 3, 48
SCORE = np.arange(1, 11)


def histograms(centre: np.ndarray) -> np.ndarray:
    p = np.exp(-((SCORE - centre[..., None]) ** 2) / 4)
    return np.asarray(p / p.sum(-1, keepdims=True))


def study(seed: int, skill: dict[str, float], luck: float) -> Predictions:
    """Predicted means follow the truth with a slope (the skill), which differs by luck from seed to seed."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 1.2, PICTURES)
    actual = np.stack([rng.multinomial(12, row) for row in histograms(5.5 + true)])
    predicted = {}
    for model in MODELS:
        shared = rng.normal(0, 0.5, PICTURES)
        for condition in CONDITIONS:
            seeds = {}
            for number in range(SEEDS):
                slope = skill[condition] + luck * rng.normal()
                noise = shared + rng.normal(0, 0.5, PICTURES)
                seeds[Pass(number)] = histograms(5.5 + slope * true + noise)
            predicted[model, condition] = seeds
    images = [str(n) for n in range(PICTURES)]
    return Predictions(images, actual, actual, predicted, 5.0, MODELS, CONDITIONS)


def claims(results: Predictions) -> list[dict[str, object]]:
    """What the comparison would claim, through its own functions."""
    measured = {
        key: estimate(results.features(*key), [Pass(number) for number in range(SEEDS)], Measuring(5.0, 500))
        for key in results.predicted
    }
    options = ComparisonOptions(permutations=499)
    paired = paired_table(measured, contrasts_of(results), options)

    table = summary_table(results, measured, 0)
    words = conclusion(table, paired, options)
    return [claim for claim in words["claims"] if claim["claimed"]]


@pytest.mark.benchmark
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("slope", "luck"),
    [
        pytest.param(0.0, 0.0, id="nothing-learned"),
        pytest.param(0.7, 0.0, id="all-alike"),
        pytest.param(0.7, 0.2, id="all-alike-with-luck"),
    ],
)
def test_of_studies_without_a_difference_few_claim_one(slope: float, luck: float) -> None:
    runs = 100
    found = [bool(claims(study(seed, dict.fromkeys(CONDITIONS, slope), luck))) for seed in range(runs)]
    print(f"\nslope {slope}, luck {luck}: {sum(found)} of {runs} null studies claim a difference")
    assert sum(found) <= binom.ppf(0.999, runs, 0.05)  # what a true rate of 5 % could give


@pytest.mark.benchmark
@pytest.mark.timeout(600)
def test_a_large_difference_is_found() -> None:
    skill = {"original": 0.8, "human": 1.0, "shuffled": 0.1, "synthetic": 0.6}
    runs = 40
    found = 0
    for seed in range(runs):
        seen = {(c["model"], c["a"], c["b"]) for c in claims(study(seed, skill, 0.1))}
        found += ("a", "human", "shuffled") in seen and ("b", "human", "shuffled") in seen
    print(f"\nhuman against shuffled is claimed for both models in {found} of {runs} studies")
    assert found >= 0.9 * runs
