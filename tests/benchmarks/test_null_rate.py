"""How often the comparison claims a difference between trained networks where the ratings mean nothing.

In a null study the ratings were dealt to the pictures at random, so that any other deal of the test pictures' ratings
was as probable, whatever the networks learned. Each study that was trained can therefore be compared again under many
deals: they tell the rate of false claims far better than as many trainings. Hours of training become minutes.

    python -m tests.benchmarks.test_null_rate FOLDER/*/null --deals 60

FOLDER is that of `tests.benchmarks.test_planted_studies`. The interval is over studies (t), whose deals share networks.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from gazekit.stats.comparison_folder import read_predictions
from gazekit.stats.conclusion import conclusion
from gazekit.stats.contrasts import contrasts_of
from gazekit.stats.estimates import Measuring, estimate
from gazekit.stats.options import ComparisonOptions
from gazekit.stats.paired import paired_table
from gazekit.stats.predictions import Predictions
from gazekit.stats.summary_table import summary_table
from pipelines.demo import Demo, run_demo

PERMUTATIONS, RESAMPLES = 1999, 500


def claims_under(results: Predictions, deals: int, seed: int) -> Iterator[list[str]]:
    """What the comparison claims of each deal, through its own functions."""
    rng = np.random.default_rng(seed)
    contrasts, options = contrasts_of(results), ComparisonOptions(permutations=PERMUTATIONS)
    for _ in range(deals):
        dealt = replace(results, actual=results.actual[rng.permutation(len(results.actual))])
        measured = {
            key: estimate(dealt.features(*key), sorted(seeds), Measuring(dealt.threshold, RESAMPLES))
            for key, seeds in dealt.predicted.items()
        }
        paired = paired_table(measured, contrasts, options)
        table = summary_table(dealt, measured, 0)
        words = conclusion(table, paired, options)
        yield [f"{claim['a']}-{claim['b']}" for claim in words["claims"] if claim["claimed"]]


def share_of_study(folder: Path, deals: int) -> tuple[float, float]:
    """The share of deals in which anything is claimed of a study, and in which human against original is."""
    found = list(claims_under(read_predictions(folder), deals, seed=1))
    return float(np.mean([bool(one) for one in found])), float(np.mean(["human-original" in one for one in found]))


def stated(shares: np.ndarray) -> str:
    """The mean over studies with its 95 % t interval."""
    half = student.ppf(0.975, len(shares) - 1) * shares.std(ddof=1) / np.sqrt(len(shares))
    return f"{shares.mean():.4f} [{max(0.0, shares.mean() - half):.4f}, {shares.mean() + half:.4f}]"


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_few_deals_of_meaningless_ratings_make_a_claim(tmp_path: Path) -> None:
    options: dict[str, Any] = {"pictures": 240, "participants": 3, "models": ("nima-narrow",)} | {
        "seeds": 3,
        "folds": 0,
    }
    studies = [tmp_path / str(seed) for seed in (1, 2)]
    for seed, folder in enumerate(studies, 1):
        run_demo(folder, Demo(seed=seed, null=True, conditions=("original", "human", "centre"), **options))
    shares = np.array([share_of_study(folder, 100)[0] for folder in studies])
    print(f"\nclaims in {shares.mean():.3f} of {100 * len(studies)} deals")
    assert shares.mean() <= 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--deals", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    done = [folder for folder in arguments.studies if (folder / "conclusion.json").is_file()]
    rows = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for folder, row in zip(done, pool.map(partial(share_of_study, deals=arguments.deals), done), strict=True):
            rows.append(row)
            print(
                f"{folder}: {row[0]:.3f} of {arguments.deals} deals make a claim, {row[1]:.3f} human-original",
                flush=True,
            )
    anything, asked = np.array(rows).T
    print(f"{len(done)} studies, {arguments.deals} deals each: any claim {stated(anything)}")
    print(f"human against original: {stated(asked)}")


if __name__ == "__main__":
    main()
