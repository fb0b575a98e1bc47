"""The plan of a session, and the simulated person."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gazekit.capture.plan import latin_row, plan_session
from gazekit.capture.simulation.gaze import Habits, Person, coarse_salience, salience
from gazekit.capture.simulation.scanpath import PictureScene, TargetScene
from gazekit.events import detect_fixations
from gazekit.screen import Placement, Screen
from gazekit.session.samples import to_recording
from gazekit.study import read_study
from tests.capture.conftest import STUDY, write_pictures


def plan(folder: Path, participant: str, extra: str, seed: int = 1, pictures: int = 6) -> list[int]:
    write_pictures(folder / "pictures", pictures)
    path = folder / "study.toml"
    path.write_text(STUDY.format(kind="simulated", rate=120, duration=400, extra=extra, tracker=""))
    return [int(t.picture.image[1]) for t in plan_session(read_study(path), participant, seed)]


def test_a_random_order_depends_on_participant_and_seed(tmp_path: Path) -> None:
    first = plan(tmp_path, "P01", "")
    assert sorted(first) == list(range(6))
    assert plan(tmp_path, "P01", "") == first
    assert plan(tmp_path, "P02", "") != first
    assert plan(tmp_path, "P01", "", seed=2) != first


def test_blocks_stay_together(tmp_path: Path) -> None:
    order = plan(tmp_path, "P01", "order = 'blocked'\nblock_size = 2")
    assert all(order[k] // 2 == order[k + 1] // 2 for k in (0, 2, 4))


@pytest.mark.parametrize("n", [4, 5, 6, 9])
def test_a_latin_square_is_balanced(n: int) -> None:
    rows = [latin_row(n, row) for row in range(n if n % 2 == 0 else 2 * n)]
    times = len(rows) // n
    for place in range(n):
        assert set(Counter(row[place] for row in rows).values()) == {times}
    after = Counter((row[k], row[k + 1]) for row in rows for k in range(n - 1))
    assert len(after) == n * (n - 1)
    assert set(after.values()) == {times}


def test_participants_take_the_rows_of_the_square_in_turn(tmp_path: Path) -> None:
    orders = [plan(tmp_path, f"P{k:02d}", "order = 'latin-square'", pictures=4) for k in range(1, 5)]
    assert len({tuple(order) for order in orders}) == 4
    assert {order[0] for order in orders} == {0, 1, 2, 3}


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
