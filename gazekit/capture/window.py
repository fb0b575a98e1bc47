"""The participant's screen, with pygame-ce (SDL 2): pictures, targets, scales, and the times of the flips."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # SIGINT and SIGTERM are ours
import pygame

from gazekit.capture import drawing
from gazekit.capture.calibration import error_vectors
from gazekit.capture.display import EndSession, nothing
from gazekit.capture.plan import PlannedTrial
from gazekit.capture.settings import QuestionSection, RatingSection, SessionSections
from gazekit.capture.tracker import Tracker
from gazekit.core.errors import ConfigError
from gazekit.pictures import read_picture
from gazekit.screen import Placement
from gazekit.session import Calibration

_FOCUS = {pygame.WINDOWFOCUSLOST: "lost", pygame.WINDOWFOCUSGAINED: "gained"}
_USUAL_HZ = 60
_PROBE_FLIPS = 120
_ANSWER_US = 700_000  # how long a simulated person thinks
Answer = TypeVar("Answer")


class Window:
    """A window or full screen; `answers` lets a simulated person answer in place of keys and mouse.

    Raises
    ------
    ConfigError
        No such display, or a display whose size is not the study's.
    """

    def __init__(
        self, sections: SessionSections, tracker: Tracker, *, answers: np.random.Generator | None = None
    ) -> None:
        self.tick: Callable[[], None] = nothing
        self.notices: deque[str] = deque()
        self._section = sections.presentation
        self._screen = sections.screen.screen()
        self._tracker = tracker
        self._answers = answers
        self._size_wh = (self._screen.width_px, self._screen.height_px)
        self._surface = self._open()
        self._picture: tuple[pygame.Surface, tuple[int, int]] | None = None
        self._intervals: list[int] = []
        self._swap_us = self._onset_swap_us = self._shown_from = 0
        self._frame_us = 1e6 / (pygame.display.get_current_refresh_rate() or _USUAL_HZ)
        self._last_flip: int | None = None

    def prepare(self, trials: Sequence[PlannedTrial]) -> dict[str, Any]:
        """Measure the flips: what the driver says of vertical sync is not to be trusted."""
        self._clear()
        stamps = [self._flip() for _ in range(_PROBE_FLIPS)]
        steps = np.diff(stamps)
        self._intervals = []
        reported = pygame.display.get_current_refresh_rate()
        median = float(np.median(steps))
        if (
            not reported and 2000 < median < 50_000
        ):  # 20 to 500 Hz: the display says nothing of itself, so it is measured
            self._frame_us = median
        return {
            "kind": "pygame",
            "driver": pygame.display.get_driver(),
            "refresh_reported_hz": reported,
            "probe_median_ms": median / 1000,
            "probe_p95_ms": float(np.percentile(steps, 95)) / 1000,
            "flips_follow_refresh": bool(reported and abs(median * reported / 1e6 - 1) < 0.1),
        }

    def load(self, trial: PlannedTrial, placement: Placement) -> None:
        """Decode a picture and scale it to its place, before its time."""
        pixels = read_picture(trial.picture.file)
        size = (round(placement.width), round(placement.height))
        surface = pygame.image.frombuffer(pixels.tobytes(), (pixels.shape[1], pixels.shape[0]), "RGB")
        self._picture = (pygame.transform.smoothscale(surface, size), (round(placement.x), round(placement.y)))

    def show_cross(self) -> int:
        """Show the fixation cross."""
        self._clear()
        drawing.cross(self._surface)
        return self._flip()

    def show_picture(self, trial: PlannedTrial, placement: Placement) -> int:
        """Show the picture that was loaded; the moment is read after the flip."""
        if self._picture is None:
            self.load(trial, placement)
        assert self._picture is not None
        self._clear()
        self._surface.blit(*self._picture)
        if self._section.photodiode:
            drawing.patch(self._surface)
        self._picture = None
        onset = self._flip()
        self._onset_swap_us, self._shown_from = self._swap_us, len(self._intervals)
        return onset

    def picture_timing(self) -> tuple[int, int] | None:
        """Return the frames missed while the picture was shown (over 1.5 frames), and how long its swap took, us."""
        steps = np.array(self._intervals[self._shown_from :])
        return int((steps > 1.5 * self._frame_us).sum()), self._onset_swap_us

    def show_target(self, x: float, y: float, dwell_ms: int) -> int:
        """Show a target that shrinks to a point in a third of the dwell time."""
        start, span = self._tracker.now_us(), 1000.0 * max(dwell_ms / 3, 150)
        while (gone := self._tracker.now_us() - start) < span:
            self._target(x, y, 1.0 - gone / span)
        return self._target(x, y, 0.0)

    def show_blank(self) -> int:
        """Show the background alone."""
        self._clear()
        return self._flip()

    def wait_until(self, time_us: int) -> None:
        """Flip what is on the screen frame by frame until half a frame before a moment; keys are watched."""
        while time_us - self._tracker.now_us() > self._frame_us / 2:
            self._events()
            self.tick()
            self._flip(pace=True)

    def pause(self, text: str) -> None:
        """Show a text until the space bar."""
        self._until(
            lambda: drawing.text(self._surface, text), lambda event: True if _is_key(event, " ") else None, True
        )

    def alarm(self, text: str) -> None:
        """Show a text in a red frame, and sound twice where there is a loudspeaker."""
        self._clear()
        drawing.alarm(self._surface, text)
        self._flip()
        with contextlib.suppress(pygame.error):
            pygame.mixer.init(44100, -16, 1)
            wave = np.sin(2 * np.pi * 880 * np.arange(11025) / 44100) * (1 << 14)
            pygame.mixer.Sound(buffer=wave.astype(np.int16).tobytes()).play(loops=1)

    def confirm(self, text: str, keys: dict[str, str]) -> str:
        """Show a text and its keys until one is pressed."""
        lines = "\n".join([text, "", *(f"{key.upper()}   {what}" for key, what in keys.items())])
        first = next(iter(keys))
        return self._until(lambda: drawing.text(self._surface, lines), lambda event: _key_of(event, keys), first)

    def review(
        self, calibration: Calibration, attempt: int, attempts: int, failed: Sequence[tuple[float, float]] = ()
    ) -> list[tuple[float, float]]:
        """Show the error vectors; points are chosen by digit or mouse, R chooses all, the space bar goes on.

        Points that gave no data are chosen from the beginning.
        """
        targets = list(dict.fromkeys([*(point.target for point in calibration.points), *failed]))
        boxes = drawing.target_boxes(self._surface, targets)
        errors = error_vectors(calibration, self._screen)
        chosen = {targets.index(point) for point in failed}

        def answer(event: pygame.event.Event) -> bool | None:
            hit = _box_at(event, boxes)
            key = _key_of(event, {str(n + 1): "" for n in range(min(9, len(targets)))})
            if hit is not None or key is not None:
                chosen.symmetric_difference_update({hit if hit is not None else int(str(key)) - 1})
            elif _is_key(event, "r"):
                chosen.update(range(len(targets)))
                return True
            return True if _is_key(event, " ") else None

        title = f"Calibration {attempt} of {attempts}.  Space: go on   R: all again   digit or click: that point again"
        if failed:
            title = f"{len(failed)} points gave no data.  " + title
        self._until(lambda: drawing.review(self._surface, errors, targets, chosen, title), answer, True)
        return [targets[n] for n in sorted(chosen)]

    def rate(self, section: RatingSection) -> str:
        """Ask for a score by digit key (0 for 10) or mouse."""
        scores = list(range(section.low, section.high + 1))
        boxes = drawing.scale_boxes(self._surface, len(scores))
        chosen = scores[int(self._answers.integers(len(scores)))] if self._answers else scores[0]
        keys = {str(score % 10): str(score) for score in scores}

        def answer(event: pygame.event.Event) -> str | None:
            hit = _box_at(event, boxes)
            key = _key_of(event, keys)
            return keys[key] if key is not None else str(scores[hit]) if hit is not None else None

        return self._until(lambda: drawing.scale(self._surface, section, boxes), answer, str(chosen))

    def ask(self, section: QuestionSection) -> str:
        """Ask for a choice by digit key or mouse."""
        boxes = drawing.choice_boxes(self._surface, len(section.choices))
        keys = {str(n + 1): choice for n, choice in enumerate(section.choices)}
        chosen = section.choices[int(self._answers.integers(len(keys)))] if self._answers else section.choices[0]

        def answer(event: pygame.event.Event) -> str | None:
            hit = _box_at(event, boxes)
            key = _key_of(event, keys)
            return keys[key] if key is not None else section.choices[hit] if hit is not None else None

        return self._until(lambda: drawing.choices(self._surface, section, boxes), answer, chosen)

    def while_busy(self, work: Callable[[], Answer]) -> Answer:
        """Do something that blocks in a thread, while the screen and the keys go on."""
        done: list[Answer] = []
        failed: list[BaseException] = []

        def run() -> None:
            try:
                done.append(work())
            except BaseException as error:  # it is raised again where the work was asked for
                failed.append(error)

        thread = threading.Thread(target=run, name="tracker at work", daemon=True)
        thread.start()
        ended = False
        while thread.is_alive():  # also after Escape: one thread at a time talks to the device
            try:
                self._events()
            except EndSession:
                ended = True
            self._flip(pace=True)
        if ended:
            raise EndSession("Escape")
        if failed:
            raise failed[0]
        return done[0]

    def close(self) -> dict[str, Any]:
        """Close; return the flip intervals: median, 95th percentile, missed (over 1.5 frames)."""
        pygame.mixer.quit()
        pygame.display.quit()
        steps = np.array(self._intervals)
        if not len(steps):
            return {}
        return {
            "flips": len(steps),
            "flip_median_ms": float(np.median(steps)) / 1000,
            "flip_p95_ms": float(np.percentile(steps, 95)) / 1000,
            "flips_missed": int((steps > 1.5 * self._frame_us).sum()),
        }

    def _open(self) -> pygame.Surface:
        pygame.display.init()
        pygame.font.init()
        sizes = pygame.display.get_desktop_sizes()
        number = self._section.display
        if number >= len(sizes):
            raise ConfigError(f"[presentation] display = {number}, but there are {len(sizes)}: 0 to {len(sizes) - 1}")
        if self._section.fullscreen and sizes[number] != self._size_wh:
            raise ConfigError(
                f"display {number} has {sizes[number][0]} x {sizes[number][1]} pixels, [screen] says "
                f"{self._size_wh[0]} x {self._size_wh[1]}; correct [screen] (scaled desktops report fewer pixels), or "
                "set [presentation] fullscreen = false to try things out in a window"
            )
        flags = pygame.SCALED | (pygame.FULLSCREEN if self._section.fullscreen else 0)
        with warnings.catch_warnings():
            # pygame warns of a slow renderer; the flips are measured instead, and what was measured is stored
            warnings.simplefilter("ignore")
            try:
                surface = pygame.display.set_mode(self._size_wh, flags, display=number, vsync=1)
            except pygame.error:  # no renderer that can wait for the vertical blank
                surface = pygame.display.set_mode(self._size_wh, flags & ~pygame.SCALED, display=number)
        pygame.display.set_caption("gazekit")
        pygame.mouse.set_visible(False)
        if pygame.display.get_driver() in ("dummy", "offscreen"):
            self.notices.append(f"the window is on the driver {pygame.display.get_driver()!r}: nobody can see it")
        return surface

    def _clear(self) -> None:
        self._surface.fill(self._section.background)

    def _flip(self, *, pace: bool = False) -> int:
        if pace and self._last_flip is not None:
            left = self._frame_us - (self._tracker.now_us() - self._last_flip) - 1500
            if left > 0:
                time.sleep(left / 1e6)
        before = self._tracker.now_us()
        pygame.display.flip()
        now = self._tracker.now_us()
        self._swap_us = now - before
        if pace and self._last_flip is not None:
            self._intervals.append(now - self._last_flip)
        self._last_flip = now
        return now

    def _target(self, x: float, y: float, size: float) -> int:
        self._events()
        self._clear()
        drawing.target(self._surface, x, y, size)
        return self._flip(pace=True)

    def _events(self) -> list[pygame.event.Event]:
        events = pygame.event.get()
        for event in events:
            if event.type == pygame.QUIT or (event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE):
                raise EndSession("Escape")
            if event.type in _FOCUS:
                self.notices.append(f"the window {_FOCUS[event.type]} the focus")
        return events

    def _until(
        self, draw: Callable[[], None], answer: Callable[[pygame.event.Event], Answer | None], simulated: Answer
    ) -> Answer:
        """Show something until an event answers it (or the simulated person has thought); the pointer is there then."""
        pygame.mouse.set_visible(True)
        try:
            return self._answered(draw, answer, simulated)
        finally:
            pygame.mouse.set_visible(False)

    def _answered(
        self, draw: Callable[[], None], answer: Callable[[pygame.event.Event], Answer | None], simulated: Answer
    ) -> Answer:
        start = self._tracker.now_us()
        while True:
            for event in self._events():
                value = answer(event)
                if value is not None:
                    return value
            if self._answers is not None and self._tracker.now_us() - start > _ANSWER_US:
                return simulated
            self.tick()
            self._clear()
            draw()
            self._flip(pace=True)


def _is_key(event: pygame.event.Event, character: str) -> bool:
    return event.type == pygame.KEYDOWN and getattr(event, "unicode", "") == character


def _key_of(event: pygame.event.Event, keys: dict[str, str]) -> str | None:
    if event.type != pygame.KEYDOWN:
        return None
    character = str(getattr(event, "unicode", "")).lower()
    return character if character in keys else None


def _box_at(event: pygame.event.Event, boxes: list[pygame.Rect]) -> int | None:
    if event.type != pygame.MOUSEBUTTONDOWN or event.button != 1:
        return None
    return next((n for n, box in enumerate(boxes) if box.collidepoint(event.pos)), None)
