"""What shows the pictures and takes the answers; here the one without a screen."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from gazekit.capture.plan import PlannedTrial
from gazekit.capture.settings import QuestionSection, RatingSection
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.screen import Placement
from gazekit.session import Calibration


class EndSession(Exception):
    """The session is to end in order: Escape, a signal, or the experimenter's word."""


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

    def picture_timing(self) -> tuple[int, int] | None:
        """Return the frames missed while the picture was shown, and how long its swap took (us); None if unknown."""

    def show_target(self, x: float, y: float, dwell_ms: int) -> int:
        """Show a calibration target on the display area (0 to 1), animated; return the moment it stands still."""

    def show_blank(self) -> int:
        """Show the background alone."""

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

    def rate(self, section: RatingSection) -> str:
        """Ask for a score."""

    def ask(self, section: QuestionSection) -> str:
        """Ask a question with choices."""

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
        self.wait_until(self._tracker.now_us() + 1_000_000)

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

    def rate(self, section: RatingSection) -> str:
        """Return a simulated score after a second."""
        self.pause(section.question)
        return str(int(self._rng.integers(section.low, section.high + 1)))

    def ask(self, section: QuestionSection) -> str:
        """Return a simulated answer."""
        self.pause(section.text)
        return section.choices[int(self._rng.integers(len(section.choices)))]

    def while_busy(self, work: Callable[[], Answer]) -> Answer:
        """Do it."""
        return work()

    def close(self) -> dict[str, Any]:
        """Close nothing."""
        return {}


def nothing() -> None:
    """Be the tick of a display that nobody watches yet."""
