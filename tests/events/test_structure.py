"""Structural checks of recordings and fixation tables, the doctor's command, and the plausibility of events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import doctor_, fixations_
from gazekit.core.errors import OutputError
from gazekit.events import session_quality
from gazekit.events.plausibility import plausibility
from gazekit.events.sessions import join_fixations, join_saccades, session_events
from gazekit.events.structure import check_recording
from gazekit.events.table_checks import check_fixations, tell_findings
from gazekit.gaze import Eye, GazeRecording
from gazekit.session import write_session
from tests.fixtures.gazes import SCREEN, a_session, rests

Columns = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
SIZE = np.array([SCREEN.width_px, SCREEN.height_px])


@pytest.fixture
def gaze(rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Stamps and positions in pixels, shape (n, 2), of an eye at 300 Hz."""
    time, x, y, _ = rests(300, rng, seconds=8.0)
    return time, np.stack(SCREEN.to_pixels(x, y), axis=1)


def recorded(time: npt.NDArray[np.int64], pixels: npt.NDArray[np.float64], **eye: object) -> GazeRecording:
    left = Eye.from_gaze(pixels / SIZE, **eye)  # type: ignore[arg-type]
    return GazeRecording(time, time, left, Eye.missing(len(time)))


def checks(recording: GazeRecording, targets: pd.DataFrame | None = None) -> dict[str, str]:
    return {f.check: f.severity for f in check_recording(recording, SCREEN, targets)}


def test_a_good_recording_is_unremarkable(gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]) -> None:
    time, pixels = gaze
    assert checks(recorded(time, pixels, pupil_mm=np.full(len(time), 3.5))) == {}
    assert checks(GazeRecording.empty()) == {}


def _stuck(pixels: npt.NDArray[np.float64], count: int = 200) -> npt.NDArray[np.float64]:
    pixels = pixels.copy()
    pixels[500 : 500 + count] = pixels[500]
    return pixels


def _marked(pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    pixels = pixels.copy()
    pixels[::10] = (-20.0, -20.0)
    return pixels


def _from_1(pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1 + np.round((pixels - pixels.min(axis=0)) / np.ptp(pixels, axis=0) * (SIZE - 1))


def _constant(pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.stack([pixels[:, 0], np.full(len(pixels), 300.5)], axis=1)


@pytest.mark.parametrize(
    ("spoil", "check", "severity"),
    [
        pytest.param(_constant, "constant column", "warning", id="y never moves"),
        pytest.param(lambda p: p / SIZE, "coordinates", "error", id="shares read as pixels"),
        pytest.param(lambda p: p - SIZE / 2, "coordinates", "error", id="from the middle of the screen"),
        pytest.param(_from_1, "coordinates", "warning", id="whole pixels from 1"),
        pytest.param(lambda p: np.add(p, (0, 700)), "off the screen", "error", id="most gaze below the screen"),
        pytest.param(lambda p: np.add(p, (0, 400)), "off the screen", "warning", id="some of it"),
        pytest.param(_stuck, "stuck samples", "warning", id="0.7 s repeat one sample"),
        pytest.param(lambda p: np.round(_stuck(p, 900)), "stuck samples", "warning", id="3 s, in whole pixels"),
        pytest.param(lambda p: p / SIZE * (51.2, 25.6), "coordinates", "error", id="centimetres read as pixels"),
        pytest.param(lambda p: p / SIZE * (512, 256), "coordinates", "warning", id="millimetres read as pixels"),
        pytest.param(lambda p: (p - SIZE / 2) / 45, "coordinates", "error", id="degrees read as pixels"),
        pytest.param(_marked, "lost gaze", "warning", id="a tenth lies at one point outside"),
        pytest.param(lambda p: np.round(_marked(p)), "lost gaze", "warning", id="the same in whole pixels"),
    ],
)
def test_each_fault_is_found(
    gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]],
    spoil: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]],
    check: str,
    severity: str,
) -> None:
    time, pixels = gaze
    assert checks(recorded(time, spoil(pixels))).get(check) == severity


def test_a_picture_upside_down_is_told_by_millimetres_and_by_targets(
    gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]],
) -> None:
    time, pixels = gaze
    upward = np.stack([pixels[:, 0], -pixels[:, 1], np.zeros(len(time))], axis=1) / 4
    assert checks(recorded(time, pixels, gaze_mm=upward)) == {}
    assert checks(recorded(time, pixels * [1, -1] + [0, 1024], gaze_mm=upward)) == {"upside down": "error"}
    targets = pd.DataFrame(
        [
            {"target": str(k), "onset_us": k * 10**6, "offset_us": k * 10**6 + 3 * 10**5, "x_px": x, "y_px": 1024 - y}
            for k in range(6)
            for x, y in [np.median(pixels[k * 300 : k * 300 + 90], axis=0)]
        ]
    )
    assert checks(recorded(time, pixels), targets) == {"upside down": "error"}
    assert checks(recorded(time, pixels), targets.assign(y_px=1024 - targets["y_px"])) == {}


def test_eyes_pupils_holes_and_clock(gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]) -> None:
    time, pixels = gaze
    n = len(time)
    eyes = [Eye.from_gaze(pixels / SIZE, origin_mm=np.tile([x, 0.0, 600.0], (n, 1))) for x in (-31.0, 31.0)]
    assert checks(GazeRecording(time, time, eyes[0], eyes[1])) == {}
    assert checks(GazeRecording(time, time, eyes[1], eyes[0])) == {"swapped eyes": "warning"}
    assert checks(recorded(time, pixels, pupil_mm=np.full(n, 1200.0))) == {"pupil": "warning"}
    holed = time + np.where(np.arange(n) > 1000, 3_000_000, 0)
    assert checks(recorded(holed, pixels)) == {"holes": "note"}
    back = time - np.where(np.arange(n) > 1000, 500_000, 0)
    assert checks(recorded(back, pixels)) == {"clock": "warning"}


def test_eyes_that_look_at_two_places(gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]) -> None:
    time, pixels = gaze
    for apart_px, found in ((100, {}), (600, {"eyes apart": "warning"})):
        eyes = [Eye.from_gaze((pixels / 2 + (x, 0)) / SIZE) for x in (300, 300 + apart_px)]
        assert checks(GazeRecording(time, time, eyes[0], eyes[1])) == found


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_eye_far_off_the_screen_is_told_and_the_other_is_judged_by_itself(
    gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], side: str
) -> None:
    time, pixels = gaze
    eyes = {"left": Eye.from_gaze(pixels / SIZE), "right": Eye.from_gaze(pixels / SIZE)}
    eyes[side] = Eye.from_gaze(np.full_like(pixels, -32768.0) / SIZE)
    recording = GazeRecording(time, time, eyes["left"], eyes["right"])
    assert checks(recording) == {"lost gaze": "warning"}
    assert f"100% of the points of the {side} eye" in str(check_recording(recording, SCREEN)[0])


def table_of(n: int, rng: np.random.Generator, **columns: object) -> pd.DataFrame:
    where = {"x_picture": rng.uniform(0, 400, n), "y_picture": rng.uniform(0, 200, n)}
    return pd.DataFrame({"image": "a", **where, "duration_ms": rng.uniform(100, 400, n), **columns})


def places(width: float, height: float, zeros: int = 0) -> dict[str, npt.NDArray[np.float64]]:
    along = np.linspace(0, 0.99, 200)
    along[:zeros] = 0
    return {"x_picture": along * width, "y_picture": along * height}


@pytest.mark.parametrize(
    ("columns", "check"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"duration_ms": 0.25}, {"durations": "error"}, id="seconds for milliseconds"),
        pytest.param({"duration_ms": 250_000.0}, {"durations": "error"}, id="microseconds for milliseconds"),
        pytest.param({"duration_ms": 2.5e8}, {"durations": "error"}, id="nanoseconds for milliseconds"),
        pytest.param({"duration_ms": [250.0] * 199 + [0.0]}, {"durations": "warning"}, id="one of no duration"),
        pytest.param({"duration_ms": -250.0}, {"durations": "error"}, id="none of any duration"),
        pytest.param({"x_picture": 480.0 + np.arange(200.0)}, {"off the picture": "error"}, id="off the picture"),
        pytest.param(places(400, 200, zeros=20), {"spikes": "warning"}, id="a tenth at one point"),
        pytest.param(places(1, 1), {"screen size": "error"}, id="shares"),
        pytest.param(
            {
                "image": ["b"] * 5 + ["a"] * 195,
                "x_picture": np.r_[np.full(5, 0.5), np.linspace(0, 399, 195)],
                "y_picture": 0.5,
            },
            {"screen size": "error", "pictures": "warning"},
            id="shares on one of the pictures",
        ),
        pytest.param(places(200, 100), {"screen size": "warning"}, id="half of the picture"),
        pytest.param({"participant": ["P1"] * 199 + [None]}, {"rows": "warning"}, id="a row of nobody"),
        pytest.param({"image": ["a"] * 199 + ["b"]}, {"pictures": "warning"}, id="a picture that is not there"),
    ],
)
def test_fixation_tables(columns: dict[str, object], check: dict[str, str], rng: np.random.Generator) -> None:
    findings = check_fixations(table_of(200, rng, **columns), {"a": (200, 400)})
    assert {f.check: f.severity for f in findings} == check


def test_the_doctor_examines_recordings_and_tables(tmp_path: Path, rng: np.random.Generator) -> None:
    session = a_session(rng)
    write_session(session, tmp_path / "good.gaze.h5")
    shares = replace(
        session, recording=recorded(session.recording.device_time_us, session.recording.left.gaze), participant="P2"
    )
    write_session(shares, tmp_path / "shares.gaze.h5")
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), np.zeros((200, 400, 3), np.uint8))
    table_of(200, rng, duration_ms=0.3).to_csv(tmp_path / "fixations.csv", index=False)
    files = [str(tmp_path / name) for name in ("good.gaze.h5", "shares.gaze.h5", "fixations.csv")]
    result = CliRunner().invoke(
        doctor_.command, [*files, "--pictures", str(tmp_path / "pictures"), "--json"], standalone_mode=False
    )
    assert result.exception is None
    assert result.return_value == 1
    found = {Path(name).name: {f["check"] for f in rows} for name, rows in json.loads(result.stdout).items()}
    assert found == {"good.gaze.h5": set(), "shares.gaze.h5": {"coordinates"}, "fixations.csv": {"durations"}}
    excel = tmp_path / "excel.csv"
    table_of(200, rng, duration_ms=0.3).to_csv(excel, index=False, sep=";", decimal=",")
    shares = tmp_path / "in-shares.csv"
    table_of(200, rng, **places(1, 1)).to_csv(shares, index=False)
    tables = CliRunner().invoke(doctor_.command, [str(excel), str(shares), "--json"], standalone_mode=False)
    found = {Path(name).name: {f["check"] for f in rows} for name, rows in json.loads(tables.stdout).items()}
    assert found == {"excel.csv": {"durations"}, "in-shares.csv": {"screen size"}}
    excel.unlink()
    shares.unlink()
    plain = CliRunner().invoke(doctor_.command, [str(tmp_path)], standalone_mode=False)
    assert "good.gaze.h5: nothing remarkable" in plain.stdout
    assert "error: all gaze of the left eye lies in the first two pixels" in plain.stdout


def test_an_error_of_structure_fails_the_verdict(rng: np.random.Generator) -> None:
    session = a_session(rng)
    n = len(session.recording)
    shares = replace(session, recording=recorded(session.recording.device_time_us, session.recording.left.gaze))
    row = session_quality(shares).query("part == 'whole' and eye == 'average'").iloc[0]
    assert row["verdict"] == "fail"
    assert "shares of the screen" in row["reasons"]
    back = session.recording.device_time_us - np.where(np.arange(n) > n // 2, 40_000, 0)
    set_back = GazeRecording(back, back, session.recording.left, session.recording.right)
    row = session_quality(replace(session, recording=set_back)).query("part == 'whole' and eye == 'average'").iloc[0]
    assert row["checks"].startswith("warning: the clock was set back once")
    assert row["clock_steps_back"] == 1


def test_a_picture_without_gaze_fails_and_pauses_between_pictures_do_not(rng: np.random.Generator) -> None:
    session = a_session(rng)
    time = session.recording.device_time_us
    pause = session.stimuli.assign(onset_us=[0, 12_000_000], offset_us=[2_000_000, 14_000_000])
    later = time + np.where(time >= 2_000_000, 10_000_000, 0)
    paused = GazeRecording(later, later, session.recording.left, session.recording.right)
    row = session_quality(replace(session, recording=paused, stimuli=pause)).iloc[2]
    assert (row["eye"], row["verdict"], row["holes"]) == ("average", "pass", 1)
    assert row["delivered_percent"] == pytest.approx(100, abs=0.2)
    half = replace(session, recording=session.recording.take(time < 2_000_000))
    row = session_quality(half).iloc[2]
    assert row["delivered_percent"] == pytest.approx(50, abs=0.2)
    assert row["reasons"] == "delivered_percent is 50, under 95; no gaze on 1 of the pictures: b.jpg"


def test_what_an_importer_left_out_is_not_missing(rng: np.random.Generator) -> None:
    session = a_session(rng)
    kept = session.recording.take(
        (np.arange(len(session.recording)) < 300) | (np.arange(len(session.recording)) >= 600)
    )
    account = {"account": {"left_out": {"samples of the calibration": 300, "rows of events": 5}}}
    row = session_quality(replace(session, recording=kept, provenance=account)).iloc[2]
    assert (row["verdict"], row["delivered_percent"]) == ("pass", pytest.approx(100, abs=0.2))


def test_the_line_of_plausibility_excuses_what_an_importer_left_out(tmp_path: Path, rng: np.random.Generator) -> None:
    session = a_session(rng)
    row = np.arange(len(session.recording))
    account = {"account": {"left_out": {"samples of the calibration": 300}}}
    kept = session.recording.take((row < 300) | (row >= 600))
    for name, provenance, lacking in (("a", account, 0.0), ("b", {}, 25.0)):
        write_session(replace(session, recording=kept, provenance=provenance), tmp_path / f"{name}.gaze.h5")
        arguments = [str(tmp_path / f"{name}.gaze.h5"), "--out", str(tmp_path / "f.csv"), "--json"]
        judged = json.loads(CliRunner().invoke(fixations_.command, arguments).stdout)["plausibility"]
        assert judged["not_delivered_percent"] == pytest.approx(lacking, abs=0.3)


def test_a_table_with_text_for_a_number_names_it(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(
        "participant,image,x_picture,y_picture,duration_ms\nA,a.png,1,2,200\nA,a.png,abc,2,9\n"
    )
    run = CliRunner().invoke(doctor_.command, [str(tmp_path / "f.csv")], standalone_mode=False)
    assert "1 of 2 values of x_picture are no numbers: the first is 'abc' in row 2" in run.stdout


def test_what_was_left_out_elsewhere_excuses_nothing(rng: np.random.Generator) -> None:
    session = a_session(rng)
    row = np.arange(len(session.recording))
    account = {"account": {"left_out": {"samples of the calibration": 600}}}
    for kept in (row // 20 % 2 == 0, row < len(row) // 2):
        half = replace(session, recording=session.recording.take(kept), provenance=account)
        whole = session_quality(half).iloc[2]
        assert (whole["verdict"], whole["delivered_percent"]) == ("fail", pytest.approx(50, abs=1))


def test_a_recording_without_gaze_is_an_error(gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]) -> None:
    time, pixels = gaze
    assert checks(recorded(time, np.full_like(pixels, np.nan))) == {"no gaze": "error"}


@pytest.mark.parametrize("axis", [0, 1])
def test_one_eye_that_is_upside_down_or_mirrored(
    gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], axis: int
) -> None:
    time, pixels = gaze
    shares = pixels / SIZE
    turned = shares.copy()
    turned[:, axis] = 1 - turned[:, axis]
    recording = GazeRecording(time, time, Eye.from_gaze(shares), Eye.from_gaze(turned))
    assert checks(recording) == {"upside down": "error"}
    assert checks(replace(recording, right=recording.left)) == {}


def test_a_monocular_recording_is_judged_by_its_eye(rng: np.random.Generator) -> None:
    whole = session_quality(a_session(rng)).query("part == 'whole'").set_index("eye")
    assert whole["verdict"].to_dict() == {"left": "pass", "right": "", "average": "pass"}


def test_plausibility_of_events(rng: np.random.Generator) -> None:
    session = a_session(rng)
    events = session_events(session)
    fixations, saccades = join_fixations(session, events), join_saccades(session, events)
    judged = plausibility(events, fixations, saccades)
    assert judged.not_delivered_percent == pytest.approx(0, abs=0.2)
    assert judged.fixation_percent > 75
    assert judged.doubts() == []
    assert str(judged).startswith("plausibility: 0 % of the time not delivered, ")
    wild = saccades.assign(peak_velocity_deg_s=4 * saccades["peak_velocity_deg_s"])
    judged = plausibility(events, fixations[:2].assign(duration_ms=20.0), wild)
    assert judged.off_main_sequence_percent > 90
    assert len(judged.doubts()) == 3
    assert "doubtful: little is fixation; many saccades are too fast" in str(judged)


@pytest.mark.parametrize("suffix", ["pdf", "png"])
def test_the_picture_of_events_has_a_page_a_recording(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    for name in ("one", "two"):
        write_session(a_session(rng, name), tmp_path / "in" / f"{name}.gaze.h5")
    out = tmp_path / f"events.{suffix}"
    arguments = [str(tmp_path / "in"), "--out", str(tmp_path / "f.csv"), "--picture", str(out), "--json"]
    result = CliRunner().invoke(fixations_.command, arguments, standalone_mode=False)
    assert result.exception is None
    assert json.loads(result.stdout)["plausibility"]["doubts"] == []
    if suffix == "pdf":
        assert len(re.findall(rb"/Type /Page\b", out.read_bytes())) == 2
    else:
        pages = [cv2.imread(str(tmp_path / name)) for name in ("events.png", "events-2.png")]
        for page in pages:
            green = (np.abs(page.astype(int) - (0x4A, 0xAF, 0x4D)).sum(axis=2) < 30).mean()
            assert green > 0.01


@pytest.mark.parametrize("option", [("--picture", "events.bmp"), ("--out", "events.xlsx")])
def test_a_suffix_that_is_not_written_is_refused_before(
    tmp_path: Path, rng: np.random.Generator, option: tuple[str, str]
) -> None:
    write_session(a_session(rng), tmp_path / "p.gaze.h5")
    arguments = [str(tmp_path / "p.gaze.h5"), "--out", str(tmp_path / "f.csv"), option[0], str(tmp_path / option[1])]
    run = CliRunner().invoke(fixations_.command, arguments)
    assert isinstance(run.exception, OutputError)
    assert "written as " in str(run.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["p.gaze.h5"]


def test_rows_that_stand_twice_are_told(rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> None:
    table = table_of(200, rng)
    tell_findings("once.csv", table)
    assert capsys.readouterr().err == ""
    tell_findings("twice.csv", pd.concat([table, table]))
    assert capsys.readouterr().err.startswith("twice.csv: warning: 200 of 400 rows stand more than once")


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"width_mm": 52.7, "height_mm": 29.6}, "4.72 degrees wide"),
        ({"distance_mm": 63.0}, "152 degrees wide"),
        ({"width_mm": 296.0, "height_mm": 527.0}, "about square on a display"),
    ],
    ids=["size in centimetres", "distance in centimetres", "exchanged"],
)
def test_a_screen_that_cannot_be_is_doubted(
    gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], sizes: dict[str, float], words: str
) -> None:
    (doubt,) = replace(SCREEN, **sizes).doubts()  # type: ignore[arg-type]
    assert words in doubt
    findings = check_recording(recorded(*gaze), replace(SCREEN, **sizes))  # type: ignore[arg-type]
    assert doubt in [finding.text for finding in findings]


def test_one_column_for_two_and_columns_that_are_no_gaze_are_told(
    gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], rng: np.random.Generator
) -> None:
    time, pixels = gaze
    same = np.repeat(pixels[:, :1], 2, axis=1)
    assert checks(recorded(time, same))["coordinates"] == "error"
    pupil = np.column_stack([rng.uniform(20, 24, len(time)), pixels[:, 1] / np.ptp(pixels[:, 1]) * SCREEN.height_px])
    assert checks(recorded(time, pupil))["constant column"] == "warning"
    still = SIZE / 2 + rng.normal(0, 3, (len(time), 2))
    assert not checks(recorded(time, still))


@pytest.mark.parametrize("scale", [1.0, 1.02, 0.7, 1.4])
def test_points_in_millimetres_tell_another_size_of_the_screen(
    gaze: tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]], rng: np.random.Generator, scale: float
) -> None:
    time, _ = gaze
    shares = rng.uniform(0.1, 0.9, (len(time), 2))
    across, down = np.array([SCREEN.width_mm, 0.0, 0.0]), np.array([0.0, -0.9, 0.436]) * SCREEN.height_mm
    points = scale * (shares[:, :1] * across + shares[:, 1:] * down) + (-250.0, 300.0, 20.0)
    eye = Eye.from_gaze(shares, gaze_mm=points + rng.normal(0, 1, points.shape))
    found = {f.check: f.text for f in check_recording(GazeRecording(time, time, eye, Eye.missing(len(time))), SCREEN)}
    assert ("screen size" in found) == (abs(scale - 1) > 0.1)
    if scale == 0.7:
        assert f"a screen of {0.7 * SCREEN.width_mm:.0f} x" in found["screen size"]


@pytest.mark.parametrize("column", ["participant", "image"])
def test_names_that_differ_in_capitals_and_blanks_are_told(column: str) -> None:
    table = pd.DataFrame(
        {"participant": "P1", "image": "a.jpg", "x_picture": [5.0, 60.0, 9.0, 30.0], "duration_ms": 200.0}
    )
    table = table.assign(y_picture=table["x_picture"])
    assert not check_fixations(table)
    table[column] = ["X 1", "X 1", "x1", "X2"]
    assert [f.text for f in check_fixations(table)] == [
        f"1 {column} is written in several ways, which count as different ones, such as 'X 1' and 'x1': "
        f"one {'person' if column == 'participant' else 'picture'}?"
    ]
