"""Killed at random moments and started again, a grid and its comparison end in the same tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gazekit.training import compare, train
from tests.training.killing import leftovers, run_to_the_end
from tests.training.test_grid import tables

OPTIONS = {"size": 32, "epochs": 10, "batch": 8, "threads": 1}


def test_killed_twice(dataset: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(dataset, whole, models=["nima-narrow"], conditions=["human"], seeds=1, **OPTIONS)
    arguments = ["train", str(dataset), "--out", str(killed), "--model", "nima-narrow", "--condition", "human"]
    arguments += ["--seeds", "1", "--checkpoint-seconds", "0", "--no-compare"]
    arguments += [text for name, value in OPTIONS.items() for text in (f"--{name}", str(value))]
    run_to_the_end(arguments, rng, kills=2, seconds=(3.0, 4.5))
    for folder in (whole, killed):
        compare(folder, resamples=100, permutations=99)
    assert tables(killed) == tables(whole)
    assert leftovers(killed) == []
