"""Power before data: more of everything sees more, nothing is seen too often, and a pilot is read for what it has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.core.errors import InputError
from gazekit.stats.estimates import Measuring, error_of_difference, estimate
from gazekit.stats.metrics import Features
from gazekit.stats.power import Design, World, power_of, world_of
from gazekit.stats.predictions import Pass

STUDY = Design(pictures=100, people=15, raters=12, seeds=3)


def test_more_of_everything_sees_more() -> None:
    base = power_of(STUDY, 0.08)
    assert 0.1 < base < 0.95
    more = [Design(300, 15, 12, 3), Design(100, 15, 12, 12), Design(100, 15, 200, 3)]
    assert all(power_of(design, 0.08) > base for design in more)
    assert power_of(Design(100, 1, 12, 3), 0.08) < base
    assert power_of(STUDY, 0.16) > base
    assert power_of(STUDY, -0.08) == pytest.approx(base, abs=0.15)  # a loss is seen about as well as a gain
    assert power_of(STUDY, 0.08, folds=10) < base  # the same number of tested pictures, but their networks overlap
    assert power_of(STUDY, 0.08, World(alike=0.2)) < base


def test_without_a_difference_at_most_alpha_is_claimed() -> None:
    for alpha in (0.05, 0.01):
        assert power_of(STUDY, 0.0, alpha=alpha) <= alpha + 0.02
        assert power_of(STUDY, 0.0, alpha=alpha, folds=10) <= alpha


def test_it_is_as_often_as_the_comparison_claims(rng: np.random.Generator) -> None:
    """Simulated studies through the comparison's own standard error."""
    world, n, claims = World(), 80, 0
    level = [2 * np.sin(np.pi / 6 * share) for share in (0.6 + 0.2 * 15 / 15.35, 0.6)]
    for _ in range(60):
        true, shared = rng.standard_normal((2, n))
        observed = true + world.rater_sd / np.sqrt(12) * rng.standard_normal(n)
        sides = []
        for share in level:
            own = np.sqrt(world.alike) * shared + np.sqrt(1 - world.alike) * rng.standard_normal(n)
            noise = np.sqrt(0.7) * own + np.sqrt(0.3) * rng.standard_normal((3, n))
            predicted = share * true + np.sqrt(1 - share**2) * noise
            zero = np.zeros_like(predicted)
            means = np.broadcast_to(observed, predicted.shape)
            features = Features(predicted, zero, means, zero, np.abs(predicted - means), zero)
            sides.append(estimate(features, [Pass(k) for k in range(3)], Measuring(0.0, 100)))
        error, _, _ = error_of_difference(*sides, "srcc")
        difference = sides[0].values["srcc"].mean() - sides[1].values["srcc"].mean()
        claims += error.p(float(difference)) <= 0.05
    assert claims / 60 == pytest.approx(power_of(Design(n, 15, 12, 3), 0.2), abs=0.2)


def test_a_pilot_tells_what_networks_and_raters_are_like(folder: Path) -> None:
    world = world_of(folder, ("human", "original"))
    assert 0.8 < world.score < 0.98
    assert 0 <= world.alike < 0.5  # errors are drawn anew for every condition and seed
    assert world.lasting < 0.3
    ratings = pd.read_csv(folder / "truth.csv").query("split == 'test'").filter(regex=r"c\d+").to_numpy()
    each = np.array([np.repeat(np.arange(1, 11), row) for row in ratings])  # an analysis of variance by hand
    within = each.var(axis=1, ddof=1).mean()
    assert world.rater_sd == pytest.approx(np.sqrt(within / (each.mean(axis=1).var(ddof=1) - within / 12)))
    with pytest.raises(InputError, match="no network that was trained on human and centre"):
        world_of(folder, ("human", "centre"))


def test_the_command_names_the_smallest_study_that_is_enough(folder: Path) -> None:
    arguments = ["power", "--difference", "0.15", "--pictures", "30,400", "--seeds", "3"]
    result = CliRunner().invoke(gazekit, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1].startswith("400 pictures with 15 people, 12 raters and 3 seeds see")
    rows = json.loads(
        CliRunner().invoke(gazekit, [*arguments, "--pilot", str(folder), "--score", "0.5", "--json"]).output
    )
    assert [row["pictures"] for row in rows] == [30, 400]
    few = CliRunner().invoke(gazekit, ["power", "--difference", "0.01", "--pictures", "20"]).output
    assert "None of these sees a difference of 0.01" in few
    assert CliRunner().invoke(gazekit, ["power", "--difference", "0.1", "--pictures", "a"]).exit_code == 2
    with pytest.raises(InputError, match=r"a difference of 0.7 from a score of 0\.60 cannot be"):
        power_of(STUDY, 0.7)
