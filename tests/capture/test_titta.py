"""TittaPy as a back end: the real package as far as it goes without a device, its arrays, a session over a stand-in."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.capture import titta
from gazekit.capture.recorder import Recorder
from gazekit.capture.settings import TrackerSection
from gazekit.capture.titta import MODULES, TittaSdk, gaze_rows, openness_rows
from gazekit.capture.tobii import TobiiTracker, sdk
from gazekit.capture.tracker import TrackerGone, TrackerSetup
from gazekit.core.errors import TrackerError
from gazekit.screen import Screen
from gazekit.session import open_session
from gazekit.session.finalise import recover
from gazekit.session.journal import JournalWriter
from tests.fixtures.fake_titta import FakeTitta, FakeTracker, gaze_arrays, named, now_us
from tests.needs import need


@pytest.fixture(params=MODULES)
def real(request: pytest.FixtureRequest) -> Any:
    need(importlib.util.find_spec(MODULES[request.param]), "TittaPy")
    return TittaSdk(request.param)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeTitta:
    module = FakeTitta()
    for name in MODULES.values():
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    return module


def opened(screen: Screen, **settings: Any) -> TobiiTracker:
    return TobiiTracker.open(TrackerSetup(TrackerSection(kind="tobii", sdk="titta", **settings), screen))


def test_the_real_package_keeps_the_clock_and_answers(real: TittaSdk) -> None:
    """Import, clock, discovery, and the error of a tracker that is not there: all that goes without a device."""
    assert real.__version__.split(".")[0] == {"titta": "2", "titta-v1": "1"}[real.name]
    apart = min(abs(real.get_system_time_stamp() - time.monotonic_ns() // 1000) for _ in range(5))
    assert apart < 1000
    assert real.find_all_eyetrackers() == []
    with pytest.raises((titta.EyeTrackerConnectionFailedError, titta.EyeTrackerOperationFailedError), match="code: 20"):
        real.EyeTracker("tet-tcp://127.0.0.1")


def test_the_stand_in_has_the_names_of_the_real_package(real: TittaSdk) -> None:
    module = importlib.import_module(MODULES[real.name])
    ours = {name for name in vars(FakeTracker) if not name.startswith("_")}
    ours |= {"model", "serial_number", "device_name", "firmware_version", "supported_frequencies", "supported_modes"}
    assert ours - set(dir(module.EyeTracker)) == set()
    theirs = {"get_SDK_version", "get_system_timestamp", "start_logging", "get_log", "find_all_eye_trackers"}
    assert theirs <= set(dir(module))
    for kind, names in {
        "capability": FakeTitta().capabilities,
        "calibration_status": ("success", "failure"),
        "calibration_eye_validity": ("valid_and_used",),
        "notification_type": ("connection_lost", "connection_restored", "display_area_changed"),
        "external_signal_change_type": ("value_changed", "initial_value", "connection_restored"),
        "license_validation_result": ("ok",),
    }.items():
        assert set(names) <= set(getattr(module, kind).__members__)
    assert set(module.EyeTracker.stream.__members__) >= {"gaze", "time_sync", "positioning", "notification"}


def test_arrays_become_rows() -> None:
    first, second = gaze_arrays(0, 100), gaze_arrays(100, 130)
    second["left_gaze_point_available"][3] = second["right_gaze_point_available"][3] = False  # openness alone
    rows = gaze_rows([first, second])
    assert len(rows) == 129
    assert rows["device_time_us"][:2].tolist() == [1_000_000, 1_001_667]
    assert rows["left_gaze"][10] == pytest.approx([0.31, 0.5])
    assert np.isnan(rows["left_gaze"][49]).tolist() == [True, False]
    assert rows["left_valid"][48:50].tolist() == [True, False]
    assert rows["right_pupil_mm"][0] == pytest.approx(3.01)
    assert rows["left_origin_mm"].shape == (129, 3)
    assert len(openness_rows([first, gaze_arrays(0, 9, openness=False)])) == 100
    assert openness_rows([first])["left_openness_mm"][0] == 9


def test_auto_takes_the_vendors_layer_where_it_is(fake: FakeTitta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tobii_research", None)  # cannot be imported
    assert sdk("auto").name == "titta"
    assert sdk("titta-v1").name == "titta-v1"
    vendor = object()
    monkeypatch.setitem(sys.modules, "tobii_research", vendor)  # type: ignore[arg-type]
    assert sdk("auto") is vendor
    monkeypatch.setitem(sys.modules, "tobii_research", None)
    for name in MODULES.values():
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TrackerError, match=r"gazekit\[tobii\]"):
        sdk("auto")


def test_a_tracker_is_found_set_and_read(fake: FakeTitta, screen: Screen, tmp_path: Path) -> None:
    tracker = opened(screen, rate_hz=1200)
    assert (tracker.info.kind, tracker.info.serial, tracker.info.rate_hz) == ("tobii", "TPS-1", 1200)
    assert tracker.facts()["sdk"] == "2.1.0.1 (titta 2.1.0)"
    with pytest.raises(TrackerError, match="not among what this tracker offers"):
        opened(screen, rate_hz=250)
    with pytest.raises(TrackerGone, match=r"ConnectionFailed.*code: 204"):
        opened(screen, address="tet-tcp://10.0.0.9")
    corners = ((-260.0, 310.0, 0.0), (260.0, 310.0, 0.0), (-260.0, 14.0, 0.0))
    opened(screen, display_area=corners)
    assert fake.area["bottom_right"] == [260.0, 14.0, 0.0]
    (tmp_path / "key").write_bytes(b"bad")
    with pytest.raises(TrackerError, match="refused: expired"):
        opened(screen, license=tmp_path / "key")


def test_every_sample_of_every_stream_comes_through(fake: FakeTitta, screen: Screen, tmp_path: Path) -> None:
    tracker = opened(screen)
    path = tmp_path / "P01.gaze.journal"
    header = {
        "participant": "P01", "name": "n", "task": "t", "started_utc": "", "screen": vars(screen),
        "tracker": vars(tracker.info),
    }  # fmt: skip
    recorder = Recorder(JournalWriter(path, header), tracker.converters, tracker.info.rate_hz)
    tracker.start(recorder.put)
    device = fake.tracker
    assert device.running == {"notification", "time_sync", "positioning", "external_signal", "gaze"}
    for part in range(3):
        with tracker._device._lock:
            device.waiting["gaze"] = [gaze_arrays(100 * part, 100 * part + 100)]
        tracker._device.fetch()
    with tracker._device._lock:
        device.waiting["time_sync"] = [(1, 2, 3)]
        device.waiting["external_signal"] = [(1, 2, 7, named("initial_value"))]
        device.waiting["positioning"] = [(0.5, 0.5, 0.5, True, 0.4, 0.5, 0.6, False)]
        device.waiting["notification"] = [(now_us(), named("gaze_output_frequency_changed"), 60.0, None, None)]
        error = {"error": named("user_error"), "source": named("user"), "message": "m", "system_time_stamp": 5}
        fake.log = [{"level": named("error"), "message": "no stream's", "system_time_stamp": 4}, error]
    tracker._device.fetch()
    device.waiting["notification"] = [(now_us(), named("display_area_changed"), None, {}, None)]
    device.waiting["gaze"] = [gaze_arrays(300, 310)]
    tracker.stop()  # what waits is delivered first
    assert device.running == set()
    device.waiting["gaze"] = [gaze_arrays(310, 320)]
    time.sleep(0.05)
    recorder.close({"complete": True})
    session = open_session(recover(path).session)
    assert len(session.recording) == 310
    assert session.streams["eye_openness"]["left_openness_mm"].tolist() == [9.0] * 310
    assert session.streams["time_sync"].values.tolist() == [[1, 2, 3]]
    assert session.streams["external_signal"][["value", "change"]].values.tolist() == [[7, 1]]
    assert session.streams["user_position"]["right_z"].tolist() == pytest.approx([0.6])
    notices = session.streams["notifications"]
    assert notices["kind"].tolist() == ["gaze_output_frequency_changed", "display_area_changed"]
    assert "60.0" in notices["text"][0]
    assert session.streams["stream_errors"]["kind"].tolist() == ["user_error"]


def test_openness_that_is_refused_is_a_stream_error(fake: FakeTitta, screen: Screen) -> None:
    fake.refuses = {"eye_openness"}
    tracker = opened(screen)
    delivered: list[tuple[str, Any]] = []
    tracker.start(lambda stream, item: delivered.append((stream, item)))
    tracker.stop()
    assert [item["source"] for stream, item in delivered if stream == "stream_errors"] == ["eye_openness"]
    fake.refuses = {"gaze"}
    with pytest.raises(TrackerError, match="INSUFFICIENT_LICENSE"):
        tracker.start(lambda stream, item: None)
    tracker.stop()


def test_a_calibration(fake: FakeTitta, screen: Screen) -> None:
    fake.left_behind = True  # by an earlier program
    fake.refuse_collect = 1
    tracker = opened(screen)
    calibrator = tracker.calibrator("both")
    assert calibrator is not None
    assert not calibrator.collect(0.1, 0.1)
    assert calibrator.collect(0.5, 0.5)
    assert calibrator.collect(0.9, 0.9)
    calibrator.discard(0.9, 0.9)
    calibration = calibrator.compute()
    calibrator.leave()
    assert (calibration.status, calibration.blob) == ("success", b"calibration of the fake")
    assert [point.target for point in calibration.points] == [(0.5, 0.5)]
    assert calibration.points[0].left_used.tolist() == [True, True]
    assert calibration.points[0].right_used.tolist() == [False, False]
    assert not fake.tracker.calibrating
    one_eye = tracker.calibrator("left")
    assert one_eye is not None
    one_eye.collect(0.5, 0.5)
    assert fake.tracker.collected == [([0.5, 0.5], "left")]
    one_eye.leave()
    tracker.apply(b"saved")
    assert fake.blob == b"saved"
    with pytest.raises(TrackerError, match="empty calibration"):
        tracker.apply(b"")


def test_a_lost_connection_comes_back_with_what_was_set(fake: FakeTitta, screen: Screen) -> None:
    tracker = opened(screen)
    tracker.apply(b"saved")
    tracker.start(lambda stream, item: None)
    first = fake.tracker
    first.waiting["notification"] = [(now_us(), named("connection_lost"), None, None, None)]
    tracker._device.fetch()
    assert not tracker.alive()
    fake.unreachable = True
    assert not tracker.reconnect()
    fake.unreachable, fake.frequency, fake.blob = False, 60.0, b"another"
    assert tracker.reconnect()
    assert tracker.alive()
    differences = tracker.restore()
    assert [line.split(" was")[0] for line in differences] == ["frequency", "the calibration"]
    assert (fake.frequency, fake.blob) == (600.0, b"saved")
    assert fake.tracker is not first
    tracker.stop()


def test_a_calibration_that_was_never_read_is_said_after_a_reconnection(fake: FakeTitta, screen: Screen) -> None:
    tracker = opened(screen)
    tracker.start(lambda stream, item: None)
    fake.blob = b"another"
    assert tracker.reconnect()
    assert tracker.restore() == ["the calibration cannot be compared: that of before was never read"]
    assert tracker.restore() == []
    tracker.stop()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SE_CONNECTION_FAILED", TrackerGone),
        ("SE_FIRMWARE_NO_RESPONSE", TrackerGone),
        ("SE_TIMED_OUT", TrackerGone),
        ("SE_CALIBRATION_BUSY", TrackerError),
        ("SE_OPERATION_FAILED", TrackerError),
    ],
)
def test_what_a_refused_call_of_a_calibration_answers_says_whether_the_tracker_has_gone(
    fake: FakeTitta, screen: Screen, name: str, kind: type[TrackerError]
) -> None:
    """Of one that has gone the session waits; of one that refuses it ends."""
    calibrator = opened(screen).calibrator("both")
    assert calibrator is not None
    fake.tracker.calibration_discard_data = lambda *_: fake.tracker._answer(299, name)  # type: ignore[method-assign]
    with pytest.raises(TrackerError, match=r"discarding a calibration target.*code: 299") as caught:
        calibrator.discard(0.5, 0.5)
    assert type(caught.value) is kind


def test_an_answer_without_a_status_is_a_refusal_in_its_own_words() -> None:
    error = titta._error_of("Titta::cpp Error: no such\n stream")
    assert isinstance(error, titta.EyeTrackerOperationFailedError)
    assert str(error) == "no such stream"


def test_a_calibration_that_cannot_be_computed_is_a_failure(fake: FakeTitta, screen: Screen) -> None:
    calibrator = opened(screen).calibrator("both")
    assert calibrator is not None
    tracker = fake.tracker
    tracker.calibration_compute_and_apply = lambda: tracker._answer(214, "SE_OPERATION_FAILED")  # type: ignore[method-assign]
    calibration = calibrator.compute()
    assert (calibration.status, calibration.points, calibration.blob) == ("failure", (), b"")


def test_a_tracker_that_goes_while_it_computes_is_waited_for(fake: FakeTitta, screen: Screen) -> None:
    """It is no failure of the calibration, which would be made again at once."""
    calibrator = opened(screen).calibrator("both")
    assert calibrator is not None
    tracker = fake.tracker
    tracker.calibration_compute_and_apply = lambda: tracker._answer(204, "SE_CONNECTION_FAILED")  # type: ignore[method-assign]
    with pytest.raises(TrackerGone, match="computing the calibration"):
        calibrator.compute()


def test_a_tracker_that_does_not_answer_in_a_calibration_has_gone(
    fake: FakeTitta, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrator = opened(screen).calibrator("both")
    assert calibrator is not None
    monkeypatch.setattr(titta, "_ANSWER_S", 0.01)
    fake.tracker.calibration_collect_data = lambda *_: None  # type: ignore[method-assign]
    with pytest.raises(TrackerGone, match=r"calibration_collect_data: no answer within 0\.01 s"):
        calibrator.collect(0.5, 0.5)


def test_a_stream_has_one_subscriber_who_may_leave_while_he_is_told(fake: FakeTitta, screen: Screen) -> None:
    """Also in the thread that fetches, which cannot wait for its own end."""
    tracker = opened(screen)
    device = tracker._device
    told = threading.Event()

    def leave(item: Any) -> None:
        device.unsubscribe_from("gaze")
        told.set()

    device.unsubscribe_from("gaze")  # there is nothing to leave
    device.subscribe_to("gaze", leave)
    with pytest.raises(titta.EyeTrackerInvalidOperationError, match="already"):
        device.subscribe_to("gaze", leave)
    fetching = device._thread
    fake.tracker.waiting["gaze"] = [gaze_arrays(0, 10)]
    assert told.wait(5)
    fetching.join(5)
    assert not fetching.is_alive()
    assert fake.tracker.running == set()
    device.subscribe_to("gaze", leave)  # another thread fetches
    assert device._thread is not fetching
    device.unsubscribe_from("gaze")


def test_fetching_outlasts_a_device_that_is_away_for_a_while(fake: FakeTitta, screen: Screen) -> None:
    device = opened(screen)._device
    away, back = threading.Event(), threading.Event()
    fetch = fake.tracker.consume_N

    def consume(stream: str, *arguments: Any) -> dict[str, Any]:
        if not away.is_set():
            away.set()
            raise fake.error(204, "SE_CONNECTION_FAILED")
        return fetch(stream, *arguments)

    fake.tracker.consume_N = consume  # type: ignore[method-assign]
    fake.tracker.waiting["gaze"] = [gaze_arrays(0, 10)]
    device.subscribe_to("gaze", lambda item: back.set())
    assert away.wait(5)
    assert back.wait(5)
    device.unsubscribe_from("gaze")


def test_notifications_go_on_until_the_last_kind_is_left(fake: FakeTitta, screen: Screen) -> None:
    device = opened(screen)._device
    kinds = [f"eyetracker_notification_{name}" for name in ("connection_lost", "calibration_changed")]
    for kind in kinds:
        device.subscribe_to(kind, lambda item: None)
    device.unsubscribe_from(kinds[0])
    assert fake.tracker.running == {"notification"}
    device.unsubscribe_from(kinds[1])
    assert fake.tracker.running == set()


def test_a_name_that_the_sdk_does_not_have_is_no_attribute(fake: FakeTitta) -> None:
    assert TittaSdk("titta").EYETRACKER_NOTIFICATION_CONNECTION_LOST == "eyetracker_notification_connection_lost"
    assert not hasattr(TittaSdk("titta"), "EYETRACKER_EYE_IMAGES")


def test_eye_openness_is_left_out_where_the_study_does_not_want_it(fake: FakeTitta, screen: Screen) -> None:
    fake.capabilities = ("has_gaze_data", "can_do_screen_based_calibration")
    delivered: list[str] = []
    tracker = opened(screen)
    tracker.start(lambda stream, item: delivered.append(stream))
    assert fake.tracker.running == {"notification", "time_sync", "positioning", "gaze"}
    assert not fake.tracker.openness
    fake.tracker.waiting["gaze"] = [gaze_arrays(0, 10)]
    tracker.stop()
    assert delivered == ["gaze"]
    with pytest.raises(TrackerError, match="cannot calibrate one eye alone"):
        tracker.calibrator("right")


@pytest.mark.parametrize(("found", "named_so"), [(True, " ([tracker] sdk = 'titta-v1')"), (False, None)])
def test_older_trackers_are_looked_for_with_the_older_module(
    fake: FakeTitta, monkeypatch: pytest.MonkeyPatch, found: bool, named_so: str | None
) -> None:
    """One that both modules see is listed once; where the older module does not load, the newer one's are all."""
    monkeypatch.setitem(sys.modules, "tobii_research", None)
    older = FakeTitta() if found else None
    if older is not None:
        facts = {"model": "TX300", "serial_number": "TX-7", "address": "tet-tcp://10.0.0.7", "device_name": "old"}
        both = [*older.find_all_eye_trackers(), facts]
        older.find_all_eye_trackers = lambda: both  # type: ignore[method-assign]
    monkeypatch.setitem(sys.modules, MODULES["titta-v1"], older)  # type: ignore[arg-type]
    names = {tracker.serial: tracker.name for tracker in TobiiTracker.find()}
    assert names.pop("TPS-1") == "lab"
    assert names == ({"TX-7": f"old{named_so}"} if found else {})
