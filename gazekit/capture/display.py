"""What shows the pictures and takes the answers; here the one without a screen."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from gazekit.capture.head import HeadView
from gazekit.capture.items import Given, Item, simulated_answer
from gazekit.capture.plan import PlannedTrial
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.screen import Placement
from gazekit.session import Calibration

_THOUGHT_US = 1_000_000  # how long a simulated person takes for an answer or a page


class EndSession(Exception):
    """The session is to end in order: a signal, or the operator's word."""


class PauseAsked(Exception):
    """The session is to pause, and somebody is to be asked: Escape, or the operator's word."""


@dataclass(frozen=True)
class Viewing:
    """How long a picture stays, and what ends it before; moments of the host's clock."""

    earliest_us: int
    latest_us: int
    end_by: frozenset[str] = frozenset()  # key, mouse, button; none: it stays to its latest moment
    items: tuple[Item, ...] = ()  # that are answered while it is shown


@dataclass(frozen=True)
class Viewed:
    """What ended a picture, and what was answered while it was there."""

    ended_by: str
    answers: Mapping[str, Given] = field(default_factory=dict)


@dataclass(frozen=True)
class PageContent:
    """What is on one page, in the participant's language."""

    text: str = ""
    picture: Path | None = None
    button: str = ""  # in place of "next"


@dataclass(frozen=True)
class MarkedRegion:
    """A place that a person marked, screen pixels, and the word for it."""

    x: float
    y: float
    width: float
    height: float
    word: str


Answer = TypeVar("Answer")


class Display(Protocol):
    """Shows things and waits. Every `show` returns the moment of its flip (host's clock, microseconds)."""

    tick: Callable[[], None]
    notices: deque[str]  # what happened to the display that belongs into the session

    def prepare(self, trials: Sequence[PlannedTrial]) -> dict[str, Any]:
        """Make ready; return what was measured of the display (refresh, flip intervals)."""

    def load(self, trial: PlannedTrial, placement: Placement) -> None:
        """Make a picture ready, before its time."""

    def show_cross(self) -> int:
        """Show the fixation cross."""

    def show_picture(self, trial: PlannedTrial, placement: Placement) -> int:
        """Show a picture."""

    def wait_for_end(self, viewing: Viewing) -> Viewed:
        """Wait until a picture has been shown long enough; questions are asked at the foot of the screen."""

    def show_mask(self) -> int:
        """Show the pieces of the last picture in another order."""

    def picture_timing(self) -> tuple[int, int] | None:
        """Return the frames missed while the picture was shown, and how long its swap took (us); None if unknown."""

    def show_target(self, x: float, y: float, dwell_ms: int) -> int:
        """Show a calibration target on the display area (0 to 1), animated; return the moment it stands still."""

    def show_blank(self) -> int:
        """Show the background alone."""

    def show_text(self, text: str) -> int:
        """Show a text, which stays until something else is shown."""

    def wait_until(self, time_us: int) -> None:
        """Let time pass, while keys are watched."""

    def pause(self, text: str) -> None:
        """Show a text until a key is pressed."""

    def alarm(self, text: str) -> None:
        """Show a text in red and sound; it stays until something else is shown."""

    def confirm(self, text: str, keys: dict[str, str]) -> str:
        """Show a text until one of the keys is pressed; return the key."""

    def review(
        self, calibration: Calibration, attempt: int, attempts: int, failed: Sequence[tuple[float, float]] = ()
    ) -> list[tuple[float, float]]:
        """Show the error vectors of a calibration; return the points that are to be done again."""

    def ask(self, item: Item) -> Given:
        """Ask something."""

    def pages(self, contents: Sequence[PageContent]) -> None:
        """Show pages, back and forth, until the last is left."""

    def head(self, view: Callable[[], HeadView]) -> None:
        """Show where the head is, until the participant goes on."""

    def mark(
        self,
        trial: PlannedTrial,
        placement: Placement,
        text: str,
        path: Sequence[tuple[float, float, float]] = (),
        least: int = 0,
    ) -> list[MarkedRegion]:
        """Show a picture, with a scanpath, and take the regions that are marked on it."""

    def while_busy(self, work: Callable[[], Answer]) -> Answer:
        """Do something that blocks, while the screen goes on."""

    def close(self) -> dict[str, Any]:
        """Close; return the flip intervals of the session."""


class NoDisplay:
    """No screen at all: the simulated person sees pictures that nobody shows, in real time or far faster."""

    def __init__(self, tracker: SimulatedTracker, rng: np.random.Generator) -> None:
        self._tracker = tracker
        self._rng = rng
        self.tick: Callable[[], None] = nothing
        self.notices: deque[str] = deque()

    def prepare(self, trials: Sequence[PlannedTrial]) -> dict[str, Any]:
        """Make nothing ready."""
        return {"kind": "none"}

    def load(self, trial: PlannedTrial, placement: Placement) -> None:
        """Make nothing ready."""

    def show_cross(self) -> int:
        """Return the moment: nothing is shown."""
        return self._tracker.now_us()

    def show_picture(self, trial: PlannedTrial, placement: Placement) -> int:
        """Return the moment: nothing is shown."""
        return self._tracker.now_us()

    def wait_for_end(self, viewing: Viewing) -> Viewed:
        """Wait as long as a simulated person looks, or as the picture stays."""
        shown = self._tracker.now_us()
        if not viewing.end_by and not viewing.items:
            self.wait_until(viewing.latest_us)
            return Viewed("time")
        self.wait_until(simulated_end(viewing, self._rng))
        now = self._tracker.now_us()
        given = {item.name: Given(simulated_answer(item, self._rng), "key", shown, now) for item in viewing.items}
        return Viewed("time" if now >= viewing.latest_us else "answer" if given else "key", given)

    def show_mask(self) -> int:
        """Return the moment: nothing is shown."""
        return self._tracker.now_us()

    def picture_timing(self) -> tuple[int, int] | None:
        """Return nothing: there are no frames."""
        return None

    def show_target(self, x: float, y: float, dwell_ms: int) -> int:
        """Wait a third of a second, in which the eyes arrive."""
        self.wait_until(self._tracker.now_us() + 350_000)
        return self._tracker.now_us()

    def show_blank(self) -> int:
        """Return the moment: nothing is shown."""
        return self._tracker.now_us()

    def show_text(self, text: str) -> int:
        """Return the moment: nothing is shown."""
        return self._tracker.now_us()

    def wait_until(self, time_us: int) -> None:
        """Move the clock, or wait for it."""
        self.tick()
        if not self._tracker.realtime:
            self._tracker.advance(time_us)
            return
        while (left := time_us - self._tracker.now_us()) > 0:
            time.sleep(min(left / 1e6, 0.01))
            self.tick()

    def pause(self, text: str) -> None:
        """Wait a second."""
        self.wait_until(self._tracker.now_us() + _THOUGHT_US)

    def alarm(self, text: str) -> None:
        """Show nothing: nobody looks."""

    def confirm(self, text: str, keys: dict[str, str]) -> str:
        """Return the first key."""
        return next(iter(keys))

    def review(
        self, calibration: Calibration, attempt: int, attempts: int, failed: Sequence[tuple[float, float]] = ()
    ) -> list[tuple[float, float]]:
        """Return no point: nobody looks."""
        return []

    def ask(self, item: Item) -> Given:
        """Return a simulated answer after a second."""
        shown = self._tracker.now_us()
        self.pause(item.text)
        return Given(simulated_answer(item, self._rng), "key", shown, self._tracker.now_us())

    def pages(self, contents: Sequence[PageContent]) -> None:
        """Wait a second for each page."""
        for content in contents:
            self.pause(content.text)

    def head(self, view: Callable[[], HeadView]) -> None:
        """Wait a second."""
        self.pause("")

    def mark(
        self,
        trial: PlannedTrial,
        placement: Placement,
        text: str,
        path: Sequence[tuple[float, float, float]] = (),
        least: int = 0,
    ) -> list[MarkedRegion]:
        """Return a simulated region, or as many as are asked for."""
        self.pause(text)
        return simulated_regions(placement, max(1, least), self._rng)

    def while_busy(self, work: Callable[[], Answer]) -> Answer:
        """Do it."""
        return work()

    def close(self) -> dict[str, Any]:
        """Close nothing."""
        return {}


def simulated_end(viewing: Viewing, rng: np.random.Generator) -> int:
    """Draw when a simulated person has seen enough: a second or a few after it may end, at most at its latest."""
    return min(viewing.latest_us, viewing.earliest_us + int(1e6 * rng.uniform(0.3, 2.0)))


def simulated_regions(placement: Placement, number: int, rng: np.random.Generator) -> list[MarkedRegion]:
    """Draw regions that a simulated person marks, screen pixels."""
    regions = []
    for n in range(number):
        left, top = rng.uniform(0.1, 0.6, 2)
        x, y = placement.x + left * placement.width, placement.y + top * placement.height
        regions.append(MarkedRegion(x, y, 0.3 * placement.width, 0.3 * placement.height, f"simulated place {n + 1}"))
    return regions


def nothing() -> None:
    """Be the tick of a display that nobody watches yet."""
