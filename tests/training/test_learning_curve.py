"""Networks trained on shares of the training pictures, and the curve that a comparison makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import ConfigError
from gazekit.dataset import open_dataset
from gazekit.report import write_report
from gazekit.stats.comparison import compare
from gazekit.stats.comparison_folder import Run
from gazekit.training import plan, train

FAST = {"resamples": 100, "permutations": 99}


@pytest.mark.parametrize("folds", [None, 3], ids=["split", "folds"])
def test_a_curve_is_trained_beside_the_grid_and_reported(folds: int | None, dataset: Path, tmp_path: Path) -> None:
    options = {"models": ["nima-narrow"], "conditions": ["original"], "seeds": 1, "size": 32, "epochs": 1}
    options |= {"cross_validate": folds}
    out = train(dataset, tmp_path / "out", learning_curve=[50], **options)
    compare(out, **FAST)
    curve = pd.read_csv(out / "learning-curve.csv")
    data = open_dataset(dataset)
    usable = int((data.codes() > 0).sum())
    whole = len(data.indices("train")) if folds is None else usable // 3
    assert curve["share"].tolist() == [50, 100]
    assert curve["pictures"].tolist() == pytest.approx([whole / 2, whole], abs=1)
    table = pd.read_csv(out / "comparison.csv").query("level == 'condition'")
    assert len(table) == 1  # the curve's networks are in no other table
    assert curve["emd2"].iloc[1] == pytest.approx(table["emd2"].iloc[0])
    assert "training pictures" in write_report(out).read_text()
    config = json.loads((out / "config.json").read_text())
    assert config["learning_curve"]["shares"] == [50]
    again = plan(dataset, out, **options)
    assert {state for _, state in again.states()} == {"done"}
    assert again.config["learning_curve"] == config["learning_curve"]


def test_larger_shares_hold_the_smaller_ones(dataset: Path, tmp_path: Path) -> None:
    grid = plan(dataset, tmp_path, models=["nima-narrow"], conditions=["original"], seeds=1, size=32,
                learning_curve=[25, 50])  # fmt: skip
    data = open_dataset(dataset)
    parts = {job.run.share: set(job.indices(data, "train").tolist()) for job in grid.jobs}
    assert parts[25] < parts[50] < parts[100]
    tests = [job.indices(data, "test") for job in grid.jobs]
    assert all(np.array_equal(tests[0], test) for test in tests)
    assert Run("a", "human", 1, 2, share=25).folder(Path()) == Path("runs/a/human/seed1-repeat2-share25")
    with pytest.raises(ConfigError, match="1 to 99 % of the training pictures; found 100"):
        plan(dataset, tmp_path, models=["nima-narrow"], conditions=["original"], seeds=1, size=32, learning_curve=[100])


def test_folds_dealt_twice_are_reported(dataset: Path, tmp_path: Path) -> None:
    options = {"models": ["nima-narrow"], "conditions": ["original"], "seeds": 1, "size": 32, "epochs": 1}
    out = train(dataset, tmp_path / "out", cross_validate=3, repeats=2, **options)
    compare(out, **FAST)
    assert "each tested once in 3 folds, 2 seeds" in write_report(out).read_text()
