"""The conformance kit: every call and stream of a real Tobii tracker, against what the code expects of it.

A trace holds what was called, what was answered, and when samples came; no place of gaze, no eye, no pupil, no
calibration. `gazekit.capture.conformance_replay` answers as a trace does, so that a lab's device can be a test here.
"""

from __future__ import annotations

import base64
import json
import platform
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gazekit.capture.tobii import NOTIFICATIONS, corners_of, sdk
from gazekit.capture.tobii_streams import CONVERTERS
from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.files import existing_file, write_text
from gazekit.core.progress import track
from gazekit.core.types import Floats, Index

SCHEMA = "gazekit.tracker-trace/1"
STREAMS = {
    "time_sync": "EYETRACKER_TIME_SYNCHRONIZATION_DATA",
    "user_position": "EYETRACKER_USER_POSITION_GUIDE",
    "external_signal": "EYETRACKER_EXTERNAL_SIGNAL",
    "eye_openness": "EYETRACKER_EYE_OPENNESS_DATA",
    "gaze": "EYETRACKER_GAZE_DATA",
}
_SETTINGS = (
    ("get_all_gaze_output_frequencies", "get_gaze_output_frequency", "set_gaze_output_frequency"),
    ("get_all_eye_tracking_modes", "get_eye_tracking_mode", "set_eye_tracking_mode"),
)
_RATE_TOLERANCE, _LATE_MS = 0.01, 100.0
_PUPIL_MM, _EYE_MM = (1.0, 10.0), (200.0, 2000.0)


@dataclass(frozen=True)
class Call:
    """One call: what was answered (JSON), or the kind and text of the error, and how long it took."""

    name: str
    arguments: list[Any]
    answer: Any = None
    error: str = ""
    text: str = ""
    ms: float = 0.0


@dataclass
class StreamTrace:
    """What a stream delivered: stamps, moments of arrival, and of gaze which eyes were valid; counts of what is odd."""

    name: str
    device_us: Index
    system_us: Index
    arrived_us: Index
    valid: Index  # of gaze: 1 left, 2 right
    odd: dict[str, int] = field(default_factory=dict)


@dataclass
class Trace:
    """What was found out about a tracker."""

    header: dict[str, Any]
    calls: list[Call] = field(default_factory=list)
    streams: dict[str, StreamTrace] = field(default_factory=dict)
    notifications: list[dict[str, Any]] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def write(self, path: str | Path) -> None:
        """Write the trace as one JSON file."""
        content = {
            "schema": SCHEMA,
            "header": self.header,
            "differences": self.differences,
            "calls": [asdict(call) for call in self.calls],
            "notifications": self.notifications,
            "streams": {
                name: {
                    "odd": stream.odd,
                    **{key: _packed(getattr(stream, key)) for key in ("device_us", "system_us", "arrived_us", "valid")},
                }
                for name, stream in self.streams.items()
            },
        }
        write_text(path, json.dumps(content, indent=1) + "\n")


def read_trace(path: str | Path) -> Trace:
    """Read a trace that `gazekit trackers --check` wrote.

    Raises
    ------
    InputError, FormatError
        No such file, or it is no trace.
    """
    path = existing_file(path, "trace of a tracker")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise FormatError(f"{path} has the schema {content['schema']!r}; {SCHEMA!r} was expected")
        columns = ("device_us", "system_us", "arrived_us", "valid")
        streams = {
            name: StreamTrace(name, odd=part["odd"], **{key: _unpacked(part[key]) for key in columns})
            for name, part in content["streams"].items()
        }
        calls = [Call(**call) for call in content["calls"]]
        return Trace(content["header"], calls, streams, content["notifications"], content["differences"])
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise FormatError(f"{path} is no trace of a tracker: {type(error).__name__} {error}") from error


def check_tracker(
    address: str, choice: str = "auto", seconds: float = 120.0, *, calibrate: bool = True, module: Any = None
) -> Trace:
    """Run every call and every stream of a Tobii tracker, and say what is not as the code expects.

    Frequency, mode and display area are set to what they are, other values and back; the calibration is read, replaced
    by one of a single target, and put back.

    Parameters
    ----------
    address : str
        The tracker's address, such as ``tet-tcp://10.0.0.1``.
    choice : str
        ``[tracker] sdk``.
    seconds : float
        How long the streams are watched.
    calibrate : bool
        Make the calls of a calibration too; without a person in front the answer is a failure, which is one.
    module : optional
        The SDK's module, where it is loaded already.

    Raises
    ------
    TrackerError
        The SDK cannot be used.
    """
    module = sdk(choice) if module is None else module
    trace = Trace(
        {
            "gazekit": version("gazekit"),
            "sdk": str(module.__version__),
            "layer": getattr(module, "name", "tobii-research"),
            "python": platform.python_version(),
            "system": platform.platform(),
            "seconds": seconds,
        }
    )
    check = _Check(module, trace)
    device = check.connect(address)
    if device is not None:
        check.settings(device)
        check.streams(device, seconds)
        if calibrate:
            check.calibration(device)
    return trace


class _Check:
    def __init__(self, module: Any, trace: Trace) -> None:
        self._module, self._trace = module, trace

    def _call(self, name: str, function: Callable[..., Any], *arguments: Any, hidden: bool = False) -> Any:
        """Make a call and note it; None where it fails, whatever it raises."""
        start = time.perf_counter()
        shown = [_plain(argument, hidden) for argument in arguments]
        try:
            answer = function(*arguments)
        except Exception as error:
            took = (time.perf_counter() - start) * 1000
            self._trace.calls.append(Call(name, shown, None, type(error).__name__, str(error)[:300], took))
            return None
        took = (time.perf_counter() - start) * 1000
        self._trace.calls.append(Call(name, shown, _plain(answer, hidden), ms=took))
        return answer

    def _expect(self, holds: object, text: str) -> None:
        if not holds:
            self._trace.differences.append(text)

    def connect(self, address: str) -> Any:
        clock = self._call("get_system_time_stamp", self._module.get_system_time_stamp)
        apart = None if clock is None else abs(clock - time.monotonic_ns() // 1000)
        self._trace.header["clock_apart_us"] = apart
        if platform.system() == "Linux":
            self._expect(apart is not None and apart < 5000, f"the system clock is {apart} us from CLOCK_MONOTONIC")
        devices = self._call("find_all_eyetrackers", self._module.find_all_eyetrackers) or []
        self._expect(address in [d.address for d in devices], f"discovery does not list {address}")
        device = self._call("EyeTracker", lambda: self._module.EyeTracker(address))
        self._expect(device is not None, f"{address} cannot be connected to: {self._trace.calls[-1].text}")
        if device is None:
            return None
        for name in ("model", "firmware_version", "device_capabilities"):
            value = self._call(name, lambda name=name: getattr(device, name))
            self._expect(value, f"{name} is empty")
            self._trace.header[name] = _plain(value)
        return device

    def settings(self, device: Any) -> None:
        for list_all, get, put in _SETTINGS:
            known = list(self._call(list_all, getattr(device, list_all)) or [])
            now = self._call(get, getattr(device, get))
            self._expect(now in known, f"{get} answers {now!r}, which is not among {known}")
            for value in [v for v in known if v != now] + [now]:
                self._call(put, getattr(device, put), value)
                back = self._call(get, getattr(device, get))
                self._expect(back == value, f"{put}({value!r}) is followed by {get} = {back!r}")
        area = self._call("get_display_area", device.get_display_area)
        if area is not None:
            corners = {name: np.array(values) for name, values in corners_of(area).items()}
            width = float(np.linalg.norm(corners["top_right"] - corners["top_left"]))
            height = float(np.linalg.norm(corners["top_left"] - corners["bottom_left"]))
            same = abs(width - area.width) < 1 and abs(height - area.height) < 1
            self._expect(same, f"the display area's corners say {width:.1f} x {height:.1f} mm, it says another size")
            three = {name: tuple(map(float, corners[name])) for name in ("top_left", "top_right", "bottom_left")}
            self._call("set_display_area", device.set_display_area, self._module.DisplayArea(three))
            again = self._call("get_display_area", device.get_display_area)
            unchanged = again is not None and corners_of(again) == corners_of(area)
            self._expect(unchanged, "the display area is another after it was set to what it was")

    def streams(self, device: Any, seconds: float) -> None:
        arrived: dict[str, list[tuple[int, Any]]] = {name: [] for name in (*STREAMS, "notifications", "stream_errors")}
        subscribed = []
        wanted = [("stream_errors", self._module.EYETRACKER_STREAM_ERRORS)]
        wanted += [("notifications", getattr(self._module, f"EYETRACKER_NOTIFICATION_{n}")) for n in NOTIFICATIONS]
        wanted += [(name, getattr(self._module, constant)) for name, constant in STREAMS.items()]
        rate = float(self._call("get_gaze_output_frequency", device.get_gaze_output_frequency) or np.nan)
        for name, stream in wanted:

            def put(item: Any, into: list[tuple[int, Any]] = arrived[name]) -> None:
                into.append((time.monotonic_ns() // 1000, item))

            self._call(f"subscribe_to {name}", device.subscribe_to, stream, put, True)
            if not self._trace.calls[-1].error:
                subscribed.append((name, stream, put))
        self._expect("gaze" in [name for name, *_ in subscribed], "gaze cannot be subscribed to")
        for _ in track(range(max(1, round(seconds))), "watching the streams", max(1, round(seconds))):
            time.sleep(min(1.0, seconds))
        for name, stream, put in subscribed:
            self._call(f"unsubscribe_from {name}", device.unsubscribe_from, stream, put)
        counts = {name: len(items) for name, items in arrived.items()}
        time.sleep(0.1)
        late = [name for name, items in arrived.items() if len(items) != counts[name]]
        self._expect(not late, f"{', '.join(late)} delivered after the subscription had ended")
        for name, *_ in subscribed:
            if name in STREAMS and name not in self._trace.streams:
                self._stream(name, arrived[name], rate)
        self._trace.notifications = [_plain(item) for _, item in arrived["notifications"]]
        self._trace.notifications += [_plain(item) for _, item in arrived["stream_errors"]]
        self._expect(not arrived["stream_errors"], f"{counted(len(arrived['stream_errors']), 'stream error')}")

    def _stream(self, name: str, items: Sequence[tuple[int, Any]], rate: float) -> None:
        converters = getattr(self._module, "CONVERTERS", CONVERTERS)
        given = [item if name != "user_position" else (moment, item) for moment, item in items]
        try:
            parts = [converters[name]([item]) for item in given]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            keys = sorted(items[0][1]) if isinstance(items[0][1], Mapping) else type(items[0][1]).__name__
            self._expect(False, f"{name} cannot be understood: {type(error).__name__} {error}; it holds {keys}")
            return
        moments = np.array([moment for moment, _ in items], dtype=np.int64)
        arrival = np.repeat(moments, [len(part) for part in parts])
        empty = np.empty(0, dtype=np.int64)
        trace = StreamTrace(name, empty, empty, arrival, empty)
        self._trace.streams[name] = trace
        if not parts:
            self._expect(name in ("external_signal", "eye_openness", "user_position"), f"{name} delivered nothing")
            return
        rows = np.concatenate(parts)
        fields = rows.dtype.names or ()
        trace.device_us = rows["device_time_us" if "device_time_us" in fields else fields[0]].astype(np.int64)
        trace.system_us = rows["system_time_us" if "system_time_us" in fields else fields[-1]].astype(np.int64)
        if name == "time_sync":
            trace.device_us, trace.system_us = rows["device_us"], rows["response_us"]
            self._expect((rows["request_us"] <= rows["response_us"]).all(), "time_sync: an answer before its request")
        if name == "gaze":
            trace.valid = rows["left_valid"].astype(np.int64) + 2 * rows["right_valid"].astype(np.int64)
            trace.odd = _odd(rows)
            for what, count in trace.odd.items():
                self._expect(not count, f"gaze: {count} of {len(rows)} samples have {what}")
            self._timing(trace, rate)

    def _timing(self, trace: StreamTrace, rate: float) -> None:
        steps = np.diff(trace.device_us)
        self._expect((steps > 0).all(), f"gaze: {int((steps <= 0).sum())} device stamps do not rise")
        if len(steps):
            measured = 1e6 * len(steps) / float(trace.device_us[-1] - trace.device_us[0])
            self._trace.header["measured_hz"] = measured
            near = abs(measured - rate) <= _RATE_TOLERANCE * rate
            self._expect(near, f"gaze comes with {measured:.2f} Hz; the device says {rate:g}")
            gaps = int((steps > 1.5e6 / rate).sum())
            self._expect(not gaps, f"gaze: {counted(gaps, 'gap')} in the device's stamps")
        lag: Floats = (trace.arrived_us - trace.system_us) / 1000
        late = float(np.quantile(lag, 0.95))
        self._trace.header["arrival_ms"] = {"median": float(np.median(lag)), "p95": late}
        self._expect(0 <= late <= _LATE_MS, f"gaze arrives {late:.1f} ms after its system stamp (p95)")

    def calibration(self, device: Any) -> None:
        blob = self._call("retrieve_calibration_data", device.retrieve_calibration_data, hidden=True)
        try:
            calibration = self._module.ScreenBasedCalibration(device)
        except Exception as error:
            self._expect(False, f"ScreenBasedCalibration cannot be made: {type(error).__name__} {error}")
            return
        enter, leave = calibration.enter_calibration_mode, calibration.leave_calibration_mode
        self._call("enter_calibration_mode", enter)
        entered = not self._trace.calls[-1].error
        self._expect(entered, f"calibration mode cannot be entered: {self._trace.calls[-1].text}")
        try:
            if entered:
                self._call("enter_calibration_mode again", enter)
                refused = self._trace.calls[-1].error
                self._expect(
                    "InvalidOperation" in refused, f"entering calibration mode twice answers {refused or 'ok'}"
                )
                for name, function, *arguments in (
                    ("collect_data", calibration.collect_data, 0.5, 0.5),
                    ("compute_and_apply", calibration.compute_and_apply),
                    ("discard_data", calibration.discard_data, 0.5, 0.5),
                ):
                    self._call(name, function, *arguments, hidden=name == "compute_and_apply")
                    kind = self._trace.calls[-1].error
                    known = not kind or (name == "compute_and_apply" and kind == "ValueError")
                    self._expect(known, f"{name} answers {kind}: {self._trace.calls[-1].text}")
        finally:
            self._call("leave_calibration_mode", leave)
            if blob:
                self._call("apply_calibration_data", device.apply_calibration_data, blob, hidden=True)
                back = self._call("retrieve_calibration_data", device.retrieve_calibration_data, hidden=True)
                self._expect(bytes(back or b"") == bytes(blob), "the calibration is another after it was put back")


def _odd(rows: Any) -> dict[str, int]:
    """Count samples with values that are not what they say."""
    counts = dict.fromkeys(("a valid eye without a place", "a pupil of no eye", "an eye at no distance"), 0)
    for side in ("left", "right"):
        place = np.isfinite(rows[f"{side}_gaze"]).all(axis=1)
        counts["a valid eye without a place"] += int((rows[f"{side}_valid"].astype(bool) & ~place).sum())
        pupil, distance = rows[f"{side}_pupil_mm"], np.linalg.norm(rows[f"{side}_origin_mm"], axis=1)
        wide = (pupil < _PUPIL_MM[0]) | (pupil > _PUPIL_MM[1]) | ~np.isfinite(pupil)
        counts["a pupil of no eye"] += int((rows[f"{side}_pupil_valid"].astype(bool) & wide).sum())
        far = (distance < _EYE_MM[0]) | (distance > _EYE_MM[1]) | ~np.isfinite(distance)
        counts["an eye at no distance"] += int((rows[f"{side}_origin_valid"].astype(bool) & far).sum())
    return counts


def _plain(value: Any, hidden: bool = False) -> Any:
    """Return an answer as JSON; of what belongs to a person only how much there is, of the device only its model."""
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": len(value)}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value)
    if hasattr(value, "calibration_points"):
        return {"status": str(value.status), "points": len(value.calibration_points)}
    if hasattr(value, "top_left"):
        return {**corners_of(value), "width": float(value.width), "height": float(value.height)}
    if hasattr(value, "address"):
        return {"model": str(getattr(value, "model", ""))}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [{"bytes": 1} if hidden else _plain(part) for part in value]
    return type(value).__name__ if callable(value) else str(value)


def _packed(values: Index) -> str:
    return base64.b85encode(zlib.compress(np.diff(values, prepend=0).astype("<i8").tobytes(), 9)).decode()


def _unpacked(text: str) -> Index:
    return np.cumsum(np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype="<i8")).astype(np.int64)
