"""The raw samples of a TX300, in the layout of its SDK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError, InputError
from gazekit.formats import import_recording
from gazekit.screen import Screen
from gazekit.session import open_session

SCREEN = Screen(1920, 1080, 509.0, 286.0, 650.0)


@pytest.fixture
def trial(foreign, tmp_path: Path) -> Path:
    return foreign.tx300.write(tmp_path)


def test_columns_become_a_recording(trial: Path) -> None:
    session = import_recording(trial, screen=SCREEN)
    gaze = session.recording
    assert session.screen == SCREEN
    assert session.participant == "trial"
    assert gaze.device_time_us.tolist() == [2640808332, 2640811685, 2640815018, 2640818351]
    assert gaze.system_time_us.tolist() == gaze.device_time_us.tolist()
    np.testing.assert_array_equal(gaze.left.gaze[0], [0.4735, 0.4912])
    np.testing.assert_array_equal(gaze.left.origin_mm[0], [37.0, -16.1, 616.5])
    np.testing.assert_array_equal(gaze.left.gaze_mm[0], [-13.5, 172.9, 56.5])
    assert gaze.left.pupil_mm[0] == 3.6442


def test_missing_is_nan_and_validity_above_one_is_not_valid(trial: Path) -> None:
    gaze = import_recording(trial, screen=SCREEN).recording
    assert gaze.left.valid.tolist() == [True, True, False, False]
    assert gaze.right.valid.tolist() == [True, False, True, False]
    assert np.isnan(gaze.right.gaze[1]).all()
    assert np.isnan(gaze.right.origin_mm[1]).all()
    assert np.isnan(gaze.right.gaze_mm[1]).all()
    assert np.isnan(gaze.right.pupil_mm[1])
    assert np.isfinite(gaze.left.gaze[2]).all()  # what the tracker doubts is kept, and marked


def test_screen_must_be_given(trial: Path) -> None:
    with pytest.raises(InputError, match=r"width_mm, height_mm, distance_mm.*--screen-mm WIDTHxHEIGHT, --distance-mm"):
        import_recording(trial, screen={"width_px": 1920, "height_px": 1080})


def test_command_writes_session_files_once(trial: Path, tmp_path: Path, run) -> None:
    arguments = ["import", trial, "--screen", "1920x1080", "--screen-mm", "509x286", "--distance-mm", "650"]
    first = run(*arguments, "--out", tmp_path / "out")
    assert first.exit_code == 0, first.output
    session = open_session(tmp_path / "out" / "trial.gaze.h5")
    assert len(session.recording) == 4
    assert session.provenance["parameters"]["format"] == "tx300"
    assert "imported before" in run(*arguments, "--out", tmp_path / "out").output


def test_cell_that_is_no_number_is_named(trial: Path) -> None:
    lines = trial.read_text().splitlines()
    trial.write_text("\n".join([*lines[:2], lines[2].replace("0.4735", "abc"), *lines[3:]]) + "\n")
    with pytest.raises(FormatError, match="invalid value 'abc'"):
        import_recording(trial, screen=SCREEN, strict=True)
    session = import_recording(trial, screen=SCREEN)
    assert session.recording.device_time_us.tolist() == [2640808332, 2640815018, 2640818351]
    assert "1 row was left out" in session.provenance["notes"][0]
    assert "'abc'" in session.provenance["notes"][0]


def test_read_as_another_format(trial: Path) -> None:
    with pytest.raises(FormatError, match="has none of the columns of this format; it has Time, LEyePos3dx"):
        import_recording(trial, screen=SCREEN, format="prolab")


def test_file_in_which_no_row_is_sound(foreign, trial: Path) -> None:
    trial.write_text(trial.read_text().replace("616.5", "abc"))
    trial.write_text("\n".join(trial.read_text().splitlines()[:4]) + "\n")
    with pytest.raises(FormatError, match=r"3 rows were left out: .*'abc'"):
        import_recording(trial, screen=SCREEN)
    trial.write_text(foreign.tx300.HEADER + "\n")
    with pytest.raises(FormatError, match="no samples"):
        import_recording(trial, screen=SCREEN)
