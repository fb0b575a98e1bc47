"""Networks of several folders in one comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from gazekit.cli import main
from gazekit.core.errors import FormatError, InputError, OutputError
from gazekit.report import write_report
from gazekit.stats.joined_folders import join_folders


@pytest.fixture
def two(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same networks twice; in the second folder ``a`` has learned nothing, and ``b`` is called c."""
    home = tmp_path_factory.mktemp("two")
    first, second = (Path(shutil.copytree(folder, home / name)) for name in ("scratch", "ava"))
    shutil.rmtree(second / "runs" / "a" / "human")
    shutil.copytree(second / "runs" / "a" / "shuffled", second / "runs" / "a" / "human")
    (second / "runs" / "b").rename(second / "runs" / "c")
    config = json.loads((second / "config.json").read_text())
    config["grid"]["models"] = ["a", "c"]
    (second / "config.json").write_text(json.dumps(config))
    return first, second


def test_networks_of_two_folders_are_compared_and_reported(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "both"
    with pytest.raises(SystemExit) as ended:
        main(["compare", *map(str, two), "--out", str(out), "--resamples", "100", "--permutations", "199",
              "--pair", "a@scratch:human", "a@ava:human", "--pair", "b:human", "c:human"])  # fmt: skip
    assert ended.value.code == 0
    table = pd.read_csv(out / "comparison.csv").query("level == 'condition'")
    assert set(table["model"]) == {"a@scratch", "a@ava", "b", "c"}
    claims = {claim["model"]: claim for claim in json.loads((out / "conclusion.json").read_text())["claims"]}
    assert claims["a@scratch"]["claimed"]
    assert claims["a@scratch"]["model_b"] == "a@ava"
    assert claims["b"]["difference"] == 0
    assert "a@scratch" in write_report(out).read_text()


def test_what_cannot_be_joined_is_said(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "both"
    with pytest.raises(InputError, match="two folders or more"):
        join_folders([two[0]], out)
    truth = pd.read_csv(two[1] / "truth.csv", dtype={"image": str})
    truth.loc[truth["split"] == "test", "c1"] += 1
    truth.to_csv(two[1] / "truth.csv", index=False)
    with pytest.raises(InputError, match="was not tested on the same pictures, ratings and folds"):
        join_folders(two, out)
    assert not out.exists()
    out.mkdir()
    with pytest.raises(OutputError, match="is there already"):
        join_folders(two, out)


def test_a_run_that_was_copied_to_another_place_is_not_joined(two: tuple[Path, Path], tmp_path: Path) -> None:
    (two[1] / "runs/c/human/seed1/config.json").write_text(json.dumps({"model": "c", "condition": "human", "seed": 0}))
    with pytest.raises(FormatError, match=r"should hold c / human / seed 1, but its config.json says seed 0"):
        join_folders(two, tmp_path / "both")
    assert not (tmp_path / "both").exists()
