"""Every detector at every rate finds the rests of a simulated eye, whatever the clock does."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import InputError
from gazekit.core.tables import FIXATION_COLUMNS
from gazekit.events import detect_fixations, detectors, label_samples
from gazekit.events.clock import timeline
from gazekit.gaze import Eye, GazeRecording
from tests.fixtures.gazes import DETECTORS, RATES, SCREEN, rests

NOT_OF_A_RECORDING = {"participant", "image", "x_picture", "y_picture", "since_onset_ms"}


def hits(table: pd.DataFrame, time: np.ndarray, rest: np.ndarray, x: np.ndarray) -> float:
    """Share of the rests that one fixation covers by half or more, at the right place."""
    found = 0
    for k in range(rest.max() + 1):
        inside = time[rest == k]
        overlap = np.minimum(table["offset_us"], inside[-1]) - np.maximum(table["onset_us"], inside[0])
        good = (overlap > 0.5 * (inside[-1] - inside[0])) & ((table["x_deg"] - x[rest == k].mean()).abs() < 0.5)
        found += int(good.sum() == 1)
    return found / (rest.max() + 1)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("detector", DETECTORS[:4])
def test_rests_are_found(detector: str, rate: int, rng: np.random.Generator) -> None:
    time, x, y, rest = rests(rate, rng)
    jittered = time + rng.integers(-150, 151, len(time))
    keep = rng.random(len(time)) > 0.02
    recording = GazeRecording.from_pixels(jittered[keep], *SCREEN.to_pixels(x[keep], y[keep]), SCREEN)
    assert hits(detect_fixations(recording, SCREEN, detector), time[keep], rest[keep], x[keep]) >= 0.9


@pytest.mark.parametrize("share", [0.1, 0.4])
@pytest.mark.parametrize("detector", DETECTORS[:4])
def test_a_flicker_of_loss_does_no_harm(detector: str, share: float, rng: np.random.Generator) -> None:
    time, x, y, rest = rests(500, rng)
    px, py = SCREEN.to_pixels(x, y)
    px[rng.random(len(px)) < share] = np.nan
    recording = GazeRecording.from_pixels(time, px, py, SCREEN)
    assert hits(detect_fixations(recording, SCREEN, detector), time, rest, x) >= 0.9
    jumps = label_samples(recording, SCREEN, detector)[(rest < 0) & np.isfinite(px)]
    assert (jumps == 2).mean() > 0.5


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 10])
def test_few_samples_or_none(detector: str, n: int) -> None:
    recording = GazeRecording.from_pixels(np.arange(n) * 2000, np.full(n, 900.0), np.full(n, 500.0), SCREEN)
    table = detect_fixations(recording, SCREEN, detector)
    assert set(table.columns) == set(FIXATION_COLUMNS) - NOT_OF_A_RECORDING
    assert len(label_samples(recording, SCREEN, detector)) == n
    limits = {"ivt": "min_duration_ms", "idt": "min_duration_ms", "i2mc": "min_duration_ms"}
    every = {limits.get(detector, "min_fixation_ms"): 0.0}
    assert detect_fixations(recording, SCREEN, detector, **every)["duration_ms"].sum() <= 2 * n
    assert table["onset_us"].dtype == np.int64


@pytest.mark.parametrize("detector", DETECTORS)
def test_nan_at_the_edges_is_lost_and_never_filled(detector: str, rng: np.random.Generator) -> None:
    time, x, y, _ = rests(500, rng)
    x[:30], x[-30:] = np.nan, np.nan
    recording = GazeRecording.from_pixels(time, *SCREEN.to_pixels(x, y), SCREEN)
    labels = label_samples(recording, SCREEN, detector)
    assert (labels[:30] == 5).all()
    assert (labels[-30:] == 5).all()
    assert (labels == 1).any()


@pytest.mark.parametrize("detector", DETECTORS)
def test_exact_zeros_and_gaze_far_off_the_screen_are_lost(detector: str, rng: np.random.Generator) -> None:
    time, x, y, _ = rests(500, rng)
    px, py = SCREEN.to_pixels(x, y)
    px[100:105], py[100:105] = 0.0, 0.0
    px[300:303] = 8252.0
    off = {"max_gap_ms": 0.0} if detector in ("ivt", "i2mc") else {}  # those two would bridge them
    labels = label_samples(GazeRecording.from_pixels(time, px, py, SCREEN), SCREEN, detector, **off)
    assert (labels[100:105] == 5).all()
    assert (labels[300:303] == 5).all()


def test_one_eye_the_other_or_both(rng: np.random.Generator) -> None:
    time, x, y, _ = rests(300, rng)
    gaze = SCREEN.px_to_display(*SCREEN.to_pixels(x, y))
    n = len(time)
    shifted = Eye.from_gaze(gaze + np.array([0.01, 0]))
    both = GazeRecording(time, time, Eye.from_gaze(gaze), shifted)
    x_px = {
        eye: detect_fixations(both, SCREEN, "ivt", eye=eye)["x_px"].to_numpy()
        for eye in ("left", "right", "average", "strict")
    }
    np.testing.assert_allclose(x_px["right"] - x_px["left"], 0.01 * SCREEN.width_px, atol=1e-6)
    np.testing.assert_allclose(x_px["average"] - x_px["left"], 0.005 * SCREEN.width_px, atol=1e-6)
    np.testing.assert_allclose(x_px["strict"], x_px["average"])
    only_right = GazeRecording(time, time, Eye.missing(n), shifted)
    assert len(detect_fixations(only_right, SCREEN, "ivt", eye="average")) == len(x_px["right"])
    assert len(detect_fixations(only_right, SCREEN, "ivt", eye="strict")) == 0
    assert len(detect_fixations(only_right, SCREEN, "ivt", eye="left")) == 0


def test_a_doubled_sample_has_its_twins_label_and_a_step_back_costs_its_length(rng: np.random.Generator) -> None:
    time, x, y, _ = rests(500, rng)
    px, py = SCREEN.to_pixels(x, y)
    clean = label_samples(GazeRecording.from_pixels(time, px, py, SCREEN), SCREEN)
    twice = np.sort(np.append(np.arange(len(time)), [50, 51, 400]))
    doubled = label_samples(GazeRecording.from_pixels(time[twice], px[twice], py[twice], SCREEN), SCREEN)
    np.testing.assert_array_equal(doubled, clean[twice])
    back = time.copy()
    back[1000:] -= 50_000
    labels = label_samples(GazeRecording.from_pixels(back, px, py, SCREEN), SCREEN)
    assert (labels != clean).sum() <= 2 * 25 + 10


@pytest.mark.parametrize(
    ("stamps", "kept"),
    [
        pytest.param([], [], id="none"),
        pytest.param([5], [0], id="one"),
        pytest.param([1, 2, 2, 3], [0, 1, 3], id="doubled"),
        pytest.param([1, 2, 900, 3, 4], [0, 1, 3, 4], id="one wild stamp costs one sample"),
        pytest.param([10, 11, 1, 2, 3, 4], [2, 3, 4, 5], id="clock set back early: the longer part"),
        pytest.param([3, 2, 1], [1], id="backwards"),
    ],
)
def test_stamps_that_contradict_each_other(stamps: list[int], kept: list[int]) -> None:
    assert timeline(np.array(stamps, dtype=np.int64)).index.tolist() == kept


def test_parameters_travel_with_the_table(rng: np.random.Generator) -> None:
    time, x, y, _ = rests(250, rng)
    recording = GazeRecording.from_pixels(time, *SCREEN.to_pixels(x, y), SCREEN)
    table = detect_fixations(recording, SCREEN, "idt", eye="left", max_dispersion_deg=0.8)
    parameters = json.loads(table["parameters"].iloc[0])
    assert parameters["max_dispersion_deg"] == 0.8
    assert parameters["min_duration_ms"] == 100.0
    assert parameters["eye"] == "left"
    assert set(table["detector"]) == {"idt"}


def test_names_that_are_not_known_are_answered_with_close_ones() -> None:
    empty = GazeRecording.empty()
    with pytest.raises(InputError, match="unknown detector 'itv'; did you mean ivt"):
        detect_fixations(empty, SCREEN, "itv")
    with pytest.raises(InputError, match=r"unknown parameter of the detector ivt 'min_duration'; did you mean min_dur"):
        detect_fixations(empty, SCREEN, "ivt", min_duration=3)
    with pytest.raises(InputError, match=r"max_gap_ms must be a number, 0 or more .* found 'long'"):
        detect_fixations(empty, SCREEN, "ivt", max_gap_ms="long")
    with pytest.raises(InputError, match="unknown eye 'both'"):
        detect_fixations(empty, SCREEN, "ivt", eye="both")  # type: ignore[arg-type]


def test_detectors_are_listed() -> None:
    assert set(DETECTORS) <= set(detectors())


@pytest.mark.parametrize("seed", [0, 7])
def test_i2mc_repeats_with_its_seed(seed: int, rng: np.random.Generator) -> None:
    time, x, y, _ = rests(300, rng, noise_deg=0.4)
    recording = GazeRecording.from_pixels(time, *SCREEN.to_pixels(x, y), SCREEN)
    a, b = (detect_fixations(recording, SCREEN, "i2mc", seed=seed) for _ in range(2))
    assert a.equals(b)
    assert len(a)


@pytest.mark.parametrize("rate", [30, 60, 120, 300])
@pytest.mark.parametrize("noise_deg", [0.02, 0.3, 0.6])
def test_i2mc_does_not_split_steady_gaze(rate: int, noise_deg: float, rng: np.random.Generator) -> None:
    n = 6 * rate
    time = np.round(np.arange(n) * 1e6 / rate).astype(np.int64)
    for _ in range(4):
        x, y = SCREEN.to_pixels(rng.normal(1, noise_deg, n), rng.normal(0, noise_deg, n))
        table = detect_fixations(GazeRecording.from_pixels(time, x, y, SCREEN), SCREEN, "i2mc")
        assert table["duration_ms"].round().tolist() == [pytest.approx(6000, abs=140)]
