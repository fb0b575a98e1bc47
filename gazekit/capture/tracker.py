"""What every eye tracker can do, whichever it is; a plug-in derives from `Tracker` or `ThreadedTracker`."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gazekit.capture.simulation.scanpath import Scene
from gazekit.core.errors import TrackerError
from gazekit.screen import Screen
from gazekit.session import Calibration, TrackerInfo
from gazekit.session.samples import Block

if TYPE_CHECKING:
    from gazekit.capture.settings import TrackerSection

#: what a stream delivers goes here, from any thread; it only appends to a queue
Put = Callable[[str, Any], None]
#: turns the deliveries of one stream into rows (`gazekit.session.samples.NUMERIC`) or texts
Converter = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class FoundTracker:
    """An eye tracker that can be reached."""

    kind: str
    model: str
    serial: str
    address: str
    name: str = ""


@dataclass(frozen=True)
class TrackerSetup:
    """What a tracker is opened with."""

    section: TrackerSection
    screen: Screen
    base: Path = Path()  # the folder that the section's paths are relative to
    seed: Any = 0  # of a simulated person
    realtime: bool = True  # else a simulated tracker whose clock stands until it is moved


class TrackerGone(TrackerError):
    """The connection is lost: what was tried can be tried again once it stands."""


class Calibrator(Protocol):
    """A tracker in calibration mode. Points lie on the display area, 0 to 1."""

    def collect(self, x: float, y: float) -> bool:
        """Collect samples of a target that is on the screen now; return whether it succeeded. Blocks."""

    def discard(self, x: float, y: float) -> None:
        """Forget what was collected at a point."""

    def compute(self) -> Calibration:
        """Compute the calibration from what was collected and apply it."""

    def leave(self) -> None:
        """Leave calibration mode."""


class Tracker(ABC):
    """An eye tracker. Time is the host's clock in microseconds, the clock of ``system_time_us``."""

    converters: Mapping[str, Converter]
    live: bool = True  # samples come as time passes; False for a clock that is moved by hand

    @classmethod
    @abstractmethod
    def open(cls, setup: TrackerSetup) -> Tracker:
        """Connect and set what the study asks for."""

    @classmethod
    def find(cls) -> list[FoundTracker]:
        """Find the trackers of this kind that can be reached now."""
        return []

    @property
    @abstractmethod
    def info(self) -> TrackerInfo:
        """Model, serial, firmware, rate and mode as they are now."""

    def facts(self) -> dict[str, Any]:
        """Return what is stored of it beside `info`."""
        return {}

    def now_us(self) -> int:
        """Read the host's clock."""
        return time.monotonic_ns() // 1000

    @abstractmethod
    def start(self, put: Put) -> None:
        """Subscribe to all streams."""

    @abstractmethod
    def stop(self) -> None:
        """Unsubscribe; nothing is put after this returns."""

    def close(self) -> None:
        """Let the tracker go."""
        self.stop()

    def watch(self, scene: Scene) -> None:  # noqa: B027 (real people see for themselves)
        """Look at what is on the screen from now on; only a simulated person does."""

    def check_calibration(self, eyes: str) -> None:  # noqa: B027 (most can)
        """Raise a `TrackerError` where the device cannot be calibrated so; asked before the participant sits down."""

    def calibrator(self, eyes: str) -> Calibrator | None:
        """Enter calibration mode for ``both``, ``left`` or ``right`` eyes; None where there is none to do."""
        return None

    def apply(self, blob: bytes) -> None:
        """Apply a calibration that was saved."""
        raise TrackerError(f"a tracker of kind {self.info.kind!r} takes no calibration; remove [calibration] reuse")

    def alive(self) -> bool:
        """Return whether the connection stands."""
        return True

    def reconnect(self) -> bool:
        """Try to connect and subscribe again; return whether it succeeded.

        Raises
        ------
        TrackerError
            It never can: waiting would be in vain.
        """
        return self.alive()

    def unsettled(self) -> bool:
        """Return whether the device said, since `restore` was last called, that something that was set is another."""
        return False

    def restore(self) -> list[str]:
        """Compare everything that was set with what the device has now, put back what differs, and say it.

        Raises
        ------
        TrackerError
            Something cannot be put back.
        """
        return []


class ThreadedTracker(Tracker):
    """A tracker that is read by a thread of gazekit: `deliver` is called until it has no more or is stopped."""

    pause_s = 0.004  # between two calls of `deliver`

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False
        self._put: Put | None = None

    @abstractmethod
    def deliver(self, put: Put) -> bool:
        """Put what has come since the last call; return whether more can come. Any exception loses the tracker."""

    def start(self, put: Put) -> None:
        """Start the thread; samples come from now on."""
        self._put = put
        self._failed = False
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(put,), name=type(self).__name__, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; no sample comes after this."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._put = None

    def alive(self) -> bool:
        """Return False once `deliver` has failed."""
        return not self._failed

    def reconnect(self) -> bool:
        """Start the thread again; return whether the tracker could be opened."""
        put = self._put
        if put is not None:
            self.stop()
            self.start(put)
        return self.alive()

    def _run(self, put: Put) -> None:
        try:
            while not self._stopping.wait(self.pause_s) and self.deliver(put):
                pass
        except Exception:  # whatever the tracker's library throws, on a lost connection or while it is stopped
            self._failed = not self._stopping.is_set()


def joined(items: Sequence[Block]) -> Block:
    """Convert the deliveries of a tracker that delivers rows as they are stored."""
    return items[0] if len(items) == 1 else np.concatenate(items)


def listed(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Convert a stream of texts: objects with system_time_us, kind and text."""
    return [dict(item) for item in items]
