from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gazekit.core.errors import GazekitError
from survey.aggregation import aggregate
from survey.p910 import MODERATE, joint_estimate
from survey.ratings import from_table
from survey.screening import RULES, Limits, _gold, effect, screen, without
from tests.fixtures.ratings import from_matrix, simulated_study


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
    if rule == "correlation":
        own = np.tanh(np.arctanh(expected) - 1.645 / np.sqrt(np.bincount(ratings.rater) - 3.0))
        assert found.limit == pytest.approx(0.5 * np.nanmedian(own))
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
    assert found.limit == 3.5  # Iglewicz and Hoaglin's
    assert found.bad.tolist() == (found.value > 3.5).tolist()
    assert found.bad.any()


def test_the_limits_of_sameness_are_reached_by_the_limit_itself() -> None:
    """Nine of ten alike is straight-lining; agreement with another on 18 of 20 pictures is a duplicate."""
    first, second = [1, 2, 3, 4] * 5, [1, 2, 3, 4] * 4 + [1, 2, 4, 3]
    rows = [(name, f"p{k}", score) for name, all_ in (("a", first), ("b", second)) for k, score in enumerate(all_)]
    rows += [("c", f"p{k}", 7 if k < 9 else 1) for k in range(10)]
    for pair, commonest in (("de", 14), ("fg", 13)):  # who says one thing of seven tenths is not judged
        others = [5 + k % 3 for k in range(20 - commonest)]
        rows += [(name, f"{pair}{k}", score) for name in pair for k, score in enumerate([3] * commonest + others)]
    found = screen(pd.DataFrame(rows, columns=["rater", "image", "score"]), exclude_by=())
    said = {(row.rater, row.rule): row.value for row in found.itertuples()}
    assert said["c", "straight-lining"] == 0.9
    assert said["a", "duplicates"] == said["b", "duplicates"] == 0.9
    assert {rater for rater, rule in said if rule == "duplicates"} == set("abfg")


def judged(rule: str, rows: list[dict[str, object]]) -> list[bool]:
    table, limits = pd.DataFrame(rows), Limits()
    if rule == "gold":
        found = _gold(table, from_table(table), limits, [("a", "b"), ("c", "d"), ("e", "f")])
    else:
        found = RULES[rule](table, from_table(table), limits)
    return [bool(bad) for bad in found.bad]


def main(scores: list[int], rater: str = "r", **values: object) -> list[dict[str, object]]:
    """Ratings of the pictures a, b, c ...; a value is of every row, or a list of one a row."""
    rows = [{"rater": rater, "image": "abcdefghijklmn"[k], "score": s, "kind": "main"} for k, s in enumerate(scores)]
    for name, value in values.items():
        rows = [row | {name: value[k] if isinstance(value, list) else value} for k, row in enumerate(rows)]
    return rows


def checks(failed: int) -> list[dict[str, object]]:
    return [{"rater": "r", "kind": "check", "expected": 4, "score": 5 if k < failed else 4} for k in range(3)]


def again(*changes: int) -> list[dict[str, object]]:
    """Ratings from 0 to 10, and some of them again."""
    scores = [0, 10, 5, 5]
    repeated = main([score + change for score, change in zip(scores, changes, strict=False)])
    return main(scores) + [row | {"kind": "repeat"} for row in repeated]


@pytest.mark.parametrize(
    ("rule", "at", "beyond"),
    [
        ("attention", main([5]) + checks(1), main([5]) + checks(2)),
        ("too fast", main([5], time_ms=500), main([5], time_ms=499)),
        ("no input", main([5] * 8, inputs=[0, 1] * 4), main([5] * 8, inputs=[0, 1] * 3 + [0, 0])),
        ("no input", main([5] * 7, inputs=0), main([5] * 8, inputs=0)),
        ("repeats", again(3, -3, 3), again(3, -3, 4)),
        ("repeats", again(9, -9), again(9, -9, 0)),
        ("gold", main([5, 4, 5, 4, 4, 5]), main([5, 4, 5, 5, 4, 5])),
        ("gold", main([4, 5, 4, 5]), main([4, 5, 4, 5, 5, 4])),
        ("straight-lining", main([5] * 7), main([5] * 8)),
    ],
    ids=["checks", "seconds", "inputs", "few-inputs", "repeats", "few-repeats", "gold", "few-pairs", "few-ratings"],
)
def test_a_limit_is_kept_by_what_lies_on_it(
    rule: str, at: list[dict[str, object]], beyond: list[dict[str, object]]
) -> None:
    assert (judged(rule, at), judged(rule, beyond)) == ([False], [True])


def test_bt500_counts_what_is_far_off_to_both_sides(rng: np.random.Generator) -> None:
    noise = rng.normal(0, 1, (60, 24))
    noise[:, :8] *= 1.6
    noise[:, 6:8] = np.abs(noise[:, 6:8])  # to one side
    noise[45:, 8:] = rng.standard_t(2, (15, 16))
    noise[59] = 0  # all agree, and nobody is far off
    scores = 5 + noise
    table = from_matrix(scores)
    off = scores - scores.mean(axis=1, keepdims=True)
    kurtosis = np.append(stats.kurtosis(scores[:59], axis=1, fisher=False), 3)
    reach = np.where((kurtosis >= 2) & (kurtosis <= 4), 2, np.sqrt(20)) * scores.std(axis=1, ddof=1)
    reach[59] = np.inf
    above, below = (off >= reach[:, None]).sum(axis=0), (off <= -reach[:, None]).sum(axis=0)
    share, one_sided = (above + below) / 60, np.abs(above - below) >= 0.3 * (above + below)
    found = RULES["bt500"](table, from_table(table), Limits())
    np.testing.assert_allclose(found.value, share)
    assert found.bad.tolist() == ((share > 0.05) & ~one_sided).tolist()
    assert found.bad.any()
    assert ((share > 0.05) & one_sided).any()


def test_the_effect_leaves_out_pictures_that_nobody_else_rated() -> None:
    rows = [("a", "x", 2), ("b", "x", 5), ("c", "x", 8), ("a", "y", 9), ("d", "z", 1)]
    found = effect(from_table(pd.DataFrame(rows, columns=["rater", "image", "score"])))
    assert found == pytest.approx([1.5, 0.0, 1.5, np.nan], nan_ok=True)  # 5 becomes 6.5; stays; becomes 3.5


def test_two_raters_may_be_one_and_a_single_one_is_no_duplicate() -> None:
    scores = [1, 2, 3, 4] * 3
    assert judged("duplicates", main(scores, "r") + main(scores, "s")) == [True, True]
    assert judged("duplicates", main(scores[:11], "r") + main(scores[:11], "s")) == [False, False]
    assert judged("duplicates", main(scores)) == [False]


def test_scores_are_of_ten_unless_said(honest: pd.DataFrame) -> None:
    with pytest.raises(GazekitError, match="1 score is not among the whole numbers 1 to 10"):
        screen(honest.assign(score=honest["score"].where(honest.index != 5, 11)))


def test_pictures_that_nobody_else_rated_say_nothing_of_a_rater(uneven: pd.DataFrame) -> None:
    names = [f"x{k}" for k in range(10)]
    alone = pd.DataFrame(
        {"rater": ["r4"] * 5 + ["z"] * 5, "image": names, "score": [1, 9, 2, 9, 1] * 2, "kind": "main"}
    )
    more = pd.concat([uneven, alone])
    before, after = (RULES["correlation"](table, from_table(table), Limits()) for table in (uneven, more))
    np.testing.assert_allclose(after.value[:-1], before.value)
    assert np.isnan(after.value[-1])


def test_full_agreement_and_its_opposite_have_a_bound_and_a_constant_none() -> None:
    scores = [1, 2, 3, 4, 5, 6, 7, 8]
    pair = main(scores, "r") + main(scores, "s")
    table = pd.DataFrame(pair + main(scores[::-1], "t"))
    found = RULES["correlation"](table, from_table(table), Limits())
    assert found.value[2] == pytest.approx(np.tanh(np.arctanh(-0.999) + 1.645 / np.sqrt(5)))
    table = pd.DataFrame(pair)
    found = RULES["correlation"](table, from_table(table), Limits(correlation=1.0))
    assert found.value == pytest.approx([np.tanh(np.arctanh(0.999) + 1.645 / np.sqrt(5))] * 2)
    assert found.limit == 0.999
    table = pd.DataFrame(pair[:8] + main([5] * 8, "s"))
    found = RULES["correlation"](table, from_table(table), Limits())
    assert np.isnan(found.value).all()
    assert (found.limit, found.bad.any()) == (0.0, False)
