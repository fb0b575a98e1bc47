"""The conformance kit: over the vendor's real Python layer and over TittaPy's stand-in; its traces answer again."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from gazekit.capture import conformance, tobii
from gazekit.capture.conformance import Trace, check_tracker, read_trace
from gazekit.capture.conformance_replay import ReplayedSdk
from gazekit.capture.settings import TrackerSection
from gazekit.capture.titta import TittaSdk
from gazekit.capture.tobii import TobiiTracker
from gazekit.capture.tracker import TrackerSetup
from gazekit.cli.trackers_ import command
from gazekit.core.errors import FormatError, TrackerError
from gazekit.screen import Screen
from tests.fixtures import fake_tobii
from tests.fixtures.fake_titta import FakeTitta, gaze_arrays, now_us

ADDRESS = "tet-tcp://10.0.0.1"


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may be too busy to hand gaze over within 100 ms, which is no fault of a device."""
    monkeypatch.setattr(conformance, "_LATE_MS", 30_000.0)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTitta]:
    """A device behind TittaPy's stand-in that delivers 600 Hz while it is asked to."""
    module = FakeTitta()
    monkeypatch.setitem(sys.modules, "TittaPy_v2", module)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "tobii_research", None)
    done = threading.Event()

    def deliver() -> None:
        sent, start = 0, 0
        while not done.wait(0.01):
            tracker = getattr(module, "tracker", None)
            if tracker is None or "gaze" not in tracker.running or tracker.waiting["gaze"]:
                continue
            start = start or now_us()
            rate = module.frequency * module.pace
            count = int((now_us() - start) * rate / 1e6)
            arrays = gaze_arrays(sent, count, rate_hz=rate)
            arrays["system_time_stamp"] = arrays["device_time_stamp"] - 1_000_000 + start - module.late_us
            for side in ("left", "right"):
                arrays |= {f"{side}_gaze_origin_in_user_coordinates_z": np.full(count - sent, 630.0)}
            tracker.waiting["gaze"], sent = [arrays], count
            tracker.waiting["time_sync"] += [(start, 1_000_000, start + 90)]

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    yield module
    done.set()
    thread.join()


def differences(trace: Trace) -> str:
    return "\n".join(trace.differences)


@pytest.mark.usefixtures("busy")
def test_a_device_as_expected_and_its_trace(device: FakeTitta, tmp_path: Path) -> None:
    device.blob = b"saved before"
    path = tmp_path / "trace.json"
    run = CliRunner().invoke(
        command, ["--check", ADDRESS, "--seconds", "1", "--out", str(path), "--json"], catch_exceptions=False
    )
    summary = json.loads(run.stdout)
    assert summary["differences"] == []
    assert summary["samples"] > 300
    assert device.blob == b"saved before"
    assert device.frequency == 600
    trace = read_trace(path)
    assert trace.header["measured_hz"] == pytest.approx(600, rel=0.01)
    assert {"set_gaze_output_frequency", "collect_data", "apply_calibration_data"} <= {c.name for c in trace.calls}
    assert "saved" not in path.read_text()
    assert ADDRESS not in path.read_text()
    assert path.stat().st_size < 60_000


def test_what_differs_is_said(device: FakeTitta) -> None:
    device.frequency = 601.0
    device.refuses = {"time_sync"}
    device.pace = 0.9
    device.late_us = 200_000
    device.area["width"] = 600.0
    device.refuse_collect = 1
    trace = check_tracker(ADDRESS, "titta", 0.5)
    late = "ms after its system stamp"
    for text in ("601.0, which is not among", "another size", "gaze comes with", late, "followed by"):
        assert text in differences(trace)
    assert {c.name: c.error for c in trace.calls}["subscribe_to time_sync"] == "EyeTrackerOperationFailedError"
    nobody = check_tracker("tet-tcp://10.0.0.9", "titta", 0.5)
    assert "cannot be connected to" in differences(nobody)
    assert nobody.streams == {}


def test_the_command_says_in_words_what_differs(device: FakeTitta, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    asked = ["--check", "tet-tcp://10.0.0.9", "--seconds", "1", "--sdk", "titta", "--no-calibration"]
    run = CliRunner().invoke(command, [*asked, "--out", str(path)], catch_exceptions=False)
    *lines, last = run.stdout.splitlines()
    assert lines
    assert all(line.startswith("differs: ") for line in lines)
    assert "cannot be connected to" in run.stdout
    assert last.endswith(f"0 samples of gaze; {len(lines)} is not as expected: {path}")
    assert read_trace(path).differences == [line.removeprefix("differs: ") for line in lines]


def test_a_trace_is_replayed_as_a_tracker(
    device: FakeTitta, screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_tracker(ADDRESS, "titta", 0.5).write(tmp_path / "trace.json")
    trace = read_trace(tmp_path / "trace.json")
    replayed = ReplayedSdk(trace)
    monkeypatch.setattr(tobii, "sdk", lambda choice="auto": replayed)
    tracker = TobiiTracker.open(TrackerSetup(TrackerSection(kind="tobii", rate_hz=1200), screen))
    assert (tracker.info.model, tracker.info.rate_hz) == ("Spectrum", 1200)
    delivered: list[Any] = []
    tracker.start(lambda stream, item: delivered.append((stream, item)))
    replayed.tracker.deliver()
    rows = tracker.converters["gaze"]([item for stream, item in delivered if stream == "gaze"])
    assert rows["device_time_us"].tolist() == trace.streams["gaze"].device_us.tolist()
    assert rows["left_valid"].sum() == (trace.streams["gaze"].valid & 1).sum() > 0
    assert np.isnan(rows["left_gaze"]).all()
    assert len(trace.streams["time_sync"].system_us) == sum(len(i) for s, i in delivered if s == "time_sync")
    calibrator = tracker.calibrator("both")
    assert calibrator is not None
    assert calibrator.collect(0.5, 0.5)
    tracker.stop()


def test_an_error_of_the_trace_comes_again(device: FakeTitta, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    device.refuses = {"gaze"}
    replayed = ReplayedSdk(check_tracker(ADDRESS, "titta", 0.5, calibrate=False))
    monkeypatch.setattr(tobii, "sdk", lambda choice="auto": replayed)
    tracker = TobiiTracker.open(TrackerSetup(TrackerSection(kind="tobii"), screen))
    with pytest.raises(TrackerError, match=r"OperationFailed.*INSUFFICIENT_LICENSE"):
        tracker.start(lambda stream, item: None)


@pytest.mark.usefixtures("busy")
def test_over_the_vendors_real_layer() -> None:
    module, vendor = fake_tobii.install()
    vendor.blob = b"saved before"
    with fake_tobii.Stream(vendor, 600):
        trace = check_tracker(ADDRESS, "tobii-research", 1.0, module=module)
    assert vendor.blob == b"saved before"
    assert [d for d in trace.differences if "time_sync" not in d] == []
    assert len(trace.streams["gaze"].device_us) > 400
    assert TittaSdk.CONVERTERS.keys() == TobiiTracker.__init__.__globals__["CONVERTERS"].keys()


@pytest.mark.parametrize("content", ["", "{}", '{"schema": "other"}', "[1"], ids=["empty", "bare", "other", "torn"])
def test_what_is_no_trace(content: str, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(content or " ")
    with pytest.raises(FormatError):
        read_trace(tmp_path / "t.json")
