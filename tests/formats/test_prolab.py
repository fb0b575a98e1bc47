"""Tobii Pro Lab exports: headers old and new, and the traps of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError, InputError
from gazekit.events import session_quality
from gazekit.formats import import_recording, text
from gazekit.formats.registry import detect
from gazekit.formats.text import Head

SIZES = {"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]


@pytest.mark.parametrize("headers", ["OLD", "NEW"])
def test_samples_of_the_eye_tracker_and_nothing_else(foreign, tmp_path: Path, headers: str) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv", names=getattr(foreign.prolab, headers))
    assert detect(Head.of(path)) == "prolab"
    session = import_recording(path, screen=SIZES)
    gaze = session.recording
    assert (session.participant, session.name) == ("P01", "Recording1")
    assert (session.screen.width_px, session.screen.height_px) == (1920, 1080)
    assert gaze.system_time_us.tolist() == [20_000 + 3333 * n for n in range(10)]
    assert gaze.device_time_us.tolist() == [5_000_020_000 + 3333 * n for n in range(10)]
    np.testing.assert_allclose(gaze.left.gaze[:, 0] * 1920, 956 + 10 * np.arange(10))
    np.testing.assert_allclose(gaze.left.pupil_mm, 3.25 + np.arange(10) / 100)
    assert gaze.right.valid.tolist() == [n != 2 for n in range(10)]
    np.testing.assert_allclose(gaze.left.origin_mm[0], [260.5 - 527 / 2, 296 / 2 - 100.25, 640])
    assert session.provenance["notes"] == ["3 samples of the calibration were left out"]


def test_picture_with_its_place_and_times(foreign, tmp_path: Path) -> None:
    session = import_recording(foreign.prolab.write(tmp_path / "export.tsv"), screen=SIZES)
    row = session.stimuli.iloc[0]
    assert len(session.stimuli) == 1
    assert (row["image"], row["onset_us"], row["offset_us"], row["order"]) == ("reef", 19_000, 46_000, 0)
    assert row[["x", "y", "width", "height"]].tolist() == [560, 240, 800, 600]
    assert row[["picture_width", "picture_height"]].tolist() == [400, 300]
    assert len(session.trials()[0].recording) == 8
    assert (46_100, "KeyboardEvent: 5") in list(session.messages.itertuples(index=False, name=None))


def test_picture_times_without_event_rows(foreign, tmp_path: Path) -> None:
    session = import_recording(foreign.prolab.write(tmp_path / "export.tsv", events=False), screen=SIZES)
    row = session.stimuli.iloc[0]
    assert (row["image"], row["onset_us"], row["offset_us"]) == ("reef", 20_000, 20_000 + 8 * 3333)
    assert len(session.messages) == 0


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("decimal", [".", ","], ids=["point", "comma"])
def test_encodings_and_decimal_commas(foreign, tmp_path: Path, encoding: str, decimal: str) -> None:
    plain = import_recording(foreign.prolab.write(tmp_path / "plain.tsv"), screen=SIZES).recording
    path = foreign.prolab.write(tmp_path / "other.tsv", encoding=encoding, decimal=decimal)
    other = import_recording(path, screen=SIZES).recording
    for name in ("gaze", "pupil_mm", "origin_mm", "valid"):
        np.testing.assert_array_equal(getattr(other.left, name), getattr(plain.left, name))


def test_microseconds_in_latin_1(foreign, tmp_path: Path) -> None:
    names = {key: name.replace("μ", "µ") for key, name in foreign.prolab.NEW.items()}
    path = foreign.prolab.write(tmp_path / "latin.tsv", names=names, encoding="cp1252")
    assert import_recording(path, screen=SIZES).recording.system_time_us[0] == 20_000


@pytest.mark.parametrize(
    ("headers", "time", "unit_us"),
    [
        ("NEW", "Recording timestamp [ms]", 1000.0),
        ("NEW", "Recording timestamp [μs]", 1.0),
        ("OLD", "Recording timestamp", 1000.0),
        ("OLD", "Recording timestamp", 1.0),
    ],
    ids=["[ms]", "[us]", "ms without a unit", "us without a unit"],
)
def test_units_of_the_time_stamp(foreign, tmp_path: Path, headers: str, time: str, unit_us: float) -> None:
    names = getattr(foreign.prolab, headers) | {"time": time}
    path = foreign.prolab.write(tmp_path / "export.tsv", names=names, unit_us=unit_us)
    session = import_recording(path, screen=SIZES)
    assert np.abs(session.recording.system_time_us - (20_000 + 3333 * np.arange(10))).max() <= unit_us / 2
    assert session.recording.device_time_us[1] - session.recording.device_time_us[0] == 3333
    assert session.stimuli["onset_us"].tolist() == [19_000]


def test_sentinel_values_are_missing(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    path.write_text(path.read_text("utf-8").replace("\t956\t540\t", "\t2147483647\t2147483647\t"), "utf-8")
    gaze = import_recording(path, screen=SIZES).recording
    assert np.isnan(gaze.left.gaze[0]).all()
    assert not gaze.left.valid[0]
    assert gaze.left.valid[1:].all()


def test_several_people_in_one_file(foreign, tmp_path: Path, run) -> None:
    path = foreign.prolab.write(tmp_path / "all.tsv", people=("P01", "P02", "P03"))
    with pytest.raises(InputError, match="3 recordings"):
        import_recording(path, screen=SIZES)
    assert import_recording(path, screen=SIZES, recording="P02").participant == "P02"
    result = run("import", path, "--screen-mm", "527x296", "--distance-mm", 630, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "all_P01_Recording1.gaze.h5",
        "all_P02_Recording1.gaze.h5",
        "all_P03_Recording1.gaze.h5",
    ]


def test_event_rows_alone_are_no_samples(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    lines = [line for line in path.read_text("utf-8").splitlines() if "\tEye Tracker\t" not in line]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(FormatError, match="no samples"):
        import_recording(path, screen=SIZES)


def test_resolution_that_disagrees(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    with pytest.raises(InputError, match="width_px is 1920, and 1024 was given"):
        import_recording(path, screen={**SIZES, "width_px": 1024, "height_px": 768})


def test_cut_off_row_is_left_out_or_refused(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    path.write_bytes(path.read_bytes()[:-60])
    assert any("were left out" in note for note in import_recording(path, screen=SIZES).provenance["notes"])
    with pytest.raises(FormatError, match="cells each"):
        import_recording(path, screen=SIZES, strict=True)


def test_unit_that_shows_only_after_many_rows_of_events(
    foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 1 << 12)
    path = foreign.prolab.write(tmp_path / "export.tsv", names=foreign.prolab.OLD, unit_us=1000.0)
    header, *rows = path.read_text("utf-8").splitlines()
    event = rows[0].replace("RecordingStart", "MouseEvent")
    path.write_text("\n".join([header, *([event] * 500), *rows]) + "\n", "utf-8")
    session = import_recording(path, screen=SIZES)
    assert session.stimuli["onset_us"].tolist() == [19_000]
    assert len(session.messages) == 500 + 7


def test_the_makers_accuracy_of_calibration_and_validation(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    figures = {
        "Average calibration accuracy [degrees]": "0.31",
        "Average validation accuracy [degrees]": "0.52",
        "Average validation precision RMS [degrees]": "0.07",
        "Average validation accuracy [mm]": "5.7",
    }
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    more = ["\t".join([head, *figures]), *("\t".join([row, *figures.values()]) for row in rows)]
    path.write_text("\n".join(more) + "\n", encoding="utf-8")
    session = import_recording(path, screen=SIZES)
    assert [v.table.to_dict("records") for v in session.validations] == [
        [{"of": "calibration", "eye": "average", "accuracy_deg": 0.31}],
        [{"of": "validation", "eye": "average", "accuracy_deg": 0.52, "rms_s2s_deg": 0.07}],
    ]
    judged = session_quality(session)
    assert judged.loc[judged["part"] == "whole", "makers_accuracy_deg"].tolist() == [0.52] * 3
    assert {"maker's calibration", "maker's validation"} < set(judged["part"])


def test_eye_openness_is_a_stream_of_the_session(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    more = ["\t".join([head, "Eye openness left [mm]"])]
    more += ["\t".join([row, f"{n / 4}" if n % 2 else ""]) for n, row in enumerate(rows)]
    path.write_text("\n".join(more) + "\n", encoding="utf-8")
    session = import_recording(path, screen=SIZES)
    stream = session.streams["eye_openness"]
    assert stream["device_time_us"].tolist() == session.recording.device_time_us.tolist()
    assert stream["left_valid"].tolist() == stream["left_openness_mm"].notna().tolist()
    assert 0 < stream["left_valid"].sum() < len(stream)
    assert not stream["right_valid"].any()
    open_mm = session.recording.with_openness(stream).openness_mm
    np.testing.assert_array_equal(open_mm[:, 0], stream["left_openness_mm"])


def test_rows_from_last_to_first_are_no_recordings(foreign, tmp_path: Path) -> None:
    rows = [f"{3333 * n}\t900\t500\t910\t500\n" for n in reversed(range(100))]
    names = [f"Gaze point {side} {axis}" for side in ("left", "right") for axis in "XY"]
    path = tmp_path / "export.tsv"
    path.write_text("\t".join(["Recording timestamp [μs]", *names]) + "\n" + "".join(rows))
    with pytest.raises(FormatError, match=r"time runs back at 99 of 100 samples.*sort them"):
        import_recording(path, screen=foreign.ALL)
