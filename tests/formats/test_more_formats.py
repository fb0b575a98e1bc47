"""The numbers, pictures and messages of the layouts that came with 0.2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from gazekit.core.errors import FormatError, InputError
from gazekit.formats import import_recording
from gazekit.formats.registry import detect
from gazekit.formats.text import Head

QUARTER = ["eprime", "glasses 2", "glasses 3", "glasses neon", "pygaze", "smi idf", "titta-matlab", "tobii-sdk"]
QUARTER += ["tobii-sdk tuples", "webgazer", "xdf"]
LOST = {"glasses 2": 2, "glasses 3": 2, "glasses neon": 2, "pygaze": 3, "smi idf": 2, "xdf": 2}


def shown(session) -> list[list[object]]:
    return session.stimuli[["image", "onset_us", "offset_us"]].to_numpy().tolist()


@pytest.mark.parametrize("kind", QUARTER)
def test_gaze_at_a_quarter_of_the_screen(foreign, tmp_path: Path, kind: str) -> None:
    sample = foreign.SOUND[kind](tmp_path)
    assert detect(Head.of(sample.path)) == kind.split()[0]
    gaze = import_recording(sample.path, screen=sample.screen).recording
    assert len(gaze) == 20
    expected = np.full((20, 2), [0.25, 0.5])
    if kind in LOST:
        expected[LOST[kind]] = np.nan
    np.testing.assert_allclose(gaze.left.gaze, expected, atol=1e-9)
    assert (np.diff(gaze.system_time_us) > 0).all()


@pytest.mark.parametrize("kind", ["tobii-sdk", "tobii-sdk tuples"])
def test_tables_of_the_sdk_have_both_clocks_and_all_of_each_eye(foreign, tmp_path: Path, kind: str) -> None:
    gaze = import_recording(foreign.SOUND[kind](tmp_path).path, screen=foreign.ALL).recording
    assert gaze.device_time_us[:2].tolist() == [7_000_000, 7_001_667]
    assert gaze.system_time_us[:2].tolist() == [9_000_000, 9_001_667]
    assert gaze.right.valid.tolist() == [n % 5 != 0 for n in range(20)]
    np.testing.assert_array_equal(gaze.left.origin_mm[0], [-30, 4, 620])
    np.testing.assert_array_equal(gaze.left.gaze_mm[0], [1, 2, 3])
    assert gaze.left.pupil_mm[0] == 3.5


def test_table_of_the_sdk_with_one_clock(tmp_path: Path) -> None:
    path = tmp_path / "gaze.csv"
    rows = [f'{8333 * n},"(0.5, 0.25)",1' for n in range(20)]
    path.write_text("system_time_stamp,left_gaze_point_on_display_area,left_gaze_point_validity\n" + "\n".join(rows))
    sizes = {"width_px": 1920, "height_px": 1080, "width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
    gaze = import_recording(path, screen=sizes).recording
    assert gaze.device_time_us.tolist() == gaze.system_time_us.tolist() == [8333 * n for n in range(20)]
    np.testing.assert_array_equal(gaze.left.gaze[3], [0.5, 0.25])


def test_idf_text_says_its_screen_its_rate_and_its_pictures(foreign, tmp_path: Path) -> None:
    session = import_recording(foreign.smi.write_idf(tmp_path))
    assert (session.participant, session.tracker.rate_hz) == ("p05", 500)
    assert (session.screen.width_px, session.screen.width_mm, session.screen.distance_mm) == (1680, 474, 700)
    assert shown(session) == [["ray0.jpg", 1_000_000, 1_020_000], ["ray10.jpg", 1_020_000, 1_038_001]]
    assert session.recording.left.pupil_mm[0] == 3.25


def test_begaze_export_with_its_fixations_and_keys(foreign, tmp_path: Path) -> None:
    session = import_recording(
        foreign.smi.write_begaze(tmp_path), screen=foreign.MM | {"width_px": 1680, "height_px": 1050}
    )
    assert session.participant == "p06"
    np.testing.assert_allclose(session.recording.right.gaze[0], [0.25, 0.5])
    assert shown(session) == [["ray.jpg", 5_000_000, 5_020_000], ["reef.jpg", 5_020_000, 5_038_001]]
    assert session.messages.to_numpy().tolist() == [[5_009_000, "Space"]]
    assert session.provenance["account"]["makers_fixations"] == 2
    assert session.provenance["account"]["left_out"] == {"rows of events": 1}


@pytest.mark.parametrize("unit", ["px", "height", "norm"])
def test_iohub_counts_upward_from_the_centre(foreign, tmp_path: Path, unit: str) -> None:
    path = foreign.iohub.write(tmp_path, unit)
    session = import_recording(path, screen=foreign.ALL)
    gaze = session.recording
    np.testing.assert_allclose(gaze.left.gaze[0], [0.75, 0.25], atol=1e-6)
    assert gaze.right.valid.tolist() == [n != 5 for n in range(20)]
    assert session.participant == "p09"
    assert session.messages.to_numpy().tolist() == [[3_500_000, "show ray.jpg"], [3_540_000, "hide"]]
    assert [doubt.split(":")[0] for doubt in session.provenance["account"]["doubts"]] == [
        "gaze is a guess",
        "no picture was taken, though 1 of 2 messages name a file of one, the first 'show ray.jpg'",
    ]
    said = import_recording(path, screen=foreign.ALL, unit=unit, onset="^show (?P<image>.+)", placement="stretch")
    assert not said.provenance["account"]["doubts"]
    with pytest.raises(InputError, match="unknown unit 'pixels'"):
        import_recording(path, screen=foreign.ALL, unit="pixels")


def test_iohub_pictures_from_messages(foreign, tmp_path: Path) -> None:
    session = import_recording(
        foreign.iohub.write(tmp_path), screen=foreign.ALL, onset="^show (?P<image>.+)", offset="^hide"
    )
    assert shown(session) == [["ray.jpg", 3_500_000, 3_540_000]]


def test_titta_for_matlab_says_its_screen_and_its_pictures(foreign, tmp_path: Path) -> None:
    session = import_recording(foreign.titta_matlab.write(tmp_path), screen=foreign.PIXELS | {"distance_mm": 650.0})
    assert (session.screen.width_mm, session.tracker.model) == (528, "Tobii Pro Spectrum")
    assert shown(session) == [["ray.jpg", 9_000_000, 9_010_000]]
    assert session.recording.right.valid.tolist() == [n != 2 for n in range(20)]


def test_eyetribe_messages_and_its_own_fixations(foreign, tmp_path: Path) -> None:
    options = {"onset": "image onset (?P<image>.+)", "offset": "image offset"}
    session = import_recording(foreign.pygaze.write(tmp_path), screen=foreign.ALL, **options)
    assert shown(session) == [["ray.jpg", 5_033_000, 5_200_000]]
    assert session.provenance["account"]["makers_fixations"] == 2


def test_webgazer_trials_with_their_pictures(foreign, tmp_path: Path) -> None:
    session = import_recording(foreign.webgazer.write(tmp_path), screen=foreign.ALL)
    assert session.participant == "s12"
    assert session.stimuli["image"].tolist() == ["img/ray.jpg", "img/reef.png"]
    assert session.stimuli["onset_us"].tolist() == [1_600_000, 2_600_000]
    assert session.stimuli[["x", "y", "width", "height"]].iloc[0].tolist() == [240, 140, 800, 600]
    assert [len(trial.recording) for trial in session.trials()] == [10, 10]


def test_eprime_pictures_and_seconds_with_microseconds(foreign, tmp_path: Path) -> None:
    session = import_recording(foreign.eprime.write(tmp_path), screen=foreign.ALL)
    assert session.recording.system_time_us[:3].tolist() == [1_000_999_000, 1_001_015_667, 1_001_032_334]
    assert session.stimuli["image"].tolist() == ["ray.jpg", "reef.jpg"]
    assert session.recording.right.valid.tolist() == [n != 3 for n in range(20)]
    assert session.participant == "4"


@pytest.mark.parametrize("kind", ["glasses 2", "glasses 3", "glasses neon"])
def test_glasses_look_at_their_scene_video(foreign, tmp_path: Path, kind: str) -> None:
    session = import_recording(foreign.glasses.write(tmp_path, kind), screen=foreign.MM)
    assert (session.screen.width_px, session.screen.height_px) == ((1600, 1200) if "neon" in kind else (1920, 1080))
    assert any(text.endswith("ray") for text in session.messages["text"])
    assert session.provenance["notes"] == ["gaze is in the scene camera's picture, which stands for the screen"]
    if "neon" not in kind:
        assert (session.recording.left.pupil_mm[0], session.recording.right.pupil_mm[0]) == (3.5, 3.6)


@pytest.mark.parametrize(("unit", "source"), [("normalized", "file"), ("pixels", "file"), ("", "guess")])
def test_lsl_stream_says_its_unit_or_its_numbers_do(foreign, tmp_path: Path, unit: str, source: str) -> None:
    session = import_recording(foreign.xdf.write(tmp_path, unit), screen=foreign.ALL)
    np.testing.assert_allclose(session.recording.left.gaze[0], [0.25, 0.5])
    np.testing.assert_allclose(session.recording.right.gaze[0], [0.26, 0.5])
    assert session.messages.to_numpy().tolist() == [[100_000_000, "show ray.jpg"], [100_040_000, "hide"]]
    assert [fact["source"] for fact in session.provenance["account"]["facts"] if fact["what"] == "gaze"] == [source]


STRETCHES = {"test_raw.edf": 2, "test_2_raw.edf": 1, "test_raw_binocular.edf": 15}  # blocks of recording


@pytest.mark.parametrize("name", STRETCHES)
def test_edf_files_that_eyelinkio_carries(foreign, tmp_path: Path, name: str) -> None:
    session = import_recording(foreign.edf.write(tmp_path, name), screen=foreign.MM)
    account = session.provenance["account"]
    assert (session.screen.width_px, session.screen.height_px) == (1920, 1080)
    assert account["rate_hz"] == (500 if "binocular" in name else 1000)
    assert 0.5 < account["with_gaze"] / account["samples"] <= 1
    assert account["makers_fixations"] > 20
    assert session.recording.right.valid.any() == ("binocular" in name)
    assert len(session.recording.stretches()) == STRETCHES[name]
    assert account["messages"] > 5
    inside = (np.abs(session.recording.left.gaze[session.recording.left.valid] - 0.5) < 0.5).all(axis=1)
    assert inside.mean() > (0.3 if "binocular" in name else 0.9)


@pytest.mark.parametrize("kind", ["prolab", "studio"])
def test_workbook_is_the_same_as_its_text(foreign, tmp_path: Path, same_session, kind: str) -> None:
    (tmp_path / "a").mkdir()
    text = foreign.SOUND[kind](tmp_path)
    book = foreign.SOUND[f"{kind} xlsx"](tmp_path / "a")
    sessions = [import_recording(s.path, screen=foreign.MM, participant="p") for s in (text, book)]
    for session in sessions:
        session.provenance.clear()
    same_session(*sessions)


def test_mit1003_in_the_order_of_its_trials_on_the_middle_of_the_screen(foreign, tmp_path: Path) -> None:
    viewer = foreign.mit1003.write(tmp_path)
    short, long, very_long = foreign.mit1003.SIZES
    foreign.mit1003.showing(viewer / f"{long}.mat", np.array([[10.0, 20.0], [30.0, -1.0], [-1.0, 5.0], [0.0, 0.0]]), 1)
    foreign.mit1003.showing(viewer / "i0.mat", np.empty((0, 2)), 9)
    (tmp_path / "ALLSTIMULI" / f"{very_long}.jpeg").rename(tmp_path / "ALLSTIMULI" / "i0.jpeg")
    session = import_recording(viewer, screen=foreign.ALL, pictures=tmp_path / "ALLSTIMULI")
    assert shown(session) == [[f"{long}.jpeg", 0, 16_667], [f"{short}.jpeg", 1_016_667, 1_316_667]]
    first = session.stimuli.iloc[0]
    assert (first["x"], first["y"], first["picture_width"]) == ((1920 - 405) / 2, (1080 - 1024) / 2, 405)
    gaze = session.recording.left.gaze[:4] * (1920, 1080) - (first["x"], first["y"])
    np.testing.assert_allclose(gaze, [[10, 20], [np.nan, np.nan], [np.nan, np.nan], [0, 0]], atol=1e-9)
    assert session.recording.left.valid[:4].tolist() == [True, False, False, True]
    assert not session.recording.right.valid.any()
    account = session.provenance["account"]
    assert sum(account["left_out"].values()) == foreign.mit1003.SAMPLES
    assert account["doubts"][0] == "2 pictures share their number with another: their order is that of names"
    assert account["doubts"][1] == "1 picture has no sample: i0.jpeg"
    assert account["doubts"][2].startswith("1 picture is not in")


def test_mit1003_without_pictures_asks_for_them(foreign, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --pictures FOLDER"):
        import_recording(foreign.mit1003.write(tmp_path), screen=foreign.ALL)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"i05june05_static_street": {"DATA": []}}, r"i05june05_static_street\.mat is no file of MIT1003"),
        ({"a": 1, "b": 2}, "one structure with DATA.eyeData was expected, found a, b"),
        ({"i05june05_static_street": {"DATA": {"eyeData": "none"}}}, "should be n x 2 numbers"),
    ],
    ids=["no samples", "two variables", "text"],
)
def test_mit1003_of_another_layout_is_named(foreign, tmp_path: Path, content: dict[str, object], words: str) -> None:
    viewer = foreign.mit1003.write(tmp_path)
    scipy.io.savemat(viewer / "i05june05_static_street.mat", content)
    with pytest.raises(FormatError, match=words):
        import_recording(viewer, screen=foreign.ALL, pictures=tmp_path / "ALLSTIMULI")
