from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.core.errors import FormatError, InputError
from gazekit.report import write_report
from gazekit.stats.comparison import compare
from gazekit.stats.comparison_folder import read_predictions
from gazekit.stats.contrasts import default_pairs
from gazekit.stats.power import world_of
from gazekit.stats.predictions import Pass

CONDITIONS = ("human", "original", "shuffled")
KEPT = Path(__file__).parents[1] / "compatibility/data/runs"


def test_what_is_there_is_found_and_what_is_not_is_not(folder: Path) -> None:
    compare(folder, resamples=400, permutations=999)
    words = json.loads((folder / "conclusion.json").read_text())
    claimed = {(c["model"], c["a"], c["b"]) for c in words["claims"] if c["claimed"]}
    assert {(m, "human", "shuffled") for m in "ab"} <= claimed
    assert not {(m, "human", "original") for m in "ab"} & claimed
    first, *others = words["sentences"]
    assert first.startswith("4 of 6 comparisons show a difference (SRCC of the mean on 60 test pictures, 3 seeds)")
    assert any("human gives the better SRCC" in text and text.startswith("a:") for text in others)
    assert any("no difference in SRCC of the mean can be seen with 60 pictures" in text for text in others)


def test_for_an_error_less_is_better(folder: Path) -> None:
    compare(folder, metric="mae", resamples=200, permutations=499)
    words = json.loads((folder / "conclusion.json").read_text())
    claim = next(c for c in words["claims"] if c["b"] == "shuffled" and c["model"] == "a")
    assert claim["difference"] < 0
    text = next(t for t in words["sentences"] if t.startswith("a:") and "(shuffled)" in t and "(human)" in t)
    assert "human gives the better MAE of the mean" in text


def test_holm_is_taken_over_all_comparisons_of_a_metric(folder: Path) -> None:
    compare(folder, resamples=100, permutations=199)
    paired = pd.read_csv(folder / "paired.csv")
    family = paired[paired["metric"] == "srcc"].sort_values("p")
    assert len(family) == 6
    steps = np.minimum(np.maximum.accumulate(family["p"].to_numpy() * np.arange(6, 0, -1)), 1)
    assert family["p_holm"].to_numpy() == pytest.approx(steps)


def test_unfinished_cells_are_left_out_and_the_conclusion_says_so(folder: Path) -> None:
    (folder / "runs/a/human/seed2/done.json").unlink()
    compare(folder, resamples=100, permutations=99)
    table = pd.read_csv(folder / "comparison.csv")
    assert len(table[(table["level"] == "seed") & (table["model"] == "a") & (table["condition"] == "human")]) == 2
    words = json.loads((folder / "conclusion.json").read_text())
    assert words["unfinished"] == [["a", "human", 2]]
    assert "60 test pictures, 2 to 3 seeds" in words["sentences"][0]
    assert words["sentences"][1].startswith("Not finished and left out: a on human (seed 2).")


def test_conditions_are_compared_over_the_seeds_that_both_have(folder: Path) -> None:
    for seed in (0, 1):  # the same predictions there; the third seed, which only one has, is far off
        copy = folder / f"runs/a/original/seed{seed}/predictions.csv"
        copy.write_bytes((folder / f"runs/a/human/seed{seed}/predictions.csv").read_bytes())
    shuffled = (folder / "runs/a/shuffled/seed2/predictions.csv").read_bytes()
    (folder / "runs/a/original/seed2/predictions.csv").write_bytes(shuffled)
    (folder / "runs/a/human/seed2/done.json").unlink()
    compare(folder, pairs=[("human", "original")], resamples=200, permutations=99)
    paired = pd.read_csv(folder / "paired.csv").set_index(["model", "metric"]).loc["a"]
    assert (paired["seeds"] == 2).all()
    assert (paired[["difference", "low", "high"]] == 0).all(axis=None)
    assert (paired["value_a"] == paired["value_b"]).all()
    table = pd.read_csv(folder / "comparison.csv")
    row = table[(table["level"] == "condition") & (table["model"] == "a") & (table["condition"] == "original")].iloc[0]
    assert row["srcc"] < paired.loc["srcc", "value_b"]  # of all three seeds
    words = json.loads((folder / "conclusion.json").read_text())
    said = f"{paired.loc['srcc', 'value_a']:.3f} against {paired.loc['srcc', 'value_b']:.3f}, difference +0.000"
    assert any(said in text for text in words["sentences"])


def test_what_nobody_asked_for_is_not_unfinished(folder: Path) -> None:
    """Conditions may have been trained with different seeds, one command after the other."""
    config = json.loads((folder / "config.json").read_text())
    cells = [[m, c, s] for m in "ab" for c in CONDITIONS for s in (range(3) if c == "human" else range(2))]
    (folder / "config.json").write_text(json.dumps(config | {"cells": cells}))
    for condition in ("original", "shuffled"):
        for done in folder.glob(f"runs/*/{condition}/seed2/done.json"):
            done.unlink()
    (folder / "runs/b/human/seed1/done.json").unlink()
    compare(folder, resamples=100, permutations=99)
    words = json.loads((folder / "conclusion.json").read_text())
    assert words["unfinished"] == [["b", "human", 1]]


def test_with_one_seed_the_luck_of_training_is_said_not_to_be_counted(folder: Path) -> None:
    compare(folder, resamples=100, permutations=99)
    assert not any(
        "the luck of training" in text for text in json.loads((folder / "conclusion.json").read_text())["sentences"]
    )
    for done in folder.glob("runs/*/*/seed[12]/done.json"):
        done.unlink()
    compare(folder, resamples=100, permutations=99)
    sentences = json.loads((folder / "conclusion.json").read_text())["sentences"]
    assert any(text.startswith("Where there is one seed, the luck of training is not counted") for text in sentences)


def test_more_comparisons_take_larger_differences_and_more_pictures(folder: Path) -> None:
    sizes = []
    for pairs in ([("human", "original")], None):
        compare(folder, pairs=pairs, difference=0.6, resamples=100, permutations=99)
        paired = pd.read_csv(folder / "paired.csv").set_index(["model", "condition_a", "condition_b", "metric"])
        sizes.append(paired.loc[("a", "human", "original", "srcc"), ["pictures_for_size", "detectable", "p"]])
    two, six = sizes
    assert six["p"] == two["p"]
    assert six["detectable"] > 1.1 * two["detectable"]  # t at .05 / 6 against .05 / 2
    assert six["pictures_for_size"] > 1.1 * two["pictures_for_size"]
    words = json.loads((folder / "conclusion.json").read_text())
    claim = next(c for c in words["claims"] if (c["model"], c["a"], c["b"]) == ("a", "human", "original"))
    said = f"one of 0.6 with {claim['pictures_for_size']:,.0f} test pictures"
    assert any(said in text for text in words["sentences"])


def test_differences_stay_within_what_is_possible(folder: Path) -> None:
    """Two seeds and four pictures say next to nothing; the intervals and the words do not go beyond all there is."""
    truth = pd.read_csv(folder / "truth.csv", dtype={"image": str})
    kept = set(truth.query("split == 'test'")["image"][:4])
    truth[(truth["split"] != "test") | truth["image"].isin(kept)].to_csv(folder / "truth.csv", index=False)
    for file in folder.glob("runs/*/*/seed*/predictions.csv"):
        table = pd.read_csv(file, dtype={"image": str})
        table[table["image"].isin(kept)].to_csv(file, index=False)
    for done in folder.glob("runs/*/*/seed2/done.json"):
        done.unlink()
    compare(folder, resamples=100, permutations=99)
    paired = pd.read_csv(folder / "paired.csv")
    most = paired["metric"].map({"srcc": 2, "lcc": 2, "lcc_std": 2, "accuracy": 1}).fillna(np.inf)
    assert (paired["low"] >= -most).all()
    assert (paired["high"] <= most).all()
    assert (paired["detectable"] > most).any()
    sentences = json.loads((folder / "conclusion.json").read_text())["sentences"]
    impossible = paired[(paired["metric"] == "srcc") & (paired["detectable"] > 2)]
    said = "with so few pictures and seeds not even the largest true difference would be seen"
    assert sum(said in text for text in sentences) == len(impossible)


def test_the_command_says_that_a_report_is_older(folder: Path) -> None:
    arguments = ["compare", str(folder), "--resamples", "100", "--permutations", "99"]
    assert "report.html" not in CliRunner().invoke(gazekit, arguments).stderr
    (folder / "report.html").write_text("")
    assert "report.html is of an earlier comparison" in CliRunner().invoke(gazekit, arguments).stderr


def test_pairs_count_once_and_are_of_two_conditions(folder: Path) -> None:
    pairs = [("human", "shuffled"), ("human", "shuffled"), ("shuffled", "human")]
    compare(folder, pairs=pairs, resamples=100, permutations=99)
    claims = json.loads((folder / "conclusion.json").read_text())["claims"]
    assert [(c["model"], c["a"], c["b"]) for c in claims] == [("a", "human", "shuffled"), ("b", "human", "shuffled")]
    with pytest.raises(InputError, match="two different conditions; found human and human"):
        compare(folder, pairs=[("human", "human")])


def test_nothing_compared_is_said_as_it_is(folder: Path) -> None:
    for done in folder.glob("runs/*/human/*/done.json"):
        done.unlink()
    compare(folder, pairs=[("human", "original")], resamples=100, permutations=99)
    words = json.loads((folder / "conclusion.json").read_text())
    assert words["claims"] == []
    assert words["sentences"][0].startswith("Nothing was compared: no two conditions that were asked for have")


def test_the_floor_is_compared_picture_by_picture(folder: Path) -> None:
    compare(folder, resamples=200, permutations=99)
    words = json.loads((folder / "conclusion.json").read_text())
    floors = {(row["model"], row["condition"]): row for row in words["floors"]}
    skilled, unskilled = floors["a", "human"], floors["a", "shuffled"]
    assert skilled["difference"] < skilled["high"] < 0
    assert not unskilled["high"] < 0
    table = pd.read_csv(folder / "comparison.csv")
    own = table[(table["level"] == "condition") & (table["model"] == "a") & (table["condition"] == "human")].iloc[0]
    assert skilled["difference"] == pytest.approx(own["emd2"] - skilled["floor"])
    assert skilled["high"] - skilled["low"] < own["emd2_high"] - own["emd2_low"] + 0.05
    said = "a: against a constant histogram (EMD, r = 2, of "
    text = next(text for text in words["sentences"] if text.startswith(said))
    assert text.endswith("the histograms predicted from these conditions are better: human, original.")


def test_the_conclusion_keeps_how_it_was_drawn(folder: Path) -> None:
    compare(folder, threshold=6, resamples=150, permutations=120, seed=3)
    words = json.loads((folder / "conclusion.json").read_text())
    method = {"threshold": 6, "resamples": 150, "permutations": 120, "seed": 3, "convention": "gazekit"}
    assert words["method"] == method


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 99.0}, "the threshold is 99.0; the ratings go from 1 to 10"),
        ({"threshold": float("nan")}, "the threshold is nan"),
        ({"alpha": 1.5}, "alpha is 1.5"),
        ({"resamples": 0}, "resamples is 0; 100 or more are needed"),
        ({"permutations": -1}, "permutations is -1; 99 or more are needed"),
        ({"difference": -0.1}, "the difference to be seen is -0.1"),
        ({"dataset": "nothere.dataset.h5"}, "nothere.dataset.h5"),
    ],
)
def test_numbers_and_files_that_make_no_sense(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        compare(folder, **options)
    assert not (folder / "comparison.csv").exists()


def test_predictions_that_are_no_numbers_are_named(folder: Path) -> None:
    file = folder / "runs/b/human/seed1/predictions.csv"
    table = pd.read_csv(file, dtype={"image": str})
    table.loc[[3, 7], "p4"] = np.nan
    table.to_csv(file, index=False)
    with pytest.raises(FormatError, match=r"seed1/predictions.csv: 2 of 60 rows are no distributions.*: 043, 047; "):
        compare(folder)


def test_predictions_that_were_sorted_by_hand_are_taken_by_name(folder: Path) -> None:
    file, before = folder / "runs/b/human/seed1/predictions.csv", read_predictions(folder).predicted["b", "human"]
    pd.read_csv(file, dtype={"image": str}).sort_values("p4").to_csv(file, index=False)
    assert np.array_equal(read_predictions(folder).predicted["b", "human"][Pass(1)], before[Pass(1)])


def test_predictions_that_are_not_1_in_all_are_refused(folder: Path) -> None:
    file = folder / "runs/b/human/seed1/predictions.csv"
    table = pd.read_csv(file, dtype={"image": str})
    table.loc[3, "p4"] += 5
    table.to_csv(file, index=False)
    with pytest.raises(FormatError, match=r"1 of 60 rows are no distributions \(0 or more, and 1 in all\): 043; "):
        read_predictions(folder)


def test_of_one_rating_a_picture_no_ceiling_is_claimed(folder: Path, rng: np.random.Generator) -> None:
    """One rating does not say whether pictures or raters differ: a ceiling would be a guess (it was .7 for noise)."""
    truth = pd.read_csv(folder / "truth.csv", dtype={"image": str})
    scores = [f"c{k}" for k in range(1, 11)]
    truth[scores] = np.eye(10, dtype=int)[rng.integers(3, 7, len(truth))]
    truth.to_csv(folder / "truth.csv", index=False)
    compare(folder, resamples=100, permutations=99)
    table = pd.read_csv(folder / "comparison.csv").query("level == 'ceiling'")
    assert "true distribution" not in set(table["model"])
    assert table[["srcc", "lcc"]].isna().all(axis=None)
    assert pd.read_csv(folder / "worth.csv").empty
    assert any(
        "What could be reached is not known" in s
        for s in json.loads((folder / "conclusion.json").read_text())["sentences"]
    )
    write_report(folder)
    with pytest.raises(InputError, match="has one rating of each test picture"):
        world_of(folder)


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"some": "thing"}', '{"grid": 3, "dataset": {}}'])
def test_a_damaged_configuration(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(FormatError, match=r"config.json is not the configuration that gazekit train writes"):
        compare(folder)


def test_floors_and_ceilings_stand_beside(folder: Path) -> None:
    compare(folder, resamples=100, permutations=99)
    table = pd.read_csv(folder / "comparison.csv").set_index("model")
    floor, half = table.loc["constant histogram"], table.loc["half of the raters"]
    assert floor["emd2"] > half["emd2"]
    assert np.isnan(floor["srcc"])
    assert half["lcc_low"] <= half["lcc"] <= half["lcc_high"]
    assert half["lcc"] < table.loc["true means", "lcc"] <= 1
    high, true = table.loc["always high"], table.loc["true means"]
    assert 0 < high["accuracy_low"] < high["accuracy"] < high["accuracy_high"] < 1
    assert half["lcc_low"] < true["lcc_low"] <= true["lcc"] <= true["lcc_high"] <= 1


@pytest.mark.once
def test_by_category(folder: Path) -> None:
    names = pd.read_csv(folder / "truth.csv", dtype=str)["image"]
    categories = pd.DataFrame({"image": names, "category": ["reef", "turtle"] * 49 + ["ray"] * 2})
    categories = pd.concat([categories, categories[:80].assign(category="all")])  # a picture may be in two
    categories.to_csv(folder / "list.csv", index=False)
    result = CliRunner().invoke(
        gazekit,
        [
            "compare",
            str(folder),
            "--categories",
            str(folder / "list.csv"),
            "--resamples",
            "100",
            "--permutations",
            "99",
        ],
    )
    assert result.exit_code == 0, result.output
    table = pd.read_csv(folder / "categories.csv")
    assert set(table["category"]) == {"all", "reef", "turtle"}  # two rays are too few
    assert dict(table.groupby("category")["n"].first()) == {"all": 40, "reef": 29, "turtle": 29}
    assert (table["srcc_low"] <= table["srcc"]).all()
    skilled = table[table["condition"] == "human"]["srcc"].min()
    assert skilled > table[table["condition"] == "shuffled"]["srcc"].max()
    compare(folder, resamples=100, permutations=99)
    assert not (folder / "categories.csv").exists()  # they were of that comparison
    own = (folder / "list.csv").rename(folder / "categories.csv")
    with pytest.raises(InputError, match="give the table another name"):
        compare(folder, categories=own)
    compare(folder, resamples=100, permutations=99)
    assert own.read_text().startswith("image,category")  # somebody's own stays


def test_the_command_gives_json(folder: Path) -> None:
    arguments = ["compare", str(folder), "--json", "--resamples", "100", "--permutations", "99"]
    result = CliRunner().invoke(gazekit, [*arguments, "--pair", "shuffled", "human"])
    words = json.loads(result.output)
    assert {(c["a"], c["b"]) for c in words["claims"]} == {("shuffled", "human")}


def test_the_pairs_that_answer_the_question() -> None:
    assert default_pairs(["original", "human", "centre"]) == [
        ("human", "original"),
        ("human", "centre"),
        ("centre", "original"),
    ]
    assert default_pairs(["original", "centre"]) == [("centre", "original")]
    assert default_pairs(["human"]) == []


def test_a_wrong_picture_among_the_predictions_is_named(folder: Path) -> None:
    file = folder / "runs/a/human/seed0/predictions.csv"
    table = pd.read_csv(file, dtype={"image": str})
    table.loc[3, "image"] = "somebody-elses"
    table.to_csv(file, index=False)
    with pytest.raises(FormatError, match=r"not in truth\.csv: somebody-elses"):
        compare(folder, resamples=100, permutations=99)


def test_without_the_dataset_the_agreement_of_maps_is_kept(folder: Path) -> None:
    kept = "map,metric,value,low,high,n\nnet,nss,1.5,1.2,1.8,60\n"
    (folder / "agreement.csv").write_text(kept)
    compare(folder, resamples=100, permutations=99)
    assert (folder / "agreement.csv").read_text() == kept


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("residual-attention-narrow/human/seed0", "residual-attention-narrow/human/seed1", "seed 0"),
        ("residual-attention-narrow/human/seed0", "residual-attention-narrow/synthetic/seed0", "condition human"),
    ],
)
def test_a_run_that_was_copied_to_another_place_is_refused(tmp_path: Path, source: str, target: str, said: str) -> None:
    folder = Path(shutil.copytree(KEPT, tmp_path / "runs"))
    shutil.rmtree(folder / "runs" / target)
    shutil.copytree(folder / "runs" / source, folder / "runs" / target)
    with pytest.raises(FormatError, match=f"{target} should hold .*, but its config.json says {said}: it was copied"):
        read_predictions(folder)


def test_a_run_of_another_dataset_is_refused(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(KEPT, tmp_path / "runs"))
    path = folder / "runs/residual-attention-narrow/human/seed0/config.json"
    path.write_text(path.read_text().replace('"dataset": "', '"dataset": "0'))
    with pytest.raises(FormatError, match=r"should hold residual-attention-narrow / human / seed 0, .* says dataset 0"):
        read_predictions(folder)
