from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gazekit.training import evaluate, train
from gazekit.training.synchronise import PlacedDropout, place
from gazekit.training.team import Team

OPTIONS = {"size": 32, "epochs": 3, "batch": 16, "threads": 1}


def torchrun(processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, "-m", "gazekit", *arguments], capture_output=True, text=True, env=environment)


def test_every_picture_is_in_one_share() -> None:
    batch = np.arange(100, 117)
    shares = [Team(rank, 3).share(batch) for rank in range(3)]
    assert sorted(np.concatenate(shares)) == list(batch)


def test_two_processes_train_as_one_does(dataset: Path, tmp_path: Path) -> None:
    """The same global batch in two processes (gloo): predictions and metrics agree within 1e-3, batch statistics and
    dropout included, and each test picture is predicted once.
    """
    alone, together = tmp_path / "alone", tmp_path / "together"
    train(dataset, alone, models=["nima-narrow"], conditions=["human"], seeds=1, **OPTIONS)
    options = [text for name, value in OPTIONS.items() for text in (f"--{name}", str(value))]
    done = torchrun(
        2, "train", str(dataset), "--out", str(together), "--model", "nima-narrow", "--condition", "human",
        "--seeds", "1", "--no-compare", *options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    cell = Path("runs/nima-narrow/human/seed0/predictions.csv")
    one, two = pd.read_csv(alone / cell), pd.read_csv(together / cell)
    assert list(one["image"]) == list(two["image"])
    p, q = (table.filter(regex="^p").to_numpy() for table in (one, two))
    assert np.abs(p - q).max() < 1e-3
    truth = pd.read_csv(alone / "truth.csv").query("split == 'test'").filter(regex="^c").to_numpy()
    assert evaluate(q, truth) == pytest.approx(evaluate(p, truth), abs=1e-3)


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
