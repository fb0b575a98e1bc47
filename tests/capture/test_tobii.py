"""The Tobii tracker: the vendor's real Python layer over a fake native module (CPython 3.10 only)."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import State
from gazekit.capture.settings import TrackerSection
from gazekit.capture.tracker import TrackerSetup
from gazekit.core.errors import TrackerError
from gazekit.screen import Screen
from gazekit.session import open_session
from gazekit.session.finalise import recover
from gazekit.session.journal import JournalWriter
from gazekit.study import read_study
from tests.fixtures import fake_tobii
from tests.fixtures.fake_tobii import FakeDevice, Stream, gaze_dictionary, pressing_space


@pytest.fixture
def vendor() -> tuple[Any, FakeDevice]:
    return fake_tobii.install()


def open_tobii(screen: Screen, base: Path = Path("."), **settings: Any) -> Any:
    from gazekit.capture.tobii import TobiiTracker

    return TobiiTracker(TrackerSetup(TrackerSection(kind="tobii", **settings), screen, base))


def recorder_for(tracker: Any, path: Path, screen: Screen) -> Recorder:
    header = {
        "participant": "P01",
        "name": "n",
        "task": "t",
        "started_utc": "",
        "screen": vars(screen),
        "tracker": vars(tracker.info),
    }
    return Recorder(JournalWriter(path, header), tracker.converters, tracker.info.rate_hz)


def test_without_the_sdk_the_advice_is_an_environment_of_310(screen: Screen) -> None:
    if sys.version_info[:2] == (3, 10):
        pytest.skip("on CPython 3.10 the SDK is there")
    with pytest.raises(TrackerError, match=r"CPython 3\.10 only.*-m venv lab.*sdk = 'titta'"):
        open_tobii(screen, sdk="tobii-research")


def test_the_only_tracker_is_taken_and_its_settings_are_read(vendor: tuple[Any, FakeDevice], screen: Screen) -> None:
    tracker = open_tobii(screen, rate_hz=1200, mode="human")
    assert vendor[1].frequency == 1200.0
    assert tracker.info.serial == "TPS-1"
    assert (tracker.info.rate_hz, tracker.info.mode, tracker.info.firmware) == (1200.0, "human", "2.6")
    assert tracker.facts()["display_area_mm"]["bottom_right"] == [263.5, 14.0, 20.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate_hz": 250}, r"rate_hz = 250.0 is not among .*1200"),
        ({"mode": "cat"}, r"mode = 'cat' is not among .*human"),
        ({"serial": "X"}, "no eye tracker with the serial number X; found Tobii Pro Spectrum TPS-1"),
        ({"address": "tet-tcp://nowhere"}, "connecting to tet-tcp://nowhere: the eye tracker answers ConnectionFailed"),
    ],
    ids=["rate", "mode", "serial", "address"],
)
def test_what_the_tracker_does_not_offer_is_named(
    vendor: tuple[Any, FakeDevice], screen: Screen, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(TrackerError, match=message):
        open_tobii(screen, **settings)


def test_of_two_trackers_one_must_be_named(vendor: tuple[Any, FakeDevice], screen: Screen) -> None:
    vendor[1].trackers.append(FakeDevice.facts("TPS-2", "tet-tcp://10.0.0.2"))
    with pytest.raises(TrackerError, match=r"2 eye trackers found .*TPS-2.*choose with"):
        open_tobii(screen)
    assert open_tobii(screen, serial="TPS-2").info.serial == "TPS-2"
    assert open_tobii(screen, address="tet-tcp://10.0.0.2").info.serial == "TPS-2"


def test_no_tracker_is_said(vendor: tuple[Any, FakeDevice], screen: Screen) -> None:
    vendor[1].unreachable = True
    with pytest.raises(TrackerError, match="no eye trackers found; is it switched on"):
        open_tobii(screen)


def test_a_display_area_of_another_size_is_refused_or_set(vendor: tuple[Any, FakeDevice], screen: Screen) -> None:
    vendor[1].area = {"top_left": (0.0, 300.0, 0.0), "top_right": (400.0, 300.0, 0.0), "bottom_left": (0.0, 0.0, 0.0)}
    with pytest.raises(TrackerError, match=r"400 x 300 mm, the study's screen 527 x 296"):
        open_tobii(screen)
    corners = ((-263.5, 310.0, 20.0), (263.5, 310.0, 20.0), (-263.5, 14.0, 20.0))
    open_tobii(screen, display_area=corners)
    assert vendor[1].area["top_right"] == corners[1]


def test_a_refused_licence_says_why(vendor: tuple[Any, FakeDevice], screen: Screen, tmp_path: Path) -> None:
    (tmp_path / "lab.lic").write_bytes(b"key")
    open_tobii(screen, tmp_path, license="lab.lic")
    vendor[1].license_answers = [4]
    with pytest.raises(TrackerError, match=r"lab\.lic is refused: license_expired"):
        open_tobii(screen, tmp_path, license="lab.lic")
    with pytest.raises(TrackerError, match=r"none\.lic cannot be read"):
        open_tobii(screen, tmp_path, license="none.lic")


def test_every_sample_of_every_stream_comes_through(
    vendor: tuple[Any, FakeDevice], screen: Screen, tmp_path: Path
) -> None:
    device = vendor[1]
    tracker = open_tobii(screen)
    recorder = recorder_for(tracker, tmp_path / "P01.gaze.journal", screen)
    tracker.start(recorder.put)
    assert set(device.subscribers) == {1, 2, 3, 4, 5, 7, 8}
    sent = [gaze_dictionary(n, 600.0, 5_000_000) for n in range(700)]
    for sample in sent:
        device.deliver(fake_tobii.GAZE, sample)
    stamps = {"device_time_stamp": 9, "system_time_stamp": 10}
    device.deliver(fake_tobii.OPENNESS, stamps | _openness())
    device.deliver(
        fake_tobii.EXTERNAL, stamps | {"value": 3, "change_type": "external_signal_change_type_initial_value"}
    )
    device.deliver(
        fake_tobii.SYNC,
        {"system_request_time_stamp": 5, "device_time_stamp": 9, "system_response_time_stamp": 15},
    )
    device.deliver(fake_tobii.POSITION, _position())
    device.notify("stream_buffer_overflow")
    device.deliver(
        fake_tobii.ERRORS,
        {"system_time_stamp": 1, "error": "stream_error_internal_error", "source": "s", "message": "m"},
    )
    tracker.stop()
    assert not device.subscribers
    recorder.close({})
    session = open_session(recover(tmp_path / "P01.gaze.journal").session)
    assert len(session.recording) == 700
    left = session.recording.left
    np.testing.assert_array_equal(session.recording.device_time_us, [s["device_time_stamp"] for s in sent])
    np.testing.assert_array_equal(left.gaze, [s["left_gaze_point_on_display_area"] for s in sent])
    np.testing.assert_array_equal(left.origin_mm, [s["left_gaze_origin_in_user_coordinate_system"] for s in sent])
    np.testing.assert_array_equal(session.recording.right.valid, [bool(s["right_gaze_point_validity"]) for s in sent])
    streams = session.streams
    assert streams["eye_openness"]["left_openness_mm"].tolist() == [9.5]
    assert streams["external_signal"][["value", "change"]].to_numpy().tolist() == [[3, 1]]
    assert streams["time_sync"].to_numpy().tolist() == [[5, 9, 15]]
    assert streams["user_position"]["right_z"].tolist() == [0.6]
    assert streams["notifications"]["kind"].tolist() == ["stream_buffer_overflow"]
    assert streams["stream_errors"]["text"].tolist() == ["source: s; message: m"]


def _openness() -> dict[str, Any]:
    return {
        "left_eye_validity": 1,
        "left_eye_openness_value": 9.5,
        "right_eye_validity": 0,
        "right_eye_openness_value": 0.0,
    }


def _position() -> dict[str, Any]:
    return {
        "left_user_position": (0.4, 0.5, 0.6),
        "left_user_position_validity": 1,
        "right_user_position": (0.5, 0.5, 0.6),
        "right_user_position_validity": 1,
    }


@pytest.mark.parametrize("answer", ["failure", "no points"])
def test_a_failed_calibration_is_a_failure_not_a_crash(
    vendor: tuple[Any, FakeDevice], screen: Screen, answer: str
) -> None:
    vendor[1].calibration_answer = answer
    calibrator = open_tobii(screen).calibrator("both")
    calibrator.collect(0.5, 0.5)
    assert calibrator.compute().status.startswith("failure")
    calibrator.leave()
    assert not vendor[1].calibrating


def test_a_calibration_keeps_samples_and_blob_and_can_be_put_back(
    vendor: tuple[Any, FakeDevice], screen: Screen
) -> None:
    tracker = open_tobii(screen)
    calibrator = tracker.calibrator("both")
    vendor[1].refuse_collect = 1
    assert calibrator.collect(0.1, 0.1) is False
    for point in ((0.1, 0.1), (0.5, 0.5), (0.9, 0.9)):
        assert calibrator.collect(*point) is True
    calibrator.discard(0.5, 0.5)
    result = calibrator.compute()
    calibrator.leave()
    assert result.status == "success"
    assert [p.target for p in result.points] == [(0.1, 0.1), (0.9, 0.9)]
    np.testing.assert_allclose(result.points[0].left, [(0.11, 0.1)] * 3)
    assert result.points[0].left_used.all()
    assert not result.points[0].right_used.any()
    tracker.apply(result.blob)
    assert vendor[1].applied == b"calibration of the fake"


def test_one_eye_alone(vendor: tuple[Any, FakeDevice], screen: Screen) -> None:
    calibrator = open_tobii(screen).calibrator("left")
    assert calibrator.collect(0.5, 0.5) is True
    assert calibrator.compute().status == "success"
    capabilities = vendor[1].trackers[0]["device_capabilities"]
    vendor[1].trackers[0]["device_capabilities"] = capabilities[:-1]
    with pytest.raises(TrackerError, match="cannot calibrate one eye alone"):
        open_tobii(screen).calibrator("left")


def test_starting_twice_does_not_subscribe_twice(vendor: tuple[Any, FakeDevice], screen: Screen) -> None:
    tracker = open_tobii(screen)
    got: list[str] = []
    for _ in range(2):
        tracker.start(lambda stream, item: got.append(stream))
        vendor[1].deliver(fake_tobii.GAZE, gaze_dictionary(0, 600, 0))
        tracker.stop()
    assert got == ["gaze", "gaze"]


def test_a_lost_connection_comes_back_and_the_gap_is_in_the_file(
    vendor: tuple[Any, FakeDevice], make_study: Callable[..., Path], tmp_path: Path
) -> None:
    """A whole session: the device vanishes in a trial, comes back, and that trial is shown again."""
    from gazekit.capture import record

    device = vendor[1]
    study = make_study(kind="tobii", rate=600, tracker="", duration=300, pictures=3)
    with pressing_space(), Stream(device, 600.0) as stream:
        path = record(read_study(study), "P01", tmp_path / "out", watch=_break_once(device, stream))
    session = open_session(path)
    assert session.stimuli["image"].is_unique
    assert len(session.stimuli) == 3
    texts = "\n".join(session.messages["text"])
    assert "connection to the tracker lost" in texts
    assert "connection to the tracker restored" in texts
    assert session.streams["gaps"]["missing"].max() >= 60
    assert "connection_lost" in session.streams["notifications"]["kind"].tolist()
    steps = np.diff(session.recording.device_time_us)
    assert (steps > 0).all()
    assert session.calibrations[0].status == "success"
    assert session.display["sdk"] == "2.1.0-fake"


def test_a_connection_lost_in_the_calibration_starts_it_again(
    vendor: tuple[Any, FakeDevice], make_study: Callable[..., Path], tmp_path: Path
) -> None:
    from gazekit.capture import record

    device = vendor[1]
    study = make_study(kind="tobii", rate=600, tracker="", duration=200, pictures=1)
    threading.Thread(target=_vanish_in_calibration, args=(device,), daemon=True).start()
    with pressing_space(), Stream(device, 600.0):
        session = open_session(record(read_study(study), "P01", tmp_path / "out"))
    assert [c.status for c in session.calibrations] == ["success"]
    assert device.calls.count("calibration_enter_calibration_mode") == 2
    assert "connection to the tracker restored" in session.messages["text"].tolist()


def _vanish_in_calibration(device: FakeDevice) -> None:
    while len(device.collected) < 2:
        time.sleep(0.01)
    device.unreachable = True
    device.notify("connection_lost")
    time.sleep(0.8)
    device.unreachable = False


def _break_once(device: FakeDevice, stream: Stream) -> Callable[[Recorder, State], None]:
    """Lose the connection while the first picture is shown, for a third of a second."""

    def work(state: State) -> None:
        while state.phase != "picture":
            time.sleep(0.002)
        time.sleep(0.1)
        stream.skip = 10_000_000
        device.unreachable = True
        device.notify("connection_lost")
        time.sleep(0.3)
        device.unreachable = False
        stream.skip = 0

    def watch(recorder: Recorder, state: State) -> None:
        threading.Thread(target=work, args=(state,), daemon=True).start()

    return watch


FORGOTTEN = ("frequency", "mode", "display area", "calibration", "licence")


@pytest.mark.parametrize("case", range(int(os.environ.get("GAZEKIT_BENCH_RECONNECTIONS", "24"))))
def test_after_a_reconnection_everything_that_was_set_is_put_back_or_said(
    vendor: tuple[Any, FakeDevice], screen: Screen, tmp_path: Path, case: int
) -> None:
    rng, device = np.random.default_rng(case), vendor[1]
    device.forgets = {name for name in FORGOTTEN if rng.random() < 0.5}
    (tmp_path / "lab.lic").write_bytes(b"key")
    tracker = open_tobii(screen, tmp_path, rate_hz=1200, mode="human", license="lab.lic")
    calibrator = tracker.calibrator("both")
    calibrator.collect(0.5, 0.5)
    calibrator.compute()
    calibrator.leave()
    before = (device.frequency, device.mode, dict(device.area), device.blob)
    tracker.start(lambda stream, item: None)
    device.lose_connection()
    assert not tracker.alive()
    assert not tracker.reconnect()
    device.unreachable = False
    assert tracker.reconnect()
    assert tracker.alive()
    said = " ".join(tracker.restore())
    after = (device.frequency, device.mode, {k: tuple(v) for k, v in device.area.items()}, device.blob)
    assert after == before
    assert device.licensed
    assert all(name in said for name in device.forgets - {"licence"})
    assert ("60.0; 1200.0 is set again" in said) == ("frequency" in device.forgets)
    assert tracker.restore() == []


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("set_gaze_output_frequency", "frequency"),
        ("set_eye_tracking_mode", "mode"),
        ("set_display_area", "display area"),
        ("calibration_apply", "calibration"),
    ],
)
def test_a_setting_that_does_not_come_back_ends_the_session_rather_than_the_truth(
    vendor: tuple[Any, FakeDevice], screen: Screen, call: str, what: str
) -> None:
    device = vendor[1]
    tracker = open_tobii(screen, rate_hz=1200)
    calibrator = tracker.calibrator("both")
    calibrator.collect(0.5, 0.5)
    calibrator.compute()
    calibrator.leave()
    device.forgets = {"frequency", "mode", "display area", "calibration"}
    device.lose_connection()
    device.unreachable = False
    assert tracker.reconnect()
    device.statuses = {call: 0}  # it says yes and does nothing
    with pytest.raises(TrackerError, match=rf"the {what}|eye tracking {what}|{what} of the tracker cannot be set"):
        tracker.restore()


def test_a_device_that_was_left_in_calibration_mode_is_taken_out_of_it(
    vendor: tuple[Any, FakeDevice], screen: Screen
) -> None:
    device = vendor[1]
    tracker = open_tobii(screen)
    device.calibrating = True
    tracker.calibrator("both").leave()
    assert device.calls[-4:] == [
        "calibration_enter_calibration_mode",
        "calibration_leave_calibration_mode",
        "calibration_enter_calibration_mode",
        "calibration_leave_calibration_mode",
    ]


def test_a_device_that_cannot_be_calibrated_is_said_before_anything_is_shown(
    vendor: tuple[Any, FakeDevice], make_study: Callable[..., Path], tmp_path: Path
) -> None:
    from gazekit.capture import record

    facts = vendor[1].trackers[0]
    facts["device_capabilities"] = facts["device_capabilities"][:3]
    with pytest.raises(TrackerError, match=r"cannot be calibrated on a screen.*points = 0"):
        record(read_study(make_study(kind="tobii", rate=600)), "P01", tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_setting_that_the_device_has_already_need_not_be_settable(
    vendor: tuple[Any, FakeDevice], screen: Screen
) -> None:
    vendor[1].statuses = {"set_gaze_output_frequency": 202, "get_all_gaze_output_frequencies": 202}
    assert open_tobii(screen, rate_hz=600).info.rate_hz == 600.0


def test_what_another_program_changes_is_put_back_and_the_picture_is_shown_again(
    vendor: tuple[Any, FakeDevice], make_study: Callable[..., Path], tmp_path: Path
) -> None:
    from gazekit.capture import record

    device = vendor[1]

    def meddle(state: State) -> None:
        while state.phase != "picture":
            time.sleep(0.002)
        time.sleep(0.1)
        device.frequency = 60.0
        device.notify("gaze_output_frequency_changed", output_frequency=60.0)

    def watch(recorder: Recorder, state: State) -> None:
        threading.Thread(target=meddle, args=(state,), daemon=True).start()

    study = make_study(kind="tobii", rate=600, duration=400, pictures=2)
    with pressing_space(), Stream(device, 600.0):
        session = open_session(record(read_study(study), "P01", tmp_path / "out", watch=watch))
    texts = session.messages["text"].tolist()
    assert texts.count("another program changed the tracker: frequency was 60.0; 600.0 is set again") == 1
    assert device.frequency == 600.0
    assert len(session.validations) == 2
    assert len(session.stimuli) == 2
    assert session.validations[1].time_us < session.stimuli["onset_us"].iloc[0]
