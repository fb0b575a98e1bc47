"""Agreement of every detector with the experts as the recordings get slower, noisier and more broken: a table to read.

``pytest -m benchmark tests/benchmarks/test_events_robustness.py -s``
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.events.detectors import BUILT_IN
from gazekit.gaze import Eye, GazeRecording
from tests.real.test_events_agreement import (
    FIXATION,
    PSO,
    SACCADE,
    SCREEN,
    UNKNOWN,
    Labelled,
    agreement,
    labelled,  # noqa: F401
)

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]


def slower(data: Labelled, rate_hz: float) -> Labelled:
    found = {}
    for name, (recording, one, other) in data.items():
        time = recording.device_time_us
        kept = np.unique(np.searchsorted(time, np.arange(time[0], time[-1], 1e6 / rate_hz)))
        found[name] = (recording.take(kept), one[kept], other[kept])
    return found


def worse(data: Labelled, noise_deg: float, lost: float) -> Labelled:
    """White noise on each axis, and samples lost at random, which then are not compared."""
    rng = np.random.default_rng(20261121)
    found = {}
    for name, (recording, one, other) in data.items():
        gaze = recording.left.gaze.copy()
        seen = (gaze != 0).any(axis=1)
        spread = noise_deg * SCREEN.pixels_per_degree / np.array([SCREEN.width_px, SCREEN.height_px])
        gaze[seen] += rng.normal(0, 1, gaze[seen].shape) * spread
        gone = rng.random(len(gaze)) < lost
        gaze[gone] = np.nan
        time = recording.device_time_us
        broken = GazeRecording(time, time, Eye.from_gaze(gaze), Eye.missing(len(time)))
        found[name] = (broken, np.where(gone, UNKNOWN, one), np.where(gone, UNKNOWN, other))
    return found


def test_table(real_data: Path, labelled: Labelled) -> None:  # noqa: F811
    cases = {"as recorded": labelled}
    cases |= {f"{rate} Hz": slower(labelled, rate) for rate in (300, 250, 120, 60, 30)}
    cases |= {f"noise {noise} deg": worse(labelled, noise, 0) for noise in (0.1, 0.3, 0.6)}
    cases |= {f"{lost:.0%} lost": worse(labelled, 0, lost) for lost in (0.1, 0.4)}
    print(f"\n{'kappa fixation / saccade / PSO':16s}" + "".join(f"{name:>22s}" for name in BUILT_IN))
    table = {}
    for case, data in cases.items():
        row = {name: agreement(data, detector=name) for name in BUILT_IN}
        table[case] = row
        cells = (" / ".join(f"{r[c]:.2f}" for c in (FIXATION, SACCADE, PSO)) for r in row.values())
        print(f"{case:30s}" + "".join(f"{cell:>22s}" for cell in cells))
    best = [max(row, key=lambda name: row[name][FIXATION]) for row in table.values()]
    assert best.count("adaptive") >= len(cases) - 1
    assert table["40% lost"]["adaptive"][SACCADE] > 0.85
