"""Find fixations in a session, by several detectors: python examples/fixations.py [SESSION]."""

import sys
from pathlib import Path

import gazekit as gk

sample = Path(__file__).resolve().parents[1] / "sample_data" / "sessions" / "P01.gaze.h5"
session = gk.open_session(sys.argv[1] if len(sys.argv) > 1 else sample)

for detector in ("adaptive", "ivt", "idt"):
    table = gk.session_fixations(session, detector)
    print(f"{detector}: {len(table)} fixations, median {table['duration_ms'].median():.0f} ms")

labels = gk.label_samples(session.recording, session.screen)  # 1 fixation, 2 saccade, 3 oscillation, 5 blink or lost
print(f"{(labels == 1).mean():.0%} of the samples are fixation")
