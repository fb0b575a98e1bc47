"""The lock's branch of Windows, with a stand-in for its `msvcrt` (no Windows was there): see the fixture's module."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gazekit.core.errors import InputError, OutputError
from gazekit.session import lock
from gazekit.session.finalise import recover
from gazekit.session.journal import JournalWriter
from tests.fixtures.journals import HEADER, some_rows

if sys.platform == "win32":
    pytest.skip("the real msvcrt is here", allow_module_level=True)

from tests.fixtures import msvcrt_locks


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "sys", SimpleNamespace(platform="win32"))
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt_locks)
    monkeypatch.setattr(msvcrt_locks, "locked", [])


def test_one_handle_has_the_lock_until_it_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with open(file, "a+b") as first, open(file, "a+b") as second:
        assert lock.take_lock(first)
        assert not lock.take_lock(second)
        first.close()
        assert lock.take_lock(second)


def test_no_byte_that_others_read_is_locked_and_the_place_stays(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_bytes(b"0123456789")
    with open(file, "r+b", buffering=0) as held:
        held.read(4)
        assert lock.take_lock(held)
        assert held.read(2) == b"45"
    ((begin, size),) = msvcrt_locks.locked
    assert begin > 1 << 33
    assert size == 1


def test_who_waits_for_the_lock_is_told_in_the_end(tmp_path: Path) -> None:
    with (
        lock.alone(tmp_path / "areas.csv"),
        pytest.raises(OutputError, match="another program has been writing"),
        lock.alone(tmp_path / "areas.csv", 0),
    ):
        pass
    with lock.alone(tmp_path / "areas.csv", 0):
        assert len(msvcrt_locks.locked) == 2


def test_a_journal_that_is_recorded_is_not_recovered_meanwhile(tmp_path: Path, rng: np.random.Generator) -> None:
    journal = JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    journal.block("gaze", some_rows(10, rng))
    with pytest.raises(InputError, match="its session is still running"):
        recover(journal.path)
    journal.close()
    assert recover(journal.path).samples == 10
