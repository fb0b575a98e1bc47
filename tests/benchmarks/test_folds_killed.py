"""Folds by ``--jobs``, torchrun and Dask, any of whose processes is killed: the same tables, nothing trained twice.

pytest -n 0 -s -m benchmark tests/benchmarks/test_folds_killed.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.benchmarks.figures import record
from tests.conftest import ROOT
from tests.fixtures.killing_training import leftovers
from tests.fixtures.small_grid import trained
from tests.training.conftest import dataset as dataset  # the fixture
from tests.training.test_cluster import scheduler as scheduler  # the fixture

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]
FOLDS, EPOCHS, KILLS = 3, 6, 3
RUNS = 3 * FOLDS  # original, human, synthetic
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
WAYS: dict[str, tuple[list[str], list[str]]] = {  # what is before `-m gazekit train`, and what is behind
    "two jobs": ([], ["--jobs", "2"]),
    "torchrun with two processes": (TORCHRUN, []),
    "Dask": ([], ["--scheduler"]),
}


def begin(command: Sequence[str]) -> psutil.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return psutil.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)


def epochs(out: Path) -> int:
    return sum(log.read_text().count("\n") for log in out.glob("runs/**/metrics.jsonl"))


def stop_the_rest(family: list[psutil.Process], victim: int, command: Sequence[str]) -> None:
    """Wait for the end of what a kill left; what torchrun's own end leaves at work keeps a second training out."""
    _, alive = psutil.wait_procs(family, timeout=10 if victim == 0 else 300)
    if not alive:
        return
    second = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert second.returncode == 0 or "another gazekit train is at work in" in second.stderr
    for process in alive:
        process.kill()
    psutil.wait_procs(alive)


def training(dataset: Path, out: Path, before: Sequence[str] = (), behind: Sequence[str] = ()) -> list[str]:
    options = ["--model", "nima-narrow", "--condition", "human", "--condition", "synthetic", "--seeds", "1"]
    options += ["--cross-validate", str(FOLDS), "--epochs", str(EPOCHS), "--size", "32", "--batch", "8"]
    options += ["--threads", "1", "--checkpoint-seconds", "0", "--no-compare", *behind]
    return [sys.executable, *before, "-m", "gazekit", "train", str(dataset), "--out", str(out), *options]


def moments(rng: np.random.Generator) -> list[int]:
    """Epochs of all runs after which to kill."""
    return sorted(int(moment) for moment in rng.integers(1, RUNS * EPOCHS - EPOCHS, KILLS))


def told(way: str, value: str) -> None:
    record(
        "training",
        f"folds by {way}, killed and gone on with",
        f"{value}; load {os.getloadavg()[0]:.0f}",
        bar="identical tables; nothing trained twice",
        data="100 made-up pictures, nima-narrow at 32 px, 3 folds, 3 conditions, with the network's own attention",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_folds_killed.py",
    )


@pytest.mark.parametrize("way", WAYS)
def test_any_process_is_killed(
    way: str, dataset: Path, tmp_path: Path, rng: np.random.Generator, request: pytest.FixtureRequest
) -> None:
    before, behind = WAYS[way]
    behind = [*behind, request.getfixturevalue("scheduler")] if way == "Dask" else behind
    whole, killed, done, kills = tmp_path / "whole", tmp_path / "killed", {}, 0
    command = training(dataset, killed, before, behind)
    subprocess.run(training(dataset, whole, before, behind), check=True, capture_output=True, cwd=ROOT)
    for moment in moments(rng):
        process = begin(command)
        while process.poll() is None and epochs(killed) < moment:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        family = [process, *process.children(recursive=True)]
        family = [one for one in family if "resource_tracker" not in " ".join(one.cmdline())]
        victim = int(rng.integers(len(family)))
        family[victim].kill()
        kills += 1
        stop_the_rest(family, victim, command)
        done |= {file: file.stat().st_mtime_ns for file in killed.glob("runs/**/done.json")}
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    assert trained(killed) == trained(whole)
    assert {file: file.stat().st_mtime_ns for file in done} == done, "what is done is not trained again"
    assert leftovers(killed / "runs") == []
    assert kills >= 2
    told(way, f"identical tables after {kills} kills; {len(done)} runs that were done before one were left as they are")


def test_workers_of_a_cluster_are_killed(
    dataset: Path, tmp_path: Path, rng: np.random.Generator, scheduler: str
) -> None:
    """The program that asked notices nothing: the run goes on in the worker that is started in its place."""
    from distributed import Client

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(training(dataset, whole), check=True, capture_output=True, cwd=ROOT)
    process = begin(training(dataset, killed, behind=["--scheduler", scheduler]))
    with Client(scheduler, set_as_default=False) as client:
        for moment in moments(rng)[1::2]:
            while process.poll() is None and epochs(killed) < moment:
                time.sleep(0.01)
            client.wait_for_workers(1)
            for worker in client.run(os.getpid).values():
                psutil.Process(worker).kill()
    assert process.wait() == 0
    assert trained(killed) == trained(whole)
    told("Dask, two workers killed one after the other", "identical tables, by the same call")
