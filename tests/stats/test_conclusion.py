"""The words of a conclusion, from figures that are given: what is claimed at the limits, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gazekit.conditions import conditions
from gazekit.stats.conclusion import conclusion
from gazekit.stats.options import ComparisonOptions

HUMAN, ORIGINAL = (f"{conditions()[name].keeps} ({name})" for name in ("human", "original"))


def row(**figures: Any) -> dict[str, Any]:
    """A row of ``paired.csv`` that is claimed."""
    return {
        "model": "a", "condition_a": "human", "condition_b": "original", "metric": "srcc", "seeds": 3, "value_a": 0.7,
        "value_b": 0.5, "difference": 0.2, "low": 0.1, "high": 0.3, "p": 0.01, "p_holm": 0.02, "detectable": 0.15,
        "pictures_for_size": np.nan,
    } | figures  # fmt: skip


def summary(seeds: dict[str, int] | None = None, pictures: int = 60) -> pd.DataFrame:
    """A summary table with as many seeds of each condition as is said."""
    rows = []
    for condition, count in (seeds or {"human": 3, "original": 3}).items():
        rows += [{"level": "seed", "model": "a", "condition": condition, "n": 7}] * count
        rows += [{"level": "condition", "model": "a", "condition": condition, "n": pictures}]
    return pd.DataFrame(rows)


def drawn(*rows: dict[str, Any], table: pd.DataFrame | None = None, **more: Any) -> dict[str, Any]:
    known = ("floors", "unfinished", "folds", "by_group", "over_networks")
    rest = {name: more.pop(name) for name in known if name in more}
    paired = pd.DataFrame(rows or [], columns=None if rows else list(row()))
    return conclusion(summary() if table is None else table, paired, ComparisonOptions(**more), **rest)


@pytest.mark.parametrize(
    ("figures", "claimed"),
    [
        ({}, True),
        ({"p_holm": 0.05}, True),
        ({"p_holm": 0.0501}, False),
        ({"low": 0.0}, False),
        ({"low": -0.1}, False),
        ({"difference": -0.2, "low": -0.3, "high": -0.1}, True),
        ({"difference": -0.2, "low": -0.3, "high": 0.0}, False),
    ],
    ids=["clear", "at alpha", "above alpha", "touches 0", "holds 0", "a loss", "a loss that touches 0"],
)
def test_a_claim_takes_p_and_an_interval_that_leaves_out_0(figures: dict[str, float], claimed: bool) -> None:
    found = drawn(row(**figures))["claims"][0]
    assert found["claimed"] is claimed
    assert (found["model"], found["a"], found["b"], found["metric"], found["seeds"]) == (
        "a", "human", "original", "srcc", 3,
    )  # fmt: skip
    assert (found["pictures_for_size"], found["value_a"]) == (None, 0.7)
    assert not {"model_b", "family", "equivalent", "not_inferior"} & set(found)


SHOWN = "0.700 against 0.500, difference +0.200 [+0.100, +0.300], p = 0.020 after Holm's correction"


def test_what_is_claimed_is_said_with_its_figures() -> None:
    said = drawn(row(), row(metric="mae"))["sentences"]
    assert said == [
        "1 of 1 comparisons show a difference (SRCC of the mean on 60 test pictures, 3 seeds).",
        f"a: between {HUMAN} and {ORIGINAL}, human gives the better SRCC of the mean: {SHOWN}.",
    ]
    loss = row(difference=-0.2, low=-0.3, high=-0.1, metric="mae")
    assert "human gives the better MAE of the mean" in drawn(loss, metric="mae")["sentences"][-1]
    assert "original gives the better SRCC" in drawn(loss | {"metric": "srcc"})["sentences"][-1]
    models = drawn(row(model_b="b"))
    between = "between a on human and b on original, a on human gives the better SRCC of the mean: "
    assert models["sentences"][-1] == f"{between}{SHOWN}."
    assert models["claims"][0]["model_b"] == "b"
    assert "model_b" not in drawn(row(model_b=""))["claims"][0]
    assert drawn(row(family=2))["claims"][0]["family"] == 2


@pytest.mark.parametrize(("p", "said"), [(0.0009, "< .001"), (0.001, "= 0.001"), (0.5, "= 0.500")], ids=str)
def test_how_p_is_said(p: float, said: str) -> None:
    assert f"p {said} after Holm's" in drawn(row(p_holm=p))["sentences"][-1]


@pytest.mark.parametrize(
    ("figures", "options", "said"),
    [
        ({}, {}, "a true difference of 0.150 would be seen 8 times in 10."),
        ({"detectable": 2.0}, {}, "a true difference of 2.000 would be seen 8 times in 10."),
        ({"detectable": 2.1}, {}, "not even the largest true difference would be seen 8 times in 10."),
        ({"detectable": np.inf}, {}, "how large a true difference would be seen cannot be said, since these two"),
        ({"pictures_for_size": 1234.0}, {"difference": 0.1}, ", and one of 0.1 with 1,234 test pictures."),
        ({"pictures_for_size": np.inf}, {"difference": 0.1}, ", and one of 0.1 only with more seeds."),
        ({"low": 0.01}, {}, "; the interval by itself leaves out 0, but p is not at most 0.05."),
        ({"low": -0.3, "high": -0.1}, {}, "; the interval by itself leaves out 0, but p is not at most 0.05."),
        ({"low": 0.0, "high": 0.0}, {}, "would be seen 8 times in 10."),
    ],
)
def test_what_cannot_be_seen_is_said_with_what_could_be(
    figures: dict[str, float], options: dict[str, float], said: str
) -> None:
    found = drawn(row(p_holm=0.2, low=-0.1) | figures, **options)
    start = f"a: between {HUMAN} and {ORIGINAL}, no difference in SRCC of the mean can be seen with 60 pictures: 0.700"
    assert found["sentences"][-1].startswith(start)
    assert said in found["sentences"][-1]
    assert ("leaves out 0" in found["sentences"][-1]) == ("leaves out 0" in said)
    assert found["sentences"][0] == (
        "No difference between the conditions can be seen with 60 pictures (SRCC of the mean on 60 test pictures, "
        "3 seeds; 1 comparison)."
    )


@pytest.mark.parametrize(
    ("equivalence", "inferiority", "said"),
    [
        (0.05, 0.01, "; they are equivalent within 0.1 (p = 0.050, two one-sided tests)."),
        (0.06, 0.05, "; the first is not worse than the second by 0.1 or more (p = 0.050)."),
        (0.06, 0.06, "; neither equivalence within 0.1 nor that the first is not worse by it can be shown."),
    ],
)
def test_what_is_said_of_a_margin(equivalence: float, inferiority: float, said: str) -> None:
    figures = {"p_equivalence": equivalence, "p_not_inferior": inferiority, "pictures_for_size": 40.0}
    found = drawn(row(**figures), row(p_holm=0.2, **figures), margin=0.1)
    assert all(text.endswith(said) for text in found["sentences"][1:])
    assert found["margin"] == 0.1
    claim = found["claims"][0]
    assert (claim["equivalent"], claim["not_inferior"]) == (equivalence <= 0.05, inferiority <= 0.05)
    assert ", and one of 0.1 with 40 test pictures" in found["sentences"][2]


def test_what_was_trained_and_left_out() -> None:
    found = drawn(row(seeds=1), row(seeds=2), table=summary({"human": 1, "original": 4}),
                  unfinished=[("a", "human", 1), ("a", "human", 2), ("b", "human", 0)])  # fmt: skip
    assert found["sentences"][0].endswith("(SRCC of the mean on 60 test pictures, 1 to 2 seeds).")
    assert found["sentences"][1:3] == [
        "Not finished and left out: a on human (seed 1, 2); b on human (seed 0). Conditions are compared over the "
        "seeds that both have.",
        "Where there is one seed, the luck of training is not counted: another seed may say otherwise.",
    ]
    assert (found["seeds"], found["pictures"], found["alpha"], found["primary"]) == (4, 60, 0.05, "srcc")
    assert found["unfinished"] == [["a", "human", 1], ["a", "human", 2], ["b", "human", 0]]
    assert not {"folds", "over_networks", "margin"} & set(found)
    assert "1 seed)" in drawn(row(seeds=1), table=summary({"human": 1, "original": 1}))["sentences"][0]
    folds = drawn(row(), folds=5, over_networks=pd.DataFrame([row(model="all")]))
    assert "on 60 pictures, each tested once in 5 folds, 3 seeds" in folds["sentences"][0]
    assert (folds["folds"], [one["model"] for one in folds["over_networks"]]) == (5, ["all"])


def test_where_nothing_was_compared_it_is_said_why() -> None:
    two, one = drawn(), drawn(table=summary({"human": 2}))
    tested = "(SRCC of the mean on 60 test pictures, {} seeds)."
    no_two = "Nothing was compared: no two conditions that were asked for have finished runs of the same seeds "
    assert two["sentences"] == [no_two + tested.format(3)]
    assert one["sentences"] == ["Nothing was compared: there is one condition only " + tested.format(2)]


@pytest.mark.parametrize(
    ("comparisons", "pictures", "permutations", "said"),
    [
        (5, 60, 99, None),  # 5 / 100 is alpha
        (6, 60, 99, "p is 0.06 at least after correction for 6 comparisons. It takes more permutations."),
        (1, 6, 9999, None),  # 2 / 2^6, both ways round
        (4, 7, 127, "p is 0.062 at least after correction for 4 comparisons. It takes more permutations."),
        (4, 7, 128, "p is 0.062 at least after correction for 4 comparisons. It takes more pictures or fewer comp"),
        (40, 4, 99, "p is 1 at least after correction for 40 comparisons. It takes more pictures or fewer comp"),
    ],
)
def test_where_nothing_could_be_claimed_it_is_said(
    comparisons: int, pictures: int, permutations: int, said: str | None
) -> None:
    rows = [row(model=f"m{number}") for number in range(comparisons)]
    sentences = drawn(*rows, table=summary(pictures=pictures), permutations=permutations)["sentences"]
    assert (said is not None) == any("Nothing could be claimed" in text for text in sentences)
    assert said is None or f"Nothing could be claimed here, however large: {said}" in sentences[1]
    if comparisons == 6:  # of families the largest counts
        families = [one | {"family": number % 2} for number, one in enumerate(rows)]
        assert "could be" not in " ".join(drawn(*families, permutations=99)["sentences"])


def test_floors_are_said_of_each_model() -> None:
    floors = [
        {"model": model, "condition": condition, "floor": 0.12345, "difference": -0.1, "low": -0.2, "high": high}
        for model, condition, high in (
            ("a", "human", -0.01), ("a", "centre", 0.0), ("a", "original", -0.02), ("b", "human", 0.0)
        )
    ]  # fmt: skip
    found = drawn(row(), floors=floors)
    start = "against a constant histogram (EMD, r = 2, of 0.1235)"
    assert found["sentences"][1:3] == [
        f"a: {start} the histograms predicted from these conditions are better: human, original.",
        f"b: {start} no condition's predicted histograms can be called better.",
    ]
    assert found["floors"] == floors


def test_groups_are_said_each_and_against_each_other() -> None:
    group = {"model": "a", "condition_a": "human", "condition_b": "original", "group": "x", "against": "",
             "difference": 0.1, "low": -0.05, "high": 0.25, "n": 40, "p_holm": np.nan}  # fmt: skip
    pairs = [
        group | {"against": "y", "n": 30, "low": low, "high": high, "p_holm": p}
        for low, high, p in ((0.05, 0.15, 0.05), (0.05, 0.15, 0.06), (-0.05, 0.25, 0.01), (0.0, 0.2, 0.01),
                             (-0.2, -0.1, 0.01))
    ]  # fmt: skip
    said = drawn(row(), by_group=pd.DataFrame([group, *pairs]))["sentences"][1:7]
    start = "a: the difference between human and original for raters of x"
    assert said[0] == f"{start} is +0.100 [-0.050, +0.250] (40 pictures)."
    another = ["is another", "is not seen to be another", "is not seen to be another", "is not seen to be another",
               "is another"]  # fmt: skip
    assert [text.removeprefix(f"{start} and y ").partition(":")[0] for text in said[1:]] == another
    assert said[1].endswith("+0.100 [+0.050, +0.150], p = 0.050 after Holm's correction, on 30 pictures that both "
                            "rated.")  # fmt: skip
