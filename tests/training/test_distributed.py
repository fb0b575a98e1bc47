from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gazekit.training import evaluate, train
from gazekit.training.distributed import Team
from gazekit.training.synchronise import PlacedDropout, place
from tests.conftest import ROOT

OPTIONS = {"size": 32, "epochs": 3, "batch": 16, "threads": 1}
AS_ONE: dict[str, dict[str, Any]] = {
    "batches of 16": {},
    "batches smaller than the team": {"batch": 1, "epochs": 1, "optimizer": "sgd"},
    "parts of unequal shares": {"batch": 7, "epochs": 1, "accumulate": 2},
}
NEVER_COMES: dict[str, tuple[str, dict[str, Any]]] = {
    "parts without pictures": ("nima-narrow", {"batch": 3, "accumulate": 2, "epochs": 1}),
    "parameters that no loss depends on": ("mtrlcnn", {"batch": 35, "epochs": 1}),
}


def test_every_picture_is_in_one_share() -> None:
    batch = np.arange(100, 117)
    shares = [Team(rank, 3).share(batch) for rank in range(3)]
    assert sorted(np.concatenate(shares)) == list(batch)


def torchrun(processes: int, commands: list[list[str]]) -> subprocess.CompletedProcess[str]:
    """Run several commands, one after another, in so many processes (gloo)."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "tests.fixtures.together", json.dumps(commands)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=600)


@pytest.fixture(scope="module")
def together(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all that two processes trained."""
    folder, commands = tmp_path_factory.mktemp("together"), []
    cells = {name: ("nima-narrow", options) for name, options in AS_ONE.items()} | NEVER_COMES
    for name, (model, options) in cells.items():
        words = ["--model", model, "--condition", "human", "--seeds", "1", "--no-compare"]
        words += [text for option, value in (OPTIONS | options).items() for text in (f"--{option}", str(value))]
        commands.append(["train", str(dataset), "--out", str(folder / name), *words])
    done = torchrun(2, commands)
    assert done.returncode == 0, done.stderr
    return folder


def predictions(out: Path, model: str) -> pd.DataFrame:
    return pd.read_csv(out / "runs" / model / "human" / "seed0" / "predictions.csv", index_col="image")


@pytest.mark.parametrize("name", AS_ONE)
def test_two_processes_train_as_one_does(name: str, dataset: Path, together: Path, tmp_path: Path) -> None:
    """The same global batch in two processes (gloo): predictions and metrics agree within 1e-3, batch statistics and
    dropout included, and each test picture is predicted once.
    """
    train(dataset, tmp_path, models=["nima-narrow"], conditions=["human"], seeds=1, **OPTIONS | AS_ONE[name])
    one, two = (predictions(out, "nima-narrow") for out in (tmp_path, together / name))
    assert list(one.index) == list(two.index)
    p, q = one.to_numpy(), two.to_numpy()
    assert np.abs(p - q).max() < 1e-3
    truth = pd.read_csv(tmp_path / "truth.csv").query("split == 'test'").filter(regex="^c").to_numpy()
    assert evaluate(q, truth) == pytest.approx(evaluate(p, truth), abs=1e-3)


@pytest.mark.parametrize("name", NEVER_COMES)
def test_two_processes_do_not_wait_for_what_never_comes(name: str, together: Path) -> None:
    table = predictions(together / name, NEVER_COMES[name][0])
    assert table.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


def test_dropout_is_drawn_for_the_whole_batch() -> None:
    layer = torch.nn.Dropout(0.6)
    layer.__class__ = PlacedDropout
    x = torch.rand(10, 50)
    place(layer, 3, np.arange(10), 10)
    whole = layer(x)
    place(layer, 3, np.arange(1, 10, 2), 10)
    assert torch.equal(layer(x[1::2]), whole[1::2])
    place(layer, 4, np.arange(10), 10)
    assert not torch.equal(layer(x), whole)
    place(layer, 3, np.arange(5000), 5000)
    assert float(layer(torch.ones(5000, 20)).mean()) == pytest.approx(1, abs=0.02)  # the mean is kept
    assert torch.equal(layer.eval()(x), x)
