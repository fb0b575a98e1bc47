"""Kill a grid with two jobs, and its comparison, at 30 random moments: the final tables are identical.

pytest -m benchmark tests/benchmarks/test_training_kills.py
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.killing_training import after, leftovers, run_to_the_end
from tests.fixtures.small_grid import tables
from tests.training.conftest import dataset as dataset  # the fixture

GRID = {
    "--seeds": "2",
    "--size": "32",
    "--epochs": "40",
    "--batch": "8",
    "--jobs": "2",
    "--threads": "1",
    "--checkpoint-seconds": "0",  # much of the time is spent inside a checkpoint
}


def grid(dataset: Path, out: Path) -> list[str]:
    conditions = ("human", "shuffled", "synthetic")
    names = [text for name in conditions for text in ("--condition", name)]
    options = [text for pair in GRID.items() for text in pair]
    return ["train", str(dataset), "--out", str(out), "--model", "nima-narrow", *names, *options, "--no-compare"]


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_thirty_kills(dataset: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run_to_the_end(grid(dataset, whole))
    start = time.monotonic()
    run_to_the_end(["compare", str(whole)])
    seconds = time.monotonic() - start
    in_training = run_to_the_end(grid(dataset, killed), map(after, rng.uniform(2.0, 6.0, 24)))
    comparing = run_to_the_end(["compare", str(killed)], map(after, rng.uniform(0.3, 0.9, 6) * seconds))
    print(f"\nkilled {in_training} times in training, {comparing} times in the comparison")
    assert tables(killed) == tables(whole)
    assert leftovers(killed / "runs") == []
    assert (in_training, comparing) == (24, 6)
