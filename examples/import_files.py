"""Read another program's file: python examples/import_files.py [FILE WIDTHxHEIGHT_PX WIDTHxHEIGHT_MM DISTANCE_MM].

Without arguments it writes a small TX300 file (made up) and reads that.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import gazekit as gk

if len(sys.argv) > 1:
    file, pixels, millimetres, distance = Path(sys.argv[1]), *sys.argv[2:5]
else:
    file, pixels, millimetres, distance = Path(tempfile.mkdtemp()) / "made_up.tsv", "1920x1080", "509x286", "650"
    names = [f"{eye}{name}" for eye in "LR" for name in ("GazePos2dx", "GazePos2dy", "Validity")]
    rows = pd.DataFrame({"Time": np.arange(300) * 3333, **dict.fromkeys(names, 0.5)})
    rows[["LValidity", "RValidity"]] = 0
    rows.to_csv(file, sep="\t", index=False)

width_px, height_px = map(int, pixels.split("x"))
width_mm, height_mm = map(float, millimetres.split("x"))
screen = gk.Screen(width_px, height_px, width_mm, height_mm, float(distance))
session = gk.import_recording(file, screen=screen)
print(f"{session.participant}: {len(session.recording)} samples at {session.recording.rate_hz:.0f} Hz")
print(gk.detect_fixations(session.recording, session.screen)[["onset_us", "duration_ms", "x_px", "y_px"]])
