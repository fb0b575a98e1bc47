"""The operator's keys in a terminal, for those who have no page: the same wishes and decisions."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from types import TracebackType

from gazekit.capture.desk import Desk
from gazekit.capture.session_loop import State

KEYS = {
    "c": "calibrate",
    "d": "drift check",
    "s": "skip",
    "r": "repeat",
    "b": "start",
    "p": "pause",
    "n": "note",
    "e": "end",
}
_HELP = "c calibrate  d drift check  s skip  r repeat  b begin now  p pause or go on  n note  e end (twice)"


class TerminalKeys:
    """Reads keys of a terminal while the block runs; `feed` does what one key means."""

    def __init__(self, desk: Desk, state: State) -> None:
        self._desk, self._state = desk, state
        self._note: str | None = None
        self._chosen: set[int] = set()
        self._reply = ""
        self._over = threading.Event()

    def feed(self, key: str) -> None:
        """Take one key."""
        if self._note is not None:
            self._write_note(key)
        elif self._desk.question is not None:
            if key in self._desk.question["keys"]:
                self._desk.decide("answer", key)
        elif self._desk.review is not None:
            self._decide_on_points(key)
        elif key == "n":
            self._note = ""
        elif key in KEYS:
            kind = "go on" if key == "p" and self._state.phase == "paused" else KEYS[key]
            self._reply = self._desk.put(kind)

    def lines(self) -> list[str]:
        """Return what the operator is asked, and which keys there are."""
        question, review = self._desk.question, self._desk.review
        if self._note is not None:
            return [f"note: {self._note}▏  (Enter: write down)"]
        if question is not None:
            return [question["text"], "  ".join(f"{key} {what}" for key, what in question["keys"].items())]
        if review is not None:
            errors: dict[tuple[float, float], list[str]] = {}
            for row in review.errors:
                error = "no data" if row["error_deg"] is None else f"{row['error_deg']:.2f}"
                errors.setdefault((row["x"], row["y"]), []).append(f"{row['eye']} {error}")
            points = [
                f"{'*' if n in self._chosen | set(review.failed) else ' '}{n + 1}: {', '.join(errors.get(at, []))}"
                for n, at in enumerate(review.targets)
            ]
            return [f"calibration {review.attempt} of {review.attempts}, errors in degrees", *points,
                    "digit: that point again   r: all again   space: go on"]  # fmt: skip
        return [_HELP, *([self._reply] if self._reply and self._reply != "done" else [])]

    def _write_note(self, key: str) -> None:
        assert self._note is not None
        if key in "\r\n":
            self._desk.put("note", self._note)
            self._note = None
        elif key in "\x7f\b":
            self._note = self._note[:-1]
        elif key == "\x1b":
            self._note = None
        elif key.isprintable():
            self._note += key

    def _decide_on_points(self, key: str) -> None:
        review = self._desk.review
        assert review is not None
        if key.isdecimal() and 1 <= int(key) <= len(review.targets):
            self._chosen ^= {int(key) - 1}
        elif key == "r":
            self._desk.decide("review", list(range(len(review.targets))))
        elif key == " ":
            self._desk.decide("review", sorted(self._chosen | set(review.failed)))
            self._chosen = set()

    def __enter__(self) -> TerminalKeys:
        self._desk.terminal = True
        threading.Thread(target=self._read, name="operator's keys", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._desk.terminal = False

    def _read(self) -> None:
        with keys_one_by_one() as keys:
            for key in keys:
                if self._over.is_set():
                    return
                if key:
                    self.feed(key)


@contextlib.contextmanager
def keys_one_by_one() -> Iterator[Iterator[str]]:
    """Read a terminal key by key, and put it back as it was; an empty text every fifth of a second."""
    if sys.platform == "win32":
        import msvcrt
        import time

        def windows() -> Iterator[str]:
            while True:
                time.sleep(0.0 if msvcrt.kbhit() else 0.2)
                yield msvcrt.getwch() if msvcrt.kbhit() else ""

        yield windows()
        return
    import select
    import termios
    import tty

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def posix() -> Iterator[str]:
        while True:  # not through sys.stdin, which keeps what it has read ahead
            ready, _, _ = select.select([number], [], [], 0.2)
            yield from decoder.decode(os.read(number, 1024)) if ready else [""]

    try:
        tty.setcbreak(number)
        yield posix()
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
