"""Simulated people, and the interest that they share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.capture.simulation.gaze import Habits, Person, coarse_salience, salience
from gazekit.capture.simulation.interest import Interest, drawn_by, read_interests
from gazekit.capture.simulation.scanpath import PictureScene, TargetScene
from gazekit.core.errors import FormatError
from gazekit.events import detect_fixations
from gazekit.screen import Placement, Screen
from gazekit.session.samples import to_recording


def test_an_interest_draws_the_eyes_to_its_place() -> None:
    even = np.full((12, 16), 1 / 192)
    drawn = drawn_by(even, (320, 240), Interest(80, 60, 40))
    assert drawn.sum() == pytest.approx(1)
    assert drawn[3, 4] == pytest.approx(12 * drawn[11, 15])
    assert drawn_by(even, (320, 240), None) is even


def test_places_that_are_not_numbers_are_named(tmp_path: Path) -> None:
    path = tmp_path / "interest.csv"
    path.write_text("image,interest_x,interest_y,interest_radius\na,1,2,3\nb,1,,3\n")
    with pytest.raises(FormatError, match="radius: b"):
        read_interests(path)


def a_dot(height: int = 120, width: int = 160) -> np.ndarray:
    pixels = np.full((height, width, 3), 120, np.uint8)
    pixels[20:35, 110:125] = (250, 40, 30)
    return pixels


def test_salience_is_a_map_of_the_picture_and_finds_what_stands_out() -> None:
    amap = salience(a_dot())
    assert amap.shape == (120, 160)
    assert amap.sum() == pytest.approx(1)
    assert (amap >= 0).all()
    assert amap[10:45, 100:135].sum() > 0.7


def test_a_picture_of_one_colour_gives_an_even_map() -> None:
    np.testing.assert_allclose(salience(np.full((30, 40, 3), 99, np.uint8)), 1 / 1200)


def watching(screen: Screen, rate_hz: float, seconds: float, seed: int = 3) -> tuple[Person, np.ndarray]:
    person = Person(screen, rate_hz, seed)
    person.calibrated = True
    times = np.arange(int(seconds * rate_hz), dtype=np.int64) * round(1e6 / rate_hz)
    person.watch(0, PictureScene(coarse_salience(a_dot()), Placement(240, 0, 1440, 1080)))
    block, _ = person.sample(times)
    block["device_time_us"] = block["system_time_us"] = times
    return person, block


def test_people_are_drawn_to_what_stands_out(screen: Screen) -> None:
    _, block = watching(screen, 250, 30)
    x, y = screen.display_to_px(block["left_gaze"])
    px, py = Placement(240, 0, 1440, 1080).to_picture(x, y, (160, 120))
    near = (np.abs(px - 117) < 20) & (np.abs(py - 27) < 20)
    share = near[np.isfinite(x)].mean()
    assert share > 5 * (40 * 40) / (160 * 120)


@pytest.mark.parametrize("rate_hz", [60.0, 250.0, 1200.0])
def test_simulated_eyes_fixate_as_people_do(screen: Screen, rate_hz: float) -> None:
    _, block = watching(screen, rate_hz, 20)
    fixations = detect_fixations(to_recording(block), screen)
    assert 35 < len(fixations) < 90
    assert 150 < fixations["duration_ms"].median() < 420
    lost = ~np.isfinite(block["left_gaze"][:, 0])
    assert 0.005 < lost.mean() < 0.2
    assert (~block["left_valid"] == lost).all()


def test_a_saccade_follows_the_main_sequence(screen: Screen) -> None:
    """Ten degrees last 43 ms (21 + 2.2 x 10) and peak at 1.875 times the mean speed, the minimum-jerk course."""
    quiet = Habits(noise_deg=0, drift_deg=1e-9, tremor_deg=0, bias_deg=0, blinks_a_minute=1e-6, dropouts_a_minute=1e-6)
    person = Person(screen, 1000, 1, quiet)
    person.watch(0, TargetScene(760, 540))
    person.sample(np.arange(1_000_000, step=1000, dtype=np.int64))
    person.watch(1_000_000, TargetScene(760 + 10 * screen.pixels_per_degree, 540))
    block, _ = person.sample(np.arange(1_000_000, 1_400_000, 1000, dtype=np.int64))
    x = screen.display_to_px(block["left_gaze"])[0] / screen.pixels_per_degree
    speed = np.diff(x) * 1000
    moving = speed > 0.5
    assert moving.sum() == pytest.approx(43, abs=4)
    assert speed.max() == pytest.approx(1.875 * 10 / 0.043, rel=0.08)
