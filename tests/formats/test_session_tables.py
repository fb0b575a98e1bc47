"""Sessions as CSV and Parquet, there and back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gazekit.core.errors import FormatError, InputError, OutputError
from gazekit.formats import export_tables, import_recording
from gazekit.formats.round_trip import numbers_text
from gazekit.gaze import GazeRecording
from gazekit.session import Session, open_session, write_session


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_there_and_back(same_session, full_session: Session, tmp_path: Path, kind: str) -> None:
    folder = export_tables(full_session, tmp_path / "out", kind)
    same_session(import_recording(folder), full_session)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_session_without_samples(same_session, full_session: Session, tmp_path: Path, kind: str) -> None:
    empty = replace(full_session, recording=GazeRecording.empty(), stimuli=full_session.stimuli.iloc[:0])
    same_session(import_recording(export_tables(empty, tmp_path / "out", kind)), empty)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_commands_there_and_back(same_session, full_session: Session, tmp_path: Path, kind: str, run) -> None:
    write_session(full_session, tmp_path / "p01.gaze.h5")
    assert run("export", tmp_path / "p01.gaze.h5", "--format", kind, "--out", tmp_path / "out").exit_code == 0
    result = run("import", tmp_path / "out", "--out", tmp_path / "back")
    assert result.exit_code == 0, result.output
    back = open_session(tmp_path / "back" / "p01.gaze.h5")
    made = dict(back.provenance)
    assert made.pop("import")["parameters"]["format"] == "tables"
    same_session(replace(back, provenance=made), open_session(tmp_path / "p01.gaze.h5"))
    assert "imported before" in run("import", tmp_path / "out" / "p01", "--out", tmp_path / "back").output


def test_pixels_stand_beside_display_coordinates(full_session: Session, tmp_path: Path) -> None:
    table = pd.read_csv(export_tables(full_session, tmp_path / "out") / "samples.csv")
    pd.testing.assert_series_equal(table["left_x_px"], table["left_x"] * 1920, check_names=False)


def test_never_over_another_folder(full_session: Session, tmp_path: Path) -> None:
    export_tables(full_session, tmp_path / "out")
    with pytest.raises(OutputError, match="exists already"):
        export_tables(full_session, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_unknown_kind(full_session: Session, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean parquet"):
        export_tables(full_session, tmp_path / "out", "parqet")
    assert not (tmp_path / "out").exists()


def test_damaged_export(full_session: Session, tmp_path: Path) -> None:
    folder = export_tables(full_session, tmp_path / "out")
    (folder / "messages.csv").unlink()
    with pytest.raises(FormatError, match=r"lacks messages\.csv"):
        import_recording(folder)
    (folder / "session.json").write_text("{}")
    with pytest.raises(FormatError, match="schema"):
        import_recording(folder)
    (folder / "session.json").write_text("nonsense")
    with pytest.raises(FormatError, match="not a JSON document"):
        import_recording(folder)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=1, max_size=30))
def test_numbers_come_back_to_the_last_digit(values: list[float]) -> None:
    text = numbers_text(pd.DataFrame({"a": values}), separator=",", missing="n/a", header=False).decode()
    back = [float("nan") if cell == "n/a" else float(cell) for cell in text.split()]
    np.testing.assert_array_equal(back, values)
