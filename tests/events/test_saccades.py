"""Saccades, the main sequence, microsaccades and the adaptive detector on simulated eyes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import InputError
from gazekit.events import detect_fixations, detect_saccades, label_samples, main_sequence, microsaccades
from gazekit.events.adaptive import Tuning, adaptive
from gazekit.events.samples import prepare
from gazekit.events.sessions import session_events
from gazekit.gaze import Eye, GazeRecording
from gazekit.screen import Screen
from gazekit.session import Session
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
    fixed = adaptive(prepare(recording, SCREEN), Tuning(max_window_ms=10.0)).labels
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


@pytest.mark.parametrize("lost", [0, 2, 10, 40])
def test_the_swing_of_a_lid_is_a_blink_whether_samples_are_lost_or_not(lost: int, rng: np.random.Generator) -> None:
    """As `blink_without_loss.py` of the faults: the lid drags gaze 9 deg down and back in 160 ms."""
    elevation = rng.normal(0, 0.01, 1000)
    ramp = 9 * (0.5 - 0.5 * np.cos(np.pi * np.arange(40) / 39))
    elevation[480:520] += ramp
    elevation[520:560] += ramp[::-1]
    elevation[520 - lost // 2 : 520 + lost // 2] = np.nan
    recording = at_degrees(np.arange(1000) * 2, rng.normal(0, 0.01, 1000), elevation)
    assert len(detect_saccades(recording, SCREEN)) == 0
    assert len(detect_fixations(recording, SCREEN)) == 2
    assert (label_samples(recording, SCREEN)[490:550] == 5).all()


def test_a_look_there_and_back_is_no_blink(rng: np.random.Generator) -> None:
    elevation = rng.normal(0, 0.01, 1000)
    ramp = 9 * (0.5 - 0.5 * np.cos(np.pi * np.arange(20) / 19))
    elevation[480:500] += ramp
    elevation[500:560] += 9
    elevation[560:580] += ramp[::-1]
    recording = at_degrees(np.arange(1000) * 2, rng.normal(0, 0.01, 1000), elevation)
    assert len(detect_saccades(recording, SCREEN)) == 2
    assert len(detect_fixations(recording, SCREEN)) == 3


def test_a_straight_drift_is_pursuit_and_no_fixation_unless_asked_for(rng: np.random.Generator) -> None:
    azimuth = np.concatenate([np.zeros(300), np.linspace(5, 8, 400), np.full(300, 3.0)]) + rng.normal(0, 0.02, 1000)
    recording = at_degrees(np.arange(1000) * 2, azimuth, rng.normal(0, 0.02, 1000))
    labels = label_samples(recording, SCREEN)
    assert (labels[320:680] == 4).mean() > 0.95
    assert len(detect_fixations(recording, SCREEN)) == 2
    assert len(detect_fixations(recording, SCREEN, min_drift_deg=0.0)) == 3


def test_a_fixation_of_the_table_goes_on_over_a_tiny_saccade_that_the_labels_keep(rng: np.random.Generator) -> None:
    azimuth = np.where(np.arange(1000) < 500, 0.0, 0.6) + rng.normal(0, 0.01, 1000)
    recording = at_degrees(np.arange(1000) * 2, azimuth, rng.normal(0, 0.01, 1000))
    assert len(detect_fixations(recording, SCREEN)) == 1
    assert len(detect_fixations(recording, SCREEN, merge_time_ms=0.0)) == 2
    assert (label_samples(recording, SCREEN) == 2).any()
    assert len(detect_saccades(recording, SCREEN)) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda x, y: (np.round(x), np.round(y)), id="whole pixels"),
        pytest.param(lambda x, y: (x, np.full(len(x), 540.0)), id="an axis that never moves"),
        pytest.param(lambda x, y: (np.round(x), np.full(len(x), 700.0)), id="both"),
        pytest.param(lambda x, y: (np.round(x / 10) * 10, np.round(y / 10) * 10), id="tens of pixels"),
        pytest.param(lambda x, y: (np.repeat(x[::400], 400), np.repeat(y[::400], 400)), id="no noise at all"),
    ],
)
def test_microsaccades_of_rounded_or_flat_gaze(spoil: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    """As `degenerate.py` of the faults: more than half of the velocities are exactly 0."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.uniform(200, 1700, 10), 400) + rng.normal(0, 0.15, 4000)
    y = np.repeat(rng.uniform(200, 900, 10), 400) + rng.normal(0, 0.15, 4000)
    screen = Screen(1920, 1080, 527.0, 296.0, 630.0)
    recording = GazeRecording.from_pixels(np.arange(4000) * 1000, *spoil(x, y), screen)
    assert len(microsaccades(recording, screen, max_amplitude_deg=30.0)) == 9
    assert len(detect_fixations(recording, screen, "microsaccades")) == 10


def closing_lid(rate: int, rng: np.random.Generator, *, loses: bool) -> tuple[np.ndarray, GazeRecording]:
    """Two seconds of steady gaze; from 0.8 to 1 s the lid closes and opens, which moves gaze by less than a degree."""
    time = np.round(np.arange(2 * rate) * 1e6 / rate).astype(np.int64)
    lid = 1 - np.sin(np.pi * np.clip((time / 1e6 - 0.8) / 0.2, 0, 1))
    blink = (lid < 0.75) & (np.abs(time / 1e6 - 0.9) < 0.1)
    x, y = rng.normal(0, 0.03, len(time)), rng.normal(0, 0.03, len(time)) + 0.7 * (1 - lid)
    if loses:
        y[lid < 0.1] = np.nan
    recording = GazeRecording.from_pixels(time, *SCREEN.to_pixels(x, y), SCREEN)
    light = 3.5 + 0.3 * np.sin(time / 3e5) + rng.normal(0, 0.02, len(time))
    pupil = np.where(np.isfinite(y), light * np.sqrt(np.clip(1.3 * lid, 0.05, 1)), np.nan)
    eye = Eye.from_gaze(recording.left.gaze, pupil_mm=pupil)
    openness = np.stack([9.0 * lid + rng.normal(0, 0.1, len(lid)), np.full(len(lid), np.nan)], axis=1)
    return blink, GazeRecording(time, time, eye, Eye.missing(len(time)), openness_mm=openness)


@pytest.mark.parametrize("rate", [60, 120, 500, 1200])
@pytest.mark.parametrize("loses", [False, True])
@pytest.mark.parametrize("signal", ["openness", "pupil"])
def test_a_lid_that_closes_is_a_blink_by_openness_and_by_pupil(
    signal: str, loses: bool, rate: int, rng: np.random.Generator
) -> None:
    blink, recording = closing_lid(rate, rng, loses=loses)
    bare = replace(recording.left, pupil_mm=np.full(len(blink), np.nan), pupil_valid=np.zeros(len(blink), dtype=bool))
    known = replace(recording, left=bare) if signal == "openness" else replace(recording, openness_mm=None)
    labels = label_samples(known, SCREEN)
    assert (labels[blink] == 5).mean() > 0.9
    far = np.abs(recording.device_time_us - 900_000) > 160_000
    assert (labels[far] == 1).all()
    if not loses:
        unknown = replace(recording, left=bare, openness_mm=None)
        assert (label_samples(unknown, SCREEN)[blink] == 5).mean() < 0.5


def test_a_pupil_that_answers_to_light_is_no_blink(rng: np.random.Generator) -> None:
    blink, recording = closing_lid(500, rng, loses=False)
    seconds = recording.device_time_us / 1e6
    narrower = np.clip((seconds - 0.8) / 0.3, 0, 1) * np.exp(-np.clip(seconds - 1.1, 0, 9) / 1.5)
    still = GazeRecording.from_pixels(
        recording.device_time_us,
        *SCREEN.to_pixels(rng.normal(0, 0.03, len(blink)), np.zeros(len(blink))),
        SCREEN,
        pupil_mm=5.0 - 2.0 * narrower,
    )
    assert (label_samples(still, SCREEN) == 1).all()


def test_openness_comes_from_the_sessions_stream_by_its_stamps(rng: np.random.Generator) -> None:
    blink, recording = closing_lid(500, rng, loses=False)
    stream = pd.DataFrame(
        {
            "device_time_us": recording.device_time_us[::2] + 300,  # of a tracker that tells it at half of the rate
            "system_time_us": 0,
            "left_openness_mm": recording.openness_mm[::2, 0],
            "left_valid": True,
            "right_openness_mm": np.nan,
            "right_valid": False,
        }
    )
    bare = GazeRecording.from_pixels(recording.device_time_us, *(recording.left.gaze * [2048, 1024]).T, SCREEN)
    events = session_events(Session("P", SCREEN, bare, streams={"eye_openness": stream}))
    assert (events[0].detection.events.labels[blink] == 5).mean() > 0.9
    assert (session_events(Session("P", SCREEN, bare))[0].detection.events.labels[blink] == 5).mean() < 0.5
