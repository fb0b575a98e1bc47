"""What the tests of foreign files share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from gazekit.cli import gazekit
from gazekit.core.errors import GazekitError
from gazekit.formats.session_builder import message_table, stimulus_table
from gazekit.gaze import Eye, GazeRecording
from gazekit.screen import Screen
from gazekit.session import Calibration, CalibrationPoint, Clock, Session, TrackerInfo, Validation

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """Run the command line; the exit code of an error on purpose is 1, as at a terminal."""

    def call(*arguments: Any) -> Result:
        result = CliRunner().invoke(gazekit, [str(a) for a in arguments], standalone_mode=False)
        if isinstance(result.exception, GazekitError):
            result.exit_code = 1
        elif result.exception is not None:
            raise result.exception
        else:
            result.exit_code = result.return_value if isinstance(result.return_value, int) else 0
        return result

    return call


@pytest.fixture
def full_session(rng: np.random.Generator, screen: Screen) -> Session:
    """A session in which every part is filled, with NaN, odd characters and numbers to the last digit."""
    n = 600
    eyes = []
    for _ in range(2):
        gaze, pupil = rng.normal(0.5, 0.3, (n, 2)), rng.normal(3.5, 0.2, n)
        gaze[::17], pupil[::13] = np.nan, np.nan
        made = Eye.from_gaze(
            gaze, pupil_mm=pupil, origin_mm=rng.normal(0, 90, (n, 3)), gaze_mm=rng.normal(0, 9, (n, 3))
        )
        eyes.append(replace(made, valid=made.valid & (rng.random(n) < 0.9)))
    device = 7_000_000_000_000 + np.cumsum(rng.integers(1600, 1700, n))
    system = device + 123_456_789 + rng.integers(-3, 3, n)
    shown = [
        {"image": "reef/ray 1.jpg", "sha256": "ab" * 32, "onset_us": int(system[50]), "offset_us": int(system[250])},
        {"image": "täuschung", "onset_us": int(system[300]), "offset_us": int(system[550]), "response": 'good, "7"'},
    ]
    place = {"picture_width": 800, "picture_height": 600, "x": 100.1, "y": 1 / 3, "width": 1600.7, "height": 900.0}
    said = [(int(system[0]) - 5, "start"), (int(system[10]), 'key\t"a"\nline, two \\ n/a'), (int(system[599]), "n/a")]
    used = np.array([True, False, True])
    point = CalibrationPoint((0.1, 0.9), rng.random((3, 2)), np.full((3, 2), np.nan), used, ~used)
    quality = pd.DataFrame({"eye": ["left", "right"], "accuracy_deg": [0.1 + 0.2, np.nan], "samples": [5, 6]})
    stream = pd.DataFrame({"device_time_us": device[:4], "left_openness_mm": [9.5, np.nan, 1 / 3, 8.0]})
    notes = pd.DataFrame({"system_time_us": system[:2], "text": ["connection lost", ""]})
    return Session(
        participant="P 01",
        screen=screen,
        recording=GazeRecording(device, system, *eyes),
        name="morning",
        task="free viewing",
        tracker=TrackerInfo("tobii", "Spectrum", "TPSP1-1", "2.6", 600.0, "human"),
        started_utc="2026-11-21T20:00:00+00:00",
        stimuli=stimulus_table([row | place for row in shown]),
        messages=message_table(said),
        calibrations=(Calibration(int(system[0]), "success", (point,), b"\0blob\xff"), Calibration(5, "failure")),
        validations=(Validation(int(system[1]), quality, True), Validation(7, quality.iloc[:1], None)),
        clock=Clock(int(device[0]), 123_456_789.25, 1e-7, float("nan")),
        streams={"eye_openness": stream, "notifications": notes.astype({"text": "object"})},
        display={"refresh_hz": 59.94, "flips": [1, 2.5]},
        provenance={"schema": "gazekit.session/1", "parameters": {"seed": 3}, "inputs": {}},
    )


def assert_same_session(found: Session, expected: Session) -> None:
    """Everything is the same, to the last digit; a session file would hold the same."""
    for field in fields(Session):
        a, b = getattr(found, field.name), getattr(expected, field.name)
        if field.name in ("recording", "calibrations", "validations", "streams", "stimuli", "messages"):
            continue
        assert repr(a) == repr(b), field.name
    for name in ("device_time_us", "system_time_us"):
        np.testing.assert_array_equal(getattr(found.recording, name), getattr(expected.recording, name))
    for side in ("left", "right"):
        for field in fields(Eye):
            a, b = (getattr(getattr(s.recording, side), field.name) for s in (found, expected))
            np.testing.assert_array_equal(a, b, err_msg=f"{side}.{field.name}")
    assert list(found.streams) == list(expected.streams)
    tables = [(found.stimuli, expected.stimuli), (found.messages, expected.messages)]
    tables += [(found.streams[name], expected.streams[name]) for name in expected.streams]
    tables += [(a.table, b.table) for a, b in zip(found.validations, expected.validations, strict=True)]
    for a, b in tables:
        same_words = {name: "object" for name in b.columns if b[name].dtype.kind not in "iufb"}
        pd.testing.assert_frame_equal(
            a.astype(same_words), b.astype(same_words).reset_index(drop=True), check_exact=True
        )
    for a, b in zip(found.validations, expected.validations, strict=True):
        assert (a.time_us, a.passed) == (b.time_us, b.passed)
    for a, b in zip(found.calibrations, expected.calibrations, strict=True):
        assert (a.time_us, a.status, a.blob, len(a.points)) == (b.time_us, b.status, b.blob, len(b.points))
        for p, q in zip(a.points, b.points, strict=True):
            assert p.target == q.target
            for name in ("left", "right", "left_used", "right_used"):
                np.testing.assert_array_equal(getattr(p, name), getattr(q, name))
