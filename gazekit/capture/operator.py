"""The operator's view in the terminal: head position, live gaze, loss, rate, trial, time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import TRACKER_LOST, State
from gazekit.core.counting import counted

_COLUMNS, _ROWS = 48, 12
_WINDOW_S = 2.0


class Operator:
    """A live panel on standard error; nothing where that is no terminal."""

    def __init__(
        self,
        state: State,
        *,
        quiet: bool = False,
        console: Console | None = None,
        keys: Callable[[], list[str]] | None = None,
    ) -> None:
        self._state = state
        self._keys = keys
        self._recorder: Recorder | None = None
        self._rate = _Rate()
        self._live: Live | None = None
        if not quiet:
            self._live = Live(
                console=console or Console(stderr=True), get_renderable=self.panel, refresh_per_second=8, transient=True
            )

    def __enter__(self) -> Operator:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def watch(self, recorder: Recorder, state: State) -> None:
        """Show this recorder and this state from now on."""
        self._recorder, self._state = recorder, state

    def panel(self) -> Panel:
        """Return the view as it is now."""
        state, recorder = self._state, self._recorder
        title = f"gazekit record · {state.participant or '...'} · {state.phase}"
        if recorder is None:
            return Panel(Text("starting"), title=title)
        facts = Table.grid(padding=(0, 2))
        for name, value in self._facts(recorder):
            facts.add_row(Text(name, style="dim"), value)
        both = Table.grid(padding=(0, 3))
        both.add_row(_gaze_field(recorder), facts)
        notices = Text("\n".join(state.notices[-4:]), style="yellow")
        keys = Text("Escape: pause and ask   Ctrl+C: end in order   Ctrl+C twice: end at once", style="dim")
        if state.link is not None:
            keys.append(f"\noperator's page (each link works once): {state.link()}")
        style = "red" if state.phase == TRACKER_LOST else "none"
        asked = Text("\n".join(self._keys()) if self._keys is not None else "", style="bold")
        return Panel(Group(both, notices, asked, keys), title=title, border_style=style)

    def _facts(self, recorder: Recorder) -> list[tuple[str, Text]]:
        counts, state = recorder.counts, self._state
        rate = self._rate.update(counts.samples)
        loss = 100 * counts.lost / counts.samples if counts.samples else 0.0
        minutes, seconds = divmod(round(state.seconds_left), 60)
        return [
            ("trial", Text(f"{state.trial} of {state.trials}")),
            ("time left", Text(f"{minutes}:{seconds:02d}")),
            ("rate", Text(f"{rate:.0f} Hz" if rate else "...")),
            ("data loss", Text(f"{loss:.1f} %", style="red" if loss > 20 else "green")),
            ("samples", Text(f"{counts.samples}")),
            (
                "gaps",
                Text(f"{counts.gaps} ({counted(counts.missing, 'sample')})", style="red" if counts.gaps else "green"),
            ),
            ("out of order", Text(f"{counts.out_of_order}", style="red" if counts.out_of_order else "green")),
            ("head", _head(recorder)),
        ]


class _Rate:
    """Samples a second over the last two seconds."""

    def __init__(self) -> None:
        self._history: list[tuple[float, int]] = []

    def update(self, samples: int) -> float:
        now = time.monotonic()
        self._history = [(t, n) for t, n in self._history if now - t < _WINDOW_S] + [(now, samples)]
        (t0, n0), (t1, n1) = self._history[0], self._history[-1]
        return (n1 - n0) / (t1 - t0) if t1 > t0 else 0.0


def _gaze_field(recorder: Recorder) -> Panel:
    """Draw the screen, small, with a dot for each eye."""
    cells = [[" "] * _COLUMNS for _ in range(_ROWS)]
    latest = recorder.counts.latest
    if latest is not None:
        for side, mark in (("left", "l"), ("right", "r")):
            x, y = latest[f"{side}_gaze"][0]
            if np.isfinite(x) and np.isfinite(y) and 0 <= x < 1 and 0 <= y < 1:
                row, column = int(y * _ROWS), int(x * _COLUMNS)
                cells[row][column] = mark if cells[row][column] == " " else "●"
    return Panel(Text("\n".join("".join(row) for row in cells)), title="gaze", width=_COLUMNS + 4)


def _head(recorder: Recorder) -> Text:
    """Return where the eyes are before the tracker, from the last sample."""
    latest: Any = recorder.counts.latest
    if latest is None:
        return Text("...")
    origins = np.stack([latest[f"{side}_origin_mm"][0] for side in ("left", "right")])
    if not np.isfinite(origins).any():
        return Text("eyes not found", style="red")
    x, y, z = np.nanmean(origins, axis=0)
    return Text(f"{z:.0f} mm away, {x:+.0f} mm across, {y:+.0f} mm up")
