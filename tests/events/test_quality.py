"""Data quality: closed forms, targets, sessions, verdicts and the page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli.quality_ import command
from gazekit.core.errors import InputError
from gazekit.events import data_quality, session_quality
from gazekit.events.quality import QUALITY_COLUMNS
from gazekit.events.quality_picture import loss_over_time
from gazekit.events.session_quality import SESSION_QUALITY_COLUMNS
from gazekit.events.settings import QualitySection
from gazekit.gaze import GazeRecording
from gazekit.session import Calibration, Validation, write_session
from gazekit.session.model import CalibrationPoint
from gazekit.study import read_study
from tests.fixtures.gazes import SCREEN, a_session, at_degrees


def row(table: pd.DataFrame, eye: str = "average", target: str = "") -> pd.Series:
    return table[(table["eye"] == eye) & (table["target"] == target)].iloc[0]


def test_white_noise_has_its_known_precision(rng: np.random.Generator) -> None:
    n = 200_000
    found = row(data_quality(at_degrees(np.arange(n), rng.normal(0, 0.2, n), rng.normal(0, 0.2, n)), SCREEN))
    assert found["rms_s2s_deg"] == pytest.approx(0.400, abs=0.002)
    assert found["std_deg"] == pytest.approx(0.283, abs=0.002)
    assert found["bcea_deg2"] == pytest.approx(2 * np.pi * -np.log(0.32) * 0.04, rel=0.02)


def test_accuracy_is_the_angle_to_the_target() -> None:
    recording = at_degrees(np.arange(100), np.repeat([3.0, -2.0], 50), 0.0)
    x, y = SCREEN.to_pixels([2.0, -2.0], [0.0, 1.5])
    targets = pd.DataFrame(
        {"target": ["a", "b"], "onset_us": [0, 50_000], "offset_us": [50_000, 100_000], "x_px": x, "y_px": y}
    )
    table = data_quality(recording, SCREEN, targets)
    assert list(table.columns) == list(QUALITY_COLUMNS)
    assert row(table, target="a")["accuracy_deg"] == pytest.approx(1.0, abs=1e-6)
    assert row(table, target="b")["accuracy_deg"] == pytest.approx(1.5, abs=1e-6)
    assert row(table)["accuracy_deg"] == pytest.approx(1.25, abs=1e-6)
    assert row(table)["rms_s2s_deg"] == pytest.approx(0.0, abs=1e-6)  # the jump between targets is no noise
    with pytest.raises(InputError, match="targets lack x_px"):
        data_quality(recording, SCREEN, targets.drop(columns="x_px"))


def test_loss_rate_and_longest_gap() -> None:
    azimuth = np.zeros(500)
    azimuth[100:150] = np.nan
    azimuth[-20:] = np.nan
    keep = np.delete(np.arange(500), np.arange(300, 310))
    found = row(data_quality(at_degrees(keep * 2.0, azimuth[keep]), SCREEN))
    assert found["samples"] == 490
    assert found["loss_percent"] == pytest.approx(100 * 70 / 490)
    assert found["longest_gap_ms"] == pytest.approx(102)
    assert found["nominal_rate_hz"] == pytest.approx(500)
    assert found["delivered_percent"] == pytest.approx(100 * 489 / 499)
    assert found["rate_hz"] == pytest.approx(419 / 0.998)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_samples_or_none(n: int) -> None:
    table = data_quality(at_degrees(np.arange(n), np.zeros(n)), SCREEN)
    assert table["samples"].tolist() == [n] * 3
    assert row(table, "right")["valid_samples"] == 0


def test_precision_of_free_viewing_is_that_of_fixations(rng: np.random.Generator) -> None:
    session = a_session(rng)
    table = session_quality(session)
    assert list(table.columns) == list(SESSION_QUALITY_COLUMNS)
    whole = table[(table["part"] == "whole") & (table["eye"] == "average")].iloc[0]
    assert whole["rms_s2s_deg"] == pytest.approx(0.06, rel=0.1)
    assert row(data_quality(session.recording, SCREEN))["rms_s2s_deg"] > 2 * whole["rms_s2s_deg"]
    trials = table[(table["part"] == "trial") & (table["eye"] == "left")]
    assert trials["image"].tolist() == ["a.jpg", "b.jpg"]
    assert trials["samples"].tolist() == [600, 600]


def test_the_verdict_names_what_failed(rng: np.random.Generator) -> None:
    session = a_session(rng, noise_deg=0.1)
    validation = data_quality(session.recording, SCREEN).assign(accuracy_deg=1.3)
    session = replace(session, validations=(Validation(0, validation),))
    table = session_quality(session, QualitySection(max_rms_s2s_deg=0.15))
    verdict = table[table["part"] == "whole"].set_index("eye")
    assert verdict.loc["left", "verdict"] == "fail"
    assert verdict.loc["left", "reasons"].startswith("accuracy_deg is 1.3, over 1; rms_s2s_deg is 0.")
    assert verdict.loc["right", "reasons"] == "no gaze"
    assert (table.loc[table["part"] != "whole", "verdict"] == "").all()
    lenient = QualitySection(max_accuracy_deg=2.0, max_rms_s2s_deg=None)
    passed = session_quality(session, lenient)
    assert passed.loc[(passed["part"] == "whole") & (passed["eye"] == "left"), "verdict"].tolist() == ["pass"]


def test_loss_over_time(rng: np.random.Generator) -> None:
    session = a_session(rng)
    time, n = session.recording.device_time_us, len(session.recording)
    gaze = session.recording.left.gaze.copy()
    gaze[n // 2 :] = np.nan
    lost = replace(session, recording=GazeRecording.from_pixels(time, *(gaze * [2048, 1024]).T, SCREEN))
    np.testing.assert_allclose(loss_over_time(lost, 4), [0, 0, 1, 1], atol=0.01)
    empty = replace(session, recording=GazeRecording.empty())
    assert np.isnan(loss_over_time(empty)).all()


def test_the_command_writes_table_and_page(tmp_path: Path, rng: np.random.Generator) -> None:
    write_session(a_session(rng), tmp_path / "in" / "p1.gaze.h5")
    write_session(a_session(rng, "P2", noise_deg=0.3), tmp_path / "in" / "p2.gaze.h5")
    (tmp_path / "in" / "p3.gaze.h5").write_bytes(b"not a session")
    study = tmp_path / "study.toml"
    study.write_text(
        '[study]\nname = "s"\n[screen]\nwidth_px = 2048\nheight_px = 1024\nwidth_mm = 512\nheight_mm = 256\n'
        "distance_mm = 640\n[quality]\nmax_rms_s2s_deg = 0.2\n"
    )
    assert read_study(study).quality.max_rms_s2s_deg == 0.2
    out, page = tmp_path / "q.csv", tmp_path / "q.png"
    arguments = [str(tmp_path / "in"), "--out", str(out), "--picture", str(page), "--study", str(study), "--json"]
    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert result.exception is None
    assert "left out" in result.stderr
    assert "P1: pass" in result.stderr
    assert "P2: fail: rms_s2s_deg is 0." in result.stderr
    assert {r["participant"] for r in json.loads(result.stdout)} == {"P1", "P2"}
    assert pd.read_csv(out)["participant"].nunique() == 2
    assert json.loads((tmp_path / "q.csv.json").read_text())["parameters"]["max_rms_s2s_deg"] == 0.2
    picture = cv2.imread(str(page))
    assert picture.shape[1] == 1100
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    failing = CliRunner().invoke(command, [*arguments[:1], "--study", str(study), "--fail"], standalone_mode=False)
    assert failing.return_value == 1


def test_what_the_maker_says_stands_beside_ours_and_judges_only_without_ours(rng: np.random.Generator) -> None:
    session = a_session(rng)
    table = data_quality(session.recording, SCREEN).assign(accuracy_deg=0.6, trueness_deg=0.4)
    theirs = [
        Validation(1, pd.DataFrame([{"eye": eye, "accuracy_deg": error, "max_deg": 2.0}]), error < 1)
        for eye, error in (("left", 0.7), ("left", 0.9), ("right", 1.5))
    ]
    points = tuple(
        CalibrationPoint((0.5, y), gaze, gaze, np.ones(2, bool), np.zeros(2, bool))
        for y in (0.25, 0.75)
        for gaze in [np.array([[0.5, y + 0.01], [0.5, y - 0.01]])]
    )
    calibration = Calibration(0, "good", points)
    both = replace(session, validations=(*theirs, Validation(2, table)), calibrations=(calibration,))
    judged = session_quality(both)
    whole = judged[judged["part"] == "whole"].set_index("eye")
    assert whole.loc["left", ["trueness_deg", "makers_accuracy_deg", "verdict"]].tolist() == [0.4, 0.9, "pass"]
    assert whole.loc["average", "makers_accuracy_deg"] == pytest.approx(1.2)
    assert whole.loc["left", "makers_verdict"] == "calibration good, validation passed"
    parts = judged[judged["part"].str.startswith("maker's")]
    assert parts["part"].tolist() == ["maker's calibration", *["maker's validation"] * 3]
    assert parts["makers_accuracy_deg"].tolist() == pytest.approx([0.227, 0.7, 0.9, 1.5], abs=0.002)
    assert parts["trueness_deg"].iloc[0] == pytest.approx(0, abs=0.002)
    only_theirs = session_quality(replace(both, validations=tuple(theirs))).query("part == 'whole'").set_index("eye")
    assert only_theirs["accuracy_deg"].isna().all()
    assert only_theirs.loc["average", "reasons"] == "makers_accuracy_deg is 1.2, over 1"
    assert only_theirs.loc["left", "verdict"] == "pass"


def test_stamps_out_of_order_are_in_the_table_and_fail_the_verdict(rng: np.random.Generator) -> None:
    session = a_session(rng)
    time = session.recording.device_time_us.copy()
    for place in range(10, 1000, 20):  # every twentieth pair of samples came in the other order
        time[[place, place + 1]] = time[[place + 1, place]]
    swapped = GazeRecording(time, session.recording.system_time_us, session.recording.left, session.recording.right)
    row = session_quality(replace(session, recording=swapped)).query("part == 'whole' and eye == 'average'").iloc[0]
    assert (row["out_of_order"], row["verdict"]) == (50, "fail")
    assert row["reasons"].startswith("clock_faults_percent is 8.33, over 1")
    assert session_quality(session)["clock_faults_percent"].eq(0).all()
