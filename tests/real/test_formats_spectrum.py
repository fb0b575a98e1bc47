"""Three real validation recordings, read as plain tables by a mapping file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.events import data_quality
from gazekit.formats import import_recording

MAPPING = """
[time]
column = "timestamp"
unit = "ms"
[gaze]
origin = "centre"
[left]
x = "left_x"
y = "left_y"
[right]
x = "right_x"
y = "right_y"
[target]
column = "target_id"
x = "tar_x"
y = "tar_y"
none = ["-1"]
[screen]
width_px = 1920
height_px = 1080
width_mm = 528
height_mm = 297
distance_mm = 650
"""


@pytest.mark.parametrize(("rate", "median_px"), [(120, 17.5), (600, 16.0), (1200, 18.6)])
def test_error_of_the_left_eye(real_data: Path, tmp_path: Path, rate: int, median_px: float) -> None:
    (tmp_path / "spectrum.toml").write_text(MAPPING)
    file = real_data / "spectrum" / f"Tobii_Spectrum_{rate}Hz.tsv"
    session = import_recording(file, mapping=tmp_path / "spectrum.toml")
    targets = session.streams["targets"]
    errors = []
    for target in targets.itertuples():
        gaze = session.recording.between(target.onset_us, target.offset_us).left.gaze
        x, y = session.screen.display_to_px(gaze)
        errors.append(np.hypot(x - target.x_px, y - target.y_px))
    assert len(targets) == 9
    assert float(np.nanmedian(np.concatenate(errors))) == pytest.approx(median_px, abs=0.05)
    quality = data_quality(session.recording, session.screen, targets)
    overall = quality[(quality["eye"] == "left") & (quality["target"] == "")].iloc[0]
    assert overall["nominal_rate_hz"] == pytest.approx(rate, rel=0.002)
    assert 0.3 < overall["accuracy_deg"] < 0.7
