"""Real recordings that experts labelled sample by sample, read as plain tables and compared with a detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.events import label_samples
from gazekit.formats import import_recording
from gazekit.formats.eye_movements import agreement

MAPPING = """
[time]
column = "t_us"
unit = "us"
[gaze]
missing = [0.0]
[left]
x = "x_px"
y = "y_px"
[labels]
column = "label"
fixation = ["1"]
saccade = ["2"]
oscillation = ["3"]
pursuit = ["4"]
lost = ["5"]
[screen]
width_px = 1024
height_px = 768
width_mm = 380
height_mm = 300
distance_mm = 670
"""


def test_experts_labels_stand_beside_ours(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "labelled.toml").write_text(MAPPING)
    file = sorted((real_data / "labelled").glob("*MN*.csv"))[0]
    raw = pd.read_csv(file)
    session = import_recording(file, mapping=tmp_path / "labelled.toml")
    lost = ((raw["x_px"] == 0) & (raw["y_px"] == 0)).to_numpy()
    np.testing.assert_array_equal(session.recording.left.valid, ~lost)
    expected = np.where(raw["label"] == 6, 0, raw["label"])
    np.testing.assert_array_equal(session.streams["eye_movements"]["label"], expected)
    labels = label_samples(session.recording, session.screen, detector="ivt")
    table = agreement(session, labels).set_index("class")
    assert 0.4 < table.loc["fixation", "kappa"] < 1
    assert 0.4 < table.loc["saccade", "kappa"] < 1
