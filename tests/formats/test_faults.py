"""Kinds of files that 0.1.0 took wrongly or in silence, each made here."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError, InputError
from gazekit.formats import import_recording
from gazekit.screen import Screen

SCREEN = Screen(1920, 1080, 527.0, 296.0, 630.0)
MM = {"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
ONSET = "^SHOW (?P<image>.+)"


def asc(path: Path, lines: list[str], *, coords: str = "0.00 0.00 1919.00 1079.00", rate: int = 1000) -> Path:
    head = [
        "** CONVERTED FROM demo.edf",
        f"MSG\t1000 GAZE_COORDS {coords}",
        "START\t10000\tLEFT\tSAMPLES\tEVENTS",
        f"SAMPLES\tGAZE\tLEFT\tRATE\t{rate:.2f}\tTRACKING\tCR\tFILTER\t2",
    ]
    path.write_text("\n".join([*head, *lines]) + "\n")
    return path


def still(start: int, n: int, step: int = 1) -> list[str]:
    return [f"{start + step * i}\t  900.0\t  500.0\t  900.0\t..." for i in range(n)]


@pytest.mark.parametrize(("text", "ms"), [("-12 SHOW a.jpg", 10088), ("-5\tSHOW a.jpg", 10095), ("SHOW a.jpg", 10100)])
def test_leading_offset_of_a_message(tmp_path: Path, text: str, ms: int) -> None:
    session = import_recording(
        asc(tmp_path / "a.asc", [*still(10000, 200), f"MSG\t10100 {text}"]), screen=MM, onset=ONSET
    )
    assert session.stimuli[["image", "onset_us"]].to_numpy().tolist() == [["a.jpg", ms * 1000]]
    assert session.messages["text"].tolist()[-1] == "SHOW a.jpg"
    assert session.provenance["account"]["matched"] == {"onset": 1}


@pytest.mark.parametrize("offset", ["^HIDE (?P<image>.+)", "^HIDE"], ids=["another name", "no name"])
def test_offset_that_names_no_picture_on_screen_ends_the_open_one(tmp_path: Path, offset: str) -> None:
    lines = [*still(10000, 900), "MSG\t10001 SHOW p1.jpg", "MSG\t10300 HIDE picture"]
    lines += ["MSG\t10401 SHOW p2.jpg", "MSG\t10700 HIDE picture", "MSG\t10750 HIDE picture"]
    session = import_recording(asc(tmp_path / "a.asc", lines), screen=MM, onset=ONSET, offset=offset)
    times = session.stimuli[["image", "onset_us", "offset_us"]].to_numpy().tolist()
    assert times == [["p1.jpg", 10_001_000, 10_300_000], ["p2.jpg", 10_401_000, 10_700_000]]


def test_picture_without_an_end_ends_when_the_next_comes(tmp_path: Path) -> None:
    lines = [*still(10000, 900), "MSG\t10001 SHOW p1.jpg", "MSG\t10401 SHOW p2.jpg", "MSG\t10700 HIDE p2.jpg"]
    session = import_recording(asc(tmp_path / "a.asc", lines), screen=MM, onset=ONSET, offset="^HIDE (?P<image>.+)")
    assert session.stimuli["offset_us"].tolist() == [10_401_000, 10_700_000]


@pytest.mark.parametrize(
    ("last", "size"), [("1366 768", 1366), ("1680 1050", 1680), ("1023 767", 1024), ("800 600", 800)]
)
def test_screens_of_other_sizes(tmp_path: Path, last: str, size: int) -> None:
    session = import_recording(asc(tmp_path / "a.asc", still(10000, 9), coords=f"0 0 {last}"), screen=MM)
    assert session.screen.width_px == size


@pytest.mark.parametrize("coords", ["0 0 1920 1080", "0.00 0.00 1919.00 1079.00"])
@pytest.mark.parametrize("given", [{}, {"width_px": 1920, "height_px": 1080}], ids=["from the file", "given"])
def test_screen_of_gaze_coords(tmp_path: Path, coords: str, given: dict[str, float]) -> None:
    session = import_recording(asc(tmp_path / "a.asc", still(10000, 9), coords=coords), screen=MM | given)
    assert session.screen == SCREEN
    np.testing.assert_allclose(session.recording.left.gaze[0], [900 / 1920, 500 / 1080])


def test_screen_that_is_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="width_px is 1920, and 1280 was given"):
        import_recording(asc(tmp_path / "a.asc", still(10000, 9)), screen=MM | {"width_px": 1280, "height_px": 1024})


def test_doubled_stamps_that_straddle_a_block(tmp_path: Path) -> None:
    stamps = [10000, *(10001 + n // 2 for n in range(70_000))]
    path = asc(tmp_path / "a.asc", [f"{t}\t900.0\t500.0\t900.0\t..." for t in stamps], rate=2000)
    time = import_recording(path, screen=MM).recording.device_time_us
    assert np.unique(np.diff(time)[1:]).tolist() == [500]


def test_validations_and_calibrations_of_an_eyelink(tmp_path: Path) -> None:
    lines = [
        "MSG\t9000 !CAL CALIBRATION HV9 R RIGHT   GOOD ",
        "MSG\t9500 !CAL VALIDATION HV9 R RIGHT  GOOD ERROR 0.25 avg. 0.61 max  OFFSET 0.06 deg. -1.5,-0.4 pix.",
        *still(10000, 5),
    ]
    session = import_recording(asc(tmp_path / "a.asc", lines), screen=MM)
    assert [c.status for c in session.calibrations] == ["good"]
    (validation,) = session.validations
    assert validation.table.to_dict("records") == [{"eye": "right", "accuracy_deg": 0.25, "max_deg": 0.61}]
    assert (validation.time_us, validation.passed) == (9_500_000, True)


def prolab(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    path.write_text("\n".join("\t".join(map(str, row)) for row in [header, *rows]) + "\n")
    return path


GAZE = ["Gaze point left X", "Gaze point left Y", "Gaze point right X", "Gaze point right Y"]


def test_lost_samples_without_sensor_and_validity(tmp_path: Path) -> None:
    header = ["Recording timestamp", "Participant name", *GAZE, "Eye movement type"]
    rows: list[list[object]] = [[8333 * n, "P1", 900, 500, 905, 500, "Fixation"] for n in range(80)]
    rows += [[8333 * n, "P1", "", "", "", "", "EyesNotFound"] for n in range(80, 100)]
    recording = import_recording(prolab(tmp_path / "a.tsv", header, rows), screen=SCREEN).recording
    assert len(recording) == 100
    assert (recording.left.valid | recording.right.valid).sum() == 80


def test_recordings_without_names_are_parted_where_time_starts_anew(tmp_path: Path) -> None:
    rows: list[list[object]] = [[8333 * n, 900, 500, 905, 500] for n in (*range(60), *range(40))]
    path = prolab(tmp_path / "a.tsv", ["Recording timestamp", *GAZE], rows)
    with pytest.raises(InputError, match="2 recordings"):
        import_recording(path, screen=SCREEN)
    assert len(import_recording(path, screen=SCREEN, recording="recording 2").recording) == 40


def test_clock_that_jitters_is_one_recording(tmp_path: Path) -> None:
    rows: list[list[object]] = [[8333 * n - (9000 if n == 30 else 0), 900, 500, 905, 500] for n in range(60)]
    session = import_recording(prolab(tmp_path / "a.tsv", ["Recording timestamp", *GAZE], rows), screen=SCREEN)
    assert len(session.recording) == 60
    assert any(text.startswith("time runs back 1 time, by") for text in session.provenance["account"]["doubts"])


def test_rows_of_glasses_other_sensors_are_no_samples(tmp_path: Path) -> None:
    header = ["Recording timestamp [μs]", "Gaze point X [MCS px]", "Gaze point Y [MCS px]", "Eye movement type"]
    rows: list[list[object]] = []
    for n in range(10):
        rows += [[20_000 * n, 960, 540, "Fixation"], [20_000 * n + 5000, "", "", "Fixation"]]
    rows.append([200_000, "", "", "EyesNotFound"])
    assert len(import_recording(prolab(tmp_path / "a.tsv", header, rows), screen=SCREEN).recording) == 11


def test_export_without_gaze_says_which_columns_to_tick(tmp_path: Path) -> None:
    header = ["Recording timestamp", "Sensor", "Eye movement type", "Fixation point X", "Fixation point Y"]
    path = prolab(tmp_path / "a.tsv", header, [[20_000 * n, "Eye Tracker", "Fixation", 900, 500] for n in range(9)])
    with pytest.raises(FormatError, match=r"no columns of gaze: in the data export of Tobii Pro Lab tick .*point left"):
        import_recording(path, screen=SCREEN)


def test_glasses_are_said_to_look_at_their_scene_video(tmp_path: Path) -> None:
    header = ["Recording timestamp [μs]", "Sensor", "Gaze point X [MCS px]", "Gaze point Y [MCS px]"]
    path = prolab(tmp_path / "a.tsv", header, [[20_000 * n, "Eye Tracker", 960, 540] for n in range(9)])
    session = import_recording(path, screen=SCREEN)
    np.testing.assert_allclose(session.recording.left.gaze, [[0.5, 0.5]] * 9)
    assert any("scene video" in fact["value"] for fact in session.provenance["account"]["facts"])


@pytest.mark.parametrize(
    ("gaze", "point"),
    [
        ('unit = "px"\norigin = "centre"\ny = "up"', (480, 270)),
        ('unit = "px"\norigin = "bottom-left"', (1440, 810)),
        ('unit = "norm"', (0.5, 0.5)),
        ('unit = "height"', (480 / 1080, 0.25)),
        ('unit = "mm"\norigin = "centre"\ny = "up"', (527 / 4, 296 / 4)),
        ('unit = "deg"\ny = "up"', (float(SCREEN.to_degrees(1440, 270)[0]), -float(SCREEN.to_degrees(1440, 270)[1]))),
        ('unit = "display"', (0.75, 0.25)),
    ],
    ids=["px centre up", "px bottom left", "norm", "height", "mm", "deg", "display"],
)
def test_mappings_of_every_unit_and_direction(tmp_path: Path, gaze: str, point: tuple[float, float]) -> None:
    (tmp_path / "m.toml").write_text(f'[time]\ncolumn = "t"\nunit = "s"\n[gaze]\n{gaze}\n[left]\nx = "x"\ny = "y"\n')
    (tmp_path / "a.csv").write_text("t,x,y\n" + "".join(f"{n / 60:.4f},{point[0]},{point[1]}\n" for n in range(9)))
    session = import_recording(tmp_path / "a.csv", screen=SCREEN, mapping=tmp_path / "m.toml", strict=True)
    np.testing.assert_allclose(session.recording.left.gaze, [[0.75, 0.25]] * 9, atol=1e-9)


def test_mapping_from_the_centre_that_does_not_say_where_y_goes_is_in_doubt(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        '[time]\ncolumn = "t"\nunit = "s"\n[gaze]\norigin = "centre"\n[left]\nx = "x"\ny = "y"\n'
    )
    (tmp_path / "a.csv").write_text("t,x,y\n" + "".join(f"{n / 60:.4f},0,200\n" for n in range(9)))
    account = import_recording(tmp_path / "a.csv", screen=SCREEN, mapping=tmp_path / "m.toml").provenance["account"]
    assert account["doubts"] == ['y is a guess: downward, for [gaze] y = "up" or "down" is not said']


@pytest.mark.parametrize(("unit", "likely"), [("s", "ms"), ("us", "ms"), ("ns", "ms")])
def test_wrong_unit_of_time_names_the_likely_one(foreign, tmp_path: Path, unit: str, likely: str) -> None:
    table, mapping = foreign.plain.write(tmp_path, [f"{4 * n},5,5,," for n in range(9)], unit=unit)
    with pytest.raises(FormatError, match=rf"steps by 4, in {unit} .* more likely {likely} "):
        import_recording(table, screen=SCREEN, mapping=mapping)


def test_fractions_in_nanoseconds_name_the_likely_unit(foreign, tmp_path: Path) -> None:
    table, mapping = foreign.plain.write(tmp_path, [f"{3.333 * n:.3f},5,5,," for n in range(9)], unit="ns")
    with pytest.raises(FormatError, match="the unit is more likely ms"):
        import_recording(table, screen=SCREEN, mapping=mapping)


@pytest.mark.parametrize("end", ["8333", "8333\t90", "66664\tP"])
def test_last_line_that_was_cut_is_left_out_and_said(tmp_path: Path, end: str) -> None:
    header = ["Recording timestamp", "Participant name", *GAZE]
    path = prolab(tmp_path / "a.tsv", header, [[8333 * n, "P1", 900, 500, 905, 500] for n in range(8)])
    path.write_text(path.read_text() + end)
    session = import_recording(path, screen=SCREEN)
    assert len(session.recording) == 8
    assert session.provenance["account"]["damaged"] == {"last line that was cut off": 1}


def test_excel_of_half_of_europe(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text('[time]\ncolumn = "t"\nunit = "s"\n[left]\nx = "x"\ny = "y"\n')
    rows = "".join(f"{n / 60:.4f};{900.5};{500.25}\r\n".replace(".", ",") for n in range(9))
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + f"t;x;y\r\n{rows}".encode())
    session = import_recording(tmp_path / "a.csv", screen=SCREEN, mapping=tmp_path / "m.toml")
    np.testing.assert_allclose(session.recording.left.gaze, [[900.5 / 1920, 500.25 / 1080]] * 9)


def test_bids_of_others_with_pictures_and_kinds_of_events(foreign, tmp_path: Path) -> None:
    folder = foreign.bids.write(tmp_path / "bids")
    beh = folder / "sub-07" / "beh"
    (beh / "sub-07_task-look_events.tsv").write_text(
        "onset\tduration\tstim_file\n0.004\t0.008\timages/ray.jpg\n0.016\tn/a\treef.jpg\n"
    )
    (beh / "sub-07_task-look_recording-eye1_physioevents.tsv.gz").write_bytes(gzip.compress(b"10.004\t0\tsaccade\n"))
    columns = {"Columns": ["onset", "duration", "trial_type"]}
    (beh / "sub-07_task-look_recording-eye1_physioevents.json").write_text(json.dumps(columns))
    session = import_recording(folder)
    assert session.stimuli[["image", "onset_us", "offset_us"]].to_numpy().tolist() == [
        ["images/ray.jpg", 10_004_000, 10_012_000],
        ["reef.jpg", 10_016_000, 10_020_001],
    ]
    assert session.messages.to_numpy().tolist() == [[10_004_000, "saccade"]]
    assert session.provenance["notes"] == ["pupil sizes are in a.u. and were left out"]
