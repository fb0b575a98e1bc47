"""A maker's own fixations beside ours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import InputError
from gazekit.events import label_samples
from gazekit.formats.eye_movements import agreement, cohen_kappa
from gazekit.gaze import GazeRecording
from gazekit.screen import Screen
from gazekit.session import Session


def test_kappa_by_hand() -> None:
    a = [1] * 45 + [1] * 15 + [0] * 25 + [0] * 15
    b = [1] * 45 + [0] * 15 + [1] * 25 + [0] * 15
    assert cohen_kappa(a, b) == pytest.approx((0.60 - 0.54) / (1 - 0.54))  # the worked example of many textbooks
    assert cohen_kappa([1, 2], [1, 2]) == 1
    assert np.isnan(cohen_kappa([1, 1], [1, 1]))
    assert np.isnan(cohen_kappa([], []))
    with pytest.raises(InputError, match="same samples"):
        cohen_kappa([1], [1, 2])


def test_session_without_labels_of_its_maker(screen: Screen) -> None:
    with pytest.raises(InputError, match="Eye movement type"):
        agreement(Session("p", screen, GazeRecording.empty()), np.empty(0, np.int8))


@pytest.mark.parametrize("share", [0.0, 0.2], ids=["the same labels", "a fifth exchanged"])
def test_command_compares(tmp_path: Path, screen: Screen, rng: np.random.Generator, run, share: float) -> None:
    centres = rng.uniform(300, 900, (12, 2)).round()
    x, y = (np.repeat(centres, 60, axis=0) + rng.normal(0, 0.5, (720, 2)).round(2)).T
    time = np.arange(720) * 3333
    labels = label_samples(GazeRecording.from_pixels(time, x, y, screen), screen, detector="ivt")
    words = np.array(["Unclassified", "Fixation", "Saccade", "", "", "EyesNotFound"])[labels]
    exchanged = rng.random(720) < share
    words[exchanged] = np.where(words[exchanged] == "Fixation", "Saccade", "Fixation")
    header = "Recording timestamp [μs]\tSensor\tGaze point X [DACS px]\tGaze point Y [DACS px]\tEye movement type"
    rows = [f"{t}\tEye Tracker\t{a:.2f}\t{b:.2f}\t{w}" for t, a, b, w in zip(time, x, y, words, strict=True)]
    path = tmp_path / "export.tsv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    arguments = ["--screen", "1920x1080", "--screen-mm", "527x296", "--distance-mm", 630, "--out", tmp_path / "out"]
    for _ in range(2):  # and again when the session file is there already
        result = run("import", path, *arguments, "--compare", "ivt", "--json")
        found = {row["class"]: row for row in json.loads(result.output)["agreement"]}
        assert list(found) == ["fixation", "saccade", "all"]
        equal = 100 - 100 * exchanged.mean()
        assert found["all"]["equal_percent"] == pytest.approx(equal)
        assert found["fixation"]["kappa"] == pytest.approx(1.0) if share == 0 else 0 < found["fixation"]["kappa"] < 0.9
    assert "fixation: kappa" in run("import", path, *arguments, "--compare", "ivt").output
