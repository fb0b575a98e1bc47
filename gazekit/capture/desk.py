"""Where the operator sits: wishes come in from the page or the terminal, questions of the session go out.

Commands may be put by any thread; the session takes them while time passes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.messages import SOURCE, catalogue
from gazekit.session import Calibration

COMMANDS = ("calibrate", "drift check", "skip", "repeat", "pause", "go on", "start", "note", "end")
_RELOAD_S = 3.0  # a page that comes back within this time was never gone
_AGAIN_S = 10.0  # within this time the end has to be asked for again


@dataclass(frozen=True)
class Command:
    """What the operator wants."""

    kind: str
    text: str = ""


@dataclass(frozen=True)
class Decision:
    """What the operator decides on what was asked."""

    kind: str  # review: numbers of points; answer: a key
    value: Any


@dataclass(frozen=True)
class Review:
    """A calibration to be decided on: error vectors of both eyes, points that gave no data."""

    attempt: int
    attempts: int
    targets: list[tuple[float, float]]
    failed: list[int]
    errors: list[dict[str, Any]]  # x, y, eye, dx, dy (display area), error_deg, samples

    @classmethod
    def of(
        cls,
        calibration: Calibration,
        errors: pd.DataFrame,
        attempt: int,
        attempts: int,
        failed: Sequence[tuple[float, float]],
    ) -> Review:
        """Gather what there is to be seen of a calibration."""
        targets = list(dict.fromkeys([*(point.target for point in calibration.points), *failed]))
        rows = [
            {str(name): None if isinstance(v, float) and not np.isfinite(v) else v for name, v in row.items()}
            for row in errors.to_dict("records")
        ]
        return cls(attempt, attempts, targets, [targets.index(point) for point in failed], rows)


class Desk:
    """The operator's place in one session.

    Parameters
    ----------
    language : str
        Of the page and of what the operator is asked; one of the program's own.

    Raises
    ------
    InputError
        There is no such language.
    """

    def __init__(self, language: str = SOURCE) -> None:
        self.words = catalogue(language)  # what the operator is asked in
        self._commands: deque[Command] = deque()
        self._decisions: deque[Decision] = deque()
        self._pages = 0
        self._left_s = -np.inf
        self._end_asked_s = -np.inf
        self.terminal = False  # keys are read in a terminal
        self.review: Review | None = None
        self.question: dict[str, Any] | None = None

    @property
    def attended(self) -> bool:
        """Whether somebody could answer: a page that is open, or a terminal."""
        return self.terminal or self._pages > 0 or time.monotonic() - self._left_s < _RELOAD_S

    def pages(self, number: int) -> None:
        """Note how many pages are open; the session's file says when the first opens and the last closes."""
        if number == 0 and self._pages:
            self._left_s = time.monotonic()
        if (number == 0) != (self._pages == 0):
            self._commands.append(Command("page", "opened" if number else "closed"))
        self._pages = number

    def put(self, kind: str, text: str = "") -> str:
        """Take a command of the operator; return what came of it. The end has to be asked for twice.

        Examples
        --------
        >>> desk = Desk()
        >>> desk.put("end"), desk.put("end")
        ('ask once more within 10 s', 'done')
        >>> [command.kind for command in desk.take()]
        ['end']
        """
        if kind not in COMMANDS:
            return f"no such command: {kind}"
        if kind == "end" and time.monotonic() - self._end_asked_s > _AGAIN_S:
            self._end_asked_s = time.monotonic()
            return "ask once more within 10 s"
        self._commands.append(Command(kind, " ".join(text.split())[:2000]))
        return "done"

    def take(self) -> Iterator[Command]:
        """Yield what was put since the last call."""
        while self._commands:
            yield self._commands.popleft()

    def decide(self, kind: str, value: Any) -> None:
        """Take a decision of the operator: numbers of points for a review, a key for a question; nothing else."""
        right = isinstance(value, str)
        if kind == "review":
            right = isinstance(value, list) and all(type(n) is int for n in value)
        if right:
            self._decisions.append(Decision(kind, value))

    def decision(self, kind: str) -> Decision | None:
        """Return the decision on what was asked, once there is one."""
        while self._decisions:
            decision = self._decisions.popleft()
            if decision.kind == kind:
                return decision
        return None

    def publish_review(self, review: Review) -> None:
        """Ask which points of a calibration are to be done again."""
        self._decisions.clear()
        self.review = review

    def publish_question(self, text: str, keys: dict[str, str]) -> None:
        """Ask something that has a few answers: key and words of each."""
        self._decisions.clear()
        self.question = {"text": text, "keys": dict(keys)}

    def withdraw(self) -> None:
        """Ask nothing any more."""
        self.review = self.question = None

    def asking(self) -> dict[str, Any]:
        """Return what is asked now, for the page."""
        return {"review": asdict(self.review) if self.review else None, "question": self.question}
