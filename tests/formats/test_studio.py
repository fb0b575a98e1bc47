"""Tobii Studio 3 exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.formats import import_recording
from gazekit.formats.eye_movements import agreement
from gazekit.formats.registry import detect
from gazekit.formats.text import Head

SIZES = {"width_mm": 380.0, "height_mm": 300.0, "distance_mm": 600.0}
COMMON = {"ParticipantName": "P07", "RecordingName": "Rec 01", "RecordingResolution": "1280 x 1024"}
GAZE = [f"GazePoint{side}{axis} (ADCSpx)" for side in ("Left", "Right") for axis in "XY"]
HEADER = [
    *("StudioVersionRec", "ParticipantName", "RecordingName", "RecordingDate", "RecordingResolution", "MediaName"),
    *("MediaPosX (ADCSpx)", "MediaPosY (ADCSpx)", "MediaWidth", "MediaHeight", "RecordingTimestamp"),
    *("EyeTrackerTimestamp", "KeyPressEvent", "StudioEvent", "StudioEventData", "FixationIndex", "SaccadeIndex"),
    *("GazeEventType", "ValidityLeft", "ValidityRight", "PupilLeft", "PupilRight", *GAZE),
    *(f"EyePosLeft{axis} (ADCSmm)" for axis in "XYZ"),
]


def row(ms: float, validity: str, gaze: list[str], movement: str, index: int, **more: str) -> dict[str, str]:
    made = {**COMMON, "RecordingTimestamp": f"{ms:.0f}", "EyeTrackerTimestamp": f"{7_000_000 + ms * 1000:.0f}"}
    made |= {"MediaName": "ray.jpg", "MediaPosX (ADCSpx)": "240", "MediaPosY (ADCSpx)": "212", "MediaWidth": "800"}
    made |= {"MediaHeight": "600", "ValidityLeft": validity, "ValidityRight": "0", "PupilLeft": "2.5"}
    made |= dict(zip(GAZE, gaze, strict=True)) | {"GazeEventType": movement}
    made |= {f"EyePosLeft{a} (ADCSmm)": v for a, v in zip("XYZ", ("190", "150", "610"), strict=True)}
    return made | {"FixationIndex" if movement == "Fixation" else "SaccadeIndex": str(index)} | more


@pytest.fixture
def export(tmp_path: Path) -> Path:
    seen = ["640", "512", "650", "510"]
    rows = [
        {**COMMON, "RecordingTimestamp": "95", "StudioEvent": "ImageStart", "StudioEventData": "ray.jpg"},
        row(100, "0", seen, "Fixation", 1),
        row(117, "1", seen, "Fixation", 1),
        row(133, "2", seen, "Saccade", 1),
        row(150, "4", ["-1", "-1", "650", "510"], "Saccade", 1, PupilLeft="-1"),
        {**COMMON, "RecordingTimestamp": "155", "KeyPressEvent": "Space"},
        {**COMMON, "RecordingTimestamp": "160", "StudioEvent": "ImageEnd", "StudioEventData": "ray.jpg"},
    ]
    path = tmp_path / "studio.tsv"
    lines = ["\t".join(HEADER), *("\t".join(r.get(name, "") for name in HEADER) for r in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8-sig")
    return path


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
