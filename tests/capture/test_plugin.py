"""A tracker that a plug-in brings in one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gazekit.capture import record
from gazekit.capture.discovery import find_trackers, tracker_class, tracker_kinds
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, InputError
from gazekit.session import open_session
from gazekit.study import read_study
from tests.fixtures.plugins import Install
from tests.fixtures.session_study import MakeStudy

PLUGIN = """
import numpy as np
from gazekit.capture.tracker import FoundTracker, ThreadedTracker, joined
from gazekit.session import TrackerInfo
from gazekit.session.samples import empty_samples

class Webcam(ThreadedTracker):
    converters = {"gaze": joined}
    info = TrackerInfo("webcam", "a camera", "W-1", "", 100.0, "")
    pause_s = 0.01

    @classmethod
    def open(cls, setup):
        return cls()

    @classmethod
    def find(cls):
        return [FoundTracker("webcam", "a camera", "W-1", "usb")]

    def deliver(self, put):
        rows = empty_samples(1)
        rows["device_time_us"] = rows["system_time_us"] = self.now_us()
        rows["left_gaze"], rows["left_valid"] = 0.5, True
        put("gaze", rows)
        return True
"""


def test_a_tracker_of_a_plug_in_records(install: Install, make_study: MakeStudy, tmp_path: Path) -> None:
    install(PLUGIN, {"gazekit.trackers": {"webcam": "Webcam", "broken": "NoSuchClass"}})
    assert tracker_kinds() == ["tobii", "lsl", "replay", "simulated", "broken", "webcam"]
    path = make_study(kind="webcam", pictures=2, duration=200)
    path.write_text(path.read_text().replace("points = 5", "points = 0"))
    session = open_session(record(read_study(path), "P01", tmp_path / "out"))
    assert session.tracker.model == "a camera"
    assert len(session.stimuli) == 2
    assert np.isfinite(session.recording.left.gaze).all()
    found, notes = find_trackers()
    assert "W-1" in [tracker.serial for tracker in found]
    assert any("NoSuchClass" in note for note in notes)
    with pytest.raises(InputError, match="cannot be loaded"):
        tracker_class("broken")


def test_a_kind_that_nobody_brings_is_answered_with_the_close_ones(make_study: MakeStudy) -> None:
    with pytest.raises(ConfigError, match="did you mean simulated"):
        read_study(make_study(kind="simulatd"))


def test_a_tracker_that_nobody_brings_is_answered_with_the_close_ones_from_python_too() -> None:
    with pytest.raises(InputError, match=r"unknown kind of eye tracker 'tobi'.*tobii"):
        tracker_class("tobi")


def test_trackers_that_cannot_be_looked_for_are_said(install: Install) -> None:
    install(PLUGIN, {"gazekit.trackers": {"broken": "NoSuchClass"}})
    result = CliRunner().invoke(gazekit, ["trackers"])
    assert result.exit_code == 0
    assert "simulated" in result.stdout
    assert any(line.startswith("not looked for: ") and "NoSuchClass" in line for line in result.stderr.splitlines())
