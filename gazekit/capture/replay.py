"""A session file as a live tracker, at its own or any other speed."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.capture.settings import TrackerSection
from gazekit.capture.simulation.scanpath import Scene
from gazekit.capture.tracker import Calibrator, Converter, Put, joined, listed
from gazekit.core.errors import ConfigError, InputError, TrackerError
from gazekit.session import TrackerInfo, open_session
from gazekit.session.samples import from_recording


class ReplayTracker:
    """Delivers the samples of a session: device stamps as they were, host stamps from now on.

    Raises
    ------
    ConfigError : ``[tracker] file`` is missing.
    InputError, FormatError : no such session file, or one without samples.
    """

    converters: Mapping[str, Converter] = {"gaze": joined, "notifications": listed}

    def __init__(self, section: TrackerSection, base: Path) -> None:
        if section.file is None:
            raise ConfigError("[tracker] kind = 'replay' needs file, the session to play")
        self._file = base / section.file
        session = open_session(self._file)
        if not len(session.recording):
            raise InputError(f"{self._file} holds no samples to replay")
        self._rows = from_recording(session.recording)
        self._speed = float(section.speed)
        # system stamps may be those of another host's boot: only their distances count
        self._due_us = (self._rows["system_time_us"] - self._rows["system_time_us"].min()) / self._speed
        self._info = replace(session.tracker, kind="replay", rate_hz=session.recording.rate_hz)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def info(self) -> TrackerInfo:
        """The tracker that made the session."""
        return self._info

    def facts(self) -> dict[str, Any]:
        """What is played."""
        return {"replayed": self._file.name, "replay_speed": self._speed}

    def now_us(self) -> int:
        """The host's monotonic clock."""
        return time.monotonic_ns() // 1000

    def start(self, put: Put) -> None:
        """Play from the beginning."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, args=(put,), name="replay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No sample comes after this."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Nothing to let go."""
        self.stop()

    def watch(self, scene: Scene) -> None:
        """What was recorded is recorded."""

    def calibrator(self, eyes: str) -> Calibrator | None:
        """A recording cannot be calibrated."""
        return None

    def apply(self, blob: bytes) -> None:
        """A recording cannot be calibrated."""
        raise TrackerError("a replayed session cannot take a calibration; remove [calibration] reuse")

    def alive(self) -> bool:
        """It never breaks."""
        return True

    def reconnect(self) -> bool:
        """Nothing to do."""
        return True

    def _run(self, put: Put) -> None:
        start, sent = self.now_us(), 0
        while sent < len(self._rows) and not self._stop.wait(0.004):
            until = int(np.searchsorted(self._due_us, self.now_us() - start, side="right"))
            if until > sent:
                block = self._rows[sent:until].copy()
                block["system_time_us"] = start + np.round(self._due_us[sent:until]).astype(np.int64)
                put("gaze", block)
                sent = until
        if sent == len(self._rows):
            put("notifications", {"system_time_us": self.now_us(), "kind": "replay_ended", "text": self._file.name})
