"""The recorder by itself: what comes in order and out of order, and what nobody expects."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.capture.pulse import Pulse
from gazekit.capture.recorder import Recorder
from gazekit.capture.tobii_streams import CONVERTERS
from gazekit.core.errors import OutputError
from gazekit.events import data_quality
from gazekit.session import open_session
from gazekit.session.clock import find_gaps, fit_clock
from gazekit.session.finalise import recover
from gazekit.session.journal import JournalWriter
from gazekit.session.samples import TIME_SYNC
from tests.fixtures.fake_tobii import gaze_dictionary
from tests.fixtures.gazes import SCREEN
from tests.fixtures.journals import HEADER


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(JournalWriter(tmp_path / "P01.gaze.journal", HEADER), CONVERTERS, 600.0)


def test_a_delivery_that_cannot_be_understood_is_kept_and_the_rest_goes_on(recorder: Recorder) -> None:
    samples = [gaze_dictionary(n, 600, 0) for n in range(20)]
    broken = {"device_time_stamp": 5, "surprise": True}
    for n, sample in enumerate([*samples[:10], broken, *samples[10:]]):
        recorder.put("gaze", sample)
        if n == 10:
            recorder.put("time_sync", {"no": "stamps"})
    recorder.close({})
    session = open_session(recover(recorder.journal.path).session)
    assert len(session.recording) == 20
    errors = session.streams["stream_errors"]
    assert errors["kind"].tolist() == ["not_understood", "not_understood"]
    assert "'surprise': True" in errors["text"].iloc[0]
    assert len(recorder.notices) == 2


def test_deliveries_of_many_threads_all_arrive(recorder: Recorder) -> None:
    def work(k: int) -> None:
        for n in range(k * 500, k * 500 + 500):
            recorder.put("gaze", gaze_dictionary(n, 600, 0))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close({})
    recording = open_session(recover(recorder.journal.path).session).recording
    expected = sorted(gaze_dictionary(n, 600, 0)["device_time_stamp"] for n in range(2000))
    assert sorted(recording.device_time_us.tolist()) == expected


def test_gaps_and_disorder_are_counted_live(recorder: Recorder) -> None:
    for n in (0, 1, 2, 10, 11, 5, 12):
        recorder.put("gaze", gaze_dictionary(n, 600, 0))
    recorder.flush()
    counts = recorder.counts
    # 2 -> 10 lacks seven; 11 -> 5 goes back; 5 -> 12 lacks six by the stamps
    assert (counts.samples, counts.gaps, counts.missing, counts.out_of_order) == (7, 2, 13, 1)
    recorder.close({})
    report = recover(recorder.journal.path)
    assert report.out_of_order == 1
    assert "1 sample has an earlier stamp than the one before: see gazekit quality" in report.sentences()
    assert data_quality(open_session(report.session).recording, SCREEN)["out_of_order"].tolist() == [1, 1, 1]


def test_whatever_ends_the_writer_is_said_to_the_session(recorder: Recorder) -> None:
    recorder.put("no such stream", {})
    recorder.put("gaze", gaze_dictionary(0, 600, 0))
    recorder.flush()
    recorder.check()  # an unknown stream is kept among the stream errors
    recorder.journal._file.close()
    recorder.put("gaze", gaze_dictionary(1, 600, 0))
    recorder.flush()
    with pytest.raises(OutputError, match=r"cannot be written any more.*gazekit recover"):
        recorder.check()
    recorder.close()


def test_an_outlet_that_fails_does_not_end_the_recording(tmp_path: Path) -> None:
    class Broken:
        def push(self, rows: Any) -> None:
            raise RuntimeError("the network is gone")

        def mark_event(self, event: Any) -> None:
            raise RuntimeError("the network is gone")

    journal = JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    recorder = Recorder(journal, CONVERTERS, 600.0, Broken())  # type: ignore[arg-type]
    for n in range(5):
        recorder.put("gaze", gaze_dictionary(n, 600, 0))
        recorder.flush()
    recorder.check()
    recorder.close({})
    assert recover(journal.path).samples == 5
    assert list(recorder.notices) == ["LSL outlet stopped: the network is gone"]


def test_the_clock_is_fitted_through_the_fast_round_trips(rng: np.random.Generator) -> None:
    device = np.arange(600, dtype=np.int64) * 1_000_000
    true = device + 7_000 + 25e-6 * device
    there, back = rng.exponential(40, 600) + 100, rng.exponential(40, 600) + 100
    there[::10] += 9_000  # the host was busy: slow, lopsided round trips
    rows = np.zeros(600, dtype=TIME_SYNC)
    rows["device_us"] = device
    rows["request_us"], rows["response_us"] = np.round(true - there), np.round(true + back)
    clock = fit_clock(rows)
    assert clock.drift == pytest.approx(25e-6, abs=2e-8)
    assert np.abs(clock.to_system(device) - true).max() < 15
    assert clock.residual_us < 40


@pytest.mark.parametrize(("stamps", "missing"), [([], []), ([0], []), ([0, 10, 20], []), ([0, 10, 50, 60, 90], [3, 2])])
def test_gaps_are_found_from_the_devices_stamps(stamps: list[int], missing: list[int]) -> None:
    device = np.array(stamps, dtype=np.int64) * 1000
    table = find_gaps(device, device + 5, 100.0)
    assert table["missing"].tolist() == missing


def test_a_stream_beside_gaze_that_falls_silent_is_noted_once_and_so_is_its_return(recorder: Recorder) -> None:
    sync = {"system_request_time_stamp": 1, "device_time_stamp": 2, "system_response_time_stamp": 3}
    for second in range(30):
        for n in range(600 * second, 600 * second + 600):
            recorder.put("gaze", gaze_dictionary(n, 600, 0))
        if not 5 <= second < 20:
            recorder.put("time_sync", sync)
        recorder.flush()
    recorder.close({})
    report = recover(recorder.journal.path)
    errors = open_session(report.session).streams["stream_errors"]
    assert list(zip(errors["kind"], errors["text"], strict=True)) == [("silent", "time_sync"), ("back", "time_sync")]
    silent, back = errors["system_time_us"]
    assert 7.99e6 < silent < 9e6  # three steps after the last; within that second as the writer came to it
    assert 19.99e6 < back < 21e6
    assert list(recorder.notices) == ["time_sync is silent", "time_sync is back"]
    assert "fell silent: time_sync (stream_errors says when)" in report.sentences()


def test_a_stream_that_is_slow_after_a_quick_start_is_noted_once() -> None:
    pulse, now_s, silences = Pulse(), 0.0, 0
    for step_s in (0.1, 0.1, 0.1, *[30.0] * 6):
        for _ in range(10):
            now_s += step_s / 10
            silences += pulse.falls_silent(now_s)
        pulse.beat(now_s)
    assert silences == 1
