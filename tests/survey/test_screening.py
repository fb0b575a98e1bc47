from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import GazekitError
from survey.aggregation import aggregate
from survey.screening import screen, without
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
