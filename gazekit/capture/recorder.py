"""The recorder: what trackers deliver goes to a queue; a thread takes it to the journal."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from gazekit.capture.lsl import Outlet
from gazekit.capture.pulse import Pulse
from gazekit.capture.tracker import Converter
from gazekit.core.errors import OutputError
from gazekit.session.events import Event, Message, StreamText
from gazekit.session.journal import JournalWriter
from gazekit.session.samples import NUMERIC, SIDES, Block

_DRAIN_S = 0.015
_STEADY = frozenset(NUMERIC) - {"gaze", "external_signal"}  # streams that come all the time


@dataclass
class Counts:
    """What has arrived so far, for the operator."""

    samples: int = 0
    lost: int = 0
    gaps: int = 0
    missing: int = 0
    out_of_order: int = 0
    last_device_us: int | None = None
    last_system_us: int | None = None
    last_gap_us: int = 0
    latest: Block | None = None
    eyes: set[str] = field(default_factory=set)  # that were seen


class Recorder:
    """Takes deliveries from any thread (`put`) to the journal.

    One thread writes every 15 ms, another waits for the disk (fsync) every 50 ms, so that a slow disk holds up
    neither the tracker nor the writing. An error of the disk is kept in `failure` and raised by `check`.
    """

    def __init__(
        self,
        journal: JournalWriter,
        converters: Mapping[str, Converter],
        rate_hz: float,
        outlet: Outlet | None = None,
    ) -> None:
        self.journal = journal
        self._outlet = outlet
        self.counts = Counts()
        self.failure: Exception | None = None
        self.writer_cpu_s = 0.0
        self.notices: deque[str] = deque(maxlen=50)
        self._converters = converters
        self._gap_us = 1.5e6 / rate_hz if rate_hz > 0 else float("inf")
        self.rate_hz = rate_hz
        self._queue: deque[tuple[str, Any]] = deque()
        self._tap: list[Block] | None = None
        self._pulses: dict[str, Pulse] = {}
        self.latest: dict[str, Block] = {}  # the last row of each stream of numbers
        self.deliveries = 0  # of gaze; that it grows tells that the tracker is not silent
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._writer = threading.Thread(target=self._write_loop, name="journal writer", daemon=True)
        self._syncer = threading.Thread(target=self._sync_loop, name="journal sync", daemon=True)
        self._writer.start()
        self._syncer.start()

    def put(self, stream: str, item: Any) -> None:
        """Append a delivery of a stream to the queue, nothing more."""
        self._queue.append((stream, item))
        if stream == "gaze":
            self.deliveries += 1

    def event(self, event: Event) -> None:
        """Queue an event of the session, in its order among the samples."""
        self._queue.append(("event", event))

    def message(self, time_us: int, text: str) -> None:
        """Queue a message on the session's time axis."""
        self.event(Message(time_us, text))

    def flush(self) -> None:
        """Wait until everything put so far is in the journal."""
        done = threading.Event()
        self._queue.append(("flush", done))
        self._wake.set()
        while not done.wait(0.5) and self._writer.is_alive():
            pass

    @contextlib.contextmanager
    def tapped(self) -> Iterator[list[Block]]:
        """Collect the gaze that comes while the block runs in a list as well; call `flush` before reading it."""
        self.flush()
        self._tap = []
        try:
            yield self._tap
        finally:
            self._tap = None

    def check(self) -> None:
        """Raise an `OutputError` where the journal cannot be written any more."""
        if self.failure is not None:
            reason = getattr(self.failure, "strerror", None) or repr(self.failure)
            raise OutputError(
                f"{self.journal.path} cannot be written any more: {reason}. "
                f"Everything up to then is in it; make room, then: gazekit recover {self.journal.path}"
            )

    def close(self, summary: Mapping[str, Any] | None = None) -> None:
        """Write all that is queued, then the end record (where a summary is given), and close the journal."""
        self._stop.set()
        self._wake.set()
        self._writer.join()
        self._syncer.join()
        try:
            if self.failure is None and summary is not None:
                self.journal.end(summary)
            self.journal.close()
        except OSError as error:
            self.failure = self.failure or error

    def _write_loop(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(_DRAIN_S)
            self._wake.clear()
            self._drain()
        self._drain()
        self.writer_cpu_s = time.thread_time()

    def _drain(self) -> None:
        queue = self._queue
        streams: dict[str, list[Any]] = {}
        for _ in range(len(queue)):
            stream, item = queue.popleft()
            streams.setdefault(stream, []).append(item)
        events = streams.pop("event", [])
        flushed = streams.pop("flush", [])
        try:
            if self.failure is not None:
                raise self.failure
            for stream, items in streams.items():
                self._write(stream, items)
            self._notice_silence(_STEADY & streams.keys())
            for event in events:
                self.journal.event(event)
                self._send(partial(_mark, event))
        except Exception as error:  # whatever it is: `check` raises it where the session can be ended
            self.failure = error
        for done in flushed:
            done.set()
        self.writer_cpu_s = time.thread_time()

    def _write(self, stream: str, items: Sequence[Any]) -> None:
        try:
            rows = self._converters[stream](items)
        except (KeyError, TypeError, ValueError, OverflowError, IndexError) as error:
            self._write_apart(stream, items, error)
            return
        if stream in NUMERIC:
            self.journal.block(stream, rows)
            self.latest[stream] = rows[-1:]
            if stream == "gaze":
                self._count(rows)
                if self._tap is not None:
                    self._tap.append(rows)
                self._send(lambda outlet: outlet.push(rows))
        else:
            for row in rows:
                self.notices.append(f"{row['kind']} {row['text']}".strip())
                self.journal.event(StreamText(stream, **row))

    def _write_apart(self, stream: str, items: Sequence[Any], error: Exception) -> None:
        """Write deliveries one by one: the one that cannot be understood goes as it is among the stream errors."""
        if len(items) > 1:
            for item in items:
                self._write(stream, [item])
            return
        text = f"{stream}: {type(error).__name__} {error}: {items[0]!r:.2000}"
        self.notices.append(f"a delivery that cannot be understood: {text:.80}")
        moment = self.counts.last_system_us or 0
        self.journal.event(StreamText("stream_errors", moment, "not_understood", text))

    def _notice_silence(self, delivered: Iterable[str]) -> None:
        """Note streams beside gaze that fall silent, and those that come back."""
        if self.rate_hz <= 0:
            return
        now_s = self.counts.samples / self.rate_hz
        back = [stream for stream in delivered if self._pulses.setdefault(stream, Pulse()).beat(now_s)]
        silent = [stream for stream, pulse in self._pulses.items() if pulse.falls_silent(now_s)]
        for stream, kind in [*((stream, "back") for stream in back), *((stream, "silent") for stream in silent)]:
            self.notices.append(f"{stream} is {kind}")
            self.journal.event(StreamText("stream_errors", self.counts.last_system_us or 0, kind, stream))

    def _send(self, send: Callable[[Outlet], None]) -> None:
        """Pass something to the outlet; one that fails is said and left, the recording goes on."""
        if self._outlet is None:
            return
        try:
            send(self._outlet)
        except Exception as error:  # of the network library: nothing of it may end the recording
            self._outlet = None
            self.notices.append(f"LSL outlet stopped: {error}")

    def _count(self, rows: Block) -> None:
        counts = self.counts
        stamps = rows["device_time_us"]
        previous = counts.last_device_us if counts.last_device_us is not None else int(stamps[0])
        steps = np.diff(stamps, prepend=previous)
        gaps = steps[steps > self._gap_us]
        if len(gaps):
            counts.gaps += len(gaps)
            counts.missing += int((np.round(gaps * self.rate_hz / 1e6) - 1).sum())
            counts.last_gap_us = int(gaps[-1])
        counts.out_of_order += int((steps < 0).sum())
        counts.samples += len(rows)
        counts.lost += int((~(rows["left_valid"] | rows["right_valid"])).sum())
        counts.eyes |= {side for side in SIDES if rows[f"{side}_valid"].any()}
        counts.last_device_us, counts.last_system_us = int(stamps[-1]), int(rows["system_time_us"][-1])
        counts.latest = rows[-1:]

    def _sync_loop(self) -> None:
        error = self.journal.keep_synced(self._stop)
        self.failure = self.failure or error


def _mark(event: Event, outlet: Outlet) -> None:
    outlet.mark_event(event)
