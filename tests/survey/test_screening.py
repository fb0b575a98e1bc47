from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gazekit.core.errors import GazekitError
from survey.aggregation import aggregate
from survey.p910 import MODERATE, joint_estimate
from survey.ratings import from_table
from survey.screening import RULES, Limits, _gold, screen, without
from tests.fixtures.ratings import simulated_study


@pytest.fixture
def honest(rng: np.random.Generator) -> pd.DataFrame:
    """25 honest raters of 80 pictures, ten ratings each, with checks and times."""
    truth = rng.uniform(2.5, 8.5, 80)
    rows = []
    for k in range(800):
        image, rater = k // 10, (k * 7 + k // 10) % 25
        score = int(np.clip(np.rint(truth[image] + rng.normal(0, 0.9)), 1, 10))
        rows.append((f"r{rater:02d}", f"p{image:02d}", score, "main", None, 2500))
    rows += [(f"r{rater:02d}", "", 4, "check", 4, 2500) for rater in range(25)]
    return pd.DataFrame(rows, columns=["rater", "image", "score", "kind", "expected", "time_ms"])


def spoil(table: pd.DataFrame, rater: str, **values: object) -> pd.DataFrame:
    spoilt = table.copy()
    mine = (spoilt["rater"] == rater) & (spoilt["kind"] == "main")
    for name, value in values.items():
        spoilt.loc[mine, name] = value(spoilt.loc[mine, name]) if callable(value) else value
    return spoilt


def test_honest_raters_pass(honest: pd.DataFrame) -> None:
    found = screen(honest)
    assert found[found["action"] == "excluded"].empty


def test_a_failed_attention_check_excludes(honest: pd.DataFrame) -> None:
    bad = (honest["rater"] == "r03") & (honest["kind"] == "check")
    found = screen(honest.assign(score=honest["score"].mask(bad, 9)))
    row = found[found["rater"] == "r03"].iloc[0]
    assert (row["rule"], row["value"], row["action"]) == ("attention", 1.0, "excluded")


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("straight-lining", {"score": 7}),
        ("too fast", {"time_ms": 300}),
        ("correlation", {"score": lambda scores: 11 - scores}),
        ("inconsistency", {"score": lambda scores: np.arange(len(scores)) * 7 % 10 + 1}),
    ],
    ids=["straight-lining", "too-fast", "correlation", "inconsistency"],
)
def test_each_rule_names_who_and_why(honest: pd.DataFrame, rule: str, change: dict[str, object]) -> None:
    found = screen(spoil(honest, "r11", **change))
    excluded = found[found["action"] == "excluded"]
    assert set(excluded["rater"]) == {"r11"}
    assert rule in set(excluded["rule"])
    assert (excluded["ratings"] == ((honest["rater"] == "r11") & (honest["kind"] == "main")).sum()).all()


def test_the_effect_is_how_far_the_means_move(honest: pd.DataFrame) -> None:
    table = spoil(honest, "r11", score=7)
    row = screen(table).query("rater == 'r11'").iloc[0]
    kept = without(table, screen(table))
    before, after = aggregate(table).set_index("image")["mean"], aggregate(kept).set_index("image")["mean"]
    seen = table.loc[(table["rater"] == "r11") & (table["kind"] == "main"), "image"]
    assert row["effect"] == pytest.approx((before[seen] - after[seen]).abs().mean())
    assert "r11" not in set(kept["rater"])


def test_bt500_reports_and_excludes_only_when_asked(rng: np.random.Generator) -> None:
    scores = np.clip(np.rint(5 + rng.normal(0, 1.5, (40, 20))), 1, 10)
    scores[::2, 0], scores[1::2, 0] = 1, 9
    picture, rater = np.nonzero(np.isfinite(scores))
    table = pd.DataFrame({"rater": [f"r{k:02d}" for k in rater], "image": picture, "score": scores.ravel()})
    reported = screen(table, exclude_by=())
    assert reported.query("rule == 'bt500'")["rater"].tolist() == ["r00"]
    assert set(reported["action"]) == {"reported"}
    assert screen(table, exclude_by=("bt500",)).query("rule == 'bt500'")["action"].tolist() == ["excluded"]


def test_an_unknown_rule_is_refused(honest: pd.DataFrame) -> None:
    with pytest.raises(GazekitError, match="unknown rules kurtosis; known: attention"):
        screen(honest, exclude_by=("kurtosis",))


def test_a_table_of_three_columns_is_enough(honest: pd.DataFrame) -> None:
    main = honest.loc[honest["kind"] == "main", ["rater", "image", "score"]]
    assert screen(main).query("action == 'excluded'").empty


def test_random_raters_are_found_without_checks_and_the_truth_is_recovered() -> None:
    """A sample of the full simulation, which runs as a benchmark."""
    found_both, errors = 0, []
    for run in range(5):
        table, truth, liars = simulated_study(np.random.default_rng(100 + run))
        found = screen(table)
        found_both += liars <= set(found.loc[found["action"] == "excluded", "rater"])
        kept = aggregate(without(table, found), joint=True).set_index("image")
        errors.append(np.sqrt(np.mean((kept["joint"] - truth[kept.index]) ** 2)))
    assert found_both >= 4
    assert np.mean(errors) < 0.28


def test_who_differs_from_oneself_is_reported(honest: pd.DataFrame) -> None:
    main = honest[honest["kind"] == "main"]
    again = main.groupby("rater").head(5).assign(kind="repeat")
    odd = again["rater"] == "r07"
    again["score"] = again["score"].mask(odd, (again["score"] + 5 - 1) % 10 + 1)
    found = screen(pd.concat([honest, again]))
    assert found.query("rule == 'repeats'")[["rater", "action"]].to_numpy().tolist() == [["r07", "reported"]]
    excluded = screen(pd.concat([honest, again]), exclude_by=("repeats",)).query("action == 'excluded'")
    assert excluded["rater"].tolist() == ["r07"]


def test_pairs_of_known_order_find_who_turns_them_round(honest: pd.DataFrame) -> None:
    means = honest[honest["kind"] == "main"].groupby("image")["score"].mean().sort_values()
    pairs = [(better, worse) for better in means.index[-20:] for worse in means.index[:20]]
    assert screen(honest, gold=pairs).query("rule == 'gold'").empty
    turned = spoil(honest, "r11", score=lambda scores: 11 - scores)
    found = screen(turned, gold=pairs, exclude_by=("gold",)).query("rule == 'gold'")
    assert found[["rater", "action"]].to_numpy().tolist() == [["r11", "excluded"]]
    assert screen(honest).query("rule == 'gold'").empty


def test_one_person_who_rates_twice_is_seen_and_straight_liners_are_not_taken_for_one(honest: pd.DataFrame) -> None:
    twice = honest[(honest["rater"] == "r03")].assign(rater="r99")
    flat = [honest[honest["rater"] == name].assign(rater=f"flat{name}", score=5) for name in ("r03", "r04")]
    found = screen(pd.concat([honest, twice, *flat])).query("rule == 'duplicates'")
    assert set(found["rater"]) == {"r03", "r99"}
    assert set(found["action"]) == {"reported"}


def test_the_servers_clock_overrules_the_browsers(honest: pd.DataFrame) -> None:
    quick = honest.assign(server_ms=np.where(honest["rater"] == "r05", 200, 2600))
    assert set(screen(quick).query("rule == 'too fast'")["rater"]) == {"r05"}


@pytest.fixture
def uneven(rng: np.random.Generator) -> pd.DataFrame:
    """Raters of 7, 8 and more pictures, with checks, repeats, pairs of known order, both clocks and inputs."""
    truth = rng.uniform(2, 9, 30)
    rows = []
    for rater in range(14):
        noise = 4.0 if rater == 3 else 1.2
        seen = rng.permutation(30)[: 7 + rater if rater < 2 else rng.integers(16, 31)]
        for place, picture in enumerate(seen):
            score = (
                6 if rater == 5 and place % 8 else int(np.clip(np.rint(truth[picture] + rng.normal(0, noise)), 1, 10))
            )
            row = {"rater": f"r{rater}", "image": f"p{picture}", "score": score, "kind": "main"}
            row |= {"time_ms": rng.integers(300, 3000), "server_ms": np.nan if rater % 2 else rng.integers(200, 900)}
            row |= {"inputs": np.nan if rater == 7 else rng.integers(0, 2 if rater < 6 else 5)}
            rows.append(row)
            if place < 2 + rater % 4:
                again = int(np.clip(score + rng.integers(-3, 4), 1, 10))
                rows.append(row | {"kind": "repeat", "score": again})
        rows += [{"rater": f"r{rater}", "kind": "check", "expected": 4, "score": rng.integers(3, 5)} for _ in range(3)]
    return pd.DataFrame(rows)


def by_hand(rule: str, table: pd.DataFrame, rater: str) -> float:
    """Compute what a rule says of a rater, one rating after the other."""
    main = table[table["kind"] == "main"]
    scores = main.pivot_table(index="image", columns="rater", values="score")
    mine, own = main[main["rater"] == rater], scores[rater].dropna()
    if rule == "attention":
        checks = table[(table["kind"] == "check") & (table["rater"] == rater)]
        return float(np.mean([row.score != row.expected for row in checks.itertuples()]))
    if rule == "too fast":
        return float(np.median(mine["server_ms"].fillna(mine["time_ms"]))) / 1000
    if rule == "repeats":
        again = table[(table["kind"] == "repeat") & (table["rater"] == rater)].set_index("image")["score"]
        apart = [abs(own[image] - score) for image, score in again.items() if image in own.index]
        return float(np.mean(apart)) / (main["score"].max() - main["score"].min()) if len(apart) >= 3 else np.nan
    if rule == "gold":
        wrong = [
            float(own[better] < own[worse]) + 0.5 * float(own[better] == own[worse])
            for better, worse in GOLD
            if {better, worse} <= set(own.index)
        ]
        return float(np.mean(wrong)) if len(wrong) >= 3 else np.nan
    if rule == "duplicates":
        if not own.value_counts().iloc[0] < 0.7 * len(own):
            return np.nan
        shared = [(own - scores[other]).dropna() for other in scores if other != rater]
        alike = [float((both == 0).mean()) for both in shared if len(both) >= 12]
        return max(alike, default=np.nan)
    if rule == "bt500":
        outside = 0
        for image, score in own.items():
            x = scores.loc[image].dropna()
            two = 2 if 2 <= stats.kurtosis(x, fisher=False) <= 4 else np.sqrt(20)
            outside += abs(score - x.mean()) >= two * x.std(ddof=1)
        return outside / len(own)
    if len(own) < 8:
        return np.nan
    if rule == "straight-lining":
        return float(own.value_counts().iloc[0] / len(own))
    if rule == "no input":
        return float((mine["inputs"].dropna() == 0).mean()) if mine["inputs"].notna().sum() >= 8 else np.nan
    others = scores.drop(columns=rater).mean(axis=1)
    r = np.corrcoef(own, others[own.index])[0, 1]
    return float(np.tanh(np.arctanh(r) + 1.645 / np.sqrt(len(own) - 3)))


GOLD = [(f"p{n}", f"p{n + 15}") for n in range(5)]


@pytest.mark.parametrize(
    "rule",
    ["attention", "straight-lining", "too fast", "correlation", "bt500", "duplicates", "repeats", "no input", "gold"],
)
def test_values_are_those_computed_one_rating_after_the_other(uneven: pd.DataFrame, rule: str) -> None:
    ratings = from_table(uneven)
    judge = RULES[rule]
    found = _gold(uneven, ratings, Limits(), GOLD) if rule == "gold" else judge(uneven, ratings, Limits())
    expected = np.array([by_hand(rule, uneven, str(name)) for name in ratings.raters])
    np.testing.assert_allclose(found.value, expected, rtol=1e-9)
    assert np.isfinite(expected).sum() > 5
    if rule != "bt500":  # that asks for both sides too
        below = rule in ("too fast", "correlation")
        assert found.bad.tolist() == (expected < found.limit if below else expected > found.limit).tolist()


def test_the_robust_z_of_inconsistency_is_scipys(uneven: pd.DataFrame) -> None:
    ratings = from_table(uneven)
    spread = joint_estimate(ratings, prior=MODERATE, tolerance=1e-6).inconsistency
    spread = np.where(np.bincount(ratings.rater) >= 8, spread, np.nan)
    mad = stats.median_abs_deviation(spread, scale="normal", nan_policy="omit")
    found = RULES["inconsistency"](uneven, ratings, Limits())
    np.testing.assert_allclose(found.value, (spread - np.nanmedian(spread)) / mad, rtol=1e-4)
    assert found.bad.tolist() == (found.value > 3.5).tolist()
    assert found.bad.any()


def test_the_limits_of_sameness_are_reached_by_the_limit_itself() -> None:
    """Nine of ten alike is straight-lining; agreement with another on 18 of 20 pictures is a duplicate."""
    first, second = [1, 2, 3, 4] * 5, [1, 2, 3, 4] * 4 + [1, 2, 4, 3]
    rows = [(name, f"p{k}", score) for name, all_ in (("a", first), ("b", second)) for k, score in enumerate(all_)]
    rows += [("c", f"p{k}", 7 if k < 9 else 1) for k in range(10)]
    found = screen(pd.DataFrame(rows, columns=["rater", "image", "score"]), exclude_by=())
    said = {(row.rater, row.rule): row.value for row in found.itertuples()}
    assert said["c", "straight-lining"] == 0.9
    assert said["a", "duplicates"] == said["b", "duplicates"] == 0.9
