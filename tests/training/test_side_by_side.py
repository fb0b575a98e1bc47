"""Processes that are at the same run at once: one of them trains it."""

from __future__ import annotations

import threading
from pathlib import Path

from gazekit.session.lock import alone
from gazekit.training import plan
from gazekit.training.one_run import train_run
from tests.fixtures.small_grid import SMALL


def test_a_run_that_another_process_trains_is_waited_for(dataset: Path, tmp_path: Path) -> None:
    """A cluster's worker goes on with a run when the program that asked for it is killed."""
    job = plan(dataset, tmp_path, conditions=["human"], seeds=1, cross_validate=3, **SMALL).jobs[0]
    folder = job.run.folder(job.out)
    with alone(folder / "done.json"):
        second = threading.Thread(target=train_run, args=[job])
        second.start()
        second.join(0.3)
        assert second.is_alive()
        (folder / "done.json").write_text("{}")
    second.join(60)
    assert sorted(file.name for file in folder.iterdir()) == [".done.json.lock", "done.json"]
