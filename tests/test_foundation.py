"""Screen, recording, session file, histograms and files."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gazekit.core.allocator import keep_memory
from gazekit.core.config import Section, validated
from gazekit.core.errors import ConfigError, FormatError, GazekitError, InputError, OutputError
from gazekit.core.files import existing_file, is_table, whole_file, whole_folder, write_text
from gazekit.core.parallel import results, side_by_side
from gazekit.core.plugins import plugins
from gazekit.core.tables import read_table
from gazekit.formats.plain import read_mapping
from gazekit.gaze import Eye, GazeRecording, select_eye
from gazekit.histograms import moments, read_histograms
from gazekit.screen import Placement, Screen
from gazekit.session import Calibration, CalibrationPoint, Clock, Session, Validation, open_session, write_session
from gazekit.session.clock import fit_clock
from gazekit.session.exclusions import read_exclusions
from gazekit.shapes.fills import filled, soft_edge
from gazekit.study import read_study
from pipelines.config import read_pipeline
from survey.config import read_study as read_survey


def test_degrees_are_fick_angles_by_the_closed_form(screen: Screen) -> None:
    x, y = screen.to_degrees(1920.0, 0.0)
    mm_x, mm_y = 263.5, -148.0
    assert x == pytest.approx(math.degrees(math.atan2(mm_x, 630)), abs=1e-9)
    assert y == pytest.approx(math.degrees(math.atan2(mm_y, math.sqrt(mm_x**2 + 630**2))), abs=1e-9)


def test_pixels_come_back_from_degrees(screen: Screen, rng: np.random.Generator) -> None:
    x, y = rng.uniform(-500, 2500, 100), rng.uniform(-500, 2000, 100)
    back = screen.to_pixels(*screen.to_degrees(x, y))
    np.testing.assert_allclose(back, (x, y), atol=1e-9)


def test_a_screen_names_every_impossible_size() -> None:
    with pytest.raises(InputError, match=r"width_px is 0.*distance_mm is nan"):
        Screen(0, 1080, 527, 296, float("nan"))


def test_gaze_off_the_picture_is_not_clipped_to_its_edge(screen: Screen) -> None:
    placement = Placement.fit((800, 600), screen)
    assert (placement.x, placement.y, placement.width, placement.height) == (240, 0, 1440, 1080)
    x, y = placement.to_picture([239.9, 240, 1679.9, 1680], [0, 0, 540, 540], (800, 600))
    np.testing.assert_allclose(x, [np.nan, 0, 800 - 0.1 * 800 / 1440, np.nan], atol=1e-9)
    np.testing.assert_allclose(y, [np.nan, 0, 300, np.nan])


def test_a_recording_reports_all_faults_together() -> None:
    time = np.arange(3, dtype=np.int64)
    with pytest.raises(InputError, match=r"system_time_us must be int64.*left.gaze has 3 infinite.*right.gaze must be"):
        GazeRecording(
            time, time.astype(float), Eye.from_gaze(np.full((3, 2), [np.inf, 0])[:3]).take(slice(None)), Eye.missing(2)
        )


@pytest.mark.parametrize(
    ("eye", "expected"),
    [
        ("left", [0.1, np.nan, 0.3]),
        ("right", [0.3, 0.4, np.nan]),
        ("average", [0.2, 0.4, 0.3]),
        ("strict", [0.2, np.nan, np.nan]),
    ],
)
def test_eyes_are_chosen_or_averaged(eye: str, expected: list[float]) -> None:
    left = Eye.from_gaze([[0.1, 0.1], [np.nan, np.nan], [0.3, 0.3]])
    right = Eye.from_gaze([[0.3, 0.3], [0.4, 0.4], [np.nan, np.nan]])
    time = np.arange(3, dtype=np.int64)
    point = GazeRecording(time, time, left, right).point(eye)  # type: ignore[arg-type]
    np.testing.assert_allclose(point[:, 0], expected)


def a_session(rng: np.random.Generator, n: int = 50) -> Session:
    screen = Screen(1920, 1080, 527, 296, 630)
    time = np.arange(n, dtype=np.int64) * 3333
    stimuli = pd.DataFrame(
        {
            "image": ["reef.jpg"],
            "sha256": ["ab"],
            "picture_width": [800],
            "picture_height": [600],
            "onset_us": [10_000],
            "offset_us": [60_000],
            "x": [240.0],
            "y": [0.0],
            "width": [1440.0],
            "height": [1080.0],
            "order": [0],
            "response": ["7"],
        }
    )
    point = CalibrationPoint((0.5, 0.5), rng.random((4, 2)), rng.random((4, 2)), np.ones(4, bool), np.zeros(4, bool))
    return Session(
        participant="P01",
        screen=screen,
        recording=GazeRecording(time, time + 7, Eye.from_gaze(rng.random((n, 2))), Eye.missing(n)),
        stimuli=stimuli,
        messages=pd.DataFrame({"time_us": [5], "text": ["start"]}),
        calibrations=(Calibration(1, "success", (point,), b"\x00blob"),),
        validations=(Validation(2, pd.DataFrame({"eye": ["left"], "accuracy_deg": [0.4]}), True),),
        streams={"eye_openness": pd.DataFrame({"device_time_us": time, "left_mm": rng.random(n)})},
    )


def test_a_session_file_gives_back_what_was_written(tmp_path: Path, rng: np.random.Generator) -> None:
    session = a_session(rng)
    back = open_session(write_session(session, tmp_path / "p01.gaze.h5"))
    for side in ("left", "right"):
        for name, column in vars(getattr(session.recording, side)).items():
            np.testing.assert_array_equal(getattr(getattr(back.recording, side), name), column)
    np.testing.assert_array_equal(back.recording.device_time_us, session.recording.device_time_us)
    pd.testing.assert_frame_equal(back.stimuli, session.stimuli, check_dtype=False)
    assert back.calibrations[0].blob == b"\x00blob"
    assert back.validations[0].passed is True
    np.testing.assert_array_equal(back.streams["eye_openness"]["left_mm"], session.streams["eye_openness"]["left_mm"])
    assert len(back.trials()[0].recording) == 15


def test_a_session_file_is_never_overwritten(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write_session(a_session(rng), tmp_path / "p01.gaze.h5")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        write_session(a_session(rng), path)
    assert path.read_bytes() == before


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_file(tmp_path / "out.txt") as path:
            path.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"not hdf5 at all", b"\x89HDF\r\n\x1a\n truncated"])
def test_a_file_that_is_no_session_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.gaze.h5"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="is not a session file"):
        open_session(path)


def test_moments_of_a_histogram_by_hand() -> None:
    mean, std = moments([[1, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(mean, [2, np.nan])
    np.testing.assert_allclose(std, [1, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,c1\na,3\n", "K of 2 or more"),
        ("picture,c1,c2\na,3,1\n", "lacks the column image"),
        ("image,c1,c2\na,3,1\na,1,1\n", "repeated: a"),
        ("image,c1,c2\na,3,1.5\n", "whole numbers"),
        ("", "is empty"),
    ],
    ids=["one bucket", "no image column", "twice", "fraction", "empty"],
)
def test_wrong_histogram_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "ratings.csv"
    write_text(path, text)
    with pytest.raises(InputError, match=message):
        read_histograms(path)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out.csv"
    target.mkdir() if kind == "folder" else os.mkfifo(target)
    with pytest.raises(OutputError, match=f"is a .*{kind}.*cannot be written as a file"):
        write_text(target, "a,b")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert not target.is_file()


def test_a_suffix_says_whether_a_table_or_a_drawing_is_written() -> None:
    assert [is_table(f"out{suffix}") for suffix in (".csv", ".TSV", ".parquet", ".png", ".svg", "")] == [True] * 3 + [
        False
    ] * 3
    with pytest.raises(OutputError, match=r"out\.xyz: drawings are written as \.png.*tables as \.csv"):
        is_table("out.xyz")


@pytest.mark.parametrize(
    ("time", "x", "fault"),
    [
        ([0.0, np.inf], [1.0, 2.0], "time stamps must be finite microseconds; 1 are not"),
        ([0, 1000, 2000], [1.0, 2.0], r"columns of one length; found shapes \(3,\), \(2,\), \(2,\)"),
    ],
    ids=["time", "length"],
)
def test_pixels_that_make_no_recording_are_refused(
    screen: Screen, time: list[float], x: list[float], fault: str
) -> None:
    with pytest.raises(InputError, match=fault):
        GazeRecording.from_pixels(time, x, x, screen)


def test_stamps_between_microseconds_are_rounded(screen: Screen) -> None:
    recording = GazeRecording.from_pixels([0.4, 999.6], [1.0, 2.0], [1.0, 2.0], screen)
    assert recording.device_time_us.tolist() == [0, 1000]


def test_openness_has_two_columns_and_an_empty_stream_adds_none(screen: Screen) -> None:
    recording = GazeRecording.from_pixels([0, 1000], [1.0, 2.0], [1.0, 2.0], screen)
    columns = [f"{side}_{what}" for side in ("left", "right") for what in ("openness_mm", "valid")]
    assert recording.with_openness(pd.DataFrame(columns=["device_time_us", *columns])) is recording
    with pytest.raises(InputError, match=r"openness_mm must be float64 of shape \(2, 2\), found float64 \(2,\)"):
        replace(recording, openness_mm=np.zeros(2))


def test_an_unknown_eye_is_answered_with_the_known() -> None:
    with pytest.raises(InputError, match="unknown eye 'lefft'; did you mean left"):
        select_eye(np.zeros((1, 2)), np.zeros((1, 2)), "lefft")  # type: ignore[arg-type]


def test_a_placement_has_a_size_and_small_pictures_may_stay_small(screen: Screen) -> None:
    with pytest.raises(InputError, match="a placement needs finite corners and a positive size"):
        Placement(0, 0, -4, 3)
    placed = Placement.fit((80, 60), screen, enlarge=False)
    assert (placed.x, placed.y, placed.width, placed.height) == (920, 510, 80, 60)


def test_a_folder_is_no_file_and_an_empty_folder_is_taken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; a table was expected"):
        existing_file(tmp_path, "table")
    (tmp_path / "out").mkdir()
    with whole_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("a")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.txt"]


def test_a_gap_in_the_middle_of_a_path_is_named_as_it_is(tmp_path: Path) -> None:
    """What the block itself cannot find is no fault of the file that is written."""
    with pytest.raises(FileNotFoundError, match="elsewhere"), whole_file(tmp_path / "out.txt"):
        (tmp_path / "elsewhere").read_text()
    assert list(tmp_path.iterdir()) == []


def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("workers", [1, 2])
def test_jobs_are_all_done_by_the_same_processes_each_time(workers: int) -> None:
    with side_by_side(workers) as run:
        for _ in range(2):
            assert sorted(run(double, [(n,) for n in range(5)])) == [0, 2, 4, 6, 8]
    with pytest.raises(ConfigError, match="workers must be 1 or more; found 0"):
        list(results(double, [(1,)], workers=0))


def test_a_clock_without_round_trips_is_none() -> None:
    found = fit_clock(np.zeros(0, dtype=[(name, "i8") for name in ("request_us", "device_us", "response_us")]))
    assert repr(found) == repr(Clock())  # NaN is no other NaN's equal since CPython 3.13


def test_nothing_that_is_kept_is_a_picture_that_is_blurred_all_over(rng: np.random.Generator) -> None:
    picture, nothing = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8), np.zeros((40, 60), bool)
    np.testing.assert_array_equal(filled(picture, nothing, "foveated"), filled(picture, nothing, "blur"))
    assert not soft_edge(nothing, 5.0).any()


@pytest.mark.parametrize(
    ("platform", "library", "kept"),
    [
        ("win32", {}, False),
        ("darwin", {}, False),
        ("linux", {}, False),
        ("linux", {"mallopt": lambda option, value: 1}, True),
        ("linux", {"mallopt": lambda option, value: 0}, False),
    ],
    ids=["windows", "macos", "musl", "glibc", "glibc that refuses"],
)
def test_freed_memory_is_kept_where_the_system_can(
    platform: str, library: dict[str, object], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("ctypes.CDLL", lambda name: SimpleNamespace(**library))
    assert keep_memory() is kept


def test_an_installation_that_is_older_than_the_code_is_said() -> None:
    with pytest.raises(GazekitError, match=r"gazekit's own gazekit\.nothing are not registered; install it again"):
        plugins("gazekit.nothing")


class Lens(Section):
    """A section of a section."""

    width_mm: float = 1.0


class Camera(Section):
    """A section with others in it, in a list and by name."""

    lens: Lens = Lens()
    spare: list[Lens] = []
    named: dict[str, Lens] = {}
    size: float = 1.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"siez": 1}, "siez: unknown key; did you mean 'size'?"),
        ({"lens": {"widht_mm": 1}}, "lens.widht_mm: unknown key; did you mean 'width_mm'?"),
        ({"spare": [{}, {"widht_mm": 1}]}, "spare.1.widht_mm: unknown key; did you mean 'width_mm'?"),
        ({"named": {"a": {"x": 1}}}, "named.a.x: unknown key; known in [named.a]: width_mm"),
        ({"named": {"width_mm": {"x": 1}}}, "named.width_mm.x: unknown key; known in [named.width_mm]: width_mm"),
    ],
    ids=["at the top", "in a section", "in a list", "in a table of sections", "called as a key is"],
)
def test_an_unknown_key_is_answered_with_those_of_its_place(content: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        validated(Camera, content, "study.toml")
    assert words in str(refusal.value)


UNKNOWN = {
    "mapping": (
        read_mapping,
        "[left]\nx = 'x'\ny = 'y'\nwww = 1",
        r"left\.www: .*known in \[left\]: pupil_mm, valid, ",
    ),
    "study": (read_study, "[[answers]]\nwww = 1", r"answers\.0\.www: .*known in \[\[answers\]\]: choices, high, "),
    "another table of it": (read_study, "[tracker]\nblocks = 1", r"known in \[tracker\]: .*; it belongs in \[design\]"),
    "survey": (
        read_survey,
        "[[survey.scales]]\nwww = 1",
        r"known in \[\[survey\.scales\]\]: anchors, name, question, ",
    ),
    "pipeline": (read_pipeline, "[comparison]\nwww = 1", r"comparison\.www: .*known in \[comparison\]: alpha, "),
    "exclusions": (read_exclusions, "www = 1", r"www: unknown key; known here: exclude"),
}


@pytest.mark.parametrize(("read", "text", "words"), UNKNOWN.values(), ids=list(UNKNOWN))
def test_unknown_keys_of_a_toml_file_are_answered_with_those_of_their_table(
    tmp_path: Path, read: Callable[[Path], object], text: str, words: str
) -> None:
    (tmp_path / "a.toml").write_text(text + "\n")
    with pytest.raises(ConfigError, match=words):
        read(tmp_path / "a.toml")


UNHEADED = {
    "lines end with a separator": ("image,c1,c2\na.jpg,1,2,\nb.jpg,3,4,\n", "nothing stands behind it"),
    "some lines do": ("image,c1,c2\na.jpg,1,2,\nb.jpg,3,4\n", "nothing stands behind it"),
    "and blank lines stand above": ("\n\nimage,c1,c2\na.jpg,1,2,\nb.jpg,3,4,\n", "nothing stands behind it"),
    "numbers of rows, as R writes them": ('"image","c1","c2"\n"1","a.jpg",1,2\n"2","b.jpg",3,4\n', "are left out"),
}


@pytest.mark.parametrize(("text", "said"), UNHEADED.values(), ids=list(UNHEADED))
def test_a_cell_without_a_head_moves_no_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "t.csv").write_text(text)
    table = read_table(tmp_path / "t.csv", ["image"])
    assert table.to_dict("list") == {"image": ["a.jpg", "b.jpg"], "c1": [1, 3], "c2": [2, 4]}
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("text", ["image,c1\na.jpg,1,9\nb.jpg,4,5\n", "image,c1\na.jpg,1,9\nb.jpg,4\n"])
def test_columns_of_which_one_has_no_name_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(FormatError, match=r"a line has 3 cells \(a.jpg, 1, 9 ...\), and the first line has 2 names"):
        read_table(tmp_path / "t.csv", ["image"])


def test_a_cell_longer_than_the_csv_module_takes_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f'image,note,c1\na.jpg,"{"x" * 200_000}",3\n')
    assert read_table(tmp_path / "t.csv", ["image"])["c1"].tolist() == [3]
