"""Titta's HDF5 files, written here as Titta writes them: by pandas."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import FormatError
from gazekit.formats import import_recording
from gazekit.formats.registry import detect
from gazekit.formats.text import Head
from gazekit.screen import Screen

SCREEN = Screen(1920, 1080, 528.0, 297.0, 650.0)
USER = "in_user_coordinate_system"


@pytest.fixture
def recording(foreign, tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    path = foreign.titta.write(tmp_path)
    return path, pd.DataFrame(pd.read_hdf(path, "gaze"))


def test_samples(recording: tuple[Path, pd.DataFrame]) -> None:
    path, gaze = recording
    assert detect(Head.of(path)) == "titta"
    session = import_recording(path, screen=SCREEN)
    found = session.recording
    assert (session.participant, session.tracker.model, session.tracker.serial) == (
        "p03",
        "Tobii Pro Spectrum",
        "TPSP1-1",
    )
    np.testing.assert_array_equal(found.device_time_us, gaze["device_time_stamp"])
    np.testing.assert_array_equal(found.system_time_us, gaze["system_time_stamp"])
    for side, eye in (("left", found.left), ("right", found.right)):
        np.testing.assert_array_equal(eye.gaze[:, 1], gaze[f"{side}_gaze_point_on_display_area_y"])
        np.testing.assert_array_equal(eye.origin_mm[:, 2], gaze[f"{side}_gaze_origin_{USER}_z"])
        np.testing.assert_array_equal(eye.valid, gaze[f"{side}_gaze_point_validity"] == 1)
        np.testing.assert_array_equal(eye.pupil_valid, gaze[f"{side}_pupil_validity"] == 1)


def test_pictures_messages_and_validations(recording: tuple[Path, pd.DataFrame]) -> None:
    session = import_recording(recording[0], screen=SCREEN)
    assert session.stimuli[["image", "onset_us", "offset_us"]].to_numpy().tolist() == [
        ["im1.jpeg", 10_000, 40_000],
        ["im 2.png", 50_000, 80_000],
    ]
    assert len(session.messages) == 4
    assert [validation.passed for validation in session.validations] == [False, True]
    assert session.validations[1].table["loss_percent"].tolist() == [10.0, 10.0]


class Malice:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("this must never run",)


def test_pickle_that_would_run_code_is_refused(recording: tuple[Path, pd.DataFrame], capsys) -> None:
    path = recording[0]
    with h5py.File(path, "a") as file:
        name = next(f"block{n}_values" for n in range(2) if file["msg"][f"block{n}_values"].dtype == object)
        del file[f"msg/{name}"]
        kind = h5py.vlen_dtype(np.uint8)
        made = file["msg"].create_dataset(name, (1,), dtype=kind)
        made[0] = np.frombuffer(pickle.dumps(Malice()), dtype=np.uint8)
    with pytest.raises(FormatError, match=r"builtins\.print"):
        import_recording(path, screen=SCREEN)
    assert "never" not in capsys.readouterr().out


def test_gaze_without_a_column(recording: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    path, gaze = recording
    gaze.drop(columns="right_gaze_point_on_display_area_x").to_hdf(path, key="gaze")
    with pytest.raises(FormatError, match="lacks the column right_gaze_point_on_display_area_x"):
        import_recording(path, screen=SCREEN)


def test_hdf5_of_something_else(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    with pytest.raises(FormatError, match="an HDF5 file without the groups that are known"):
        import_recording(tmp_path / "other.h5", screen=SCREEN)


def test_eye_openness_is_a_stream_of_the_session(recording: tuple[Path, pd.DataFrame]) -> None:
    path, gaze = recording
    n = len(gaze)
    assert "eye_openness" not in import_recording(path, screen=SCREEN).streams
    known = gaze.assign(left_eye_openness_diameter=np.arange(n) / 4, left_eye_openness_valid=np.arange(n) % 2)
    known.to_hdf(path, key="gaze", mode="a")
    stream = import_recording(path, screen=SCREEN).streams["eye_openness"]
    assert stream["left_valid"].tolist() == [bool(k % 2) for k in range(n)]
    assert stream["left_openness_mm"].iloc[1] == 0.25
    assert stream["device_time_us"].tolist() == gaze["device_time_stamp"].tolist()


def test_a_matlab_file_that_ends_its_reader_is_called_damaged(foreign, tmp_path: Path) -> None:
    """Found by atheris: a kind of number that there is not is a segmentation fault in scipy 1.17."""
    path = foreign.titta_matlab.write(tmp_path)
    data = path.read_bytes()
    numbers = data.index(b"\x09\x00\x00\x00", 900)  # the first array of doubles
    path.write_bytes(data[:numbers] + b"\xff\xff\x00\x00" + data[numbers + 4 :])
    with pytest.raises(FormatError, match="damaged"):
        import_recording(path, screen={"width_px": 1920, "height_px": 1080, "distance_mm": 650.0})
