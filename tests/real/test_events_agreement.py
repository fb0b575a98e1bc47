"""Agreement of the detectors with experts, sample by sample, on recordings that they were developed on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import fixations_, quality_
from gazekit.events import data_quality, detect_fixations, detect_saccades, detectors, main_sequence
from gazekit.gaze import Eye, GazeRecording
from gazekit.screen import Screen
from tests.fixtures.labelled import (
    EXPERTS_SCREEN,
    FIXATION,
    PSO,
    SACCADE,
    Labelled,
    agreement,
    read_labelled,
    slower,
    worse,
)


@pytest.fixture(scope="module")
def labelled(real_data: Path) -> list[Labelled]:
    recordings = read_labelled(real_data)
    assert len(recordings) == 7
    return recordings


def test_the_default_for_pictures_agrees_with_the_experts(labelled: list[Labelled]) -> None:
    found = agreement(labelled)
    assert found[FIXATION] >= 0.86
    assert found[SACCADE] >= 0.90
    assert found[PSO] >= 0.76


def test_it_agrees_on_what_it_was_not_chosen_by(real_data: Path) -> None:
    """Films with pursuit, and pictures of one coder: 0.1.0 had .11 / .85 / .65 and .69 / .90 / .69."""
    for group, bars in (("video", (0.37, 0.83, 0.66)), ("one-coder", (0.73, 0.90, 0.67))):
        found = agreement(read_labelled(real_data, group))
        assert tuple(found.values()) >= bars
        assert all(value >= bar for value, bar in zip(found.values(), bars, strict=True))


@pytest.mark.parametrize(
    ("detector", "fixation", "saccade"), [("ivt", 0.70, 0.75), ("i2mc", 0.59, 0.61), ("microsaccades", 0.80, 0.68)]
)
def test_the_others_agree_as_well_as_published(
    labelled: list[Labelled], detector: str, fixation: float, saccade: float
) -> None:
    found = agreement(labelled, detector=detector)
    assert found[FIXATION] >= fixation
    assert found[SACCADE] >= saccade


@pytest.mark.parametrize(("rate", "fixation", "saccade"), [(300, 0.85, 0.88), (120, 0.80, 0.84), (60, 0.65, 0.70)])
def test_agreement_lasts_at_lower_rates(labelled: list[Labelled], rate: int, fixation: float, saccade: float) -> None:
    found = agreement(slower(labelled, rate), pursuit=FIXATION)
    assert found[FIXATION] >= fixation
    assert found[SACCADE] >= saccade


@pytest.mark.parametrize(
    ("noise_deg", "fixation", "saccade", "oscillation"),
    [pytest.param(0.1, 0.83, 0.89, 0.70, id="0.1 deg"), pytest.param(0.3, 0.74, 0.82, 0.45, id="0.3 deg")],
)
def test_agreement_lasts_in_noise(
    labelled: list[Labelled], noise_deg: float, fixation: float, saccade: float, oscillation: float
) -> None:
    found = agreement(worse(labelled, noise_deg))
    assert found[FIXATION] >= fixation
    assert found[SACCADE] >= saccade
    assert found[PSO] >= oscillation


def test_saccades_follow_the_main_sequence(labelled: list[Labelled]) -> None:
    table = pd.concat([detect_saccades(r.recording, EXPERTS_SCREEN) for r in labelled])
    fit = main_sequence(table)
    assert fit.r_squared > 0.7
    assert 300 < fit.saturation_deg_s < 900


@pytest.mark.parametrize("rate", [120, 600, 1200])
def test_the_published_error_of_the_spectrum_files(real_data: Path, rate: int) -> None:
    """Median error of the left eye 16.0 to 18.6 px, on the screen."""
    screen = Screen(1920, 1080, 528.0, 297.0, 650.0)
    table = pd.read_csv(real_data / "spectrum" / f"Tobii_Spectrum_{rate}Hz.tsv", sep="\t")
    table = table[table["target_id"] >= 0].reset_index(drop=True)
    time = np.round(table["timestamp"] * 1000).astype(np.int64).to_numpy()
    eyes = {
        side: Eye.from_gaze(screen.px_to_display(table[f"{side}_x"] + 960, table[f"{side}_y"] + 540))
        for side in ("left", "right")
    }
    block = (table["target_id"] != table["target_id"].shift()).cumsum()
    targets = (
        table.assign(time=time)
        .groupby(block, sort=False)
        .agg(
            target=("target_id", "first"),
            onset_us=("time", "first"),
            offset_us=("time", lambda t: t.iloc[-1] + 1),
            x_px=("tar_x", lambda x: x.iloc[0] + 960),
            y_px=("tar_y", lambda y: y.iloc[0] + 540),
        )
    )
    quality = data_quality(GazeRecording(time, time, eyes["left"], eyes["right"]), screen, targets)
    left = quality[(quality["eye"] == "left") & (quality["target"] == "")].iloc[0]
    assert 15.95 <= left["median_error_px"] <= 18.65
    pixel_deg = np.degrees(np.arctan(528 / 1920 / 650))
    assert left["median_error_deg"] == pytest.approx(left["median_error_px"] * pixel_deg, rel=0.1)
    assert left["nominal_rate_hz"] == pytest.approx(rate, rel=0.01)
    assert left["rms_s2s_deg"] < 0.5


@pytest.mark.parametrize("detector", detectors()[:5])
def test_raw_recordings_with_much_loss(real_data: Path, detector: str) -> None:
    screen = Screen(1920, 1080, 509.0, 286.0, 650.0)
    files = sorted((real_data / "tx300").rglob("*.txt")) or sorted((real_data / "tx300").rglob("*.tsv"))
    assert len(files) == 10
    total = 0
    for file in files:
        table = pd.read_csv(file, sep="\t")
        eyes = {}
        for side in "LR":
            gaze = table[[f"{side}GazePos2dx", f"{side}GazePos2dy"]].to_numpy(float)
            eyes[side] = Eye.from_gaze(gaze, valid=(table[f"{side}Validity"] < 2).to_numpy())
        time = table["Time"].to_numpy(np.int64)
        found = detect_fixations(GazeRecording(time, time, eyes["L"], eyes["R"]), screen, detector)
        assert (found["onset_us"].iloc[1:].to_numpy() >= found["offset_us"].iloc[:-1].to_numpy()).all()
        assert found["duration_ms"].sum() < (time[-1] - time[0]) / 1000
        total += len(found)
    assert total >= 30


def test_the_commands_take_another_tools_file(real_data: Path, tmp_path: Path) -> None:
    screen = ["--screen", "1920x1080", "--screen-mm", "509x286", "--distance-mm", "650"]
    file = str(real_data / "tx300" / "participant1" / "1.tsv")
    quality = CliRunner().invoke(quality_.command, [file, *screen, "--json"], standalone_mode=False)
    assert quality.exception is None
    rows = json.loads(quality.stdout)
    assert 290 < next(r for r in rows if r["eye"] == "left" and r["part"] == "whole")["nominal_rate_hz"] < 310
    out = tmp_path / "f.csv"
    fixations = CliRunner().invoke(fixations_.command, [file, *screen, "--out", str(out)], standalone_mode=False)
    assert fixations.exception is None
    assert len(pd.read_csv(out)) >= 2
