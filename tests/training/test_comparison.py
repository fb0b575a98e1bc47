from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.training import compare
from gazekit.training.comparison import default_pairs

SCORE = np.arange(1, 11)
SKILL = {"human": 1.0, "original": 0.9, "shuffled": 0.0}


def histograms(centre: np.ndarray) -> np.ndarray:
    p = np.exp(-((SCORE - centre[..., None]) ** 2) / 4)
    return np.asarray(p / p.sum(-1, keepdims=True))


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A comparison folder with predictions of known skill: 60 test pictures, 2 models, 3 conditions, 3 seeds."""
    names = [f"{n:03d}" for n in range(100)]
    true = rng.normal(0, 1.2, 100)
    counts = pd.DataFrame(
        [rng.multinomial(12, row) for row in histograms(5.5 + true)], columns=[f"c{k}" for k in SCORE]
    )
    counts.insert(0, "split", ["train"] * 30 + ["validation"] * 10 + ["test"] * 60)
    counts.insert(0, "image", names)
    counts.to_csv(tmp_path / "truth.csv", index=False)
    grid = {"models": ["a", "b"], "conditions": list(SKILL), "seeds": [0, 1, 2]}
    config = {"grid": grid, "dataset": {"path": "not-there.dataset.h5", "sha256": ""}, "scheme": "default"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for model in grid["models"]:
        for condition, skill in SKILL.items():
            for seed in range(3):
                cell = tmp_path / "runs" / str(model) / condition / f"seed{seed}"
                cell.mkdir(parents=True)
                centre = 5.5 + skill * true[40:] + rng.normal(0, 0.4, 60)
                table = pd.DataFrame(histograms(centre), columns=[f"p{k}" for k in SCORE])
                table.insert(0, "image", names[40:])
                table.to_csv(cell / "predictions.csv", index=False)
                (cell / "done.json").write_text("{}")
    return tmp_path


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
    compare(folder, primary="mae", resamples=200, permutations=499)
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


def test_unfinished_cells_are_left_out(folder: Path) -> None:
    (folder / "runs/a/human/seed2/done.json").unlink()
    compare(folder, resamples=100, permutations=99)
    table = pd.read_csv(folder / "comparison.csv")
    assert len(table[(table["level"] == "seed") & (table["model"] == "a") & (table["condition"] == "human")]) == 2


def test_floors_and_ceilings_stand_beside(folder: Path) -> None:
    compare(folder, resamples=100, permutations=99)
    table = pd.read_csv(folder / "comparison.csv").set_index("model")
    floor, half = table.loc["constant histogram"], table.loc["half of the raters"]
    assert floor["emd2"] > half["emd2"]
    assert np.isnan(floor["srcc"])
    assert half["lcc_low"] <= half["lcc"] <= half["lcc_high"]
    assert half["lcc"] < table.loc["true means", "lcc"] <= 1
    assert 0 < table.loc["always high", "accuracy"] < 1


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
