from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gazekit.core.tables import write_table
from gazekit.histograms import moments, read_histograms
from survey.aggregation import aggregate, describe, dirichlet_interval, posterior
from survey.errors import SurveyError
from survey.p910 import MODERATE, joint_estimate
from survey.ratings import from_table


def table(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["rater", "image", "score"])


def test_counts_mean_and_std_of_a_known_picture() -> None:
    found = aggregate(table(("a", "x", 2), ("b", "x", 4), ("c", "x", 4), ("a", "y", 1)), scale=4, min_ratings=2)
    assert list(found.columns[:6]) == ["image", "n", "c1", "c2", "c3", "c4"]
    assert found.loc[0, ["c1", "c2", "c3", "c4"]].tolist() == [0, 1, 0, 2]
    assert found.loc[0, "mean"] == pytest.approx(10 / 3)
    assert found.loc[0, "std"] == pytest.approx(np.std([2, 4, 4]))
    assert found.loc[0, "sd_sample"] == pytest.approx(np.std([2, 4, 4], ddof=1))
    low, high = stats.t.interval(0.95, 2, loc=10 / 3, scale=stats.sem([2, 4, 4]))
    assert found.loc[0, ["mean_low", "mean_high"]].tolist() == pytest.approx([low, high])
    assert found["flags"].tolist() == ["", "few"]
    assert aggregate(table(("a", "x", 2), ("b", "x", 4), ("a", "y", 1)), min_ratings=2)["flags"].tolist() == ["", "few"]


def test_ratings_and_their_table_give_the_same() -> None:
    rows = table(("a", "x", 2), ("b", "x", 4), ("a", "y", 1))
    pd.testing.assert_frame_equal(aggregate(from_table(rows, scale=4), scale=4), aggregate(rows, scale=4))


def test_one_rating_has_no_interval_but_a_dirichlet_one() -> None:
    found = aggregate(table(("a", "x", 7)))
    assert np.isnan(found.loc[0, "mean_low"])
    assert np.isnan(found.loc[0, "sd_sample"])
    assert 1 < found.loc[0, "dirichlet_low"] < found.loc[0, "dirichlet_high"] < 10
    assert [name for name in found if name.startswith("c")] == [f"c{k}" for k in range(1, 11)]


def test_a_picture_without_ratings_has_no_numbers() -> None:
    found = describe(np.array([[0, 0], [1, 1]]))
    assert found.loc[0, ["mean", "std", "sd_sample", "mean_low", "mean_high"]].isna().all()
    assert found.loc[1, ["mean", "std", "sd_sample"]].tolist() == pytest.approx([1.5, 0.5, np.sqrt(0.5)])


def test_pictures_that_lost_all_their_ratings_are_not_listed() -> None:
    rows = table(("a", "x", 1), ("a", "x", 2), ("b", "y", 1))
    assert aggregate(rows, duplicates="drop")["image"].tolist() == ["y"]
    assert aggregate(rows, duplicates="last")["image"].tolist() == ["x", "y"]


def test_ratings_of_another_scale_are_flagged_and_joint_scores_are_those_of_p910(rng: np.random.Generator) -> None:
    scores = rng.integers(1, 6, 24)
    rows = pd.DataFrame({"rater": np.arange(24) % 6, "image": np.arange(24) // 6, "score": scores, "original": scores})
    found = aggregate(rows, joint=True, min_ratings=7)
    assert set(found["flags"]) == {"few converted"}
    assert set(aggregate(rows, min_ratings=6)["flags"]) == {"converted"}
    expected = joint_estimate(from_table(rows), prior=MODERATE)
    np.testing.assert_allclose(found[["joint", "joint_se"]], np.stack([expected.score, expected.error], axis=1))
    assert not {"joint", "joint_se"} & set(aggregate(rows))


def test_dirichlet_interval_agrees_with_draws_from_the_posterior(rng: np.random.Generator) -> None:
    counts = np.array([0, 0, 1, 2, 4, 2, 1, 0, 0, 0])
    scores = np.repeat(np.arange(1, 11), counts)
    found = aggregate(pd.DataFrame({"rater": range(10), "image": "x", "score": scores}))
    prior = (counts + 0.5) / (counts + 0.5).sum()
    draws = rng.dirichlet((counts + prior) * 9 / 10, 100_000) @ np.arange(1, 11)  # ten ratings count as nine
    assert found.loc[0, ["dirichlet_low", "dirichlet_high"]].tolist() == pytest.approx(
        np.quantile(draws, [0.025, 0.975]), abs=0.05
    )
    assert found.filter(regex=r"^p\d+$").iloc[0].tolist() == pytest.approx(((counts + prior) / 11).tolist())
    assert found["flags"].tolist() == [""]  # ten are enough


def test_of_two_scores_the_dirichlet_interval_is_that_of_a_beta_distribution() -> None:
    """Exactly; n ratings count as n - 1, and one, or the rating of the study alone, as half."""
    counts = np.array([[3, 2], [1, 0], [0, 0]])
    low, high = dirichlet_interval(counts, 0.9)
    for row, (ratings, as_many) in enumerate(((5, 4 / 5), (1, 1 / 2), (0, 1 / 2))):
        ones, twos = posterior(counts)[row] * as_many
        assert counts[row].sum() == ratings
        np.testing.assert_allclose(np.array([low[row], high[row]]) - 1, stats.beta.ppf([0.05, 0.95], twos, ones))


def test_the_posterior_adds_one_rating_of_the_studys_own_distribution() -> None:
    """By hand: 3 and 1 of four ratings in all, each score with half a rating more, make .7 and .3 of one rating."""
    np.testing.assert_allclose(posterior(np.array([[2, 1], [1, 0]])), [[2.7, 1.3], [1.7, 0.3]])


@pytest.mark.parametrize(
    ("policy", "counts"),
    [("first", [1, 0, 1]), ("last", [0, 1, 1]), ("mean", [0, 1, 1]), ("drop", [0, 0, 1])],
)
def test_duplicates_follow_the_stated_policy(policy: str, counts: list[int]) -> None:
    rows = table(("a", "x", 1), ("b", "x", 3), ("a", "x", 2))
    found = aggregate(rows, scale=3, duplicates=policy)  # type: ignore[arg-type]
    assert found.loc[0, ["c1", "c2", "c3"]].tolist() == counts
    assert found.attrs["duplicates"]["pairs"] == 1


def test_only_main_showings_count() -> None:
    rows = table(("a", "x", 1), ("b", "x", 3)).assign(kind=["main", "repeat"])
    assert aggregate(rows, scale=3)["n"].tolist() == [1]


@pytest.mark.parametrize("score", [0, 11, 2.5, np.nan, "good"], ids=str)
def test_scores_off_the_scale_are_named_by_row(score: object) -> None:
    rows = pd.DataFrame({"rater": ["a", "b"], "image": ["x", "y"], "score": [3, score]})
    with pytest.raises(SurveyError, match=r"1 score is not among the whole numbers 1 to 10: row 3: rater b, image y"):
        aggregate(rows)


def test_missing_columns_and_empty_tables_are_refused() -> None:
    with pytest.raises(SurveyError, match="missing: rater, score"):
        aggregate(pd.DataFrame({"image": ["x"]}))
    with pytest.raises(SurveyError, match="no rating"):
        aggregate(table())


def test_the_table_is_what_gazekit_reads(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows = table(*((f"r{r}", f"p{p}", 1 + (r * p) % 5) for r in range(12) for p in range(4)))
    found = aggregate(rows, scale=5)
    write_table(found, tmp_path / "h.csv", {"schema": "x"})
    read = read_histograms(tmp_path / "h.csv")
    assert read["image"].tolist() == ["p0", "p1", "p2", "p3"]
    np.testing.assert_allclose(read["std"], moments(read[["c1", "c2", "c3", "c4", "c5"]])[1])
    assert not list(tmp_path.glob(".*part"))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"), st.integers(1, 5)), min_size=1, max_size=40),
    st.sampled_from(["first", "last"]),
)
def test_counts_are_those_of_a_plain_group_by(rows: list[tuple[str, str, int]], policy: str) -> None:
    ratings = table(*rows)
    found = aggregate(ratings, scale=5, duplicates=policy).set_index("image")  # type: ignore[arg-type]
    kept = ratings.drop_duplicates(["rater", "image"], keep=policy)  # type: ignore[arg-type]
    expected = kept.groupby("image")["score"].agg(["size", "mean", lambda x: x.std(ddof=0)])
    np.testing.assert_allclose(found[["n", "mean", "std"]].to_numpy(), expected.to_numpy(), atol=1e-12)
    assert (found[[f"c{k}" for k in range(1, 6)]].sum(axis=1) == found["n"]).all()


def test_the_function_is_what_the_package_gives() -> None:
    import survey

    assert survey.aggregate is aggregate
    assert callable(survey.aggregate)


@pytest.mark.parametrize("n", [2, 5, 10, 40])
def test_pictures_on_which_all_agree_are_not_certain(n: int) -> None:
    found = aggregate(pd.DataFrame({"rater": range(n), "image": "x", "score": 7}), scale=10)
    for low, high in (("mean_low", "mean_high"), ("dirichlet_low", "dirichlet_high")):
        assert found.loc[0, low] < 7 - 0.1 / n
        assert found.loc[0, high] > found.loc[0, low] + 0.02
    # as where one rating were a point off: a variance of 1 / n
    half = stats.t.ppf(0.975, n - 1) * np.sqrt(1 / n) / np.sqrt(n)
    assert found.loc[0, ["mean_low", "mean_high"]].tolist() == pytest.approx([7 - half, 7 + half])


def test_intervals_of_ten_ratings_cover_the_truth(rng: np.random.Generator) -> None:
    shares = rng.dirichlet([0.6, 0.9, 1.2, 0.9, 0.4], 4000)  # as varied as real histograms on five scores
    described = describe(np.array([rng.multinomial(10, share) for share in shares]))
    truth = shares @ np.arange(1, 6)
    for low, high in (("mean_low", "mean_high"), ("dirichlet_low", "dirichlet_high")):
        cover = ((described[low] <= truth) & (truth <= described[high])).mean()
        assert 0.93 <= cover <= 0.97, (low, cover)
