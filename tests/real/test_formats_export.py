"""Real recordings through the exporters, judged by the official BIDS validator, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazekit.formats import export_tables, import_recording
from gazekit.formats.batch import import_files
from gazekit.formats.exporting import export_sessions
from gazekit.screen import Screen
from gazekit.session import open_session

SCREEN = Screen(1920, 1080, 509.0, 286.0, 650.0)


def test_bids_of_ten_real_recordings(same_session, bids_issues, real_data: Path, tmp_path: Path) -> None:
    batch = import_files([real_data / "tx300"], tmp_path / "sessions", screen=SCREEN)
    assert batch.faults == {}
    assert [Path(path).name for path in batch.passed_over] == ["LICENSE"]
    export_sessions([tmp_path / "sessions"], tmp_path / "bids", "bids", name="TX300")
    assert bids_issues(tmp_path / "bids", "error") == []
    session = open_session(tmp_path / "sessions" / "participant1_2.gaze.h5")
    same_session(import_recording(tmp_path / "bids", recording="participant1_2"), session)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables_of_a_real_recording(same_session, real_data: Path, tmp_path: Path, kind: str) -> None:
    session = import_recording(real_data / "tx300" / "participant2" / "4.tsv", screen=SCREEN)
    same_session(import_recording(export_tables(session, tmp_path / "out", kind)), session)
