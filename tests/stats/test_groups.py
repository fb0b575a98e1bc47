"""Whether the benefit of a condition is another for one group of raters than for another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy.stats import t as student

from gazekit.cli import gazekit
from gazekit.core.errors import FormatError, InputError
from gazekit.stats.comparison import compare
from gazekit.stats.comparison_folder import read_predictions
from gazekit.stats.contrasts import Contrast
from gazekit.stats.groups import group_table, read_groups
from gazekit.stats.multiple_comparisons import holm
from gazekit.stats.options import ComparisonOptions
from gazekit.stats.predictions import OutOfFold, Pass, Predictions
from gazekit.stats.standard_error import error_of
from gazekit.stats.training_luck import luck_of_folds

FAST = {"resamples": 100, "permutations": 99, "pairs": [("human", "shuffled")]}
COLUMNS = [f"c{k}" for k in range(1, 11)]


@pytest.fixture
def groups(folder: Path, tmp_path: Path) -> Path:
    """Group x rates as all do, group y as all do, group z without regard to the picture."""
    truth = pd.read_csv(folder / "truth.csv", dtype={"image": str}).query("split == 'test'")
    parts = []
    for number, name in enumerate("xyz"):
        rng = np.random.default_rng(number)
        share = truth[COLUMNS].to_numpy() / truth[COLUMNS].to_numpy().sum(axis=1, keepdims=True)
        if name == "z":
            share = rng.permutation(share)
        part = pd.DataFrame(rng.multinomial(30, share), columns=COLUMNS)
        parts.append(part.assign(image=truth["image"].to_numpy(), group=name))
    table = pd.concat(parts)
    table.to_csv(tmp_path / "by-group.csv", index=False)
    return tmp_path / "by-group.csv"


def test_an_interaction_is_found_where_there_is_one_and_not_where_there_is_none(folder: Path, groups: Path) -> None:
    compare(folder, groups=groups, **FAST)
    table = pd.read_csv(folder / "groups.csv", keep_default_na=False, na_values={"p_holm": [""]})
    pairs = table[(table["model"] == "a") & (table["against"] != "")].set_index(["group", "against"])
    assert pairs.loc[("x", "z"), "p_holm"] < 0.05
    assert pairs.loc[("x", "z"), "low"] > 0
    assert pairs.loc[("x", "y"), "p_holm"] > 0.05
    assert pairs.loc[("x", "y"), "low"] < 0 < pairs.loc[("x", "y"), "high"]
    alone = table[(table["model"] == "a") & (table["against"] == "")].set_index("group")["difference"]
    assert pairs.loc[("x", "z"), "difference"] == pytest.approx(alone["x"] - alone["z"])
    words = json.loads((folder / "conclusion.json").read_text())
    said = [text for text in words["sentences"] if "raters of x" in text]
    assert any("x and z" in text and "is another" in text for text in said)
    assert len(words["claims"]) == 2


def test_only_pictures_that_both_groups_rated_are_compared(folder: Path, groups: Path) -> None:
    table = pd.read_csv(groups, dtype={"image": str})
    table = table[(table["group"] != "y") | (table["image"].astype(int) % 2 == 0)]
    table.to_csv(groups, index=False)
    compare(folder, groups=groups, **FAST)
    made = pd.read_csv(folder / "groups.csv", keep_default_na=False).set_index(["model", "group", "against"])
    assert made.loc[("a", "x", "y"), "n"] == 30
    assert made.loc[("a", "x", "z"), "n"] == 60


def test_what_cannot_be_compared_is_refused(folder: Path, groups: Path) -> None:
    table = pd.read_csv(groups, dtype={"image": str})
    table[table["group"] == "x"].to_csv(groups, index=False)
    with pytest.raises(InputError, match="1 group rated 8 test pictures or more; two or more are needed"):
        compare(folder, groups=groups, **FAST)
    table.drop(columns="c10").to_csv(groups, index=False)
    with pytest.raises(InputError, match="has ratings from 1 to 9; the networks' are 1 to 10"):
        CliRunner().invoke(
            gazekit, ["compare", str(folder), "--groups", str(groups)], catch_exceptions=False, standalone_mode=False
        )


N, SCORES = 14, 5


def two_groups(rng: np.random.Generator, seeds: list[Pass], folds: OutOfFold | None = None) -> Predictions:
    """Two conditions of one network on 14 pictures."""
    shares = {
        ("m", condition): {one: rng.dirichlet(np.ones(SCORES), N) for one in seeds} for condition in ("human", "centre")
    }
    counts = rng.multinomial(9, np.full(SCORES, 1 / SCORES), N)
    return Predictions([f"p{k:02d}" for k in range(N)], counts, counts, shares, 2.5, ["m"], ["human"], folds=folds)


def rated_by(rng: np.random.Generator, places: list[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.array(places), rng.multinomial(7, np.full(SCORES, 1 / SCORES), len(places))


def apart(predictions: Predictions, places: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how much farther from the ratings one condition's means are than the other's, (S, n)."""
    score = np.arange(1, SCORES + 1)
    true, sides = counts @ score / counts.sum(axis=1), []
    for condition in ("human", "centre"):
        seeds = predictions.predicted["m", condition]
        sides.append(np.stack([np.abs(seeds[one][places] @ score - true) for one in sorted(seeds)]))
    return np.asarray(sides[0] - sides[1])


@pytest.mark.parametrize("repeats", [0, 2], ids=["one-split", "folds"])
def test_differences_of_groups_and_between_them_by_hand(rng: np.random.Generator, repeats: int) -> None:
    folds = np.stack([rng.permutation(np.arange(N) % 4 + 1) for _ in range(2)])
    seeds = [Pass(0, 1), Pass(1, 2), Pass(2, 2)] if repeats else [Pass(0), Pass(1), Pass(2)]
    predictions = two_groups(rng, seeds, OutOfFold(folds) if repeats else None)
    groups = {
        "x": rated_by(rng, [3, 0, 1, 2, 7, 6, 5, 4, 9, 8]),
        "y": rated_by(rng, [13, 12, 8, 9, 7, 6, 5, 4, 3, 2]),
        "z": rated_by(rng, [13, 12, 11, 10, 9, 8, 7, 6]),
    }
    contrasts = [Contrast("m", "human", "m", "centre"), Contrast("m", "human", "m", "absent")]
    table = group_table(predictions, contrasts, groups, ComparisonOptions(metric="mae"), 1.3 if repeats else 1.0)
    table = table.set_index(["group", "against"])
    assert table.index.tolist() == [("x", ""), ("y", ""), ("z", ""), ("x", "y")]  # z shares four with x, six with y
    assert set(table["metric"]) == {"mae"}
    each = {name: dict(zip(group[0], apart(predictions, *group).T, strict=True)) for name, group in groups.items()}
    both = sorted(each["x"].keys() & each["y"].keys())
    expected = {(name, ""): (np.array([*found]), np.stack([*found.values()], axis=1)) for name, found in each.items()}
    expected["x", "y"] = np.array(both), np.stack([each["x"][k] - each["y"][k] for k in both], axis=1)
    for key, (places, values) in expected.items():
        n = len(places)
        without = (values.sum(axis=1, keepdims=True) - values) / (n - 1)
        luck = luck_of_folds(values.mean(axis=1)[None], without[None], folds[[0, 1, 1]][:, places]) if repeats else None
        error = error_of(values.mean(axis=1), without, n, luck, overlap=1.3 if repeats else 1.0)
        row, half = table.loc[key], student.ppf(0.975, error.df) * error.se
        assert row["n"] == n
        found = row[["difference", "low", "high", "p"]].tolist()
        mean = values.mean()
        assert found == pytest.approx([mean, mean - half, mean + half, error.p(float(mean))])
    assert table["p_holm"].isna().tolist() == [True, True, True, False]
    assert table.loc[("x", "y"), "p_holm"] == table.loc[("x", "y"), "p"]


def test_groups_are_read_by_picture_and_eight_are_enough(rng: np.random.Generator, tmp_path: Path) -> None:
    predictions = two_groups(rng, [Pass(0)])
    rows = []
    for group, count in (("x", 8), ("y", 9), ("z", 7)):
        for k in range(count):
            rows.append({"image": f"p{13 - k:02d}", "group": group, **{f"c{s}": s + k for s in range(1, 6)}})
    rows.append(rows[0] | {"image": "stranger"})
    rows += [{"image": "p00", "group": group} | {f"c{s}": 0 for s in range(1, 6)} for group in "xz"]
    pd.DataFrame(rows).to_csv(tmp_path / "g.csv", index=False)
    groups = read_groups(tmp_path / "g.csv", predictions)
    assert {name: places.tolist() for name, (places, _) in groups.items()} == {
        "x": [*range(13, 5, -1)], "y": [*range(13, 4, -1)],
    }  # fmt: skip
    assert groups["x"][1].tolist() == [[1 + k, 2 + k, 3 + k, 4 + k, 5 + k] for k in range(8)]


def test_groups_that_share_eight_pictures_are_compared_and_seven_are_too_few(rng: np.random.Generator) -> None:
    predictions = two_groups(rng, [Pass(0)])
    groups = {
        "x": rated_by(rng, [*range(10)]),
        "y": rated_by(rng, [*range(2, 12)]),
        "z": rated_by(rng, [*range(3, 13)]),
    }
    table = group_table(predictions, [Contrast("m", "human", "m", "centre")], groups, ComparisonOptions())
    pairs = table[table["against"] != ""]
    assert pairs[["group", "against", "n"]].to_numpy().tolist() == [["x", "y", 8], ["y", "z", 9]]
    assert pairs["p_holm"].tolist() == holm(pairs["p"]).tolist()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, "counts must be whole numbers of 0 or more; 1 row is not: 040"),
        (-2, "counts must be whole numbers of 0 or more; 1 row is not: 040"),
        (None, "counts must be whole numbers of 0 or more; 1 row is not: 040"),
        ("many", "counts must be whole numbers of 0 or more; 1 row is not: 040"),
        ("twice", r"each picture may stand once for a group; repeated: 040 \(x\)"),
    ],
)
def test_ratings_by_group_are_counts_and_stand_once(folder: Path, groups: Path, value: object, message: str) -> None:
    table = pd.read_csv(groups, dtype={"image": str}).astype({"c3": object})
    if value == "twice":
        table = pd.concat([table, table.head(1)])
    else:
        table.iloc[0, table.columns.get_loc("c3")] = value
    table.to_csv(groups, index=False)
    with pytest.raises(FormatError, match=message):
        read_groups(groups, read_predictions(folder))


def test_groups_and_rows_that_are_left_out_are_told(
    folder: Path, groups: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(groups, dtype={"image": str})
    few = table[table["group"] == "x"]
    pd.concat([table, few.head(4).assign(group="w"), few.head(3).assign(group="")]).to_csv(groups, index=False)
    assert set(read_groups(groups, read_predictions(folder))) == {"x", "y", "z"}
    said = capsys.readouterr().err
    assert "3 rows have no group, left out" in said
    assert "the group w is left out: it rated 4 test pictures, and 8 or more are needed" in said
