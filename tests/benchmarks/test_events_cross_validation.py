"""Agreement of the adaptive detector where its thresholds are chosen without the recording that judges them.

``pytest -m benchmark tests/benchmarks/test_events_cross_validation.py -s``: for each of the seven recordings the
parameters of the grid that agree best on the six others label it; the labels of all seven are then compared at once.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from gazekit.core.types import Labels
from gazekit.events import label_samples
from gazekit.gaze import GazeRecording
from tests.real.test_events_agreement import FIXATION, PSO, SACCADE, SCREEN, kappa

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
GRID = {
    "min_onset_deg_s": (25.0, 35.0, 45.0),
    "onset_sd": (4.0, 5.0, 7.0),
    "offset_sd": (2.5, 3.0, 4.0),
    "pso_pause_ms": (10.0, 12.0, 16.0),
    "max_pso_ms": (40.0, 50.0, 80.0),
}


def kappas(found: list[Labels], experts: list[list[Labels]]) -> npt.NDArray[np.float64]:
    ours = np.concatenate([np.tile(f, 2) for f in found])
    theirs = np.concatenate([np.concatenate(pair) for pair in experts])
    return np.array([kappa(ours == c, theirs == c) for c in (FIXATION, SACCADE, PSO)])


def test_leaving_one_recording_out(real_data: Path) -> None:
    recordings, experts = [], []
    for file in sorted((real_data / "labelled").glob("*_MN.csv")):
        one, other = pd.read_csv(file), pd.read_csv(str(file).replace("_MN", "_RA"))
        recordings.append(GazeRecording.from_pixels(one["t_us"], one["x_px"], one["y_px"], SCREEN))
        experts.append([one["label"].to_numpy(), other["label"].to_numpy()])
    choices = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    labels = [[label_samples(r, SCREEN, "adaptive", **c).astype(int) for r in recordings] for c in choices]
    held_out = []
    for k in range(len(recordings)):
        others = [i for i in range(len(recordings)) if i != k]
        score = [kappas([found[i] for i in others], [experts[i] for i in others]).sum() for found in labels]
        best = int(np.argmax(score))
        print(f"\nwithout recording {k}: {choices[best]}", end="")
        held_out.append(labels[best][k])
    defaults = [label_samples(r, SCREEN).astype(int) for r in recordings]
    result, shipped = kappas(held_out, experts), kappas(defaults, experts)
    print(f"\nkappa of fixation, saccade, PSO: held out {result.round(3)}, defaults on all {shipped.round(3)}")
    assert (result >= [0.86, 0.88, 0.70]).all()
