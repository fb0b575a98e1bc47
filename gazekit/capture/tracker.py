"""What every eye tracker can do, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from gazekit.capture.simulation.scanpath import Scene
from gazekit.session import Calibration, TrackerInfo
from gazekit.session.samples import Block

#: what a stream delivers goes here, from any thread; it only appends to a queue
Put = Callable[[str, Any], None]
#: turns the deliveries of one stream into rows (`gazekit.session.samples.NUMERIC`) or texts
Converter = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True)
class Found:
    """An eye tracker that can be reached."""

    kind: str
    model: str
    serial: str
    address: str
    name: str = ""


class Calibrator(Protocol):
    """A tracker in calibration mode. Points lie on the display area, 0 to 1."""

    def collect(self, x: float, y: float) -> bool:
        """Collect samples of a target that is on the screen now; whether it succeeded. Blocks."""

    def discard(self, x: float, y: float) -> None:
        """Forget what was collected at a point."""

    def compute(self) -> Calibration:
        """Compute the calibration from what was collected and apply it."""

    def leave(self) -> None:
        """Leave calibration mode."""


class Tracker(Protocol):
    """An eye tracker. Time is the host's clock in microseconds, the clock of ``system_time_us``."""

    converters: Mapping[str, Converter]

    @property
    def info(self) -> TrackerInfo:
        """Model, serial, firmware, rate and mode as they are now."""

    def facts(self) -> dict[str, Any]:
        """What is stored of it beside `info`."""

    def now_us(self) -> int:
        """The host's clock."""

    def start(self, put: Put) -> None:
        """Subscribe to all streams."""

    def stop(self) -> None:
        """Unsubscribe; nothing is put after this returns."""

    def close(self) -> None:
        """Let the tracker go."""

    def watch(self, scene: Scene) -> None:
        """What is on the screen from now on; only a simulated person looks at it."""

    def calibrator(self, eyes: str) -> Calibrator | None:
        """Enter calibration mode for ``both``, ``left`` or ``right`` eyes; None where there is none to do."""

    def apply(self, blob: bytes) -> None:
        """Apply a calibration that was saved."""

    def alive(self) -> bool:
        """Whether the connection stands."""

    def reconnect(self) -> bool:
        """Try to connect and subscribe again; whether it succeeded."""


def joined(items: Sequence[Block]) -> Block:
    """The converter of a tracker that delivers rows as they are stored."""
    return items[0] if len(items) == 1 else np.concatenate(items)


def listed(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The converter of a stream of texts: objects with system_time_us, kind and text."""
    return [dict(item) for item in items]
