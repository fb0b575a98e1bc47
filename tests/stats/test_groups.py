"""Whether the benefit of a condition is another for one group of raters than for another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.core.errors import InputError
from gazekit.stats.comparison import compare

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
    with pytest.raises(InputError, match="1 groups rated 8 test pictures or more; two or more are needed"):
        compare(folder, groups=groups, **FAST)
    table.drop(columns="c10").to_csv(groups, index=False)
    with pytest.raises(InputError, match="has ratings from 1 to 9; the networks' are 1 to 10"):
        CliRunner().invoke(
            gazekit, ["compare", str(folder), "--groups", str(groups)], catch_exceptions=False, standalone_mode=False
        )
