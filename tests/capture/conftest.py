"""A small study of four pictures with the simulated tracker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

STUDY = """
[study]
name = "four pictures"
seed = 11

[screen]
width_px = 1920
height_px = 1080
width_mm = 527
height_mm = 296
distance_mm = 630

[pictures]
folder = "pictures"

[tracker]
kind = "{kind}"
rate_hz = {rate}
{tracker}

[calibration]
points = 5
dwell_ms = 100

[validation]
points = 4
dwell_ms = 300

[presentation]
duration_ms = {duration}
cross_ms = 50
fullscreen = false
{extra}
"""


def write_pictures(folder: Path, n: int = 4) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(n):
        pixels = np.full((60, 80, 3), 90, np.uint8)
        cv2.circle(pixels, (15 + 12 * k, 20 + 5 * k), 8, (20, 60 * k % 255, 240), -1)
        cv2.imwrite(str(folder / f"p{k}.png"), pixels)


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Path]:
    def make(**changes: Any) -> Path:
        write_pictures(tmp_path / "study" / "pictures", changes.pop("pictures", 4))
        values = {"kind": "simulated", "rate": 120, "duration": 400, "extra": "", "tracker": ""} | changes
        path = tmp_path / "study" / "study.toml"
        path.write_text(STUDY.format(**values))
        return path

    return make
