"""The account that every import ends with, for every registered format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gazekit.core.errors import FormatError
from gazekit.formats import import_recording
from gazekit.session import Session, open_session, write_session
from tests.fixtures.foreign import SOUND

S = ["--screen-mm", "527x296", "--distance-mm", "630"]
R = ["--screen", "1920x1080"]
WIDE = {"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}


@pytest.mark.parametrize("kind", sorted(SOUND))
def test_rows_are_samples_and_what_was_left_out_with_its_reason(foreign, tmp_path: Path, kind: str) -> None:
    sample = foreign.SOUND[kind](tmp_path)
    session = import_recording(sample.path, screen=sample.screen, **sample.options)
    account = session.provenance["account"]
    assert account["samples"] == len(session.recording)
    assert account["rows"] == account["samples"] + sum(account["left_out"].values())
    assert account["damaged"] == {}
    assert 0 < account["with_gaze"] <= account["samples"]
    assert account["taken"]
    assert {fact["what"] for fact in account["facts"]} >= {"screen", "lit area", "distance", "gaze"}
    assert account["pictures"] == len(session.stimuli)


def test_account_is_printed_kept_and_given_as_json(foreign, tmp_path: Path, run) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    printed = run("import", path, *S, "--out", tmp_path / "a").output
    for words in (
        "rows read         28",
        "samples kept      10, 10 with gaze, 300 a second",
        "15 rows of events and other sensors; 3 samples of the calibration",
        "screen            1920 x 1080 px (file)",
        "lit area          527 x 296 mm (option)",
        "gaze              pixels from the top left of the screen, y downward (file)",
        "time              us (file)",
        "columns ignored   AOI hit [reef - Ray]",
        "makers' fixations 1",
    ):
        assert words in printed
    (row,) = json.loads(run("import", path, *S, "--out", tmp_path / "b", "--json").output)["imported"]
    kept = open_session(tmp_path / "b" / "export_P01_Recording1.gaze.h5").provenance["account"]
    assert row["account"] == kept
    assert kept["left_out"] == {"rows of events and other sensors": 15, "samples of the calibration": 3}
    assert kept["doubts"] == []


def test_messages_that_match_nothing_are_loud_and_fail_under_strict(foreign, tmp_path: Path, run) -> None:
    path = foreign.eyelink.write(tmp_path)
    pattern = ["--set", "onset=^PICTURE (?P<image>.+)"]
    printed = run("import", path, *S, *pattern, "--out", tmp_path / "a")
    assert printed.exit_code == 0
    assert "! --set onset=... matched 0 of 2 messages, the first 'SHOW ray 1.jpg'" in printed.output
    strict = run("import", path, *S, *pattern, "--strict", "--out", tmp_path / "b")
    assert strict.exit_code == 1
    assert "matched 0 of 2 messages" in str(strict.exception)
    assert not list((tmp_path / "b").glob("*"))


def test_unit_that_only_fits_one_rate_is_no_guess(foreign, tmp_path: Path) -> None:
    names = {**foreign.prolab.OLD, "device": "Other timestamp"}
    path = foreign.prolab.write(tmp_path / "export.tsv", names=names)
    account = import_recording(path, screen=WIDE, strict=True).provenance["account"]
    assert {"what": "time", "value": "us", "source": "only possible"} in account["facts"]


def test_guessed_unit_fails_under_strict(foreign, tmp_path: Path) -> None:
    path = tmp_path / "export.tsv"  # steps of 200 are 5 or 5000 samples a second
    rows = "".join(f"{200 * n}\t900\t500\t910\t500\n" for n in range(20))
    names = [f"Gaze point {side} {axis}" for side in ("left", "right") for axis in "XY"]
    path.write_text("\t".join(["Recording timestamp", *names]) + "\n" + rows)
    account = import_recording(path, screen=WIDE | foreign.PIXELS).provenance["account"]
    assert account["doubts"] == ["time is a guess: us"]
    with pytest.raises(FormatError, match="time is a guess: us"):
        import_recording(path, screen=WIDE | foreign.PIXELS, strict=True)


def test_plain_import_passes_strict(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    assert len(import_recording(path, screen=WIDE, strict=True).recording) == 10


def test_pictures_from_the_messages_of_any_format(foreign, tmp_path: Path, run) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    patterns = ["--set", "onset=^ImageStimulusStart: (?P<image>.+)", "--set", "offset=^KeyboardEvent"]
    printed = run("import", path, *S, *patterns, "--out", tmp_path / "out").output
    assert "pictures          1 time on the screen; onset matched 1 of 7 messages; offset matched 1 of 7" in printed
    row = open_session(tmp_path / "out" / "export_P01_Recording1.gaze.h5").stimuli.iloc[0]
    assert (row["image"], row["onset_us"], row["offset_us"]) == ("reef", 19_000, 46_100)


def test_whole_sessions_count_what_they_hold(full_session: Session, tmp_path: Path, run) -> None:
    write_session(full_session, tmp_path / "p.gaze.h5")
    run("export", tmp_path / "p.gaze.h5", "--format", "csv", "--out", tmp_path / "out")
    printed = run("import", tmp_path / "out", "--out", tmp_path / "back").output
    assert "pictures          2 times on the screen; 3 messages" in printed
    assert "calibrations      2, validations 2" in printed


def test_sizes_in_centimetres_are_in_doubt(tmp_path: Path) -> None:
    path = tmp_path / "export.tsv"
    path.write_text(
        "system_time_stamp,left_gaze_point_on_display_area_x,left_gaze_point_on_display_area_y\n"
        + "".join(f"{8333 * n},0.5,0.5\n" for n in range(20))
    )
    sizes = {"width_px": 1920, "height_px": 1080, "width_mm": 52.7, "height_mm": 29.6, "distance_mm": 63.0}
    with pytest.raises(FormatError, match="centimetres"):
        import_recording(path, screen=sizes, strict=True)


def test_a_rate_that_the_file_gives_itself_and_has_not_is_doubted(foreign, tmp_path: Path) -> None:
    path = foreign.eyelink.write(tmp_path, rate="500.00")
    session = import_recording(path, screen={"width_mm": 380.0, "height_mm": 300.0, "distance_mm": 670.0})
    doubts = session.provenance["account"]["doubts"]
    assert any(doubt.startswith("the file says 500 samples a second and has 1000") for doubt in doubts)


def test_doctor_and_quality_tell_a_rate_that_is_not_the_rows(foreign, tmp_path: Path, run) -> None:
    path = foreign.eyelink.write(tmp_path, rate="500.00")
    screen = ["--screen-mm", "380x300", "--distance-mm", "670"]
    told = "the file says 500 samples a second and has 1000: rows were left out"
    assert told in run("import", path, *screen, "--out", tmp_path / "out").output
    (session,) = (tmp_path / "out").glob("*.gaze.h5")
    for arguments in (["doctor", path, *screen], ["doctor", session], ["quality", session], ["quality", path, *screen]):
        assert told in run(*arguments).output
    (tmp_path / "right").mkdir()
    assert "the file says" not in run("doctor", foreign.eyelink.write(tmp_path / "right"), *screen).output


def test_a_screen_in_centimetres_is_doubted(foreign, tmp_path: Path, run) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    printed = run("import", path, "--screen-mm", "52.7x29.6", "--distance-mm", "630", "--out", tmp_path / "a").output
    assert "! the screen would be 4.79 degrees wide" in printed
