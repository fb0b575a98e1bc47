"""Saccades, the main sequence, microsaccades and the adaptive detector on simulated eyes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import InputError
from gazekit.events import detect_fixations, detect_saccades, label_samples, main_sequence, microsaccades
from gazekit.gaze import Eye, GazeRecording
from tests.fixtures.gazes import SCREEN, at_degrees, rests


def jump(direction_deg: float, amplitude_deg: float = 5.0, rate: float = 1000.0) -> GazeRecording:
    t = np.arange(int(rate)) / rate
    rise = np.clip((t - 0.5) / 0.04, 0, 1)
    way = amplitude_deg * (3 * rise**2 - 2 * rise**3)
    angle = np.radians(direction_deg)
    return at_degrees(t * 1000, way * np.cos(angle), -way * np.sin(angle))


@pytest.mark.parametrize("direction", [-180, -135, -90, 0, 45, 90])
def test_amplitude_and_direction_of_a_saccade(direction: int) -> None:
    table = detect_saccades(jump(direction), SCREEN)
    assert len(table) == 1
    saccade = table.iloc[0]
    assert saccade["amplitude_deg"] == pytest.approx(5.0, abs=0.1)
    assert (saccade["direction_deg"] - direction + 180) % 360 - 180 == pytest.approx(0, abs=1)
    assert saccade["peak_velocity_deg_s"] == pytest.approx(1.5 * 5 / 0.04, rel=0.05)
    assert saccade["onset_us"] == pytest.approx(500_000, abs=8_000)
    assert saccade["offset_us"] == pytest.approx(540_000, abs=8_000)


def test_an_oscillation_begins_where_the_eye_swings_back() -> None:
    t = np.arange(1000) / 1000
    rise = np.clip((t - 0.5) / 0.04, 0, 1)
    after = np.clip(t - 0.54, 0, None)
    swing = 0.8 * np.exp(-after / 0.012) * np.sin(2 * np.pi * after / 0.03) * (after > 0)
    labels = label_samples(at_degrees(t * 1000, 8 * (3 * rise**2 - 2 * rise**3) + swing), SCREEN)
    saccade, oscillation = np.flatnonzero(labels == 2), np.flatnonzero(labels == 3)
    turn = 540 + int(np.argmax(swing[540:570]))
    assert saccade[-1] == pytest.approx(turn, abs=3)
    assert oscillation[0] == saccade[-1] + 1
    assert 15 <= len(oscillation) <= 50


def test_the_movement_of_a_closing_lid_belongs_to_the_blink() -> None:
    time = np.arange(1000)
    elevation = np.zeros(1000)
    elevation[480:500] = np.linspace(0, 12, 20)
    elevation[560:600] = np.linspace(12, 0, 40)
    elevation[500:560] = np.nan
    labels = label_samples(at_degrees(time, 0.0, elevation), SCREEN)
    assert (labels[485:595] == 5).all()
    assert not (labels == 2).any()
    assert (labels[100:470] == 1).all()


def test_movement_that_no_eye_can_make_is_an_artefact() -> None:
    azimuth = np.zeros(1000)
    azimuth[500:503] = 15.0
    labels = label_samples(at_degrees(np.arange(1000), azimuth), SCREEN)
    assert (labels[500:503] == 5).all()
    assert not (labels == 2).any()


def test_the_window_grows_with_the_noise(rng: np.random.Generator) -> None:
    time, x, y, rest = rests(500, rng, noise_deg=0.5)
    recording = GazeRecording.from_pixels(time, *SCREEN.to_pixels(x, y), SCREEN)
    grown = label_samples(recording, SCREEN)
    fixed = label_samples(recording, SCREEN, max_window_ms=10.0)
    truth = rest >= 0
    assert ((grown == 1) == truth).mean() > 0.85
    assert ((grown == 2) & ~truth).sum() > 2 * ((fixed == 2) & ~truth).sum()


def test_main_sequence_gives_back_what_made_it(rng: np.random.Generator) -> None:
    amplitude = rng.uniform(0.5, 20, 400)
    peak = 520 * (1 - np.exp(-amplitude / 5)) * rng.normal(1, 0.05, 400)
    fit = main_sequence(pd.DataFrame({"amplitude_deg": amplitude, "peak_velocity_deg_s": peak}))
    assert fit.saturation_deg_s == pytest.approx(520, rel=0.03)
    assert fit.constant_deg == pytest.approx(5, rel=0.06)
    assert fit.r_squared > 0.9
    with pytest.raises(InputError, match="at least 5 saccades; found 2"):
        main_sequence(pd.DataFrame({"amplitude_deg": amplitude[:2], "peak_velocity_deg_s": peak[:2]}))


def two_eyes(rng: np.random.Generator, left_at: list[int], right_at: list[int]) -> GazeRecording:
    """Both eyes at 500 Hz with jumps of 0.5 deg in 10 ms at the given samples."""
    n = 2000
    time = np.arange(n) * 2000
    eyes = []
    for places in (left_at, right_at):
        x = np.zeros(n)
        for at in places:
            x[at:] += 0.5 * np.clip(np.arange(n - at) / 5, 0, 1) * (-1) ** places.index(at)
        noise = rng.normal(0, 0.01, (n, 2))
        eyes.append(Eye.from_gaze(SCREEN.px_to_display(*SCREEN.to_pixels(x + noise[:, 0], noise[:, 1]))))
    return GazeRecording(time, time, *eyes)


def test_microsaccades_must_be_of_both_eyes(rng: np.random.Generator) -> None:
    recording = two_eyes(rng, [300, 800, 1500], [300, 801])
    both = microsaccades(recording, SCREEN)
    assert len(both) == 2
    assert set(both["eyes"]) == {"both"}
    np.testing.assert_allclose(both["onset_us"], [600_000, 1_600_000], atol=6_000)
    np.testing.assert_allclose(both["amplitude_deg"], 0.5, atol=0.1)
    assert abs(both["direction_deg"].iloc[0]) < 20
    assert abs(both["direction_deg"].iloc[1]) > 160
    single = microsaccades(recording, SCREEN, binocular=False)
    assert (single["eyes"] == "left").sum() == 3
    assert (single["eyes"] == "right").sum() == 2
    assert len(microsaccades(recording, SCREEN, max_amplitude_deg=0.3)) == 0


def test_microsaccades_of_nothing_are_an_empty_table() -> None:
    assert len(microsaccades(GazeRecording.empty(), SCREEN)) == 0
    still = at_degrees(np.arange(100), np.zeros(100))
    assert len(microsaccades(still, SCREEN)) == 0
    assert len(detect_fixations(still, SCREEN, "microsaccades")) == 1


def test_a_fixation_goes_on_over_a_flicker_but_not_over_a_blink() -> None:
    azimuth = np.zeros(2000)
    azimuth[200:1000:20] = np.nan
    azimuth[1400:1480] = np.nan
    recording = at_degrees(np.arange(2000), azimuth)
    table = detect_fixations(recording, SCREEN, "adaptive")
    assert table["onset_us"].tolist() == [0, 1_480_000]
    assert table["offset_us"].tolist() == [1_400_000, 2_000_000]
    assert table["samples"].tolist() == [1400 - 40, 520]
    assert (label_samples(recording, SCREEN)[200:1000:20] == 5).all()
    assert len(detect_fixations(recording, SCREEN, "adaptive", max_gap_ms=0.0, min_fixation_ms=10.0)) == 42


def test_a_fixation_ends_where_the_eye_is_elsewhere_after_a_short_loss() -> None:
    azimuth = np.concatenate([np.zeros(500), np.full(30, np.nan), np.full(500, 3.0)])
    table = detect_fixations(at_degrees(np.arange(1030), azimuth), SCREEN, "adaptive")
    assert len(table) == 2
