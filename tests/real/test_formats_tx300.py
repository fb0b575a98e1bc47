"""The ten real TX300 recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.formats import import_recording
from gazekit.formats.batch import import_files
from gazekit.screen import Screen
from gazekit.session import open_session

SCREEN = Screen(1920, 1080, 509.0, 286.0, 650.0)


def test_all_ten_become_session_files(real_data: Path, tmp_path: Path) -> None:
    files = sorted((real_data / "tx300").glob("*/*.tsv"))
    batch = import_files(files, tmp_path, screen=SCREEN)
    assert not batch.faults
    assert len({item.session for item in batch.imported}) == 10
    for file, item in zip(files, batch.imported, strict=True):
        session = open_session(item.session)
        assert session.participant == f"{file.parent.name}_{file.stem}"
        assert len(session.recording) == len(pd.read_csv(file, sep="\t"))
        assert 295 < session.recording.rate_hz < 305


def test_samples_are_those_of_the_file(real_data: Path) -> None:
    file = real_data / "tx300" / "participant2" / "3.tsv"
    raw = pd.read_csv(file, sep="\t")
    gaze = import_recording(file, screen=SCREEN).recording
    for side, eye in (("L", gaze.left), ("R", gaze.right)):
        seen = raw[f"{side}Validity"].to_numpy() < 2
        np.testing.assert_array_equal(eye.valid, seen)
        expected = raw[[f"{side}GazePos2dx", f"{side}GazePos2dy"]].to_numpy()
        np.testing.assert_array_equal(eye.gaze[seen], expected[seen])
        assert 0.0 <= (~eye.valid).mean() < 0.4
