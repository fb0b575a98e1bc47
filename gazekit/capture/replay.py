"""A session file as a live tracker, at its own or any other speed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gazekit.capture.tracker import Converter, Put, ThreadedTracker, TrackerSetup, joined, listed
from gazekit.core.errors import ConfigError, InputError, TrackerError
from gazekit.core.types import Index
from gazekit.session import TrackerInfo, open_session
from gazekit.session.samples import from_recording


class ReplayTracker(ThreadedTracker):
    """Delivers the samples of a session: device stamps as they were, host stamps from now on.

    Raises
    ------
    ConfigError
        ``[tracker] file`` is missing.
    InputError, FormatError
        No such session file, or one without samples.
    """

    converters: Mapping[str, Converter] = {"gaze": joined, "notifications": listed}

    def __init__(self, setup: TrackerSetup) -> None:
        super().__init__()
        if setup.section.file is None:
            raise ConfigError("[tracker] kind = 'replay' needs file, the session to play")
        self._file = setup.base / setup.section.file
        session = open_session(self._file)
        if not len(session.recording):
            raise InputError(f"{self._file} holds no samples to replay")
        self._rows = from_recording(session.recording)
        self._speed = float(setup.section.speed)
        # system stamps may be those of another host's boot: only their distances count
        self._due_us = (self._rows["system_time_us"] - self._rows["system_time_us"].min()) / self._speed
        self._info = replace(session.tracker, kind="replay", rate_hz=session.recording.rate_hz)
        self._begun_us = self._sent = 0

    @classmethod
    def open(cls, setup: TrackerSetup) -> ReplayTracker:
        """Read the session."""
        return cls(setup)

    @property
    def info(self) -> TrackerInfo:
        """The tracker that made the session."""
        return self._info

    def facts(self) -> dict[str, Any]:
        """Return what is played."""
        return {"replayed": self._file.name, "replay_speed": self._speed}

    def start(self, put: Put) -> None:
        """Play from the beginning."""
        self._begun_us, self._sent = self.now_us(), 0
        super().start(put)

    def reconnect(self) -> bool:
        """Say that a recording which has ended does not come back."""
        raise TrackerError(f"the replayed session {self._file.name} has ended; nothing more can come of it")

    def deliver(self, put: Put) -> bool:
        """Put the samples that are due; at the end, say so."""
        due = int(np.searchsorted(self._due_us, self.now_us() - self._begun_us, side="right"))
        if due > self._sent:
            block = self._rows[self._sent : due].copy()
            elapsed: Index = np.round(self._due_us[self._sent : due]).astype(np.int64)
            block["system_time_us"] = self._begun_us + elapsed
            put("gaze", block)
            self._sent = due
        if self._sent < len(self._rows):
            return True
        put("notifications", {"system_time_us": self.now_us(), "kind": "replay_ended", "text": self._file.name})
        return False
