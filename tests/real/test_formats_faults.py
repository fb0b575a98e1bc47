"""The files that went wrong with 0.1.0, through the commands; what is right stands in the README beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from skimage.io import imsave

from gazekit.cli import gazekit
from gazekit.core.errors import GazekitError
from gazekit.session import Session, open_session

S = ["--screen-mm", "527x296", "--distance-mm", "630"]
R = ["--screen", "1920x1080"]


@pytest.fixture
def faults(real_data: Path) -> Path:
    folder = real_data.parent / "faults" / "files"
    if not folder.is_dir():
        pytest.skip(f"the files are not there: {folder}")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "DIR").mkdir()
    imsave(tmp_path / "DIR" / "pic.png", np.zeros((800, 1000, 3), np.uint8), check_contrast=False)
    return tmp_path / "DIR"


def call(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(gazekit, [str(a) for a in arguments], standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, GazekitError):
        raise result.exception
    failed = result.exception is not None or result.return_value == 1
    return int(failed), result.output + str(result.exception or "")


def imported(path: Path, out: Path, *options: object) -> tuple[Session, str]:
    failed, output = call("import", path, *S, *options, "--out", out)
    assert not failed, output
    (file,) = out.glob("*.gaze.h5")
    return open_session(file), output


@pytest.mark.parametrize("kind", ["csv", "bids"])
def test_a1_comes_back_from_every_export(faults: Path, tmp_path: Path, kind: str, same_session) -> None:
    session, _ = imported(faults / "A1_roundtrip.asc", tmp_path / "s")
    assert not call("export", tmp_path / "s", "--format", kind, "--out", tmp_path / "e")[0]
    assert not call("import", tmp_path / "e", "--out", tmp_path / "back")[0]
    (file,) = (tmp_path / "back").glob("*.gaze.h5")
    back = open_session(file)
    np.testing.assert_array_equal(back.recording.left.gaze, session.recording.left.gaze)
    pd.testing.assert_frame_equal(back.streams["eye_movements"], session.streams["eye_movements"])


@pytest.mark.parametrize("name", ["A2a_trials_with_pauses.asc", "A2b_calibration_hole.tsv"])
def test_a2_passes_since_all_that_was_recorded_is_there(faults: Path, tmp_path: Path, name: str) -> None:
    imported(faults / name, tmp_path / "s", *(R if "A2b" in name else []))
    failed, output = call("quality", tmp_path / "s")
    assert not failed, output
    assert "fail" not in output


def test_a4_has_its_lost_samples(faults: Path, tmp_path: Path) -> None:
    session, _ = imported(faults / "A4_no_sensor_no_validity.tsv", tmp_path / "s", *R)
    valid = session.recording.left.valid | session.recording.right.valid
    assert (len(valid), valid.mean()) == (600, 0.8)


def test_a6_is_a_table_of_fixations(faults: Path, tmp_path: Path) -> None:
    path = faults / "A6_gazepoint_fixations_renamed.csv"
    failed, output = call("import", path, *R, *S, "--out", tmp_path / "s")
    assert failed
    assert "a table of fixations" in output
    assert not call("fixations", path, *R, "--out", tmp_path / "f.csv")[0]
    assert len(pd.read_csv(tmp_path / "f.csv")) == 40


def test_a7a_says_which_columns_to_tick(faults: Path, tmp_path: Path) -> None:
    failed, output = call("import", faults / "A7a_no_gaze_columns.tsv", *R, *S, "--out", tmp_path / "s")
    assert failed
    assert "tick those of the gaze point" in output


@pytest.mark.parametrize("name", ["A8_fixations_in_shares.csv", "B2_names_without_extension.csv"])
def test_a8_and_b2_run_with_a_folder_of_pictures(faults: Path, pictures: Path, tmp_path: Path, name: str) -> None:
    arguments = ["--pictures", pictures, "--sigma-px", 40, "--tables-only", "--out", tmp_path / "o"]
    assert not call("attention", faults / name, *arguments)[0]
    box = pd.read_csv(tmp_path / "o" / "attention.csv").iloc[0]
    assert box["left"] > 200
    assert box["top"] > 200


def test_a10_says_that_the_direction_of_y_was_not_said(faults: Path, tmp_path: Path) -> None:
    mapping = faults / "A10_mapping.toml"
    _, output = imported(faults / "A10_psychopy_y_up.csv", tmp_path / "s", *R, "--mapping", mapping)
    assert "! y is a guess: downward" in output
    upward = tmp_path / "up.toml"
    upward.write_text(mapping.read_text().replace('origin = "centre"', 'origin = "centre"\ny = "up"'))
    session, _ = imported(faults / "A10_psychopy_y_up.csv", tmp_path / "t", *R, "--mapping", upward)
    np.testing.assert_allclose(session.recording.left.gaze[0], [0.5, (540 - 200) / 1080])


def test_a11_offsets_end_the_picture_that_is_on(faults: Path, tmp_path: Path) -> None:
    patterns = ["--set", "onset=^SHOW (?P<image>.+)", "--set", "offset=^HIDE (?P<image>.+)"]
    session, _ = imported(faults / "A11_offset_without_name.asc", tmp_path / "s", *patterns)
    lasted = session.stimuli["offset_us"] - session.stimuli["onset_us"]
    assert lasted.tolist() == [499_000] * 6


def test_b1_has_the_screen_that_was_given(faults: Path, tmp_path: Path) -> None:
    session, _ = imported(faults / "B1_coords_1920.asc", tmp_path / "s", *R)
    assert (session.screen.width_px, session.screen.height_px) == (1920, 1080)


def test_b3_offsets_are_taken_off_and_applied(faults: Path, tmp_path: Path) -> None:
    pattern = ["--set", "onset=^TRIAL_PICTURE (?P<image>.+)", "--placement", "stretch"]
    session, output = imported(faults / "B3_message_offsets.asc", tmp_path / "s", *pattern)
    assert session.stimuli["onset_us"].tolist() == [10_088_000, 10_195_000]
    assert session.stimuli["image"].tolist() == ["a.jpg", "b.jpg"]
    assert "matched 2 of 2 messages" in output
    assert json.loads(json.dumps(dict(session.provenance)))["account"]["doubts"] == []
