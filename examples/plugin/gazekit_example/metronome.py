"""A tracker: eyes that rest in the middle of the screen, sixty times a second."""

import numpy as np

from gazekit.capture.tracker import Put, ThreadedTracker, TrackerSetup, joined
from gazekit.session import TrackerInfo
from gazekit.session.samples import empty_samples

INTERVAL_US = 16_667


class Metronome(ThreadedTracker):
    """Deliver a sample every 16.667 ms; both eyes are valid and see the middle of the screen."""

    converters = {"gaze": joined}

    @classmethod
    def open(cls, setup: TrackerSetup) -> "Metronome":
        """Make one; nothing has to be set."""
        return cls()

    @property
    def info(self) -> TrackerInfo:
        """Who it is."""
        return TrackerInfo("metronome", "example", "0", "1", 60.0, "only")

    def start(self, put: Put) -> None:
        """Begin now."""
        self._next_us = self.now_us()
        super().start(put)

    def deliver(self, put: Put) -> bool:
        """Put the samples that are due."""
        due = (self.now_us() - self._next_us) // INTERVAL_US + 1
        if due > 0:
            samples = empty_samples(due)
            samples["device_time_us"] = samples["system_time_us"] = self._next_us + INTERVAL_US * np.arange(due)
            for side in ("left", "right"):
                samples[f"{side}_gaze"], samples[f"{side}_valid"] = 0.5, True
            self._next_us += INTERVAL_US * due
            put("gaze", samples)
        return True
