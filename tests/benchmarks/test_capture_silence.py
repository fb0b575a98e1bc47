"""Silence at random moments, reconnections with settings lost, resumed sessions: the long bars, by hand.

``pytest -n 0 -s -m benchmark tests/benchmarks/test_capture_silence.py``; GAZEKIT_BENCH_SILENCES makes it shorter.
The reconnections and the resumed sessions are the tests of every day with GAZEKIT_BENCH_RECONNECTIONS=100
(tests/capture/test_tobii.py, CPython 3.10) and GAZEKIT_BENCH_RESUMED=60 (tests/capture/test_ledger.py).
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from gazekit.capture import record
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import State
from gazekit.screen import Screen
from gazekit.session import open_session
from gazekit.study import read_study
from tests.benchmarks.figures import record as record_figure
from tests.fixtures.hostile_trackers import SilentTracker
from tests.fixtures.session_study import MakeStudy

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(0)]
SILENCES = int(os.environ.get("GAZEKIT_BENCH_SILENCES", "100"))


def test_silence_at_random_moments(make_study: MakeStudy, screen: Screen, tmp_path: Path) -> None:
    study = read_study(make_study(duration=500, silence_ms=250))
    noticed_ms: list[float] = []
    for case in range(SILENCES):
        rng = np.random.default_rng(case)
        tracker = SilentTracker(screen)

        def disturb(
            recorder: Recorder, state: State, rng: np.random.Generator = rng, tracker: SilentTracker = tracker
        ) -> None:
            def work() -> None:
                while state.trial < 1:
                    time.sleep(0.001)
                time.sleep(float(rng.uniform(0, 1.6)))
                tracker.hush(float(rng.uniform(0.5, 1.5)))

            threading.Thread(target=work, daemon=True).start()

        session = open_session(record(study, f"P{case:03d}", tmp_path, headless=True, tracker=tracker, watch=disturb))
        lost = session.messages[session.messages["text"].str.startswith("connection to the tracker lost")]
        (start, _), *_ = tracker.silences
        noticed_ms.append((int(lost["time_us"].iloc[0]) - start) / 1000)
        assert sorted(session.stimuli["image"]) == ["p0.png", "p1.png", "p2.png", "p3.png"]
        for trial in session.trials():
            stamps = trial.recording.system_time_us
            assert np.diff(stamps, prepend=trial.onset_us, append=trial.offset_us).max() < 250_000
    record_figure(
        "capture",
        f"silence at {SILENCES} random moments",
        f"noticed within {float(np.median(noticed_ms)):.0f} ms (median), {max(noticed_ms):.0f} at worst; "
        f"of {4 * SILENCES} trials none passed empty (load {os.getloadavg()[0]:.0f})",
        data="simulated tracker in real time",
        bar="400 ms, none passed empty",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_capture_silence.py",
    )
    assert max(noticed_ms) <= 400
