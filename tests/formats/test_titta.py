"""Titta's HDF5 files, written here as Titta writes them: by pandas."""

from __future__ import annotations

import pickle
import warnings
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
from tests.needs import need

SCREEN = Screen(1920, 1080, 528.0, 297.0, 650.0)
USER = "in_user_coordinate_system"


@pytest.fixture
def recording(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, pd.DataFrame]:
    try:
        import tables
    except ImportError:
        tables = None
    need(tables, "PyTables")
    n = 50
    gaze = pd.DataFrame(
        {"device_time_stamp": 5000 + 1667 * np.arange(n), "system_time_stamp": 9000 + 1667 * np.arange(n)}
    )
    for side in ("left", "right"):
        for name in ("gaze_point_on_display_area_x", "gaze_point_on_display_area_y", "pupil_diameter"):
            gaze[f"{side}_{name}"] = rng.random(n)
        for what in ("gaze_point", "gaze_origin"):
            for axis in "xyz":
                gaze[f"{side}_{what}_{USER}_{axis}"] = rng.normal(0, 100, n)
            gaze[f"{side}_{what}_validity"] = rng.integers(0, 2, n)
        gaze[f"{side}_pupil_validity"] = rng.integers(0, 2, n)
    said = [
        (10_000, "onset_im1.jpeg"),
        (40_000, "offset_im1.jpeg"),
        (50_000, "onset_im 2.png"),
        (80_000, "offset_im 2.png"),
    ]
    eyes = ("left_eye", "right_eye")
    figures = {f"{name}_{eye} (deg)": [0.4, 0.5] for name in ("offset", "RMS_S2S", "SD") for eye in eyes}
    history = pd.DataFrame({**figures, **{f"Prop_data_loss_{eye}": [0.0, 0.1] for eye in eyes}})
    history["Calibration used"] = ["not used", "used"]
    path = tmp_path / "p03.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns that it pickles text, as it does for Titta
        gaze.to_hdf(path, key="gaze")
        pd.DataFrame(said, columns=["system_time_stamp", "msg"]).astype({"msg": object}).to_hdf(path, key="msg")
        history.astype({"Calibration used": object}).to_hdf(path, key="calibration_history")
    with h5py.File(path, "a") as file:
        file.attrs.update({"model": "Tobii Pro Spectrum", "serial_number": "TPSP1-1"})
    return path, gaze


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
