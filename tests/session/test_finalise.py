"""Making the session file: memory that does not grow with the session."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gazekit.session import open_session
from gazekit.session.finalise import recover
from tests.fixtures.long_journal import memory_of_recovery_mb, write_long_journal


@pytest.mark.once
@pytest.mark.skipif(os.name == "nt", reason="the memory of a process is read from /proc")
def test_memory_does_not_grow_with_the_session(tmp_path: Path, rng: np.random.Generator) -> None:
    used = []
    for minutes in (0.5, 2.0):
        journal = tmp_path / f"P{minutes:g}.gaze.journal".replace("0.5", "05")
        write_long_journal(journal, minutes, rng)
        used.append(memory_of_recovery_mb(journal))
    assert max(used) <= 60
    assert used[1] - used[0] < 15


def test_long_streams_come_back_whole(tmp_path: Path, rng: np.random.Generator) -> None:
    journal = tmp_path / "P01.gaze.journal"
    n = write_long_journal(journal, 1.0, rng)
    session = open_session(recover(journal).session)
    assert len(session.recording) == len(session.streams["eye_openness"]) == len(session.streams["user_position"]) == n
    assert (np.diff(session.streams["user_position"]["received_us"]) > 0).all()
    assert session.clock.offset_us == 500
    assert len(session.streams["gaps"]) == 0
