"""Claims that are looked at while ratings come in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from gazekit.core.errors import GazekitError
from survey.anytime import evidence, group_difference, half_width
from survey.cli import survey as command
from survey.errors import RatingsError
from tests.benchmarks.figures import record

STUDIES, MOST = 1000, 400
LOOKS = np.unique(np.linspace(8, MOST, 50).astype(int)) - 1


def differences(rng: np.random.Generator, kind: str) -> np.ndarray:
    """A value a rater, of a true mean of 0: shape (studies, raters)."""
    shape = STUDIES, MOST
    if kind == "ceiling":  # one picture against its own mean, near the end of the scale
        true = np.clip(np.rint(rng.normal(9, 2, 2_000_000)), 1, 10).mean()
        return np.asarray(np.clip(np.rint(rng.normal(9, 2, shape)), 1, 10) - true)
    first, second = (np.clip(np.rint(rng.normal(6, 2, (*shape, 3))), 1, 10).mean(axis=2) for _ in range(2))
    return np.asarray(first - second)


def running(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = np.arange(1, values.shape[1] + 1)
    mean = np.cumsum(values, axis=1) / n
    return n, mean, np.sqrt(np.maximum(np.cumsum(values**2, axis=1) - n * mean**2, 0) / np.maximum(n - 1, 1))


KINDS = {"groups": "two groups of pictures", "ceiling": "a picture near the end of the scale"}


@pytest.mark.parametrize("kind", list(KINDS))
def test_null_studies_that_are_looked_at_fifty_times_claim_something_in_5_percent_at_most(
    rng: np.random.Generator, kind: str
) -> None:
    n, mean, sd = running(differences(rng, kind))
    claimed = (np.abs(mean) > half_width(n, sd))[:, LOOKS].any(axis=1).mean()
    ordinary = np.abs(mean) > stats.t.ppf(0.975, np.maximum(n - 1, 1)) * sd / np.sqrt(n)
    wrong = ordinary[:, LOOKS].any(axis=1).mean()
    record(
        "survey",
        f"null studies that are looked at 50 times and claim something: {KINDS[kind]}",
        f"{claimed:.1%} of 1,000; by ordinary t intervals {wrong:.0%}",
        bar="5 %, not above chance (6.2 % of 1,000)",
        data="simulated ratings, 400 raters",
        command="pytest -n 0 -s tests/survey/test_anytime.py",
    )
    assert claimed <= stats.binom.ppf(0.95, STUDIES, 0.05) / STUDIES
    assert wrong > 0.2


def test_interval_and_evidence_say_the_same_and_effects_are_found(rng: np.random.Generator) -> None:
    n, mean, sd = running(rng.normal(0.4, 1.0, (200, MOST)))
    outside = np.abs(mean) > half_width(n, sd)
    assert (outside == (evidence(n, mean, sd) > 20)).all()
    found = outside.any(axis=1)
    assert found.mean() > 0.99
    assert np.median(outside.argmax(axis=1)) < 120
    assert np.isinf(half_width([2, 7], [1.0, 1.0])).all()
    assert evidence(20, 1.0, 0.0) == 1.0


def test_two_groups_are_compared_rater_by_rater(tmp_path: Path, rng: np.random.Generator) -> None:
    rows = []
    for k in range(30):
        own = rng.normal(0, 1.5)  # a rater's level falls out
        for picture in range(6):
            score = int(np.clip(np.rint(5.5 + own + 1.2 * (picture < 3) + rng.normal(0, 1)), 1, 10))
            rows.append((f"r{k:02d}", f"p{picture}", score, "main"))
    table = pd.DataFrame([*rows, ("r00", "", 3, "check")], columns=["rater", "image", "score", "kind"])
    found = group_difference(table, ["p0", "p1", "p2"], ["p3", "p4", "p5"])
    assert found.raters == 30
    assert found.low < 1.2 < found.high
    assert found.low > 0
    assert found.p < 0.001
    with pytest.raises(GazekitError, match="pictures are in both groups: p3"):
        group_difference(table, ["p3"], ["p3", "p4"])
    with pytest.raises(GazekitError, match="nobody rated pictures of both"):
        group_difference(table, ["x"], ["p4"])
    table.to_csv(tmp_path / "r.csv", index=False)
    pd.DataFrame({"image": [f"p{k}" for k in range(6)], "group": ["sea"] * 3 + ["town"] * 3}).to_csv(tmp_path / "g.csv")
    done = CliRunner().invoke(
        command, ["claim", str(tmp_path / "r.csv"), "--groups", str(tmp_path / "g.csv"), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["difference"] == pytest.approx(found.difference)


@pytest.mark.parametrize(("n", "mean", "sd"), [(8, 0.9, 1.0), (30, 0.2, 1.3), (60, -0.4, 2.0)])
def test_the_evidence_is_the_bayes_factor_of_the_t_test(n: int, mean: float, sd: float) -> None:
    """Integrated over the normal prior of the effect size, with scipy's noncentral t."""
    t = mean / sd * np.sqrt(n)
    sizes = np.linspace(-4, 4, 4001)
    top = (stats.nct.pdf(t, n - 1, sizes * np.sqrt(n)) * stats.norm.pdf(sizes)).sum() * (sizes[1] - sizes[0])
    assert evidence(n, mean, sd) == pytest.approx(top / stats.t.pdf(t, n - 1), rel=1e-4)


def test_the_smallest_p_so_far_counts_and_raters_come_by_their_last_rating(rng: np.random.Generator) -> None:
    """By hand, rater by rater; who rated one group alone gives no value, and repeats do not count."""
    rows, values = [], []
    for rater in range(20):
        high = 1.5 if rater >= 10 else -0.2  # those who come first, by the clock, show the difference
        scores = np.clip(np.rint(rng.normal([5 + high, 5 + high, 5], 1)), 1, 10)
        values.append(scores[:2].mean() - scores[2])
        clock = f"2026-01-{28 - rater:02d}T00:00:00"
        rows += [(f"r{rater}", name, score, "main", clock) for name, score in zip("abc", scores, strict=True)]
        rows.append((f"r{rater}", "a", 1, "repeat", "2026-02-01T00:00:00"))
    rows.append(("z", "a", 10, "main", "2026-01-01T00:00:00"))
    table = pd.DataFrame(rows, columns=["rater", "image", "score", "kind", "rated_utc"])
    found = group_difference(table, ["a", "b"], ["c"], confidence=0.9)
    seen = np.array(values[::-1])
    factors = [float(evidence(k, seen[:k].mean(), seen[:k].std(ddof=1))) for k in range(8, 21)]
    assert found.raters == 20
    assert found.difference == pytest.approx(seen.mean())
    assert found.p == pytest.approx(min(1.0, 1 / max(factors)))
    assert max(factors) > factors[-1]
    half = float(half_width(20, seen.std(ddof=1), 0.9))
    assert [found.low, found.high] == pytest.approx([seen.mean() - half, seen.mean() + half])
    with pytest.raises(RatingsError, match="pictures are in both groups: b"):
        group_difference(table, ["a", "b"], ["b", "c"])
    with pytest.raises(RatingsError, match="nobody rated pictures of both groups"):
        group_difference(table[table["rater"] == "z"], ["a"], ["c"])


def test_without_a_clock_raters_come_by_their_last_rows_and_without_spread_nothing_is_claimed(
    rng: np.random.Generator,
) -> None:
    apart = [9, 9, 9, 9, 9, 9, 9, 8, 1, 2, 1, 2, 1, 2]
    rows = [(f"r{k:02d}", "a", score) for k, score in enumerate(apart)]
    rows = [("r13", "b", 1), *rows] + [(f"r{k:02d}", "b", 1) for k in range(13)]  # the last rater comes before all
    table = pd.DataFrame(rows, columns=["rater", "image", "score"])
    found = group_difference(table, ["a"], ["b"])
    seen = np.array([apart[13], *apart[:13]]) - 1.0
    factors = [float(evidence(k, seen[:k].mean(), seen[:k].std(ddof=1))) for k in range(8, 15)]
    assert found.p == pytest.approx(min(1.0, 1 / max(factors)))
    assert found.high - found.difference == pytest.approx(float(half_width(14, seen.std(ddof=1), 0.95)))
    alike = group_difference(table[table["rater"] < "r07"], ["a"], ["b"])
    assert (alike.raters, alike.difference, alike.p) == (7, 8.0, 1.0)
    still = pd.concat([table.assign(rater=table["rater"] + name) for name in ("x", "y")])
    nine = still[still["rater"] < "r07"]
    found = group_difference(nine, ["a"], ["b"])
    assert (found.raters, found.difference, found.low, found.high, found.p) == (14, 8.0, 8.0, 8.0, 1.0)


def test_the_width_is_without_end_where_no_bound_is_reached() -> None:
    assert np.isinf(half_width([0, 1, 7], [0.0, 1.0, 1.0])).all()
    assert np.isfinite(half_width(8, 1.0))
    assert np.isinf(half_width(8, 1.0, confidence=0.9999))  # eight values can never say so much
    assert evidence(2000, 5.0, 1.0) == np.exp(700)  # what is farther says no more
    assert evidence([7, 8], [5.0, 5.0], [1.0, 1.0]).tolist() == [1.0, pytest.approx(float(evidence(8, 5.0, 1.0)))]


def test_scores_are_of_ten_and_groups_are_named_as_far_as_ten() -> None:
    table = pd.DataFrame({"rater": ["r", "r"], "image": ["a", "b"], "score": [11, 1]})
    with pytest.raises(RatingsError, match="1 score is not among the whole numbers 1 to 10"):
        group_difference(table, ["a"], ["b"])
    assert group_difference(table, ["a"], ["b"], scale=11).difference == 10
    names = [f"p{k:02d}" for k in range(12)]
    with pytest.raises(RatingsError, match=r"pictures are in both groups: p00, .*, p09$"):
        group_difference(table, names, names)
