from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from survey.aggregation import count
from survey.ratings import Ratings, from_table
from survey.reliability import (
    Components,
    Repeats,
    icc_oneway,
    krippendorff_alpha,
    reliability,
    repeats,
    split_half,
    variance_components,
)
from tests.fixtures.ratings import from_matrix


def sparse(rng: np.random.Generator, noise: float = 1.0, pictures: int = 60, raters: int = 25) -> np.ndarray:
    truth = rng.uniform(2.5, 8.5, pictures)
    scores = np.clip(np.rint(truth[:, None] + rng.normal(0, noise, (pictures, raters))), 1, 10)
    for row in scores:  # unequal numbers, one picture with a single rating
        row[rng.permutation(raters)[rng.integers(2, 12) :]] = np.nan
    scores[0] = np.nan
    scores[0, 3] = 5
    return scores


@pytest.mark.parametrize("level", ["interval", "ordinal"])
@pytest.mark.parametrize("noise", [0.3, 1.5, 6.0])
def test_alpha_equals_the_krippendorff_package(rng: np.random.Generator, level: str, noise: float) -> None:
    peer = pytest.importorskip("krippendorff")
    scores = sparse(rng, noise)
    counts = count(from_table(from_matrix(scores)), 10)
    expected = peer.alpha(
        reliability_data=scores.T, level_of_measurement=level, value_domain=list(np.arange(1.0, 11.0))
    )
    assert krippendorff_alpha(counts, level) == pytest.approx(expected, abs=1e-10)  # type: ignore[arg-type]


def test_alpha_is_one_for_full_agreement_and_absent_without_any_spread() -> None:
    assert krippendorff_alpha(np.array([[3, 0, 0], [0, 0, 4]])) == pytest.approx(1.0)
    assert np.isnan(krippendorff_alpha(np.array([[0, 3, 0], [0, 4, 0]])))
    assert np.isnan(krippendorff_alpha(np.array([[0, 1, 0], [1, 0, 0]])))


def test_icc_of_the_classic_example() -> None:
    # Shrout & Fleiss (1979), table 2: 6 targets, 4 judges; table 4 gives ICC(1,1) = .17 and ICC(1,4) = .44
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    single, average, k = icc_oneway(from_table(from_matrix(np.array(scores, float))))
    assert (round(single, 2), round(average, 2), k) == (0.17, 0.44, 4)


def test_icc_with_unequal_numbers_finds_the_planted_reliability(rng: np.random.Generator) -> None:
    truth = rng.normal(0, 1, 3000)
    votes = rng.integers(2, 19, 3000)
    image = np.repeat(np.arange(3000), votes)
    score = truth[image] + rng.normal(0, 2, len(image))
    table = pd.DataFrame({"rater": np.arange(len(image)), "image": image, "score": score})
    single, average, k = icc_oneway(from_table(table))
    assert single == pytest.approx(1 / 5, abs=0.02)
    assert k == pytest.approx(votes.mean() - votes.var() / votes.sum(), rel=0.01)
    assert average == pytest.approx(k * 0.2 / (1 + (k - 1) * 0.2), abs=0.02)


def test_split_half_agrees_with_icc_where_designs_are_complete(rng: np.random.Generator) -> None:
    scores = rng.normal(0, 1, (400, 1)) + rng.normal(0, 1.5, (400, 10))
    ratings = from_table(from_matrix(scores))
    assert split_half(ratings, rng) == pytest.approx(icc_oneway(ratings)[1], abs=0.02)


def test_halves_leave_out_a_picture_that_one_of_them_did_not_rate(rng: np.random.Generator) -> None:
    """Also where it is the last: a picture with one rating is in one half alone."""
    scores = rng.normal(0, 1, (400, 1)) + rng.normal(0, 1.5, (400, 10))
    single = np.full((2, 10), np.nan)
    single[:, 4] = 50.0  # it would change everything
    with_single = from_table(from_matrix(np.vstack([single[:1], scores, single[1:]])))
    assert split_half(with_single, rng) == pytest.approx(split_half(from_table(from_matrix(scores)), rng), abs=0.02)


def test_repeats_compare_a_rater_with_the_same_rater() -> None:
    rows = [("a", "x", 3, "main"), ("a", "x", 4, "repeat"), ("a", "y", 8, "main"), ("a", "y", 8, "repeat")]
    rows += [("b", "x", 1, "main"), ("b", "x", 2, "repeat"), ("b", "y", 9, "main")]
    found = repeats(pd.DataFrame(rows, columns=["rater", "image", "score", "kind"]))
    assert found.pairs == 3
    assert found.difference == pytest.approx(2 / 3)
    assert found.correlation == pytest.approx(np.corrcoef([3, 8, 1], [4, 8, 2])[0, 1])


def test_the_table_has_every_measure_within_its_interval(rng: np.random.Generator) -> None:
    scores = sparse(rng)
    found = reliability(from_matrix(scores), groups=12).set_index("measure")
    size = np.isfinite(scores).sum(axis=1)
    k = (size.sum() - (size**2).sum() / size.sum()) / (len(size) - 1)
    names = ["Krippendorff's alpha (interval)", "Krippendorff's alpha (ordinal)", "ICC(1)", f"ICC(1,k), k = {k:.1f}"]
    names += ["ICC(C,k)", "noise ceiling", "split half (Spearman-Brown)"]  # no picture was shown twice
    assert list(found.index) == names
    assert found.loc[names[-1], "value"] == pytest.approx(found.loc[names[3], "value"], abs=0.05)
    with_interval = found.dropna()
    assert len(with_interval) == 6
    assert (with_interval["low"] <= with_interval["high"]).all()
    noise = (1 - found.loc["ICC(C,k)", "value"]) * (len(scores) - 3) / (len(scores) - 1)
    assert 0 <= found.loc["noise ceiling", "value"] - np.sqrt(1 - noise) < 0.002  # raters spread their scores alike


def test_the_interval_is_a_jackknife_over_raters_and_pictures_less_half_of_ratings(rng: np.random.Generator) -> None:
    """By hand for ICC(1), with as many groups as raters and pictures: each is left out alone."""
    scores = np.clip(np.rint(rng.normal(5.5, 1.5, (12, 1)) + rng.normal(0, 1, (12, 12))), 1, 10)

    def icc(kept: np.ndarray) -> float:  # mean squares between pictures and within, of unequal numbers
        groups = [row[np.isfinite(row)] for row in kept if np.isfinite(row).any()]
        n, size = sum(map(len, groups)), np.array(list(map(len, groups)))
        within = sum(((row - row.mean()) ** 2).sum() for row in groups) / (n - len(groups))
        grand = np.concatenate(groups).mean()
        between = sum(len(row) * (row.mean() - grand) ** 2 for row in groups) / (len(groups) - 1)
        k = (n - (size**2).sum() / n) / (len(groups) - 1)
        return float((between - within) / (between + (k - 1) * within))

    draws, variances = np.random.default_rng(0), []
    for labels, size in ((np.arange(144) % 12, 12), (np.arange(144) // 12, 12), (np.arange(144), 144)):
        group = (draws.permutation(size) % 12)[labels].reshape(12, 12)
        z = np.arctanh([icc(np.where(group == g, np.nan, scores)) for g in range(12)])
        variances.append(11 * np.var(z))
    raters, pictures, ratings = variances
    half = stats.t.ppf(0.95, 11) * np.sqrt(max(raters + pictures - ratings / 2, raters, pictures))
    found = reliability(from_matrix(scores), confidence=0.9).set_index("measure").loc["ICC(1)"]
    assert found["value"] == pytest.approx(icc(scores))
    middle = np.arctanh(icc(scores))
    assert [found["low"], found["high"]] == pytest.approx([np.tanh(middle - half), np.tanh(middle + half)])


def test_components_of_a_crossed_design_are_those_of_the_analysis_of_variance() -> None:
    # Shrout & Fleiss (1979), table 4: ICC(3,1) = .71 and ICC(3,4) = .91, which McGraw & Wong (1996) call ICC(C,k)
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    components = variance_components(from_table(from_matrix(np.array(scores, float))))
    assert components.rater_share == pytest.approx(0.0)
    assert components.residual == pytest.approx(1.0194, abs=1e-3)
    assert round(components.icc_consistency, 2) == 0.91
    assert round(components.picture / (components.picture + components.residual), 2) == 0.71


@pytest.mark.parametrize("rated", [1.0, 0.7, 0.2], ids=["crossed", "most", "sparse"])
def test_components_are_found_where_they_were_planted(rng: np.random.Generator, rated: float) -> None:
    scores = rng.normal(0, 1.2, (900, 1)) + rng.normal(0, 0.8, (1, 300)) + rng.normal(0, 1.0, (900, 300))
    scores[rng.random(scores.shape) > rated] = np.nan
    components = variance_components(from_table(from_matrix(scores)))
    assert components.picture == pytest.approx(1.44, rel=0.15)
    assert components.rater == pytest.approx(0.64, rel=0.25)
    assert components.residual == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize(
    ("pictures", "raters", "per_picture"), [(80, 15, 15), (80, 40, 10), (20, 8, 8), (30, 40, 5)],
    ids=["a-lab-of-15-who-see-everything", "sparse", "few-pictures", "few-ratings"],
)  # fmt: skip
def test_the_ceiling_is_never_below_what_a_perfect_model_reaches(
    rng: np.random.Generator, pictures: int, raters: int, per_picture: int
) -> None:
    reached, ceilings, one_way = [], [], []
    for _ in range(150):
        truth = rng.normal(0, 1.2, pictures)
        scores = truth[:, None] + rng.normal(0, 1.0, raters) + rng.normal(0, 1.3, (pictures, raters))
        for row in scores:
            row[rng.permutation(raters)[per_picture:]] = np.nan
        ratings = from_table(from_matrix(scores))
        reached.append(np.corrcoef(truth, np.nanmean(scores, axis=1))[0, 1])
        ceilings.append(variance_components(ratings).ceiling)
        one_way.append(np.sqrt(icc_oneway(ratings)[1]))
    above = np.subtract(ceilings, reached)
    assert -2 * above.std() / np.sqrt(150) <= above.mean() < 0.006
    assert np.mean(one_way) < np.mean(reached) - 0.005


@pytest.mark.parametrize("raters", [8, 15])
def test_the_ceiling_is_not_below_a_perfect_model_where_raters_spread_their_scores_differently(
    rng: np.random.Generator, raters: int
) -> None:
    reached, ceilings, without = [], [], []
    for _ in range(120):
        truth, spread = rng.normal(0, 1.2, 60), np.exp(rng.normal(0, 0.35, raters))
        scores = spread * (truth[:, None] + rng.normal(0, 1.3, (60, raters))) + rng.normal(0, 1.0, raters)
        components = variance_components(from_table(from_matrix(scores)))
        reached.append(np.corrcoef(truth, scores.mean(axis=1))[0, 1])
        ceilings.append(components.ceiling)
        without.append(dataclasses.replace(components, slope=0.0).ceiling)
    above = np.subtract(ceilings, reached)
    assert -2 * above.std() / np.sqrt(120) <= above.mean() < 0.006
    assert np.mean(without) < np.mean(reached) - 0.002


def test_components_of_what_cannot_be_split_are_no_numbers() -> None:
    assert np.isnan(variance_components(from_table(from_matrix(np.array([[3.0, 4.0]])))).icc_consistency)


def unequal(*rows: list[float]) -> Ratings:
    """Pictures with as many ratings as is said."""
    scores = np.full((len(rows), max(map(len, rows))), np.nan)
    for row, given in zip(scores, rows, strict=True):
        row[: len(given)] = given
    return from_table(from_matrix(scores))


def test_icc_by_hand_of_two_pictures_and_where_it_has_no_value() -> None:
    """Means 2 and 6 about 4.4: squares between are 19.2, within 16 with three degrees of freedom; k is 5 - 13 / 5."""
    between, within, k = 19.2, 16 / 3, 2.4
    expected = (between - within) / (between + (k - 1) * within), (between - within) / between, k
    assert icc_oneway(unequal([1, 3], [4, 5, 9])) == pytest.approx(expected)
    assert icc_oneway(unequal([1, 3], [5])) == pytest.approx((4 / (6 + 2 / 3), 4 / 6, 4 / 3))
    for ratings, mean_number in (
        (unequal([3, 4, 8]), 3.0),
        (unequal([3], [4], [8]), 1.0),
        (unequal([1, 3], [2, 2]), 2.0),  # the means do not vary
    ):
        assert icc_oneway(ratings) == pytest.approx((np.nan, np.nan, mean_number), nan_ok=True)


def test_halves_that_agree_correlate_by_one_where_three_pictures_vary(rng: np.random.Generator) -> None:
    assert split_half(unequal([1, 1], [4, 4, 4], [9, 9]), rng) == pytest.approx(1.0)
    assert np.isnan(split_half(unequal([1, 1], [4, 4], [9]), rng))
    assert np.isnan(split_half(unequal([5, 5], [5, 5], [5, 5]), rng))


@pytest.mark.parametrize(
    ("first", "again"),
    [([3, 8], [4, 8]), ([3, 3, 3], [4, 8, 2]), ([3, 8, 1], [4, 4, 4])],
    ids=["two", "first", "again"],
)
def test_repeats_that_do_not_vary_have_no_correlation(first: list[int], again: list[int]) -> None:
    rows = [("a", k, score, "main") for k, score in enumerate(first)]
    table = pd.DataFrame(
        [*rows, *(("a", k, score, "repeat") for k, score in enumerate(again))],
        columns=["rater", "image", "score", "kind"],
    )
    found = repeats(table)
    assert (found.pairs, found.difference) == (len(first), pytest.approx(np.mean(np.abs(np.subtract(first, again)))))
    assert np.isnan(found.correlation)
    shown_once = (repeats(table[table["kind"] == "main"]), repeats(table.drop(columns="kind")), Repeats())
    assert [one.pairs for one in shown_once] == [0, 0, 0]
    assert all(np.isnan([one.correlation, one.difference]).all() for one in shown_once)


@pytest.mark.parametrize("pictures", [4, 5, 30])
def test_the_ceiling_by_hand(pictures: int) -> None:
    """Raters' spreads are noise as their levels are; with fewer than five pictures there is no correction."""
    found = Components(2.0, 0.5, 1.5, rater_share=0.1, residual_share=0.25, pictures=pictures, slope=0.3)
    noise = 0.8 * 0.1 + 1.2 * 0.25
    share = noise / (2 + noise) * ((pictures - 3) / (pictures - 1) if pictures >= 5 else 1)
    assert found.ceiling == pytest.approx(np.sqrt(1 - share))
    assert found.icc_consistency == pytest.approx(2 / (2 + 0.5 * 0.1 + 1.5 * 0.25))
    still = dataclasses.replace(found, picture=0.0, rater=0.0, residual=0.0, slope=0.0)
    assert np.isnan([still.ceiling, still.icc_consistency]).all()
    noise_alone = dataclasses.replace(found, picture=0.0, pictures=4)
    assert (noise_alone.ceiling, noise_alone.icc_consistency) == (0.0, 0.0)


def gappy(rng: np.random.Generator) -> tuple[np.ndarray, Ratings]:
    """Ratings of raters who spread their scores differently, two of 2 and 3 pictures; one picture and rater of none."""
    scores = np.exp(rng.normal(0, 0.6, 9)) * (rng.normal(0, 2, (12, 1)) + rng.normal(0, 0.7, (12, 9)))
    scores[rng.random(scores.shape) < 0.3] = np.nan
    scores[:, 7:] = np.nan
    scores[[1, 4], 7], scores[[2, 5, 9], 8] = rng.normal(0, 2, 2), rng.normal(0, 2, 3)
    scores = np.vstack([scores, np.full(9, np.nan)])
    scores[12, 0] = 1.0
    whole = from_table(from_matrix(np.hstack([scores, np.where(np.arange(13) == 12, 2.0, np.nan)[:, None]])))
    return scores[:12], whole.keep(whole.image < 12)


def test_components_by_all_pairs_of_ratings(rng: np.random.Generator) -> None:
    """The moments of Gao and Owen as they define them, and the pictures' means as sums of the raters' levels."""
    scores, ratings = gappy(rng)
    there = np.isfinite(scores)
    n, by_picture, by_rater = there.sum(), there.sum(axis=1), there.sum(axis=0)

    def pairs(values: np.ndarray) -> float:
        return float(((values[:, None] - values) ** 2).sum() / 2)

    within = [
        sum(pairs(row[np.isfinite(row)]) / np.isfinite(row).sum() for row in rows if np.isfinite(row).any())
        for rows in (scores, scores.T)
    ]
    system = [
        [0, n - 12, n - 12],
        [n - 9, 0, n - 9],
        [n**2 - (by_picture**2).sum(), n**2 - (by_rater**2).sum(), n**2 - n],
    ]
    expected = np.linalg.solve(system, [*within, pairs(scores[there])])
    found = variance_components(ratings)
    assert [found.picture, found.rater, found.residual] == pytest.approx(np.maximum(expected, 0).tolist())
    assert found.picture > 0
    assert found.pictures == 12
    of_levels = there / by_picture[:, None]
    assert found.rater_share == pytest.approx(((of_levels - of_levels.mean(axis=0)) ** 2).sum() / 11)
    assert found.residual_share == pytest.approx(np.mean(1 / by_picture))


def test_the_spread_of_raters_slopes_one_rating_after_the_other(rng: np.random.Generator) -> None:
    scores, ratings = gappy(rng)
    there = np.isfinite(scores) & (np.isfinite(scores).sum(axis=1) > 1)[:, None]
    products = np.full(scores.shape, np.nan)
    others = np.array([[np.nanmean(np.delete(row, j)) if there[i, j] else np.nan for j in range(9)]
                       for i, row in enumerate(scores)])  # fmt: skip
    for j in range(9):
        mine = there[:, j]
        apart = scores[mine, j] - scores[mine, j].mean()
        products[mine, j] = apart * (others[mine, j] - others[mine, j].mean()) * mine.sum() / (mine.sum() - 1)
    products -= np.nanmean(products, axis=1, keepdims=True)
    judged = [products[there[:, j], j] for j in range(9) if there[:, j].sum() >= 3]
    assert len(judged) == 8  # and not the one of two pictures
    sizes = np.array(list(map(len, judged)))
    beyond_chance = [part.mean() ** 2 - part.var(ddof=1) / len(part) for part in judged]
    votes = there.sum(axis=1)[np.nonzero(there)[0]]
    n = 1 / np.mean(1 / votes)
    shrunk = ((n - 2) / (n - 1)) ** 2 * (n - 1) / n
    expected = np.average(beyond_chance, weights=sizes) / shrunk
    found = variance_components(ratings)
    assert n > 3
    assert 0 < found.slope < found.residual
    assert found.slope == pytest.approx(expected / found.picture)


def test_what_has_no_components(rng: np.random.Generator) -> None:
    """One rater; raters who share no picture; and pictures that differ less than chance would have it."""
    for scores in (np.array([[3.0], [5.0], [4.0]]), np.where(np.eye(3)[[0, 0, 1, 1, 2, 2]] > 0, 4.0, np.nan)):
        found = variance_components(from_table(from_matrix(scores + np.arange(len(scores))[:, None])))
        assert np.isnan([found.picture, found.rater, found.residual, found.ceiling]).all()
    opposed = variance_components(from_table(from_matrix(np.array([[1.0, 9.0], [9.0, 1.0], [2.0, 8.0]]))))
    assert (opposed.picture, opposed.slope) == (0.0, 0.0)
    assert opposed.residual > 0
    two = variance_components(from_table(from_matrix(np.array([[1.0, 2.0], [6.0, 8.0]]))))
    assert two.picture == pytest.approx(5.5**2 / 2 - two.residual / 2)  # of the means, less what is left


def test_intervals_end_where_fishers_z_does_and_need_three_raters(rng: np.random.Generator) -> None:
    def found(scores: np.ndarray) -> pd.DataFrame:
        return reliability(from_matrix(scores)).set_index("measure")[["value", "low", "high"]]

    agreed = found(np.tile(np.array([[2.0], [5.0], [9.0], [4.0]]), 3)).loc["Krippendorff's alpha (interval)"]
    assert agreed.tolist() == pytest.approx([1.0, 0.9999, 0.9999])
    nearly_alike = np.array([rng.permutation(10) + 1.0 for _ in range(12)])  # the pictures' means
    nearly_alike[:4][nearly_alike[:4] == 5] = 6
    against = found(nearly_alike)
    assert against.loc["ICC(1,k), k = 10", "value"] < -1
    assert against.loc["ICC(1,k), k = 10", "low"] == pytest.approx(-0.9999, abs=1e-3)
    assert found(rng.integers(1, 11, (5, 2)).astype(float))[["low", "high"]].isna().all(axis=None)


def test_repeats_stand_in_the_table_and_95_percent_is_what_is_meant(rng: np.random.Generator) -> None:
    table = from_matrix(sparse(rng)).assign(kind="main")
    again = table.groupby("rater").head(2).assign(kind="repeat")
    found = reliability(pd.concat([table, again]))
    assert found["measure"].tolist()[-3:] == ["repeats: pairs", "repeats: correlation", "repeats: difference"]
    assert found["value"].tolist()[-3:] == pytest.approx([len(again), 1.0, 0.0])
    pd.testing.assert_frame_equal(found[:7], reliability(table, scale=10, seed=0, confidence=0.95))
