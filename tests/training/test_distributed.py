from __future__ import annotations

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

OPTIONS = {"size": 32, "epochs": 3, "batch": 16, "threads": 1}


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command += ["-m", "gazekit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


def test_every_picture_is_in_one_share() -> None:
    batch = np.arange(100, 117)
    shares = [Team(rank, 3).share(batch) for rank in range(3)]
    assert sorted(np.concatenate(shares)) == list(batch)


def train_together(dataset: Path, out: Path, model: str, options: dict[str, Any]) -> None:
    """Train a cell in two processes (gloo)."""
    done = torchrun(
        2, "train", str(dataset), "--out", str(out), "--model", model, "--condition", "human", "--seeds", "1",
        "--no-compare", *(text for name, value in options.items() for text in (f"--{name}", str(value))),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def predictions(out: Path, model: str) -> pd.DataFrame:
    return pd.read_csv(out / "runs" / model / "human" / "seed0" / "predictions.csv", index_col="image")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="batches of 16"),
        pytest.param({"batch": 1, "epochs": 1, "optimizer": "sgd"}, id="batches smaller than the team"),
        pytest.param({"batch": 7, "epochs": 1, "accumulate": 2}, id="parts of unequal shares"),
    ],
)
def test_two_processes_train_as_one_does(options: dict[str, Any], dataset: Path, tmp_path: Path) -> None:
    """The same global batch in two processes (gloo): predictions and metrics agree within 1e-3, batch statistics and
    dropout included, and each test picture is predicted once.
    """
    alone, together, options = tmp_path / "alone", tmp_path / "together", OPTIONS | options
    train(dataset, alone, models=["nima-narrow"], conditions=["human"], seeds=1, **options)
    train_together(dataset, together, "nima-narrow", options)
    one, two = (predictions(out, "nima-narrow") for out in (alone, together))
    assert list(one.index) == list(two.index)
    p, q = one.to_numpy(), two.to_numpy()
    assert np.abs(p - q).max() < 1e-3
    truth = pd.read_csv(alone / "truth.csv").query("split == 'test'").filter(regex="^c").to_numpy()
    assert evaluate(q, truth) == pytest.approx(evaluate(p, truth), abs=1e-3)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        pytest.param("nima-narrow", {"batch": 3, "accumulate": 2}, id="parts without pictures"),
        pytest.param("mtrlcnn", {"batch": 35}, id="parameters that no loss depends on"),
    ],
)
def test_two_processes_do_not_wait_for_what_never_comes(
    model: str, options: dict[str, Any], dataset: Path, tmp_path: Path
) -> None:
    train_together(dataset, tmp_path, model, {**OPTIONS, "epochs": 1, **options})
    assert predictions(tmp_path, model).sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)


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
