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

from gazekit.core.counting import counted

os.environ.setdefault("SDL_NO_SIGNAL_HANDLERS", "1")  # SIGINT and SIGTERM are ours
import pygame

from gazekit.capture import drawing
from gazekit.capture.calibration import error_vectors
from gazekit.capture.display import (
    MarkedRegion,
    PageContent,
    PauseAsked,
    Viewed,
    Viewing,
    nothing,
    simulated_end,
    simulated_regions,
)
from gazekit.capture.gl_finish import finisher
from gazekit.capture.head import HeadView
from gazekit.capture.item_pages import is_enter, page_of, pointed_by
from gazekit.capture.items import Given, Item, simulated_answer
from gazekit.capture.look import Look, look_of
from gazekit.capture.pages import HeadPage, MarkPage, TextPages
from gazekit.capture.plan import PlannedTrial, foot_px
from gazekit.capture.settings import SessionSections
from gazekit.capture.tracker import Tracker
from gazekit.core.errors import ConfigError
from gazekit.core.types import Pixels
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
        self,
        sections: SessionSections,
        tracker: Tracker,
        *,
        answers: np.random.Generator | None = None,
        look: Look | None = None,
    ) -> None:
        self.tick: Callable[[], None] = nothing
        self.notices: deque[str] = deque()
        self._section = sections.presentation
        self._screen = sections.screen.screen()
        self._tracker = tracker
        self._answers = answers
        self._look = look or look_of(sections)
        self._size_wh = (self._screen.width_px, self._screen.height_px)
        self._surface = self._open()
        self._picture: tuple[pygame.Surface, tuple[int, int]] | None = None
        self._mask: pygame.Surface | None = None
        self._corner = (0, 0)
        self._intervals: list[int] = []
        self._swap_us = self._onset_swap_us = self._shown_from = 0
        self._frame_us = 1e6 / (pygame.display.get_current_refresh_rate() or _USUAL_HZ)
        self._last_flip: int | None = None
        self._finish: Callable[[], None] | None = None
        self._buttons: list[pygame.joystick.JoystickType] = []

    def prepare(self, trials: Sequence[PlannedTrial]) -> dict[str, Any]:
        """Measure the flips: what the driver says of vertical sync is not to be trusted."""
        if "button" in self._section.end_by:
            pygame.joystick.init()
            self._buttons = [pygame.joystick.Joystick(n) for n in range(pygame.joystick.get_count())]
            if not self._buttons:
                self.notices.append("[presentation] end_by has 'button', and no button box is plugged in")
        self._clear()
        self._flip()
        self._finish = finisher()
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
            "driver_finishes": self._finish is not None,  # whether stamps wait for it, by glFinish
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
        if self._section.after == "mask":
            self._mask = pygame.surfarray.make_surface(scrambled(pygame.surfarray.array3d(self._picture[0])))

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
        picture, self._corner = self._picture
        self._clear()
        self._surface.blit(picture, self._corner)
        if self._section.photodiode:
            drawing.patch(self._surface)
        self._picture = None
        onset = self._flip()
        self._onset_swap_us, self._shown_from = self._swap_us, len(self._intervals)
        return onset

    def wait_for_end(self, viewing: Viewing) -> Viewed:
        """Wait until the picture's latest moment, a press after its earliest, or the answers at its foot."""
        if viewing.items:
            return self._asked_below(viewing)
        if not viewing.end_by:
            self.wait_until(viewing.latest_us)
            return Viewed("time")
        simulated = simulated_end(viewing, self._answers) if self._answers is not None else None
        while viewing.latest_us - (now := self._tracker.now_us()) > self._frame_us / 2:
            for event in self._events():  # presses before the earliest moment are taken from the queue, and end nothing
                by = _pressed_by(event)
                way = "mouse" if by == "touch" else by
                if by is not None and now >= viewing.earliest_us and way in viewing.end_by:
                    return Viewed(by)
            if simulated is not None and now >= simulated:
                return Viewed("key")
            self.tick()
            self._flip(pace=True)
        return Viewed("time")

    def _asked_below(self, viewing: Viewing) -> Viewed:
        """Ask one item after the other at the foot of the screen, while the picture is there."""
        foot, given = pygame.Rect(self._surface.get_rect()), dict[str, Given]()
        foot.top, foot.height = foot.height - foot_px(self._screen), foot_px(self._screen)
        pygame.mouse.set_visible(True)
        try:
            for item in viewing.items:
                page, shown = page_of(self._surface, item, self._look, foot), self._tracker.now_us()
                while item.name not in given:
                    now = self._tracker.now_us()
                    if viewing.latest_us - now <= self._frame_us / 2:
                        return Viewed("time", given)
                    for event in self._events():
                        taken = page.take(event)
                        if taken is not None and item.name not in given:
                            given[item.name] = Given(*taken, shown, now)
                    if self._answers is not None and now - shown > _ANSWER_US:
                        given[item.name] = Given(simulated_answer(item, self._answers), "key", shown, now)
                    self.tick()
                    self._surface.fill(self._section.background, foot)
                    page.draw()
                    self._flip(pace=True)
        finally:
            pygame.mouse.set_visible(False)
            pygame.key.stop_text_input()
        self._surface.fill(self._section.background, foot)
        self.wait_until(viewing.latest_us if not viewing.end_by else viewing.earliest_us)
        return Viewed("answer" if viewing.end_by else "time", given)

    def show_mask(self) -> int:
        """Show squares of the last picture in another order, turned."""
        self._clear()
        if self._mask is not None:
            self._surface.blit(self._mask, self._corner)
        return self._flip()

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

    def show_text(self, text: str) -> int:
        """Show a text, which stays until something else is shown."""
        self._clear()
        drawing.text(self._surface, text, self._look)
        return self._flip()

    def pause(self, text: str) -> None:
        """Show a text until the space bar, or a click on the button."""
        self.pages([PageContent(text, button=self._look.words("session.next"))])

    def pages(self, contents: Sequence[PageContent]) -> None:
        """Show pages, back and forth, until the last is left; a simulated person reads for a moment."""
        shown = TextPages(self._surface, contents, self._look)
        self._until(shown.draw, shown.take, True)

    def head(self, view: Callable[[], HeadView]) -> None:
        """Show where the head is, until the participant goes on."""
        page = HeadPage(self._surface, self._look, view)
        self._until(page.draw, page.take, True)

    def mark(
        self,
        trial: PlannedTrial,
        placement: Placement,
        text: str,
        path: Sequence[tuple[float, float, float]] = (),
        least: int = 0,
    ) -> list[MarkedRegion]:
        """Show a picture, with a scanpath, and take the regions that are marked on it."""
        self.load(trial, placement)
        assert self._picture is not None
        page = MarkPage(self._surface, self._look, text, self._picture[0], placement, path, least)
        rng = self._answers
        return self._until(page.draw, page.take, [] if rng is None else simulated_regions(placement, least or 1, rng))

    def alarm(self, text: str) -> None:
        """Show a text in a red frame, and sound twice where there is a loudspeaker."""
        self._clear()
        drawing.alarm(self._surface, text, self._look)
        self._flip()
        with contextlib.suppress(pygame.error):
            pygame.mixer.init(44100, -16, 1)
            wave = np.sin(2 * np.pi * 880 * np.arange(11025) / 44100) * (1 << 14)
            pygame.mixer.Sound(buffer=wave.astype(np.int16).tobytes()).play(loops=1)

    def confirm(self, text: str, keys: dict[str, str]) -> str:
        """Show a text and its keys until one is pressed."""
        lines = "\n".join([text, "", *(f"{key.upper()}   {what}" for key, what in keys.items())])
        first = next(iter(keys))
        draw = lambda: drawing.text(self._surface, lines, self._look)  # noqa: E731
        return self._until(draw, lambda event: _key_of(event, keys), first)

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
            title = f"{counted(len(failed), 'point')} gave no data.  " + title
        self._until(lambda: drawing.review(self._surface, errors, targets, chosen, title, self._look), answer, True)
        return [targets[n] for n in sorted(chosen)]

    def ask(self, item: Item) -> Given:
        """Ask something, by keys, mouse or touch."""
        page, shown = page_of(self._surface, item, self._look), self._tracker.now_us()
        simulated = ("" if self._answers is None else simulated_answer(item, self._answers), "key")
        answer, by = self._until(page.draw, page.take, simulated)
        return Given(answer, by, shown, self._tracker.now_us())

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
        asked = False
        while thread.is_alive():  # also after Escape: one thread at a time talks to the device
            try:
                self._events()
            except PauseAsked:
                asked = True
            self._flip(pace=True)
        if asked:
            raise PauseAsked("Escape")
        if failed:
            raise failed[0]
        return done[0]

    def close(self) -> dict[str, Any]:
        """Close; return the flip intervals: median, 95th percentile, missed (over 1.5 frames)."""
        pygame.mixer.quit()
        with contextlib.suppress(pygame.error):  # pygame lets a scaled surface go only for another: 8 MB a session
            pygame.display.set_mode((8, 8), pygame.HIDDEN)
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
        pygame.key.stop_text_input()  # an input method would keep digits to itself; pages that are typed on start it
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
        if self._finish is not None:
            self._finish()
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
                raise PauseAsked("Escape")
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
            pygame.key.stop_text_input()

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


def scrambled(pixels: Pixels, squares: int = 16) -> Pixels:
    """Return a picture's squares in another order, each turned upside down: its colours without its forms.

    Parameters
    ----------
    pixels : ndarray, shape (width, height, 3)
        The picture as it is shown.
    squares : int
        Across and down.
    """
    rng = np.random.default_rng(1)
    size = [max(1, side // squares) for side in pixels.shape[:2]]
    places = [(i, j) for i in range(pixels.shape[0] // size[0]) for j in range(pixels.shape[1] // size[1])]
    mixed = pixels[::-1, ::-1].copy()  # what lies beyond the last whole square stays
    for (i, j), n in zip(places, rng.permutation(len(places)), strict=True):
        k, m = places[int(n)]
        piece = pixels[k * size[0] : (k + 1) * size[0], m * size[1] : (m + 1) * size[1]]
        mixed[i * size[0] : (i + 1) * size[0], j * size[1] : (j + 1) * size[1]] = piece[::-1, ::-1]
    return mixed


def _pressed_by(event: pygame.event.Event) -> str | None:
    """Return by what a picture is ended: the space bar or Enter, a mouse button, a touch, a button box."""
    if event.type == pygame.KEYDOWN and (event.unicode == " " or is_enter(event)):
        return "key"
    if event.type == pygame.MOUSEBUTTONDOWN:
        return pointed_by(event)
    return "button" if event.type == pygame.JOYBUTTONDOWN else None


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
