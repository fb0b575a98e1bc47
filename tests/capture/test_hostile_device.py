"""The vendor's real Python layer over a device that answers what it can: a session file or one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fixtures import fake_tobii
from tests.fixtures.fake_tobii import FakeDevice
from tests.fixtures.hostile_device import CALLS, HANGS_S, PHASES, STATUSES, hostile_session, hostile_study
from tests.fixtures.session_study import MakeStudy

SOME = [
    (str(call), int(status), str(phase))
    for rng in (np.random.default_rng(15),)
    for call, status, phase in zip(rng.choice(CALLS, 12), rng.choice(STATUSES, 12), rng.choice(PHASES, 12), strict=True)
]


@pytest.fixture
def device() -> FakeDevice:
    vendor: tuple[Any, FakeDevice] = fake_tobii.install()
    return vendor[1]


@pytest.mark.parametrize(("call", "status", "phase"), SOME)
def test_whatever_a_call_answers_a_session_ends_in_a_file_or_a_message(
    device: FakeDevice, make_study: MakeStudy, tmp_path: Path, call: str, status: int, phase: str
) -> None:
    outcome = hostile_session(device, hostile_study(make_study), tmp_path / "out", call, status, phase)
    assert outcome["ended"] in ("session file", "message")
    assert outcome["seconds"] < HANGS_S
    if outcome["ended"] == "message":
        assert "Traceback" not in outcome["text"]
        assert len(outcome["text"]) > 30


@pytest.mark.parametrize("stream", [2, 3, 4, 5, 7, 8])
def test_a_stream_beside_gaze_that_is_refused_is_a_note(
    device: FakeDevice, make_study: MakeStudy, tmp_path: Path, stream: int
) -> None:
    outcome = hostile_session(device, hostile_study(make_study), tmp_path, f"subscribe_to:{stream}", 202, "start")
    assert outcome["ended"] == "session file", outcome
    assert outcome["pictures"] == 1
    from gazekit.session import open_session

    errors = open_session(tmp_path / "P01.gaze.h5").streams["stream_errors"]
    assert errors["kind"].tolist() == ["refused"]
    assert "FeatureNotSupported" in errors["text"].iloc[0]
