"""What is claimed: a primary contrast first, equivalence within a margin, models against models."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from gazekit.core.errors import InputError
from gazekit.stats.comparison import compare
from gazekit.stats.contrasts import ALL_NETWORKS, contrasts_of
from gazekit.stats.predictions import Pass, Predictions
from gazekit.stats.standard_error import error_of, overlap_of
from tests.needs import need

FAST = {"resamples": 100, "permutations": 199}


def claims(folder: Path) -> dict[tuple[str, str, str], dict[str, object]]:
    words = json.loads((folder / "conclusion.json").read_text())
    return {(one["model"], one["a"], one["b"]): one for one in words["claims"]}


def test_the_primary_contrast_is_not_taxed_by_the_others(folder: Path) -> None:
    compare(folder, **FAST)
    before = claims(folder)
    compare(folder, primary_contrast=("human", "shuffled"), **FAST)
    after = claims(folder)
    first = after[ALL_NETWORKS, "human", "shuffled"]
    assert first["family"] == 0
    assert first["p_holm"] == first["p"]
    assert [after[m, "human", "shuffled"]["family"] for m in "ab"] == [1, 1]
    for model in "ab":
        assert after[model, "human", "shuffled"]["p_holm"] <= before[model, "human", "shuffled"]["p_holm"]
        assert after[model, "human", "original"]["family"] == 2


def test_over_all_networks_it_is_the_mean_of_theirs(folder: Path) -> None:
    compare(folder, primary_contrast=("human", "shuffled"), **FAST)
    table = pd.read_csv(folder / "paired.csv").query("condition_b == 'shuffled' and condition_a == 'human'")
    differences = table.pivot(index="metric", columns="model", values="difference")
    assert differences[ALL_NETWORKS].to_numpy() == pytest.approx(differences[["a", "b"]].mean(axis=1).to_numpy())
    width = table.assign(width=table["high"] - table["low"]).pivot(index="metric", columns="model", values="width")
    assert width.loc["srcc", ALL_NETWORKS] < 1.05 * width.loc["srcc", ["a", "b"]].max()


def test_nothing_is_claimed_behind_a_closed_gate(folder: Path) -> None:
    """Human and whole pictures are alike here, so that even the large difference from shuffled counts for nothing."""
    compare(folder, primary_contrast=("human", "original"), **FAST)
    found = claims(folder)
    gate = found[ALL_NETWORKS, "human", "original"]
    assert not gate["claimed"]
    assert all(one["p_holm"] >= gate["p_holm"] for one in found.values())
    assert not any(one["claimed"] for one in found.values())
    shared = json.loads((folder / "conclusion.json").read_text())["over_networks"]
    assert [(one["b"], one["claimed"]) for one in shared] == [("original", False), ("shuffled", False)]


def test_a_primary_contrast_of_models_is_tested_first_as_well(folder: Path) -> None:
    compare(folder, primary_contrast=("a:human", "b:shuffled"), **FAST)
    table = pd.read_csv(folder / "paired.csv").query("metric == 'srcc'")
    first = table[table["family"] == 0]
    assert first[["model", "condition_a", "model_b", "condition_b"]].to_numpy().tolist() == [
        ["a", "human", "b", "shuffled"]
    ]
    assert len(table) == 7
    assert first["p_holm"].tolist() == first["p"].tolist()


def test_too_few_permutations_for_any_claim_are_said(folder: Path) -> None:
    compare(folder, resamples=100, permutations=99)  # of six comparisons none can have p <= .05
    words = json.loads((folder / "conclusion.json").read_text())
    said = "Nothing could be claimed here, however large: p is 0.06 at least after correction for 6 comparisons. "
    assert said + "It takes more permutations." in words["sentences"]
    assert not any(claim["claimed"] for claim in words["claims"])
    compare(folder, **FAST)
    assert "Nothing could be" not in (folder / "conclusion.json").read_text()


def test_a_primary_contrast_without_runs_opens_no_gate(folder: Path) -> None:
    for done in folder.glob("runs/*/original/*/done.json"):
        done.unlink()
    with pytest.raises(InputError, match="the primary contrast human original has no finished runs of the same seeds"):
        compare(folder, primary_contrast=("human", "original"), **FAST)


def test_networks_of_other_seeds_are_compared_over_what_they_share(folder: Path) -> None:
    """Networks that were trained apart, as in two folders, may have no seed in common."""
    for done in folder.glob("runs/a/*/seed[12]/done.json"):
        done.unlink()
    for done in folder.glob("runs/b/*/seed[02]/done.json"):
        done.unlink()
    compare(folder, primary_contrast=("human", "shuffled"), **FAST)
    found = claims(folder)
    assert {model for model, _, _ in found} == {ALL_NETWORKS, "a", "b"}
    overall = found[ALL_NETWORKS, "human", "shuffled"]["difference"]
    assert overall == pytest.approx(np.mean([found[m, "human", "shuffled"]["difference"] for m in "ab"]))


def test_equivalence_is_that_of_two_one_sided_t_tests(rng: np.random.Generator) -> None:
    """With one value a seed and no pictures in common, the error is Student's, and so are its tests."""
    values = rng.normal(0.02, 0.05, 9)
    error = error_of(values, np.repeat(values[:, None], 40, axis=1), 40)
    for margin in (0.03, 0.06, 0.2):
        above = ttest_1samp(values, -margin, alternative="greater").pvalue
        below = ttest_1samp(values, margin, alternative="less").pvalue
        assert error.not_below_p(values.mean(), margin) == pytest.approx(above)
        assert error.equivalence_p(values.mean(), margin) == pytest.approx(max(above, below))


def test_equivalence_agrees_with_statsmodels(rng: np.random.Generator) -> None:
    need(find_spec("statsmodels"), "statsmodels")
    from statsmodels.stats.weightstats import DescrStatsW

    values = rng.normal(0.02, 0.05, 9)
    error = error_of(values, np.repeat(values[:, None], 40, axis=1), 40)
    expected = DescrStatsW(values).ttost_mean(-0.06, 0.06)[0]
    assert error.equivalence_p(values.mean(), 0.06) == pytest.approx(expected)


def test_a_margin_answers_whether_one_is_as_good(folder: Path) -> None:
    compare(folder, metric="mae", margin=2.0, pairs=[("human", "original"), ("human", "shuffled")], **FAST)
    assert all(one["equivalent"] and one["not_inferior"] for one in claims(folder).values())
    compare(folder, metric="mae", margin=0.001, pairs=[("human", "original"), ("shuffled", "human")], **FAST)
    found = claims(folder)
    assert not any(one["equivalent"] for one in found.values())
    assert not found["a", "shuffled", "human"]["not_inferior"]  # an error: more is worse
    words = json.loads((folder / "conclusion.json").read_text())
    assert words["margin"] == 0.001
    assert any("neither equivalence within 0.001 nor" in text for text in words["sentences"])
    with pytest.raises(InputError, match="margin of equivalence is 0"):
        compare(folder, margin=0)


def test_models_are_compared_with_models(folder: Path) -> None:
    compare(folder, pairs=[("a:human", "b:shuffled"), ("b:human", "a:human")], **FAST)
    table = pd.read_csv(folder / "paired.csv").query("metric == 'srcc'")
    assert table[["model", "condition_a", "model_b", "condition_b"]].to_numpy().tolist() == [
        ["a", "human", "b", "shuffled"],
        ["b", "human", "a", "human"],
    ]
    rows = pd.read_csv(folder / "comparison.csv").query("level == 'condition'")
    rows = rows.set_index(["model", "condition"])["srcc"]
    assert table["difference"].iloc[0] == pytest.approx(rows["a", "human"] - rows["b", "shuffled"])
    words = json.loads((folder / "conclusion.json").read_text())
    assert any(text.startswith("between a on human and b on shuffled, a on human gives") for text in words["sentences"])
    with pytest.raises(InputError, match="unknown model 'c'"):
        compare(folder, pairs=[("c:human", "a:human")], **FAST)
    with pytest.raises(InputError, match="two different conditions; found a:human and a:human"):
        compare(folder, pairs=[("a:human", "a:human")], **FAST)


def test_names_of_models_may_hold_a_colon() -> None:
    shares = {Pass(0): np.full((9, 5), 0.2)}
    predicted = {("timm:vit", "human"): shares, ("timm:vit", "original"): shares}
    counts = np.ones((9, 5), dtype=np.int64)
    found = Predictions([*"abcdefghi"], counts, counts, predicted, 2.5, ["timm:vit"], ["human", "original"])
    (contrast,) = contrasts_of(found, [("timm:vit:human", "original")])
    assert contrast.sides == (("timm:vit", "human"), ("timm:vit", "original"))


def test_in_cross_validation_the_error_counts_that_training_sets_overlap(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["grid"]["seeds"] = [0]
    (folder / "config.json").write_text(json.dumps(config))
    compare(folder, **FAST)
    one_split = pd.read_csv(folder / "paired.csv").query("metric == 'mae'").iloc[0]
    truth = pd.read_csv(folder / "truth.csv", dtype={"image": str}).query("split == 'test'")
    truth.insert(2, "fold", np.arange(60) % 10 + 1)
    truth.to_csv(folder / "truth.csv", index=False)
    compare(folder, **FAST)
    folds = pd.read_csv(folder / "paired.csv").query("metric == 'mae'").iloc[0]
    assert folds["difference"] == one_split["difference"]
    assert 1.2 < folds["detectable"] / one_split["detectable"] < np.sqrt(overlap_of(10)) * 1.1  # also Student's t
    words = json.loads((folder / "conclusion.json").read_text())
    assert "on 60 pictures, each tested once in 10 folds, 1 seed" in words["sentences"][0]
    assert overlap_of(10) == pytest.approx(1 + 10 / 18)
