"""TittaPy (Niehorster, Andersson & Nystrom 2020) under the names of the vendor's Python layer.

TittaPy's wheels hold the vendor's SDK and run on every current CPython. It buffers samples in C++, from where a thread
fetches them here as arrays; its calls of a calibration are queued and answered later. What `TobiiTracker` asks of
``tobii_research`` it can ask of `TittaSdk`, so that both back ends are one tracker. Its C++ core cannot stand on a fake
device: `gazekit trackers --check` is for that.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from gazekit.capture.tobii_streams import CONVERTERS
from gazekit.capture.tracker import Converter
from gazekit.session.samples import EYE_OPENNESS, SAMPLE, SIDES, Block

MODULES = {"titta": "TittaPy_v2", "titta-v1": "TittaPy_v1"}
_POLL_S = 0.01
_ANSWER_S = 30.0  # for the answer to a call of a calibration
_STATUS = re.compile(r"(?:code:? *)(\d+): TOBII_RESEARCH_STATUS_(?:SE_)?(\w+)")
_GONE = ("CONNECTION_FAILED", "NOT_AVAILABLE", "FIRMWARE_NO_RESPONSE", "TIMED_OUT")
_NOT_NOW = ("CALIBRATION_ALREADY_STARTED", "CALIBRATION_NOT_STARTED", "CALIBRATION_BUSY", "INVALID_OPERATION")
_GAZE = {
    "gaze": ("gaze_point_on_display_area", "xy"),
    "gaze_mm": ("gaze_point_in_user_coordinates", "xyz"),
    "origin_mm": ("gaze_origin_in_user_coordinates", "xyz"),
    "pupil_mm": ("pupil_diameter", ""),
    "valid": ("gaze_point_valid", ""),
    "pupil_valid": ("pupil_valid", ""),
    "origin_valid": ("gaze_origin_valid", ""),
}
Arrays = Mapping[str, Any]
Callback = Callable[[Any], None]


class EyeTrackerConnectionFailedError(Exception):
    """The device does not answer."""


class EyeTrackerInvalidOperationError(Exception):
    """The device cannot do this now."""


class EyeTrackerOperationFailedError(Exception):
    """The device refuses."""


def gaze_rows(items: Sequence[Arrays]) -> Block:
    """Return gaze (a dictionary of arrays for each time it was fetched) as `SAMPLE` rows; infinities become NaN.

    Rows that hold the openness of the eyes only, to which no gaze came, are left out.
    """
    blocks = []
    for item in items:
        here = np.asarray(item["left_gaze_point_available"], bool) | np.asarray(
            item["right_gaze_point_available"], bool
        )
        block = np.empty(int(here.sum()), dtype=SAMPLE)
        block["device_time_us"], block["system_time_us"] = (item[f"{c}_time_stamp"][here] for c in ("device", "system"))
        for side in SIDES:
            for name, (key, axes) in _GAZE.items():
                columns = [np.asarray(item[f"{side}_{key}{axis}"])[here] for axis in [f"_{a}" for a in axes] or [""]]
                values = np.stack(columns, axis=-1) if axes else columns[0]
                block[f"{side}_{name}"] = (
                    np.where(np.isfinite(values), values, np.nan) if values.dtype.kind == "f" else values
                )
        blocks.append(block)
    return np.concatenate(blocks)


def openness_rows(items: Sequence[Arrays]) -> Block:
    """Return the openness of the eyes, which comes with the gaze, mm; samples without are left out."""
    blocks = []
    for item in items:
        here = np.asarray(item["left_eye_openness_available"], bool) | np.asarray(
            item["right_eye_openness_available"], bool
        )
        block = np.empty(int(here.sum()), dtype=EYE_OPENNESS)
        block["device_time_us"], block["system_time_us"] = (item[f"{c}_time_stamp"][here] for c in ("device", "system"))
        for side in SIDES:
            block[f"{side}_openness_mm"] = item[f"{side}_eye_openness_diameter"][here]
            block[f"{side}_valid"] = item[f"{side}_eye_openness_valid"][here]
        blocks.append(block)
    return np.concatenate(blocks)


class TittaSdk:
    """One of TittaPy's two modules: ``titta`` (SDK 2) or ``titta-v1`` (SDK 1.11, for T60, TX300 and the X series).

    Raises
    ------
    ImportError
        It is not installed, or does not load (its Linux wheels need glibc 2.34).
    """

    CONVERTERS: Mapping[str, Converter] = {**CONVERTERS, "gaze": gaze_rows, "eye_openness": openness_rows}
    #: the calibration can be read in calibration mode only
    READS_CALIBRATION_AT_ONCE = False
    EYETRACKER_GAZE_DATA = "gaze"
    EYETRACKER_EYE_OPENNESS_DATA = "eye_openness"
    EYETRACKER_EXTERNAL_SIGNAL = "external_signal"
    EYETRACKER_TIME_SYNCHRONIZATION_DATA = "time_sync"
    EYETRACKER_USER_POSITION_GUIDE = "positioning"
    EYETRACKER_STREAM_ERRORS = "stream_errors"
    CAPABILITY_HAS_EXTERNAL_SIGNAL = "has_external_signal"
    CAPABILITY_HAS_EYE_OPENNESS_DATA = "has_eye_openness_data"
    CAPABILITY_CAN_DO_SCREEN_BASED_CALIBRATION = "can_do_screen_based_calibration"
    CAPABILITY_CAN_DO_MONOCULAR_CALIBRATION = "can_do_monocular_calibration"
    CALIBRATION_STATUS_FAILURE = "calibration_status_failure"
    SELECTED_EYE_LEFT, SELECTED_EYE_RIGHT = "left", "right"
    EyeTrackerConnectionFailedError = EyeTrackerConnectionFailedError
    EyeTrackerInvalidOperationError = EyeTrackerInvalidOperationError

    def __init__(self, name: str) -> None:
        self.name = name
        self._module = importlib.import_module(MODULES[name])
        package = str(self._module.__version__).strip('"')
        self.__version__ = f"{self._module.get_SDK_version()} ({name} {package})"
        self._module.start_logging()  # the errors of streams come that way, from a tracker that is opened later

    def __getattr__(self, name: str) -> Any:
        if name.startswith("EYETRACKER_NOTIFICATION_"):
            return name.lower()
        raise AttributeError(name)

    def get_system_time_stamp(self) -> int:
        """Read the SDK's system clock, microseconds."""
        return int(self._module.get_system_timestamp())

    def find_all_eyetrackers(self) -> list[SimpleNamespace]:
        """Find the trackers that can be reached (about two seconds)."""
        with _said():
            return [SimpleNamespace(**facts) for facts in self._module.find_all_eye_trackers()]

    def EyeTracker(self, address: str) -> TittaDevice:
        """Connect to the tracker at an address."""
        with _said():
            return TittaDevice(self._module, self._module.EyeTracker(address), address)

    def DisplayArea(self, corners: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
        """Return the area with these three corners, mm, as TittaPy takes it."""
        area = {name: [float(value) for value in corner] for name, corner in corners.items()}
        across = zip(area["bottom_left"], area["top_right"], area["top_left"], strict=True)
        return area | {"bottom_right": [bottom + right - left for bottom, right, left in across]}

    def ScreenBasedCalibration(self, device: TittaDevice) -> TittaCalibration:
        """Return the calibration of both eyes."""
        return TittaCalibration(device, monocular=False)

    def ScreenBasedMonocularCalibration(self, device: TittaDevice) -> TittaCalibration:
        """Return the calibration of one eye."""
        return TittaCalibration(device, monocular=True)


class TittaDevice:
    """A tracker that is connected; from the first subscription on a thread fetches what has come."""

    def __init__(self, module: Any, tracker: Any, address: str) -> None:
        self._module, self.tracker, self.address = module, tracker, address
        self._subscribers: dict[str, Callback] = {}
        self._lock = threading.RLock()  # of the subscribers, and of fetching
        self._thread: threading.Thread | None = None
        self._done = threading.Event()
        for name in ("model", "serial_number", "device_name", "firmware_version"):
            setattr(self, name, str(getattr(tracker, name)))

    @property
    def device_capabilities(self) -> tuple[str, ...]:
        """What the device can do, as the constants of `TittaSdk` name it."""
        with _said():
            return tuple(str(capability.name) for capability in self.tracker.capabilities)

    def get_all_gaze_output_frequencies(self) -> list[float]:
        """Return the frequencies that it offers, Hz."""
        with _said():
            return [float(value) for value in self.tracker.supported_frequencies]

    def get_gaze_output_frequency(self) -> float:
        """Return its frequency, Hz."""
        with _said():
            return float(self.tracker.frequency)

    def set_gaze_output_frequency(self, value: float) -> None:
        """Set its frequency, Hz."""
        with _said():
            self.tracker.frequency = value

    def get_all_eye_tracking_modes(self) -> list[str]:
        """Return the modes that it offers."""
        with _said():
            return [str(mode) for mode in self.tracker.supported_modes]

    def get_eye_tracking_mode(self) -> str:
        """Return its mode."""
        with _said():
            return str(self.tracker.tracking_mode)

    def set_eye_tracking_mode(self, value: str) -> None:
        """Set its mode."""
        with _said():
            self.tracker.tracking_mode = value

    def get_display_area(self) -> SimpleNamespace:
        """Return its display area: corners, width and height, mm."""
        with _said():
            return SimpleNamespace(**self.tracker.display_area)

    def set_display_area(self, area: Mapping[str, Any]) -> None:
        """Set its display area, as `TittaSdk.DisplayArea` returns it."""
        with _said():
            self.tracker.display_area = dict(area)

    def apply_licenses(self, key: bytes) -> list[SimpleNamespace]:
        """Apply a licence; return those that were refused."""
        with _said():
            answers = self.tracker.apply_licenses([list(key)])
        return [SimpleNamespace(validation_result=answer.name) for answer in answers if answer.name != "ok"]

    def retrieve_calibration_data(self) -> bytes:
        """Return the calibration that it works with; calibration mode is entered for that where it is not on."""
        with self._calibrating() as calibration:
            return bytes(calibration.answer("calibration_get_data").get("calibration_data") or b"")

    def apply_calibration_data(self, blob: bytes) -> None:
        """Work with a calibration that was saved."""
        if not blob:  # TittaPy would never answer
            raise EyeTrackerOperationFailedError("an empty calibration cannot be applied")
        with self._calibrating() as calibration:
            calibration.answer("calibration_apply_data", list(blob))

    @contextlib.contextmanager
    def _calibrating(self) -> Any:
        calibration = TittaCalibration(self, monocular=False)
        if self.tracker.is_in_calibration_mode(False):
            yield calibration
            return
        calibration.enter_calibration_mode()
        try:
            yield calibration
        finally:
            calibration.leave_calibration_mode()

    def subscribe_to(self, stream: str, callback: Callback, as_dictionary: bool = True) -> None:
        """Pass what a stream delivers to a callback: gaze and openness as arrays, all else one by one."""
        with self._lock:
            if stream in self._subscribers:
                raise EyeTrackerInvalidOperationError(f"there is a subscription to {stream} already")
            if stream == "eye_openness":  # comes in the rows of the gaze
                with _said():
                    self.tracker.set_include_eye_openness_in_gaze(True)
            elif stream == "gaze":
                self._start_gaze()
            elif stream != "stream_errors":
                with _said():
                    self.tracker.start(_stream_of(stream))
            self._subscribers[stream] = callback
            if self._thread is None:
                self._done.clear()
                self._thread = threading.Thread(target=self._run, name="TittaPy", daemon=True)
                self._thread.start()

    def _start_gaze(self) -> None:
        """Start gaze; where the openness that was asked for with it is refused, that is a stream error."""
        try:
            with _said():
                self.tracker.start("gaze")
        except EyeTrackerOperationFailedError as error:
            if self._subscribers.pop("eye_openness", None) is None:
                raise
            with _said():
                self.tracker.set_include_eye_openness_in_gaze(False)
                self.tracker.start("gaze")
            text = {"error": "stream_error_refused", "source": "eye_openness", "message": str(error)}
            self._tell("stream_errors", {"system_time_stamp": int(self._module.get_system_timestamp()), **text})

    def unsubscribe_from(self, stream: str, callback: Callback | None = None) -> None:
        """Stop a stream; what came before is delivered, and nothing after this returns."""
        with self._lock:
            if stream not in self._subscribers:
                return
            shared = stream.startswith("eyetracker_notification") and any(
                other != stream and other.startswith("eyetracker_notification") for other in self._subscribers
            )
            try:
                if stream not in ("stream_errors", "eye_openness") and not shared:
                    with _said():
                        self.tracker.stop(_stream_of(stream), False)
                self.fetch()
            finally:
                del self._subscribers[stream]
                last = not self._subscribers
        if last and self._thread is not None:
            self._done.set()
            if self._thread is not threading.current_thread():
                self._thread.join()
            self._thread = None

    def fetch(self) -> None:
        """Fetch what has come of every stream, and pass it on."""
        with self._lock:
            streams = {_stream_of(stream) for stream in self._subscribers}
            if "gaze" in streams:
                arrays = self.tracker.consume_N("gaze", sys.maxsize)
                if len(arrays["device_time_stamp"]):
                    self._tell("gaze", arrays)
                    if "eye_openness" in self._subscribers and np.any(arrays["left_eye_openness_available"]):
                        self._tell("eye_openness", arrays)
            for stream in ("time_sync", "external_signal", "positioning"):
                if stream in streams:
                    for item in _one_by_one(self.tracker.consume_N(stream, sys.maxsize)):
                        self._tell(stream, _as_vendor(stream, item))
            if "notification" in streams:
                self._fetch_notifications()
            if "stream_errors" in streams:
                for error in map(_stream_error, self._module.get_log(True)):
                    if error is not None:
                        self._tell("stream_errors", error)

    def _fetch_notifications(self) -> None:
        try:
            items = _one_by_one(self.tracker.consume_N("notification", sys.maxsize))
        except TypeError:  # TittaPy cannot hand out a display area; that one was changed is all that is known
            stamp = int(self._module.get_system_timestamp())
            items = [{"system_time_stamp": stamp, "notification_type": SimpleNamespace(name="display_area_changed")}]
        for item in items:
            kind = f"eyetracker_notification_{item.pop('notification_type').name}"
            known = {name: value for name, value in item.items() if value is not None}
            self._tell(kind, {"notification_type": kind, **known})

    def _tell(self, stream: str, item: Any) -> None:
        callback = self._subscribers.get(stream)
        if callback is not None:
            callback(item)

    def _run(self) -> None:
        while not self._done.wait(_POLL_S):
            with contextlib.suppress(RuntimeError):  # of a device that has gone; its silence is noticed
                self.fetch()


@dataclass
class TittaCalibration:
    """The calibration of a device: each call is queued by TittaPy, and waits here for its answer."""

    device: TittaDevice
    monocular: bool

    def enter_calibration_mode(self) -> None:
        """Enter calibration mode.

        Raises
        ------
        EyeTrackerInvalidOperationError
            It is on already.
        """
        tracker = self.device.tracker
        self._drop_answers()
        with _said():
            if not tracker.enter_calibration_mode(self.monocular):
                raise EyeTrackerInvalidOperationError("calibration mode is on already")
        self._await("entering calibration mode")

    def leave_calibration_mode(self) -> None:
        """Leave calibration mode, whoever entered it."""
        with _said():
            self.device.tracker.leave_calibration_mode(True)
        self._drop_answers()

    def collect_data(self, x: float, y: float, eye: str | None = None) -> str:
        """Collect at a target; blocks until the device has its samples."""
        try:
            self.answer("calibration_collect_data", [x, y], eye)
        except EyeTrackerOperationFailedError:
            return TittaSdk.CALIBRATION_STATUS_FAILURE
        return "calibration_status_success"

    def discard_data(self, x: float, y: float, eye: str | None = None) -> None:
        """Forget a target."""
        self.answer("calibration_discard_data", [x, y], eye)

    def compute_and_apply(self) -> SimpleNamespace:
        """Compute the calibration and apply it; return status and points as the vendor's layer does."""
        try:
            result = self.answer("calibration_compute_and_apply").get("calibration_result")
        except EyeTrackerOperationFailedError:
            result = None
        if result is None:
            return SimpleNamespace(status=TittaSdk.CALIBRATION_STATUS_FAILURE, calibration_points=())
        points = tuple(_calibration_point(point) for point in result["points"])
        return SimpleNamespace(status=f"calibration_status_{result['status'].name}", calibration_points=points)

    def answer(self, call: str, *arguments: Any) -> Mapping[str, Any]:
        """Make a call and wait for its answer.

        Raises
        ------
        EyeTrackerConnectionFailedError, EyeTrackerInvalidOperationError, EyeTrackerOperationFailedError
            By the status that the device answers.
        """
        self._drop_answers()
        with _said():
            getattr(self.device.tracker, call)(*arguments)
        return self._await(call)

    def _await(self, call: str) -> Mapping[str, Any]:
        end = time.monotonic() + _ANSWER_S
        while (result := self.device.tracker.calibration_retrieve_result()) is None:
            if time.monotonic() > end:
                raise EyeTrackerConnectionFailedError(f"{call}: no answer within {_ANSWER_S:g} s")
            time.sleep(0.002)
        if result["status"]:
            raise _error_of(str(result["status_string"]))
        answer: Mapping[str, Any] = result
        return answer

    def _drop_answers(self) -> None:
        while self.device.tracker.calibration_retrieve_result() is not None:
            pass


def _stream_of(stream: str) -> str:
    """Return TittaPy's stream that carries one of the vendor's."""
    if stream == "eye_openness":
        return "gaze"
    return "notification" if stream.startswith("eyetracker_notification") else stream


def _one_by_one(arrays: Arrays) -> list[dict[str, Any]]:
    names = list(arrays)
    columns = [values.tolist() if isinstance(values, np.ndarray) else values for values in arrays.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _as_vendor(stream: str, item: dict[str, Any]) -> dict[str, Any]:
    """Return an item of a slow stream with the keys of the vendor's layer."""
    if stream == "external_signal":
        return item | {"change_type": f"external_signal_change_type_{item['change_type'].name}"}
    if stream == "positioning":
        return {
            key: value
            for side in SIDES
            for key, value in (
                (f"{side}_user_position", tuple(item[f"{side}_user_position_{axis}"] for axis in "xyz")),
                (f"{side}_user_position_validity", item[f"{side}_user_position_valid"]),
            )
        }
    return item


def _stream_error(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an entry of the log that is the error of a stream; None where it is a message."""
    if "error" not in entry:
        return None
    names = {
        key: f"stream_error_{entry[key].name}" if key == "error" else entry[key].name for key in ("error", "source")
    }
    return {"system_time_stamp": int(entry["system_time_stamp"]), **names, "message": str(entry["message"])}


def _calibration_point(point: Mapping[str, Any]) -> SimpleNamespace:
    eyes = {
        side: [
            SimpleNamespace(position_on_display_area=(x, y), validity=f"validity_{validity.name}")
            for x, y, validity in zip(
                *(point[f"samples_{side}_position_on_display_area_{axis}"] for axis in "xy"),
                point[f"samples_{side}_validity"],
                strict=True,
            )
        ]
        for side in SIDES
    }
    samples = [SimpleNamespace(left_eye=left, right_eye=right) for left, right in zip(*eyes.values(), strict=True)]
    place = (point["position_on_display_area_x"], point["position_on_display_area_y"])
    return SimpleNamespace(position_on_display_area=place, calibration_samples=samples)


@contextlib.contextmanager
def _said() -> Any:
    """Turn the RuntimeError of TittaPy into one whose name says what kind of thing it is."""
    try:
        yield
    except RuntimeError as error:
        raise _error_of(str(error)) from error


def _error_of(text: str) -> Exception:
    words = " ".join(text.removeprefix("Titta::cpp Error: ").split())
    status = _STATUS.search(words)
    name = status[2] if status else ""
    kind: type[Exception] = EyeTrackerOperationFailedError
    if name in _GONE:
        kind = EyeTrackerConnectionFailedError
    elif name in _NOT_NOW:
        kind = EyeTrackerInvalidOperationError
    return kind(words)
