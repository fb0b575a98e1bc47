"""Agreement of the adaptive detector on each recording, all of its viewer left out while thresholds are chosen.

``pytest -n 0 -s -m benchmark tests/benchmarks/test_events_cross_validation.py``: for each of 13 recordings of people
looking at pictures the thresholds of the grid that agree best on all recordings of other viewers, pictures and films,
as recorded and in noise of 0.1 deg, label it; printed a recording, and compared with the defaults.
"""

from __future__ import annotations

import itertools
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.types import Labels
from gazekit.events.adaptive import Tuning, adaptive
from gazekit.events.samples import prepare
from tests.benchmarks.figures import record
from tests.fixtures.labelled import CLASSES, EXPERTS_SCREEN, Labelled, agreement_of, read_labelled, worse

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]
COMMAND = "pytest -n 0 -s -m benchmark tests/benchmarks/test_events_cross_validation.py"
GRID = {
    "min_onset_deg_s": (30.0, 40.0, 50.0),
    "onset_sd": (5.0, 6.0, 7.0),
    "offset_sd": (3.0, 4.0),
    "offset_margin_deg_s": (10.0, 14.0, 18.0),
    "min_drift_deg": (0.8, 1.5),
}
TUNED = {field.name for field in fields(Tuning)}


def labels_of(recordings: list[Labelled], **choice: float) -> list[Labels]:
    """Labels by the detector with a choice of its thresholds, private ones too."""
    tuning = Tuning(**{name: value for name, value in choice.items() if name in TUNED})
    public = {name: value for name, value in choice.items() if name not in TUNED}
    found = []
    for one in recordings:
        samples = prepare(one.recording, EXPERTS_SCREEN)
        labels = np.zeros(len(one.recording), dtype=np.int8)
        labels[samples.index[samples.delivered]] = adaptive(samples, tuning, **public).labels[samples.delivered]
        found.append(labels)
    return found


def in_words(kappas: dict[int, float]) -> str:
    return " / ".join(f"{kappas[c]:.3f}".lstrip("0") for c in CLASSES)


def test_leaving_one_recording_out(real_data: Path) -> None:
    pictures = read_labelled(real_data) + read_labelled(real_data, "one-coder")
    recordings = pictures + read_labelled(real_data, "video")
    noisy = worse(recordings, 0.1)
    choices = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    clean_labels = [labels_of(recordings, **choice) for choice in choices]
    noisy_labels = [labels_of(noisy, **choice) for choice in choices]
    defaults, held_out = labels_of(recordings), []
    print()
    for k, one in enumerate(pictures):
        viewer = one.name.split("_")[0]
        others = [i for i, other in enumerate(recordings) if not other.name.startswith(viewer)]
        score = [
            sum(
                sum(agreement_of([found[i] for i in others], [data[i] for i in others]).values())
                for found, data in ((clean, recordings), (rough, noisy))
            )
            for clean, rough in zip(clean_labels, noisy_labels, strict=True)
        ]
        best = int(np.argmax(score))
        held_out.append(clean_labels[best][k])
        print(
            f"{one.name:28s} held out {in_words(agreement_of([held_out[-1]], [one]))}   defaults "
            f"{in_words(agreement_of([defaults[k]], [one]))}   {choices[best]}"
        )
    result = agreement_of(held_out, pictures)
    record(
        "events",
        "the same, thresholds chosen without the recordings of the viewer who judges them",
        in_words(result),
        data="13 recordings of people looking at pictures, one or two experts; chosen on those and on 9 of films",
        command=COMMAND,
        developed_on=True,
    )
    assert (np.array(list(result.values())) >= [0.80, 0.89, 0.70]).all()
