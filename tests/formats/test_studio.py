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
