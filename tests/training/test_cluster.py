"""Training and scoring on a real Dask cluster on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from gazekit.core.errors import ConfigError, OutputError
from gazekit.core.parallel import dask_executor
from gazekit.training import train
from gazekit.training.scoring import score
from tests.fixtures.cluster import dask_cluster
from tests.fixtures.small_grid import SMALL
from tests.needs import need


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with a worker of several threads, as Dask starts them by itself."""
    need(find_spec("distributed"), "dask[distributed]")
    with dask_cluster(tmp_path_factory.mktemp("dask"), 1, threads=3) as address:
        yield address


def test_cells_and_pictures_on_a_cluster(scheduler: str, dataset: Path, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for out, address in ((here, None), (there, scheduler)):
        train(dataset, out, conditions=["human", "synthetic"], seeds=1, scheduler=address, **SMALL)  # type: ignore[arg-type]
    cell = Path("runs/nima-narrow/synthetic/seed0")
    assert (here / cell / "predictions.csv").read_bytes() == (there / cell / "predictions.csv").read_bytes()
    pictures = [str(path) for path in sorted(dataset.parent.glob("*.png"))[:12]] + ["no-such.png"]
    for out, address in ((tmp_path / "a.csv", None), (tmp_path / "b.csv", scheduler)):
        score(here / cell, pictures, out, precision="float32", scheduler=address)
    a, b = pd.read_csv(tmp_path / "a.csv"), pd.read_csv(tmp_path / "b.csv")
    pd.testing.assert_frame_equal(a, b, atol=1e-5)
    assert "no such picture" in b["error"].iloc[-1]


def test_folds_on_a_cluster(scheduler: str, dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tables = []
    for out, address in ((tmp_path / "here", None), (tmp_path / "there", scheduler)):
        options = {**SMALL, "epochs": 1, "conditions": ["human"], "seeds": 1, "cross_validate": 3}
        train(dataset, out, scheduler=address, **options)
        tables.append((out / "runs/nima-narrow/human/seed0/predictions.csv").read_bytes())
    assert tables[0] == tables[1]
    assert "2 of the cluster's 3 threads stay idle" in caplog.text


def lose_the_scheduler(address: str) -> None:
    """Wait for work of a cluster that is shut down meanwhile."""
    from distributed import Client

    with dask_executor(address) as executor:
        waiting = executor.submit(time.sleep, 60)
        with Client(address, set_as_default=False) as other:
            other.shutdown()
        waiting.result()


@pytest.mark.once
def test_a_scheduler_that_is_lost_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(find_spec("distributed"), "dask[distributed]")
    monkeypatch.setattr("gazekit.core.parallel.TIMEOUT", "2s")
    with dask_cluster(tmp_path, 1) as address, pytest.raises(OutputError, match="was lost; what is done is kept"):
        lose_the_scheduler(address)


def test_a_cluster_that_is_not_there(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gazekit.core.parallel.TIMEOUT", "2s")
    with pytest.raises(ConfigError, match="no Dask scheduler answers at tcp://127"):
        train(dataset, tmp_path, conditions=["human"], seeds=1, scheduler="tcp://127.0.0.1:9", **SMALL)  # type: ignore[arg-type]
