"""Power before data: more of everything sees more, nothing is seen too often, and a pilot is read for what it has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from gazekit.cli import gazekit
from gazekit.core.errors import InputError
from gazekit.stats.estimates import Measuring, error_of_difference, estimate
from gazekit.stats.metrics import Features
from gazekit.stats.power import Design, World, designs_of, power_of, power_table, simulated_scores, world_of
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


def test_simulated_networks_have_the_scores_and_likeness_of_their_world(rng: np.random.Generator) -> None:
    """With raters who do not err; likeness shows in how the scores' errors go together, as in normal theory."""
    world = World(score=0.5, alike=0.6, lasting=0.8, rater_sd=0.0)
    better, base = simulated_scores(Design(400, 15, 12, 2), 0.2, world, rng)
    assert better.shape == base.shape == (2, 600)
    error = 0.75 / np.sqrt(400 * 1200)
    assert better.mean() == pytest.approx(0.7, abs=5 * error)
    assert base.mean() == pytest.approx(0.5, abs=5 * error)
    same, seeds = simulated_scores(Design(400, 15, 12, 2), 0.0, world, rng)
    a, b = same.mean(axis=0), seeds.mean(axis=0)
    truth = 1 / 400  # one share of what varies is the pictures' own, alike for all
    level = 2 * np.sin(np.pi / 6 * 0.5)

    def covariance(of_errors: float) -> float:  # of two correlations with one truth (Pearson and Filon 1898)
        r, between = level, level**2 + (1 - level**2) * of_errors
        return (between * (1 - 2 * r**2) - 0.5 * r**2 * (1 - 2 * r**2 - between**2)) * truth

    found = [np.cov(same)[0, 1], np.cov(seeds)[0, 1], np.cov(a, b)[0, 1]]
    expected = [covariance(0.8), covariance(0.8), covariance(0.8 * 0.6)]
    assert found == pytest.approx(expected, rel=0.25)


def test_the_noise_of_raters_lowers_the_score_by_their_reliability(rng: np.random.Generator) -> None:
    world = World(score=0.5, rater_sd=2.0)
    (one,) = simulated_scores(Design(400, 15, 4, 1), 0.0, world, rng)[0]
    pearson = 2 * np.sin(np.pi / 6 * 0.5) * np.sqrt(1 / (1 + 2.0**2 / 4))
    assert one.mean() == pytest.approx(6 / np.pi * np.arcsin(pearson / 2), abs=0.01)


@pytest.mark.parametrize("difference", [0.15, -0.15, 0.0], ids=["gain", "loss", "nothing"])
@pytest.mark.parametrize("folds", [0, 5])
def test_the_power_is_how_often_the_difference_passes_students_t(difference: float, folds: int) -> None:
    design, world = Design(60, 0.65, 12, 2), World(lasting=0.5)
    gain = difference * 0.65 / (0.65 + 0.35)
    better, base = simulated_scores(design, gain, world, np.random.default_rng(4))
    apart = better.mean(axis=0) - base.mean(axis=0)
    widened = 1 + folds / (2 * (folds - 1)) if folds else 1
    edge = stats.t.ppf(1 - 0.01 / 2, 59) * apart.std(ddof=1) * np.sqrt(widened)
    seen = {0.15: apart > edge, -0.15: apart < -edge, 0.0: np.abs(apart) > edge}[difference]
    assert power_of(design, difference, world, alpha=0.01, folds=folds, seed=4) == seen.mean()


def test_a_table_has_every_design_and_worlds_are_within_what_can_be() -> None:
    designs = designs_of([20, 40], [5], [12], [1, 2])
    assert designs == [Design(20, 5, 12, 1), Design(20, 5, 12, 2), Design(40, 5, 12, 1), Design(40, 5, 12, 2)]
    table = power_table(0.2, designs[:2], alpha=0.01, folds=5, seed=3)
    assert table[["pictures", "people", "raters", "seeds"]].to_numpy().tolist() == [[20, 5, 12, 1], [20, 5, 12, 2]]
    expected = [power_of(design, 0.2, World(), alpha=0.01, folds=5, seed=3) for design in designs[:2]]
    assert table["power"].tolist() == expected
    assert power_of(designs[0], 0.2) == power_of(designs[0], 0.2, alpha=0.05, folds=0, seed=0)
    assert World(score=0, alike=0, lasting=0).rater_sd == World().rater_sd
    for name in ("score", "alike", "lasting"):
        for value in (-0.1, 1.0):
            with pytest.raises(InputError, match=f"{name} is {value}; it must be 0 or more and below 1"):
                World(**{name: value})
    assert power_of(Design(20, 1000, 12, 1), -0.4, World(score=0.4)) > 0  # down to no score at all
    for score, difference in ((0.6, 0.41), (0.4, -0.41)):
        with pytest.raises(InputError, match="cannot be"):
            power_of(Design(20, 1e9, 12, 1), difference, World(score=score))


@pytest.mark.parametrize("noisy", [False, True], ids=["good-ratings", "few-ratings"])
def test_a_pilot_by_hand(folder: Path, noisy: bool) -> None:
    """Networks' errors are what ranks have beside the truth; what two share by the raters' own noise is taken off."""
    if noisy:  # pictures that hardly differ, some with one rating or two
        rng, table = np.random.default_rng(2), pd.read_csv(folder / "truth.csv", dtype={"image": str})
        counts = [rng.multinomial(n % 3 + 1, np.full(10, 0.1)) for n in range(len(table))]
        table[[f"c{k}" for k in range(1, 11)]] = counts
        table.to_csv(folder / "truth.csv", index=False)
    score = np.arange(1, 11)
    ratings = pd.read_csv(folder / "truth.csv").query("split == 'test'").filter(regex=r"c\d+").to_numpy()
    each = [np.repeat(score, row) for row in ratings]
    within = np.mean([row.var(ddof=1) for row in each if len(row) > 1])  # of one rating nothing is known
    means, votes = np.array([row.mean() for row in each]), np.mean([len(row) for row in each])
    between = max(means.var(ddof=1) - within / votes, within / 20)
    reliability = between / (between + within / votes)
    truth, scores, alike, lasting = stats.zscore(stats.rankdata(means)), [], [], []
    for model in "ab":
        rests, noises = [], []
        for condition in ("human", "shuffled"):
            files = sorted(folder.glob(f"runs/{model}/{condition}/*/predictions.csv"))
            predicted = np.stack([pd.read_csv(file).filter(regex=r"p\d+").to_numpy() @ score for file in files])
            ranks = stats.zscore(stats.rankdata(predicted, axis=1), axis=1)
            r = (ranks * truth).mean(axis=1)
            rests.append(ranks - r[:, None] * truth)
            noises.append((r**2).mean() * (1 - reliability) / reliability)
        scores.append(r.mean())  # of the second condition, from which a gain is counted
        (a, b), noise = (rest.mean(axis=0) for rest in rests), np.sqrt(np.prod(noises))
        spread = [max((m**2).mean() - own, 1e-3) for m, own in zip((a, b), noises, strict=True)]
        alike.append(((a * b).mean() - noise) / np.sqrt(np.prod(spread)))
        first = rests[0]
        own = max((first[0] ** 2).mean() - noises[0], 1e-3)
        lasting += [((first[0] * other).mean() - noises[0]) / own for other in first[1:]]
    world = world_of(folder, ("human", "shuffled"))
    expected = [np.mean(scores) / np.sqrt(reliability), np.mean(alike), np.mean(lasting)]
    assert [world.score, world.alike, world.lasting] == pytest.approx(np.clip(expected, 0, 0.98).tolist())
    assert world.rater_sd == pytest.approx(np.sqrt(within / between))
    if not noisy:
        for done in {*folder.glob("runs/*/*/seed[12]/done.json"), *folder.glob("runs/b/shuffled/*/done.json")}:
            done.unlink()
        of_a = world_of(folder, ("human", "shuffled"))  # the network that saw both, with one seed
        assert of_a.lasting == World.lasting
        assert of_a.score != world.score


@pytest.mark.parametrize("folds", [2, 101])
def test_folds_that_cannot_be_are_refused(folds: int) -> None:
    with pytest.raises(InputError, match=f"{folds} folds of 100 pictures cannot be"):
        power_of(STUDY, 0.08, folds=folds)


def test_no_difference_is_no_question() -> None:
    result = CliRunner().invoke(gazekit, ["power", "--difference", "0"])
    assert isinstance(result.exception, InputError)
    assert "a difference of 0 cannot be seen" in str(result.exception)
