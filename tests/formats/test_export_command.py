"""``gazekit export`` at wrong input: one message, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazekit.session import Session, write_session


@pytest.mark.parametrize("kind", ["bids", "csv", "parquet"])
@pytest.mark.parametrize("harm", ["missing", "empty", "no session", "cut off"])
def test_bad_session_file(full_session: Session, tmp_path: Path, run, kind: str, harm: str) -> None:
    good = write_session(full_session, tmp_path / "a.gaze.h5")
    bad = tmp_path / "b.gaze.h5"
    if harm != "missing":
        bad.write_bytes({"empty": b"", "no session": b"hello", "cut off": good.read_bytes()[:3000]}[harm])
    before = sorted(tmp_path.iterdir())
    result = run("export", good, bad, "--format", kind, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "b.gaze.h5" in str(result.exception)
    assert sorted(tmp_path.iterdir()) == before


def test_folder_without_sessions(tmp_path: Path, run) -> None:
    (tmp_path / "notes.txt").write_text("x")
    result = run("export", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "holds no session file" in str(result.exception)


def test_unknown_detector(full_session: Session, tmp_path: Path, run) -> None:
    file = write_session(full_session, tmp_path / "a.gaze.h5")
    result = run("export", file, "--fixations", "ivtt", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "ivt" in str(result.exception)
    assert not (tmp_path / "out").exists()
