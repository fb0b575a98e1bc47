"""Tobii Studio 3 exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError
from gazekit.formats import import_recording
from gazekit.formats.eye_movements import agreement
from gazekit.formats.registry import detect
from gazekit.formats.text import Head

SIZES = {"width_mm": 380.0, "height_mm": 300.0, "distance_mm": 600.0}


@pytest.fixture
def export(foreign, tmp_path: Path) -> Path:
    return foreign.studio.write(tmp_path)


def test_samples(export: Path) -> None:
    assert detect(Head.of(export)) == "studio"
    session = import_recording(export, screen=SIZES)
    gaze = session.recording
    assert (session.participant, session.name, session.screen.width_px) == ("P07", "Rec 01", 1280)
    assert gaze.device_time_us.tolist() == [7_100_000, 7_117_000, 7_133_000, 7_150_000]
    assert gaze.left.valid.tolist() == [True, True, False, False]
    np.testing.assert_allclose(gaze.left.gaze[0], [0.5, 0.5])
    assert np.isnan(gaze.left.gaze[3]).all()
    assert np.isnan(gaze.left.pupil_mm[3])
    np.testing.assert_allclose(gaze.left.origin_mm[0], [0, 0, 610])


def test_picture_and_messages(export: Path) -> None:
    session = import_recording(export, screen=SIZES)
    picture = session.stimuli.iloc[0]
    assert (picture["image"], picture["onset_us"], picture["offset_us"]) == ("ray.jpg", 95_000, 160_000)
    assert picture[["x", "y", "width", "height"]].tolist() == [240, 212, 800, 600]
    assert session.messages["text"].tolist() == ["ImageStart: ray.jpg", "Space", "ImageEnd: ray.jpg"]


def test_its_own_fixations_are_kept_and_compared(export: Path) -> None:
    session = import_recording(export, screen=SIZES)
    theirs = session.streams["eye_movements"]
    assert theirs["label"].tolist() == [1, 1, 2, 2]
    assert theirs["index"].tolist() == [1, 1, 1, 1]
    table = agreement(session, np.array([1, 2, 2, 2], dtype=np.int8)).set_index("class")
    assert table.loc["fixation", "kappa"] == pytest.approx(0.5)
    assert table.loc["all", "equal_percent"] == 75


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("above", [True, False])
def test_exports_of_studio_1_and_2(tmp_path: Path, encoding: str, above: bool) -> None:
    """Columns as public code that reads exports of Tobii Studio 1 and 2 names them; no manual was at hand."""
    lines = ["Recording name:\tRec 01", "Recording resolution:\t1280 x 1024", "Coordinate unit:\tPixels",
             "Participant:\tP07", ""] if above else []  # fmt: skip
    lines.append(
        "Timestamp\tNumber\tGazePointXLeft\tGazePointYLeft\tPupilLeft\tValidityLeft\tGazePointXRight\tGazePointYRight"
        "\tPupilRight\tValidityRight\tEvent\tDescriptor\tStimuliName\tMediaWidth\tMediaHeight\tMediaPosX\tMediaPosY"
    )
    place = "ray.jpg\t800\t600\t240\t212"
    for n in range(6):
        eye = "-1280\t-1024\t-1\t4" if n == 3 else "640\t256\t3.1\t0"
        lines.append(f"{round(n * 1000 / 60)}\t{n}\t{eye}\t{eye}\t\t\t{place}")
    lines.insert(-3, "40" + "\t" * 10 + "KeyPress\tSpace\t\t\t\t\t")
    path = tmp_path / "classic.tsv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    assert detect(Head.of(path)) == "studio"
    session = import_recording(path, screen=SIZES | ({} if above else {"width_px": 1280, "height_px": 1024}))
    assert (session.participant, session.name) == (("P07", "Rec 01") if above else ("classic", session.name))
    gaze = session.recording
    assert gaze.system_time_us.tolist() == [0, 17_000, 33_000, 50_000, 67_000, 83_000]
    assert gaze.left.valid.tolist() == gaze.right.valid.tolist() == [True, True, True, False, True, True]
    np.testing.assert_allclose(gaze.left.gaze[0], [0.5, 0.25])
    assert gaze.left.pupil_mm[0] == pytest.approx(3.1)
    assert session.stimuli.iloc[0][["image", "x", "y", "width", "height"]].tolist() == ["ray.jpg", 240, 212, 800, 600]
    assert session.messages["text"].tolist() == ["KeyPress: Space"]


def test_gaze_of_studio_1_in_another_unit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "classic.tsv"
    path.write_text("Coordinate unit:\tPercent\n\nTimestamp\tGazePointXLeft\tGazePointYLeft\n0\t50\t50\n")
    with pytest.raises(FormatError, match="Percent"):
        import_recording(path, screen=SIZES)


def test_gaze_in_millimetres_is_said_to_be_that(tmp_path: Path) -> None:
    path = tmp_path / "mm.tsv"
    names = ["RecordingTimestamp", "GazePointLeftX (ADCSmm)", "GazePointLeftY (ADCSmm)", "GazePointX (ADCSpx)",
             "GazePointY (ADCSpx)", "ValidityLeft"]  # fmt: skip
    path.write_text("\t".join(names) + "\n" + "".join(f"{17 * n}\t95\t150\t320\t512\t0\n" for n in range(9)))
    session = import_recording(path, screen=SIZES | {"width_px": 1280, "height_px": 1024})
    np.testing.assert_allclose(session.recording.left.gaze[0], [0.25, 0.5])
    facts = {fact["what"]: fact["value"] for fact in session.provenance["account"]["facts"]}
    assert facts["gaze"].startswith("mm ")
