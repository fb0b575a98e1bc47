"""The survey's other bars: random raters found, truth recovered, cover of intervals, ten million ratings, hostility."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient

from survey.aggregation import aggregate
from survey.reliability import reliability
from survey.screening import screen, without
from tests.benchmarks.figures import record
from tests.fixtures.hostile import attack, attack_without_consent, unlimited
from tests.fixtures.ratings import simulated_study
from tests.fixtures.survey import begin, make_client, study  # noqa: F401 - fixtures

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]


def test_random_raters_are_found_and_the_truth_recovered() -> None:
    """80 pictures, 10 ratings each, 25 raters of whom 2 answer at random, 60 runs."""
    both = wrong = 0
    errors: list[float] = []
    plain: list[float] = []
    inside = {"t": [], "dirichlet": []}  # type: dict[str, list[np.ndarray]]
    for run in range(60):
        table, truth, liars = simulated_study(np.random.default_rng(run))
        found = screen(table)
        excluded = set(found.loc[found["action"] == "excluded", "rater"])
        both += liars <= excluded
        wrong += len(excluded - liars)
        kept = aggregate(without(table, found), joint=True).set_index("image")
        expected = truth[kept.index].to_numpy()
        errors.append(float(np.sqrt(np.mean((kept["joint"] - expected) ** 2))))
        unscreened = aggregate(table).set_index("image")["mean"]
        plain.append(float(np.sqrt(np.mean((unscreened - truth[unscreened.index]) ** 2))))
        for name, (low, high) in {
            "t": ("mean_low", "mean_high"),
            "dirichlet": ("dirichlet_low", "dirichlet_high"),
        }.items():
            inside[name].append((kept[low] <= expected) & (expected <= kept[high]))
    coverage = {name: float(np.concatenate(values).mean()) for name, values in inside.items()}
    print(
        f"\nboth random raters found in {both} of 60 runs, {wrong} of 1380 careful ones excluded; RMSE to truth: joint "
        f"{np.mean(errors):.3f} (worst run {np.max(errors):.3f}), plain mean of all "
        f"{np.mean(plain):.3f}; coverage {coverage}"
    )
    assert both >= 57
    assert np.mean(errors) <= 0.245
    assert all(0.93 <= share <= 0.97 for share in coverage.values())


def test_ten_million_ratings_in_a_minute_and_two_gigabytes(tmp_path: Path) -> None:
    """In a process of its own: read from CSV, aggregate, write; memory is that process's peak."""
    rng = np.random.default_rng(0)
    rows, pictures, raters = 10_000_000, 100_000, 20_000
    source = tmp_path / "ratings.csv"
    image = np.repeat(np.arange(pictures), rows // pictures)
    rater = (np.tile(np.arange(rows // pictures), pictures) * 199 + image * 7) % raters
    chunk = 1_000_000
    for start in range(0, rows, chunk):
        part = slice(start, start + chunk)
        table = pd.DataFrame({"rater": rater[part], "image": image[part], "score": rng.integers(1, 11, chunk)})
        table["rater"] = "r" + table["rater"].astype(str)
        table["image"] = "p" + table["image"].astype(str) + ".jpg"
        table.to_csv(source, mode="a", header=start == 0, index=False)
    out = tmp_path / "histograms.csv"
    program = (
        "import json, resource, time; from gazekit.cli import gazekit; start = time.perf_counter()\n"
        f"gazekit(['survey', 'aggregate', {str(source)!r}, '--out', {str(out)!r}], standalone_mode=False)\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "print(json.dumps([time.perf_counter() - start, peak]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    print(f"\n10 million ratings of {pictures} pictures: {seconds:.1f} s, peak {megabytes:.0f} MB")
    assert int(pd.read_csv(out, usecols=["n"])["n"].sum()) == rows
    assert megabytes < 2000
    assert seconds < 60


def test_ten_thousand_hostile_requests(make_client: Callable[[], FlaskClient]) -> None:  # noqa: F811
    client = make_client()
    unlimited(client)
    start = time.perf_counter()
    statuses = attack_without_consent(client, 5000, seed=11)
    enemy = make_client()
    begin(enemy)
    for status, n in attack(enemy, 5000, seed=12).items():
        statuses[status] = statuses.get(status, 0) + n
    print(f"\n10,000 hostile requests in {time.perf_counter() - start:.0f} s: {dict(sorted(statuses.items()))}")
    assert max(statuses) < 500


@pytest.mark.parametrize(
    ("pictures", "raters", "per_picture"),
    [(60, 15, 15), (200, 60, 10), (80, 25, 10)],
    ids=["crossed", "sparse", "few"],
)
def test_reliability_covers_new_pictures_and_the_ceiling_is_reached(
    pictures: int, raters: int, per_picture: int
) -> None:
    """200 studies of new pictures and new raters; what each measure would be in the mean of them is the truth."""
    rng = np.random.default_rng(1)
    tables, reached = [], []
    for _ in range(200):
        truth, level = rng.normal(0, 1.2, pictures), rng.normal(0, 1.0, raters)
        image = np.repeat(np.arange(pictures), per_picture)
        rater = np.concatenate([rng.permutation(raters)[:per_picture] for _ in range(pictures)])
        score = np.clip(np.rint(5.5 + truth[image] + level[rater] + rng.normal(0, 1.3, len(image))), 1, 10)
        table = pd.DataFrame({"rater": rater, "image": image, "score": score})
        reached.append(np.corrcoef(truth, table.groupby("image")["score"].mean())[0, 1])
        tables.append(reliability(table, groups=30).iloc[:6])
    value, low, high = (np.array([table[name] for table in tables]) for name in ("value", "low", "high"))
    truth = value.mean(axis=0)
    cover = ((low <= truth) & (truth <= high)).mean(axis=0)
    names = list(tables[0]["measure"])
    record(
        "survey",
        f"noise ceiling against what a perfect model reaches: {pictures} pictures, {per_picture} of {raters} raters",
        f"{truth[5]:.4f} (reached: {np.mean(reached):.4f}); by ICC(1,k) {np.sqrt(value[:, 3]).mean():.4f}",
        bar="never below a perfect model",
        data="simulated raters, 200 studies",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_survey_bars.py -k reliability",
        developed_on=True,
    )
    record(
        "survey",
        f"cover of reliability's 95 % intervals for new pictures and raters: {pictures} pictures, {per_picture} of "
        f"{raters} raters",
        f"{cover.min():.1%} to {cover.max():.1%}, {len(names)} measures; the ceiling's {cover[5]:.1%}",
        bar="93 to 97 %",
        data="simulated raters, 200 studies",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_survey_bars.py -k reliability",
        developed_on=True,
    )
    above = value[:, 5] - reached
    assert -2 * above.std() / np.sqrt(len(above)) <= above.mean() < 0.003
    assert ((cover >= 0.92) & (cover <= 0.99)).all()
