"""Killed and started again, a grid and its comparison end in the same tables."""

from __future__ import annotations

from pathlib import Path

from gazekit.training import compare, train
from tests.fixtures.killing_training import leftovers, run_to_the_end, when_epochs
from tests.fixtures.small_grid import tables

OPTIONS = {"size": 32, "epochs": 10, "batch": 8, "threads": 1}


def test_killed_twice(dataset: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(dataset, whole, models=["nima-narrow"], conditions=["human"], seeds=1, **OPTIONS)
    arguments = ["train", str(dataset), "--out", str(killed), "--model", "nima-narrow", "--condition", "human"]
    arguments += ["--seeds", "1", "--checkpoint-seconds", "0", "--no-compare"]
    arguments += [text for name, value in OPTIONS.items() for text in (f"--{name}", str(value))]
    log = killed / "runs" / "nima-narrow" / "human" / "seed0" / "metrics.jsonl"
    assert run_to_the_end(arguments, [when_epochs(log, 3), when_epochs(log, 7)]) == 2
    for folder in (whole, killed):
        compare(folder, resamples=100, permutations=99)
    assert tables(killed) == tables(whole)
    run = Path("runs") / "nima-narrow" / "human" / "seed0"
    for name in ("config.json", run / "config.json", run / "metrics.jsonl", run / "best.pt", run / "last.pt"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert leftovers(killed) == []
