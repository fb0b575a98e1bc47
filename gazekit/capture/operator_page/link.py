"""The session's end of the operator's page: starts the process, sends what is to be seen, takes what is wanted."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from gazekit.capture.desk import Desk
from gazekit.capture.operator_page.snapshot import Snapshots
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import State
from gazekit.core.errors import InputError
from gazekit.core.messages import Catalogue
from gazekit.screen import Screen

PERIOD_S = 1 / 15
_START_S = 10.0
_SERVER = Path(__file__).with_name("server.py")


class OperatorPage:
    """Serves the page while the block runs; `watch` begins to show a recorder.

    Parameters
    ----------
    desk : Desk
        Where the operator's wishes go, and in which language the page is.
    state : State
        What the session says of itself.
    screen : Screen
        The participant's screen.
    host : str
        Address to listen on; any other than loopback lets other machines in, with a one-time link.
    port : int
        0 takes a free one.
    """

    def __init__(self, desk: Desk, state: State, screen: Screen, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._desk, self._state, self._screen = desk, state, screen
        self._address = host, port
        self._process: subprocess.Popen[str] | None = None
        self._ready, self._over = threading.Event(), threading.Event()
        self._threads: list[threading.Thread] = []
        self._answers: dict[str, Any] = {}
        self.link = ""  # works once; then there is a new one
        self.loopback = host in ("127.0.0.1", "localhost", "::1")

    def __enter__(self) -> OperatorPage:
        command = [sys.executable, "-I", str(_SERVER), self._address[0], str(self._address[1])]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", bufsize=1
        )
        self._threads = [threading.Thread(target=self._read, name="operator's wishes", daemon=True)]
        self._threads[0].start()
        self._write(_texts(self._desk.words))
        if not self._ready.wait(_START_S) or not self.link:
            self._close()
            raise InputError(
                f"the operator's page could not listen on {self._address[0]}:{self._address[1]}; is the port taken? "
                "Choose another with --operator-port"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads[1:]:
            thread.join(1.0)
        self._close()

    def _close(self) -> None:
        """End the process: it ends by itself when its input does."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(3.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._threads[0].join(1.0)
        process.stdout.close()

    def watch(self, recorder: Recorder, state: State) -> None:
        """Show this recorder from now on."""
        snapshots = Snapshots(recorder, state, self._desk, self._screen)
        thread = threading.Thread(target=self._send, args=(snapshots,), name="operator's page", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _write(self, content: dict[str, Any]) -> bool:
        """Write a line to the process; False where it has gone."""
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(content, separators=(",", ":")) + "\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            return False
        return True

    def _send(self, snapshots: Snapshots) -> None:
        """Send snapshots until the end; a page that has gone ends the sending, not the session."""
        due = time.monotonic()
        while True:
            over = self._over.is_set()
            content = snapshots.take() | self._answers | ({"over": True} if over else {})
            self._answers = {}
            if not self._write(content):
                self._state.say("the operator's page has gone; the session goes on")
                return
            if over:
                return
            due = max(due + PERIOD_S, time.monotonic())
            self._over.wait(due - time.monotonic())

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self._take(json.loads(line))
        self._ready.set()

    def _take(self, content: dict[str, Any]) -> None:
        if "link" in content:
            self.link = str(content["link"])
            self._ready.set()
        if "pages" in content:
            self._desk.pages(int(content["pages"]))
        if "command" in content:
            self._answers = {"reply": self._desk.put(str(content["command"]), str(content.get("text", "")))}
        if "decide" in content:
            self._desk.decide(str(content["decide"]), content.get("value"))


def _texts(words: Catalogue) -> dict[str, Any]:
    """Return what the page is made with: its texts by key, their language and direction."""
    return {"lang": words.lang, "direction": words.direction, "texts": words.section("operator")}
