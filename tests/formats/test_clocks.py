"""Times in other tools' files: rows that are missing between pictures, clocks that start anew, rows in disorder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.core.errors import FormatError, InputError
from gazekit.events import session_fixations
from gazekit.events.session_quality import session_quality
from gazekit.formats import import_recording
from gazekit.screen import Screen
from gazekit.session import Session

SCREEN = Screen(1920, 1080, 527.0, 296.0, 630.0)
Rows = list[tuple[float, float, float, str]]  # ms, x, y, picture
PLACES = {"a.png": (900.0, 500.0), "b.png": (1200.0, 600.0), "c.png": (500.0, 300.0)}


def looks(starts: dict[str, float]) -> Rows:
    """A second of gaze at 120 Hz at a place of its own on each picture."""
    noise = np.random.default_rng(0).normal(0, 0.5, (120, 2))
    steps = [(1000 * n / 120, *noise[n]) for n in range(120)]
    return [
        (at + t, PLACES[name][0] + x, PLACES[name][1] + y, name) for name, at in starts.items() for t, x, y in steps
    ]


def plain(folder: Path, rows: Rows) -> Session:
    mapping = '[time]\ncolumn="t"\nunit="ms"\n[left]\nx="x"\ny="y"\n[stimulus]\ncolumn="image"\n'
    (folder / "m.toml").write_text(mapping)
    lines = "".join(f"{t:.3f},{x:.2f},{y:.2f},{name}\n" for t, x, y, name in rows)
    (folder / "a.csv").write_text("t,x,y,image\n" + lines)
    return import_recording(folder / "a.csv", screen=SCREEN, mapping=folder / "m.toml")


def prolab(folder: Path, rows: Rows) -> Session:
    header = "Recording timestamp [ms]\tSensor\tGaze point X [DACS px]\tGaze point Y [DACS px]\tPresented Media name\n"
    lines = "".join(f"{t:.3f}\tEye Tracker\t{x:.2f}\t{y:.2f}\t{name}\n" for t, x, y, name in rows)
    (folder / "a.tsv").write_text(header + lines)
    return import_recording(folder / "a.tsv", screen=SCREEN)


def begaze(folder: Path, rows: Rows) -> Session:
    header = (
        "RecordingTime [ms]\tStimulus\tPoint of Regard Right X [px]\tPoint of Regard Right Y [px]\tCategory Right\n"
    )
    lines = "".join(f"{t:.3f}\t{name}\t{x:.2f}\t{y:.2f}\tFixation\n" for t, x, y, name in rows)
    (folder / "a.txt").write_text(header + lines)
    return import_recording(folder / "a.txt", screen=SCREEN)


def gazepoint(folder: Path, rows: Rows) -> Session:
    lines = "".join(f"{name},{t / 1000:.5f},{x / 1920:.5f},{y / 1080:.5f},1\n" for t, x, y, name in rows)
    (folder / "a.csv").write_text("MEDIA_NAME,TIME,BPOGX,BPOGY,BPOGV\n" + lines)
    return import_recording(folder / "a.csv", screen=SCREEN)


def eprime(folder: Path, rows: Rows) -> Session:
    header = "Subject\tTETTime\tXGazePosLeftEye\tYGazePosLeftEye\tXGazePosRightEye\tYGazePosRightEye\tCurrentObject\n"
    lines = "".join(
        f"S1\t{t:.3f}\t{x / 1920:.5f}\t{y / 1080:.5f}\t{x / 1920:.5f}\t{y / 1080:.5f}\t{name}\n"
        for t, x, y, name in rows
    )
    (folder / "a.gazedata").write_text(header + lines)
    return import_recording(folder / "a.gazedata", screen=SCREEN)


def eyelink(folder: Path, rows: Rows) -> Session:
    """A block a picture, with the message of its onset and none of its end."""
    lines = ["** CONVERTED FROM demo.edf", "MSG\t0 GAZE_COORDS 0 0 1919 1079"]
    for number, (t, x, y, name) in enumerate(rows):
        ms = 8 * round(t / 1000 * 125) + 50_000
        if not number or rows[number - 1][3] != name:
            block = [f"START\t{ms}\tLEFT\tSAMPLES", "SAMPLES\tGAZE\tLEFT\tRATE\t120.00", f"MSG\t{ms} SHOW {name}"]
            lines += ([f"END\t{ms}\tSAMPLES"] if number else []) + block
        lines.append(f"{ms}\t{x:.1f}\t{y:.1f}\t900.0\t...")
    (folder / "a.asc").write_text("\n".join(lines) + "\n")
    return import_recording(folder / "a.asc", screen=SCREEN, onset="^SHOW (?P<image>.+)")


WRITERS: list[Callable[[Path, Rows], Session]] = [plain, prolab, begaze, gazepoint, eprime, eyelink]


@pytest.mark.parametrize("write", WRITERS)
def test_a_picture_ends_with_its_last_sample_where_none_follow(
    tmp_path: Path, write: Callable[[Path, Rows], Session]
) -> None:
    session = write(tmp_path, looks({"a.png": 0, "b.png": 4000, "c.png": 8000}))
    lasting = (session.stimuli["offset_us"] - session.stimuli["onset_us"]) / 1e6
    np.testing.assert_allclose(lasting, [0.992, 0.992, 0.992], atol=0.01)
    whole = session_quality(session)
    whole = whole[(whole["part"] == "whole") & (whole["eye"] == "average")].iloc[0]
    assert (whole["verdict"], whole["delivered_percent"] > 95) == ("pass", True), whole["reasons"]


@pytest.mark.parametrize("write", WRITERS)
def test_pictures_that_follow_without_a_pause_end_where_the_next_begins(
    tmp_path: Path, write: Callable[[Path, Rows], Session]
) -> None:
    stimuli = write(tmp_path, looks({"a.png": 0, "b.png": 1000, "c.png": 2000})).stimuli
    assert stimuli["offset_us"].tolist()[:2] == stimuli["onset_us"].tolist()[1:]


@pytest.mark.parametrize("write", [plain, begaze, gazepoint, eprime, eyelink])
def test_a_clock_that_starts_anew_keeps_each_sample_on_its_picture(
    tmp_path: Path, write: Callable[[Path, Rows], Session]
) -> None:
    session = write(tmp_path, looks({"a.png": 0, "b.png": 0, "c.png": 0}))
    found = session_fixations(session)
    assert found["image"].tolist() == ["a.png", "b.png", "c.png"]
    np.testing.assert_allclose(found["x_px"], [PLACES[name][0] for name in found["image"]], atol=1)
    assert (np.diff(session.recording.system_time_us) > 0).all()
    doubts = session.provenance["account"]["doubts"]
    assert any(doubt.startswith("time runs back 2 times: what follows was put 1 s after") for doubt in doubts)


def test_one_stamp_that_contradicts_the_others_is_no_new_clock(tmp_path: Path) -> None:
    rows = looks({"a.png": 0, "b.png": 1000})
    rows[50] = (0.0, *rows[50][1:])
    session = plain(tmp_path, rows)
    assert session.recording.system_time_us[-1] == 1_991_667
    assert any(text.startswith("time runs back 1 time, by") for text in session.provenance["account"]["doubts"])


@pytest.mark.parametrize("order", [[*range(239, -1, -1)], np.random.default_rng(1).permutation(240).tolist()])
def test_rows_in_disorder_are_told_from_a_wrong_unit(tmp_path: Path, order: list[int]) -> None:
    rows = looks({"a.png": 0, "b.png": 1000})
    with pytest.raises(InputError, match=r"time runs back at \d+ of 240 samples: the rows are not in the order"):
        plain(tmp_path, [rows[n] for n in order])


def idf(path: Path, *, decimal: str = ".", rate: str = "120", more: str = "") -> Path:
    head = f"## [iView]\n## Sample Rate:\t{rate}\n## [Run]\n## Subject:\tS1\n## Description:\n## [Calibration]\n"
    head += "## Calibration Area:\t1920\t1080\n## [Geometry]\n## Stimulus Dimension [mm]:\t527\t296\n##\n"
    names = "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tTiming\n"
    rows = "".join(f"{8333 * n}\tSMP\t1\t900.5\t500.5\t0\n".replace(".", decimal) for n in range(60))
    path.write_text(head + names + "0\tMSG\t1\tgo\n" + rows + more)
    return path


def test_sizes_that_open_a_section_of_the_idf_converters_header(tmp_path: Path) -> None:
    assert import_recording(idf(tmp_path / "a.txt"), screen={"distance_mm": 630}).screen == SCREEN


def test_decimal_commas_of_the_idf_converter(tmp_path: Path) -> None:
    session = import_recording(idf(tmp_path / "a.txt", decimal=",", rate="120,0"), screen=SCREEN)
    assert (session.tracker.rate_hz, session.participant) == (120, "S1")
    np.testing.assert_allclose(session.recording.left.gaze[0], [900.5 / 1920, 500.5 / 1080])


def test_a_message_without_a_time_is_counted(tmp_path: Path) -> None:
    session = import_recording(idf(tmp_path / "a.txt", more="?\tMSG\t1\tstop\n"), screen=SCREEN)
    assert session.messages["text"].tolist() == ["go"]
    assert "1 messages without a time" in session.provenance["account"]["doubts"]


def test_asc_in_utf_16_with_coordinates_that_change(tmp_path: Path) -> None:
    rows = [f"{10_000 + 2 * n}\t900.0\t500.0\t900.0\t..." for n in range(60)]
    head = [
        "** CONVERTED FROM demo.edf",
        "MSG\t0 GAZE_COORDS 0 0 1919 1079",
        "START\t9990\tLEFT",
        "SAMPLES\tGAZE\tLEFT",
    ]
    (tmp_path / "a.asc").write_text("\n".join([*head, *rows, "MSG\t11000 GAZE_COORDS 0 0 1023 767\n"]), "utf-16")
    session = import_recording(tmp_path / "a.asc", screen=SCREEN)
    assert len(session.recording) == 60
    doubts = session.provenance["account"]["doubts"]
    assert any("coordinates change, from 0 0 1919 1079 to 0 0 1023 767" in doubt for doubt in doubts)


def test_coordinates_that_run_upward_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.asc").write_text("** CONVERTED FROM demo.edf\nMSG\t0 GAZE_COORDS 0 1079 1919 0\n")
    with pytest.raises(FormatError, match="GAZE_COORDS 0 1079 1919 0 should be left, top, right and bottom"):
        import_recording(tmp_path / "a.asc", screen=SCREEN)


def trial(ends: float | None, place: str, **more: Any) -> dict[str, Any]:
    x, y = PLACES[place]
    points = [{"x": x, "y": y, "t": 1000 * n / 30} for n in range(60)]
    return {"time_elapsed": ends, "rt": 2000, "stimulus": place, "webgazer_data": points} | more


def web(folder: Path, trials: list[dict[str, Any]], **options: Any) -> Session:
    (folder / "a.json").write_text(json.dumps(trials))
    return import_recording(folder / "a.json", screen=SCREEN, **options)


@pytest.mark.parametrize(
    ("ends", "doubts"),
    [
        pytest.param((8000, 3000), 0, id="out of order"),
        pytest.param((None, None), 1, id="no time"),
        pytest.param(("3000", 8000.0), 0, id="texts"),
    ],
)
def test_trials_of_webgazer_keep_their_gaze(tmp_path: Path, ends: tuple[Any, Any], doubts: int) -> None:
    session = web(tmp_path, [trial(ends[0], "a.png"), trial(ends[1], "b.png")])
    found = session_fixations(session)
    assert {name: round(x) for name, x in zip(found["image"], found["x_px"], strict=True)} == {
        "a.png": 900,
        "b.png": 1200,
    }
    said = session.provenance["account"]["doubts"]
    assert sum("time_elapsed is a guess: 2 trials have none" in doubt for doubt in said) == doubts
    assert not any("time runs back" in doubt for doubt in said)


def test_people_of_webgazer_are_sessions_and_lost_points_are_lost(tmp_path: Path) -> None:
    trials = [trial(3000, "a.png", subject=who) for who in ("A", "B")]
    trials[1]["webgazer_data"][3]["x"] = None
    counts = []
    for who in ("A", "B"):
        left = web(tmp_path, trials, recording=who).recording.left
        counts.append((len(left.valid), int(left.valid.sum())))
    assert counts == [(60, 60), (60, 59)]


def test_a_document_that_is_cut_off_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([trial(3000, "a.png")])[:-40])
    with pytest.raises(FormatError, match="cut off or damaged: it is no whole JSON document"):
        import_recording(tmp_path / "a.json", screen=SCREEN)


def test_time_of_day_goes_on_after_midnight(tmp_path: Path) -> None:
    stamps = [f"23:59:{59 + n / 100:.2f}" if n < 100 else f"00:00:{n / 100 - 1:05.2f}" for n in range(200)]
    (tmp_path / "m.toml").write_text('[time]\ncolumn="t"\nunit="date"\n[left]\nx="x"\ny="y"\n')
    (tmp_path / "a.csv").write_text("t,x,y\n" + "".join(f"{stamp},900.5,500.5\n" for stamp in stamps))
    session = import_recording(tmp_path / "a.csv", screen=SCREEN, mapping=tmp_path / "m.toml")
    assert set(np.diff(session.recording.system_time_us)) == {10_000}
    assert not any("time runs back" in doubt for doubt in session.provenance["account"]["doubts"])
