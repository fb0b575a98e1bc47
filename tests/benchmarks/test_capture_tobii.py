"""1200 Hz through the vendor's Python layer (CPython 3.10), by hand with ``pytest -m benchmark``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.capture.recorder import Recorder
from gazekit.capture.settings import TrackerSection
from gazekit.capture.tracker import TrackerSetup
from gazekit.screen import Screen
from gazekit.session import open_session
from gazekit.session.finalise import recover
from gazekit.session.journal import JournalWriter
from tests.fixtures import fake_tobii

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(0)]
SECONDS = float(os.environ.get("GAZEKIT_BENCH_SECONDS", "60"))


def test_dictionaries_at_1200_hz(screen: Screen, tmp_path: Path) -> None:
    _, device = fake_tobii.install()
    from gazekit.capture.tobii import TobiiTracker

    tracker = TobiiTracker(TrackerSetup(TrackerSection(kind="tobii", rate_hz=1200), screen))
    header = {"participant": "P01", "name": "", "task": "", "started_utc": "", "screen": vars(screen)}
    journal = JournalWriter(tmp_path / "P01.gaze.journal", {**header, "tracker": vars(tracker.info)})
    recorder = Recorder(journal, tracker.converters, 1200.0)
    spent: list[int] = []

    def put(stream: str, item: Any) -> None:
        before = time.perf_counter_ns()
        recorder.put(stream, item)
        spent.append(time.perf_counter_ns() - before)

    tracker.start(put)
    with fake_tobii.Stream(device, 1200.0) as stream:
        time.sleep(SECONDS)
    tracker.stop()
    recorder.close({})
    recording = open_session(recover(journal.path).session).recording
    share = 100 * recorder.writer_cpu_s / SECONDS
    p95 = float(np.percentile(spent, 95)) / 1000
    print(
        f"\n{stream.sent} sent, {len(recording)} in the file; writer {share:.1f} % of a core; callback p95 {p95:.1f} us"
    )
    assert len(recording) == stream.sent
    assert (np.diff(recording.device_time_us) > 0).all()
    assert share <= 25
    assert p95 < 100
