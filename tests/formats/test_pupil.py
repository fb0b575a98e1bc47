"""Exports of Pupil Labs' programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.formats import import_recording
from gazekit.formats.registry import detect
from gazekit.formats.text import Head
from gazekit.screen import Screen

SCREEN = Screen(1600, 1200, 400.0, 300.0, 600.0)
VALID = {
    "surface": [True, True, False, True],
    "scene": [True, True, False, True],
    "mapped": [True, True, True, False],
    "cloud": [True, True, False, True],
}


@pytest.mark.parametrize("kind", list(VALID))
def test_layouts(foreign, tmp_path: Path, kind: str) -> None:
    path = foreign.pupil.write(tmp_path, kind)
    assert detect(Head.of(path)) == "pupil"
    session = import_recording(path, screen=SCREEN)
    gaze = session.recording
    start = 100_000_000 if kind in ("surface", "scene") else foreign.pupil.START // 1000
    assert gaze.device_time_us.tolist() == [start + 5000 * n for n in range(4)]
    np.testing.assert_allclose(gaze.left.gaze[:3], [[0.25, 0.25]] * 3)
    assert gaze.left.valid.tolist() == VALID[kind]
    assert not gaze.right.valid.any()
    assert bool(session.provenance.get("notes")) == (kind in ("scene", "cloud"))


def test_its_own_fixations_and_blinks(foreign, tmp_path: Path) -> None:
    session = import_recording(foreign.pupil.write(tmp_path, "mapped"), screen=SCREEN)
    assert session.streams["eye_movements"]["label"].tolist() == [1, 1, 0, 5]


def test_pupils_of_core_stand_in_the_folder_above(foreign, tmp_path: Path) -> None:
    path = foreign.pupil.write(tmp_path / "surfaces", "surface", "gaze_positions_on_surface_Screen.csv")
    rows = [f"{t},0,{eye},0.9,30,{3 + eye}" for t in foreign.pupil.CORE[:2] for eye in (0, 1)]
    header = "pupil_timestamp,world_index,eye_id,confidence,diameter,diameter_3d"
    (tmp_path / "pupil_positions.csv").write_text("\n".join([header, *rows]) + "\n")
    gaze = import_recording(path, screen=SCREEN).recording
    np.testing.assert_array_equal(gaze.left.pupil_mm, [4, 4, 4, 4])
    np.testing.assert_array_equal(gaze.right.pupil_mm, [3, 3, 3, 3])


def test_pupils_of_the_cloud_stand_beside(foreign, tmp_path: Path) -> None:
    path = foreign.pupil.write(tmp_path, "cloud")
    header = "section id,recording id,timestamp [ns],pupil diameter left [mm],pupil diameter right [mm]"
    far = foreign.pupil.START + 100_000_000
    (tmp_path / "3d_eye_states.csv").write_text(f"{header}\ns,r,{foreign.pupil.START},4.5,\ns,r,{far},5.5,5.6\n")
    gaze = import_recording(path, screen=SCREEN).recording
    np.testing.assert_array_equal(gaze.left.pupil_mm, [4.5] * 4)
    assert np.isnan(gaze.right.pupil_mm).all()


def test_events_of_the_cloud_are_messages_and_show_pictures(foreign, tmp_path: Path) -> None:
    path, start = foreign.pupil.write(tmp_path, "mapped"), foreign.pupil.START
    rows = [f"r,{start},recording.begin,recording", f"r,{start + 5_000_000},show ray.jpg,recording"]
    (tmp_path / "events.csv").write_text("recording id,timestamp [ns],name,type\n" + "\n".join(rows) + "\n")
    session = import_recording(path, screen=SCREEN, onset="^show (?P<image>.+)")
    assert session.messages["text"].tolist() == ["recording.begin", "show ray.jpg"]
    assert session.stimuli[["image", "onset_us"]].to_numpy().tolist() == [["ray.jpg", (start + 5_000_000) // 1000]]
    assert "events.csv" in session.provenance["inputs"]


def test_annotations_of_core_are_messages(foreign, tmp_path: Path) -> None:
    path = foreign.pupil.write(tmp_path / "surfaces", "surface")
    (tmp_path / "annotations.csv").write_text("index,timestamp,label,duration\n0,100.005,ray,0\n")
    session = import_recording(path, screen=SCREEN)
    assert session.messages.to_numpy().tolist() == [[100_005_000, "ray"]]
