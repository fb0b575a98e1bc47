"""Scores of choices by hand, and by scipy's optimiser."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize

from survey.choice_scores import PRIOR, bradley_terry, comparison_scores, comparisons
from survey.errors import RatingsError


@pytest.fixture
def choices(rng: np.random.Generator) -> pd.DataFrame:
    """Best and worst of three or four of six pictures; `f` is never the best and two pictures are apart."""
    strength, rows = dict(zip("abcdef", (1.5, 1, 0.5, 0, -0.5, -9), strict=True)), []
    for number in range(60):
        four = rng.permutation(list("abcdef"))[: 3 + number % 2]
        worth = [strength[name] + rng.gumbel() for name in four]
        row = {
            "rater": f"r{number % 7}",
            "best": four[np.argmax(worth)],
            "worst": four[np.argmin(worth)],
            "kind": "main",
        }
        rows.append(row | {f"picture{k + 1}": name for k, name in enumerate(four)})
    rows += [{"rater": "r1", "picture1": "x", "picture2": "y", "best": "x", "worst": "y", "kind": "main"}] * 2
    rows += [{"rater": "r2", "picture1": "a", "picture2": "f", "best": "f", "worst": "a", "kind": "gold"}]
    return pd.DataFrame(rows)


def pairs(choices: pd.DataFrame) -> list[tuple[str, str, str]]:
    """List winner, loser and rater: the best beats all others, and all others beat the worst."""
    found = []
    for row in choices[choices["kind"] == "main"].to_dict("records"):
        shown = [row[name] for name in row if name.startswith("picture") and isinstance(row[name], str)]
        found += [(row["best"], other, row["rater"]) for other in shown if other != row["best"]]
        middle = [name for name in shown if name not in (row["best"], row["worst"])]
        found += [(name, row["worst"], row["rater"]) for name in middle]
    return found


def test_comparisons_are_all_that_the_choices_say(choices: pd.DataFrame) -> None:
    data = comparisons(choices)
    found = zip(data.images[data.winner], data.images[data.loser], data.raters[data.rater], strict=True)
    assert sorted(map(tuple, found)) == sorted(pairs(choices))


def test_strengths_are_the_likeliest_and_errors_a_sandwich_of_raters(choices: pd.DataFrame) -> None:
    data = comparisons(choices)
    found, error = bradley_terry(data)
    names = sorted({name for winner, loser, _ in pairs(choices) for name in (winner, loser)})
    rows = [(names.index(winner), names.index(loser), rater) for winner, loser, rater in pairs(choices)]

    def cost(strength: np.ndarray) -> float:
        likely = sum(np.log1p(np.exp(strength[loser] - strength[winner])) for winner, loser, _ in rows)
        return float(likely + PRIOR / 2 * (strength**2).sum())

    best = minimize(cost, np.zeros(len(names)), method="BFGS", options={"gtol": 1e-8}).x
    np.testing.assert_allclose(found, best - best.mean(), atol=1e-4)
    n, raters = len(names), sorted({rater for *_, rater in rows})
    bread, gradients = PRIOR * np.eye(n), np.zeros((len(raters), n))
    for winner, loser, rater in rows:
        chance = 1 / (1 + np.exp(best[loser] - best[winner]))
        contrast = np.eye(n)[winner] - np.eye(n)[loser]
        bread += chance * (1 - chance) * np.outer(contrast, contrast)
        gradients[raters.index(rater)] += (1 - chance) * contrast
    centred = (np.eye(n) - 1 / n) @ np.linalg.inv(bread)
    clustered = np.diag(centred @ gradients.T @ gradients @ centred.T) * len(raters) / (len(raters) - 1)
    model = np.diag(centred @ (bread - PRIOR * np.eye(n)) @ centred.T)
    np.testing.assert_allclose(error, np.sqrt(np.maximum(clustered, model)), rtol=1e-3)


def test_the_table_counts_what_was_shown_and_chosen(choices: pd.DataFrame) -> None:
    table = comparison_scores(choices, confidence=0.8).set_index("image")
    main = choices[choices["kind"] == "main"]
    for name, row in table.iterrows():
        shown = int((main.filter(like="picture") == name).sum().sum())
        best, worst = int((main["best"] == name).sum()), int((main["worst"] == name).sum())
        assert (row["shown"], row["best"], row["worst"]) == (shown, best, worst)
        assert row["best_worst"] == pytest.approx((best - worst) / shown)
        assert row["chance"] == pytest.approx(1 / (1 + np.exp(-row["score"])))
        reach = stats.norm.ppf(0.9) * row["se"]
        assert [row["score_low"], row["score_high"]] == pytest.approx([row["score"] - reach, row["score"] + reach])
    assert table["score"].is_monotonic_decreasing
    assert table.loc["f", "best"] == 0
    assert table.loc["x", "group"] == table.loc["y", "group"] != table.loc["a", "group"]
    assert table.loc[list("abcdef"), "group"].nunique() == 1
    won = comparison_scores(pd.DataFrame({"rater": ["r", "s"], "picture1": "a", "picture2": "b", "best": ["a", "a"]}))
    assert won["best_worst"].tolist() == [1.0, -1.0]  # of pairs, won less lost


@pytest.mark.parametrize(
    ("change", "row"), [({"best": "z"}, 2), ({"worst": "z"}, 2), ({"best": "a", "worst": "a", "picture1": "a"}, 2)]
)
def test_rows_that_cannot_be_are_named(choices: pd.DataFrame, change: dict[str, str], row: int) -> None:
    for name, value in change.items():
        choices.loc[0, name] = value
    with pytest.raises(RatingsError, match=rf"^1 row chooses .*: {row}$"):
        comparisons(choices)


def won(number: int, **more: object) -> pd.DataFrame:
    """A picture that beat another so many times, by one rater."""
    return pd.DataFrame({"rater": "r", "picture1": "a", "picture2": "b", "best": ["a"] * number, **more})


def test_a_picture_that_always_won_is_as_strong_as_a_tenth_of_a_prior_lets_it_be() -> None:
    """The strength is where the slope of ten wins is that of the prior; of one rater the error is of that one alone."""
    data = comparisons(won(10))
    strength, error = bradley_terry(data)
    half = brentq(lambda x: 10 / (1 + np.exp(2 * x)) - 0.1 * x, 0, 20)
    assert strength == pytest.approx([half, -half])
    chance = 1 / (1 + np.exp(-2 * half))
    slope = 20 * chance * (1 - chance) + 0.1  # of the difference of the two, along (1, -1)
    clustered, model = (10 * (1 - chance) / slope) ** 2, (slope - 0.1) / slope**2 / 2
    assert error == pytest.approx([np.sqrt(max(clustered, model))] * 2)


def test_scores_are_ranked_and_their_intervals_are_of_95_percent(choices: pd.DataFrame) -> None:
    table = comparison_scores(choices)
    pd.testing.assert_frame_equal(table, comparison_scores(choices, confidence=0.95))
    assert table.index.tolist() == [*range(len(table))]
    assert set(table["group"]) == {1, 2}
    np.testing.assert_allclose(table["score_high"] - table["score"], stats.norm.ppf(0.975) * table["se"])
    assert comparison_scores(won(3)).loc[0, ["shown", "best", "worst"]].tolist() == [3, 3, 0]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (won(2).drop(columns=["rater", "best"]), "missing: rater, best"),
        (won(2, kind="gold"), "there is no comparison in this table"),
        (won(12).assign(best="z"), "12 rows choose .*: 2, 3, 4, 5, 6, 7, 8, 9, 10, 11$"),
        (won(1).assign(best=None), "1 row chooses .*: 2$"),
        (won(1, picture3="a"), "1 row chooses .*: 2$"),
        (won(1, picture3="c", picture4="c", worst="c"), "1 row chooses .*: 2$"),
    ],
    ids=["columns", "gold alone", "many", "none", "shown twice", "worst twice"],
)
def test_tables_without_comparisons_are_refused(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(RatingsError, match=message):
        comparisons(table)


def test_gold_is_read_where_it_is_asked_for_and_memory_has_a_limit(
    choices: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    gold = comparisons(choices, kinds=("gold",))
    assert [list(gold.images[gold.winner]), list(gold.images[gold.loser])] == [["f"], ["a"]]
    data = comparisons(won(1))
    monkeypatch.setattr("survey.choice_scores.MOST_PICTURES", 2)
    assert bradley_terry(data)[0].shape == (2,)
    monkeypatch.setattr("survey.choice_scores.MOST_PICTURES", 1)
    with pytest.raises(RatingsError, match="2 pictures are compared; scores are computed for up to 1"):
        bradley_terry(data)
