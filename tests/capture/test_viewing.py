"""How long a picture stays, what begins and ends it, and what comes after it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest

from gazekit.capture import record
from gazekit.capture.display import Viewing
from gazekit.capture.picture_show import rested_us
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.window import Window, scrambled
from gazekit.core.errors import ConfigError
from gazekit.screen import Screen
from gazekit.session import open_session
from gazekit.session.samples import Block, empty_samples
from gazekit.study import read_study
from tests.fixtures.session_study import MakeStudy

SELF_PACED = "viewing = 'self-paced'\nleast_ms = 200\nlongest_ms = 1500\n"


@pytest.fixture
def window(make_study: MakeStudy) -> Iterator[Window]:
    study = read_study(make_study())
    opened = Window(study, SimulatedTracker(study.screen.screen(), 1))
    yield opened
    opened.close()


def later(seconds: float, event: pygame.event.Event) -> None:
    threading.Timer(seconds, pygame.event.post, [event]).start()


SPACE = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_SPACE, unicode=" ")
LETTER = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_x, unicode="x")
CLICK = pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(50, 60))
TOUCH = pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(50, 60), touch=True)
BUTTON = pygame.event.Event(pygame.JOYBUTTONDOWN, button=0)


@pytest.mark.parametrize(
    ("events", "times_ms", "ended_by", "after_ms"),
    [  # limits are far from what happens: on a busy machine a key may come half a second later
        ([(0.05, SPACE), (0.7, SPACE)], (600, 60_000), "key", 690),
        ([(0.25, CLICK)], (200, 60_000), "mouse", 240),
        ([(0.25, TOUCH)], (200, 60_000), "touch", 240),
        ([(0.25, BUTTON)], (200, 60_000), "button", 240),
        ([(0.25, LETTER)], (200, 500), "time", 480),
        ([(0.05, SPACE)], (600, 700), "time", 680),
    ],
    ids=["key", "mouse", "touch", "button", "another key", "too early"],
)
def test_a_picture_is_ended_by_key_mouse_touch_or_button_after_its_least_time(
    window: Window,
    events: list[tuple[float, pygame.event.Event]],
    times_ms: tuple[int, int],
    ended_by: str,
    after_ms: float,
) -> None:
    for seconds, event in events:
        later(seconds, event)
    start = window._tracker.now_us()
    least, longest = (start + 1000 * ms for ms in times_ms)
    assert window.wait_for_end(Viewing(least, longest, frozenset({"key", "mouse", "button"}))).ended_by == ended_by
    assert window._tracker.now_us() - start >= 1000 * after_ms


def test_a_touch_ends_a_picture_only_where_the_mouse_does(window: Window) -> None:
    later(0.05, TOUCH)
    start = window._tracker.now_us()
    assert window.wait_for_end(Viewing(start, start + 200_000, frozenset({"key"}))).ended_by == "time"


def test_a_fixed_picture_is_not_ended_by_anything(window: Window) -> None:
    later(0.05, SPACE)
    start = window._tracker.now_us()
    assert window.wait_for_end(Viewing(start + 200_000, start + 200_000)).ended_by == "time"
    assert window._tracker.now_us() - start > 180_000


def test_why_and_when_a_self_paced_picture_ended_is_in_the_file(make_study: MakeStudy, tmp_path: Path) -> None:
    study = read_study(make_study(pictures=12, extra=SELF_PACED))
    shown = open_session(record(study, "P01", tmp_path, realtime=False)).stimuli
    lasted = (shown["offset_us"] - shown["onset_us"]) / 1000
    assert set(shown["ended_by"]) == {"key", "time"}
    assert lasted.between(500, 1500).all()
    assert (lasted[shown["ended_by"] == "time"] == 1500).all()


def test_a_least_time_above_the_longest_is_refused(make_study: MakeStudy) -> None:
    with pytest.raises(ConfigError, match="least_ms = 900 is above longest_ms = 300"):
        read_study(make_study(extra="viewing = 'self-paced'\nleast_ms = 900\nlongest_ms = 300"))


def gaze(x: list[float], screen: Screen, step_us: int = 10_000) -> Block:
    """Samples every 10 ms, so many degrees to the right of the middle; NaN is lost."""
    rows = empty_samples(len(x))
    rows["system_time_us"] = step_us * np.arange(len(x))
    for side in ("left", "right"):
        px, _ = screen.to_pixels(np.array(x), np.zeros(len(x)))
        rows[f"{side}_gaze"] = np.stack([px / screen.width_px, np.full(len(x), 0.5)], axis=1)
        rows[f"{side}_valid"] = np.isfinite(x)
    return rows


@pytest.mark.parametrize(
    ("x", "rested_ms"),
    [
        ([0.0] * 20, 190),
        ([5.0] * 10 + [0.2] * 10, 90),
        ([0.0] * 10 + [5.0], 0),
        ([0.0] * 10 + [np.nan] * 5 + [0.0] * 5, 190),
        ([0.0] * 10 + [np.nan] * 10 + [0.0] * 5, 40),
        ([0.0] * 10 + [np.nan] * 10, 0),
        ([np.nan] * 10, 0),
        ([1.4] * 5, 40),
        ([1.6] * 5, 0),
    ],
    ids=["all", "arrives", "leaves", "blink", "long loss", "gone", "never", "near", "far"],
)
def test_gaze_rests_on_the_cross(screen: Screen, x: list[float], rested_ms: int) -> None:
    assert rested_us(gaze(x, screen), screen, 1.5) == 1000 * rested_ms


@pytest.mark.parametrize(("near_deg", "started_by"), [(5.0, "gaze"), (0.01, "limit")])
def test_a_picture_begins_when_gaze_rests_or_at_the_limit(
    make_study: MakeStudy, tmp_path: Path, near_deg: float, started_by: str
) -> None:
    extra = f"gaze_start_ms = 150\ngaze_start_deg = {near_deg}\ngaze_start_limit_ms = 700\n"
    session = open_session(record(read_study(make_study(extra=extra)), "P01", tmp_path, realtime=False))
    assert session.stimuli["started_by"].tolist() == [started_by] * 4
    gaps = session.stimuli["onset_us"].to_numpy()[1:] - session.stimuli["offset_us"].to_numpy()[:-1]
    assert ((gaps >= 150_000) if started_by == "gaze" else (gaps >= 750_000)).all()


def test_a_mask_has_the_pictures_colours_and_not_its_forms(rng: np.random.Generator) -> None:
    pixels = np.repeat(np.repeat(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8), 8, 0), 8, 1)[:, :120]
    mask = scrambled(pixels)
    assert mask.shape == pixels.shape
    assert (mask == pixels).mean() < 0.2
    assert Counter(map(tuple, mask.reshape(-1, 3))).keys() == Counter(map(tuple, pixels.reshape(-1, 3))).keys()


def test_a_mask_stands_after_the_picture_for_its_time(make_study: MakeStudy, tmp_path: Path) -> None:
    path = make_study(pictures=2, duration=200, extra="after = 'mask'\nafter_ms = 300")
    path.write_text(path.read_text().replace("points = 5", "points = 0").replace("points = 4", "points = 0"))
    study = read_study(path)
    shown = open_session(record(study, "P01", tmp_path)).stimuli
    lasted = (shown["offset_us"] - shown["onset_us"]) / 1000
    assert lasted.between(180, 1000).all()  # never cut; longer on a busy machine
    assert shown["onset_us"][1] - shown["offset_us"][0] > 330_000
