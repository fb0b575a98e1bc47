"""A simulated eye tracker with a simulated person before it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gazekit.capture.simulation.gaze import Person
from gazekit.capture.simulation.scanpath import Scene
from gazekit.capture.tracker import (
    Calibrator,
    Converter,
    FoundTracker,
    Put,
    ThreadedTracker,
    TrackerSetup,
    joined,
    listed,
)
from gazekit.core.errors import InputError
from gazekit.core.types import Floats, Index
from gazekit.screen import Screen
from gazekit.session import Calibration, CalibrationPoint, TrackerInfo
from gazekit.session.samples import EYE_OPENNESS, TIME_SYNC, USER_POSITION, Block

RATES_HZ = (60.0, 1200.0)
DEFAULT_RATE_HZ = 300.0
_OFFSET_US = 5_000_000_000  # the tracker's clock is behind the host's by so much
_DRIFT = 17e-6  # and slower


@dataclass
class _Ticks:
    """The tracker's own clock: which samples are due at a moment of the host's clock."""

    rate_hz: float
    start_us: int
    done: int = 0

    def due(self, now_us: int) -> tuple[Index, Index]:
        """Return device and system stamps of the samples since the last call."""
        last = int((now_us - self.start_us) * (1 - _DRIFT) * self.rate_hz / 1e6)
        k = np.arange(self.done, max(self.done, last + 1), dtype=np.int64)
        self.done = max(self.done, last + 1)
        since = np.round(k * (1e6 / self.rate_hz)).astype(np.int64)
        system = self.start_us + np.round(since * (1 + _DRIFT)).astype(np.int64)
        return self.start_us - _OFFSET_US + since, system


class SimulatedTracker(ThreadedTracker):
    """A binocular tracker of 60 to 1200 Hz.

    In real time a thread delivers each sample when it is due, one a call, as a real tracker does; else the clock
    stands still until `advance` moves it, and samples come in batches.

    Raises
    ------
    InputError
        A rate that it does not have.
    """

    converters: Mapping[str, Converter] = {
        "gaze": joined,
        "eye_openness": joined,
        "time_sync": joined,
        "user_position": joined,
        "notifications": listed,
    }

    def __init__(
        self,
        screen: Screen,
        seed: Any,
        *,
        rate_hz: float | None = None,
        realtime: bool = True,
        eye_openness: bool = True,
    ) -> None:
        rate = rate_hz or DEFAULT_RATE_HZ
        if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
            raise InputError(
                f"the simulated tracker runs at {RATES_HZ[0]:g} to {RATES_HZ[1]:g} Hz; [tracker] rate_hz is {rate:g}"
            )
        super().__init__()
        self.pause_s = min(0.004, 1.0 / rate)
        self.person = Person(screen, rate, seed)
        self._screen = screen
        self._rate = rate
        self._openness = eye_openness
        self.realtime = self.live = realtime
        self._virtual_us = 10_000_000_000
        self._lock = threading.Lock()
        self._ticks = _Ticks(rate, 0)
        self._seconds = -1
        self._rng = np.random.default_rng(0)

    @classmethod
    def open(cls, setup: TrackerSetup) -> SimulatedTracker:
        """Seat a person before it."""
        section = setup.section
        return cls(
            setup.screen,
            setup.seed,
            rate_hz=section.rate_hz,
            realtime=setup.realtime,
            eye_openness=section.eye_openness,
        )

    @classmethod
    def find(cls) -> list[FoundTracker]:
        """Return the one that is always there."""
        return [FoundTracker("simulated", "gazekit simulated person", "SIM-0", "simulated")]

    @property
    def info(self) -> TrackerInfo:
        """What it is: no device."""
        return TrackerInfo("simulated", "gazekit simulated person", "SIM-0", "1", self._rate, "human")

    def facts(self) -> dict[str, Any]:
        """Return whose eyes these are."""
        return {"simulated_habits": asdict(self.person.habits)}

    def now_us(self) -> int:
        """Read the host's monotonic clock, or the clock that `advance` moves."""
        return super().now_us() if self.realtime else self._virtual_us

    def start(self, put: Put) -> None:
        """Deliver samples from now on."""
        self._put = put
        self._ticks = _Ticks(self._rate, self.now_us())
        if self.realtime:
            super().start(put)

    def advance(self, to_us: int) -> None:
        """Move the clock (not in real time) and deliver what falls due."""
        # a second at a time, so that the slow streams and the person's state keep their order
        while self._virtual_us < to_us:
            self._virtual_us = min(to_us, self._virtual_us + 1_000_000)
            self._deliver(self._virtual_us, one_by_one=False)

    def watch(self, scene: Scene) -> None:
        """Show the person another scene from now on."""
        with self._lock:
            self.person.watch(self.now_us(), scene)

    def calibrator(self, eyes: str) -> Calibrator | None:
        """Enter calibration mode."""
        return _SimulatedCalibrator(self, eyes)

    def apply(self, blob: bytes) -> None:
        """Apply a calibration that was saved from a simulated tracker."""
        if not blob.startswith(b"gazekit simulated"):
            raise InputError("this calibration was not saved from a simulated tracker")
        self.person.calibrated = True

    def deliver(self, put: Put) -> bool:
        """Put the samples that are due, one a call."""
        self._deliver(self.now_us(), one_by_one=True)
        return True

    def _deliver(self, now_us: int, *, one_by_one: bool) -> None:
        put = self._put
        if put is None:
            return
        with self._lock:
            device, system = self._ticks.due(now_us)
            if not len(device):
                return
            block, openness = self.person.sample(system)
        block["device_time_us"], block["system_time_us"] = device, system
        rows = _openness_rows(block, openness) if self._openness else None
        step = 1 if one_by_one else len(block)
        for n in range(0, len(block), step):
            put("gaze", block[n : n + step])
            if rows is not None:
                put("eye_openness", rows[n : n + step])
        second = int(device[-1] // 1_000_000)
        if second != self._seconds:
            self._seconds = second
            put("time_sync", self._sync_row(int(device[-1]), int(system[-1])))
            put("user_position", _position_row(int(system[-1]), self._screen.distance_mm))

    def _sync_row(self, device_us: int, system_us: int) -> Block:
        there, back = self._rng.exponential(60, 2) + 150
        return np.array([(system_us - int(there), device_us, system_us + int(back))], dtype=TIME_SYNC)


class _SimulatedCalibrator:
    """Calibration of a simulated person: an eye's samples while it looks at the target."""

    def __init__(self, tracker: SimulatedTracker, eyes: str) -> None:
        self._tracker = tracker
        self._eyes = eyes
        self._points: dict[tuple[float, float], CalibrationPoint] = {}

    def collect(self, x: float, y: float) -> bool:
        """Draw thirty samples about the target, in no time."""
        screen = self._tracker._screen
        rng = self._tracker._rng
        spread = np.array([screen.pixels_per_degree / screen.width_px, screen.pixels_per_degree / screen.height_px])
        samples = {side: (x, y) + rng.normal(0, 0.3, (30, 2)) * spread for side in ("left", "right")}
        used = {side: np.full(30, self._eyes in ("both", side)) for side in ("left", "right")}
        self._points[x, y] = CalibrationPoint((x, y), samples["left"], samples["right"], used["left"], used["right"])
        return True

    def discard(self, x: float, y: float) -> None:
        """Forget a point."""
        self._points.pop((x, y), None)

    def compute(self) -> Calibration:
        """Succeed with one point or more."""
        success = bool(self._points)
        self._tracker.person.calibrated |= success
        return Calibration(
            self._tracker.now_us(),
            "success" if success else "failure: no points",
            tuple(self._points.values()),
            b"gazekit simulated calibration" if success else b"",
        )

    def leave(self) -> None:
        """Leave nothing: there is no such mode."""


def _openness_rows(block: Block, openness: Floats) -> Block:
    rows = np.zeros(len(block), dtype=EYE_OPENNESS)
    rows["device_time_us"], rows["system_time_us"] = block["device_time_us"], block["system_time_us"]
    for side in ("left", "right"):
        rows[f"{side}_openness_mm"], rows[f"{side}_valid"] = openness, True
    return rows


def _position_row(system_us: int, distance_mm: float) -> Block:
    row = np.zeros(1, dtype=USER_POSITION)
    row["received_us"] = system_us
    depth = float(np.clip((distance_mm - 450) / 400, 0, 1))
    for side, x in (("left", 0.55), ("right", 0.45)):
        row[f"{side}_x"], row[f"{side}_y"], row[f"{side}_z"], row[f"{side}_valid"] = x, 0.5, depth, True
    return row
