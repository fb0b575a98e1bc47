"""Tobii eye trackers, by the vendor's SDK: ``tobii-research`` 2.x, or TittaPy (`gazekit.capture.titta`).

What is known of the SDK and heeded here: its callbacks may do nothing but append to a queue (its buffers hold 64
samples); an exception in a callback is lost; ``compute_and_apply`` without points raises a ValueError that speaks of
something else; the system clock is the SDK's own.
"""

from __future__ import annotations

import contextlib
import importlib
import platform
import sys
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gazekit.capture.settings import TrackerSection
from gazekit.capture.titta import TittaSdk
from gazekit.capture.tobii_calibration import TobiiCalibrator
from gazekit.capture.tobii_errors import speaking_of
from gazekit.capture.tobii_streams import CONVERTERS
from gazekit.capture.tracker import Calibrator, Converter, FoundTracker, Put, Tracker, TrackerSetup
from gazekit.core.errors import TrackerError
from gazekit.screen import Screen
from gazekit.session import TrackerInfo

NOTIFICATIONS = (
    "CONNECTION_LOST",
    "CONNECTION_RESTORED",
    "CALIBRATION_MODE_ENTERED",
    "CALIBRATION_MODE_LEFT",
    "CALIBRATION_CHANGED",
    "DISPLAY_AREA_CHANGED",
    "GAZE_OUTPUT_FREQUENCY_CHANGED",
    "EYE_TRACKING_MODE_CHANGED",
    "DEVICE_FAULTS",
    "DEVICE_WARNINGS",
    "STREAM_BUFFER_OVERFLOW",
)
_SETTINGS = ("DISPLAY_AREA_CHANGED", "GAZE_OUTPUT_FREQUENCY_CHANGED", "EYE_TRACKING_MODE_CHANGED")
_SIZE_TOLERANCE = 0.05


def sdk(choice: str = "auto") -> Any:
    """Import the vendor's module, or TittaPy under the same names.

    Parameters
    ----------
    choice : {"auto", "tobii-research", "titta", "titta-v1"}
        ``auto`` is ``tobii-research`` where it can be imported, else ``titta``.

    Raises
    ------
    TrackerError
        It is not installed, or its native library does not load.
    """
    reasons = []
    for name in ("tobii-research", "titta") if choice == "auto" else (choice,):
        try:
            return importlib.import_module("tobii_research") if name == "tobii-research" else TittaSdk(name)
        except ImportError as error:
            reasons.append(str(error))
    if choice == "tobii-research" and sys.version_info[:2] != (3, 10):
        advice = (
            f"it has wheels for CPython 3.10 only and this is {platform.python_version()}. Make an environment for "
            "the lab computer: py -3.10 -m venv lab (Windows) or python3.10 -m venv lab, then pip install . in it, "
            "from the folder of gazekit's source; or set [tracker] sdk = 'titta'. Session files are the same everywhere"
        )
    elif choice == "tobii-research":
        advice = "install it: pip install tobii-research"
    else:
        advice = "install it: pip install 'gazekit[tobii]' (on Linux it needs glibc 2.34)"
    raise TrackerError(f"the Tobii SDK ({choice}) cannot be used: {'; '.join(reasons)}; {advice}")


class TobiiTracker(Tracker):
    """One tracker, chosen by serial number or address (or the only one), with its frequency and mode set.

    Raises
    ------
    TrackerError
        None found, not the one asked for, several and none named, or it refuses what is asked of it.
    """

    def __init__(self, setup: TrackerSetup) -> None:
        self._sdk = sdk(setup.section.sdk)
        self.converters: Mapping[str, Converter] = getattr(self._sdk, "CONVERTERS", CONVERTERS)
        self._section, self._base = setup.section, setup.base
        section = setup.section
        self._device = self._choose(section)
        self._lost, self._changed = threading.Event(), threading.Event()
        self._put: Put | None = None
        self._subscribed: list[tuple[str, Any]] = []
        if section.license is not None:
            self._apply_license(setup.base / section.license)
        self._set("mode", section.mode, "get_all_eye_tracking_modes", "get_eye_tracking_mode", "set_eye_tracking_mode")
        self._set(
            "rate_hz",
            section.rate_hz,
            "get_all_gaze_output_frequencies",
            "get_gaze_output_frequency",
            "set_gaze_output_frequency",
        )
        self.display_area = self._check_display_area(setup.screen)
        self._info = self._read_info()
        self._offset_us = self.now_us() - time.monotonic_ns() // 1000
        self._blob, self._unknown = b"", False
        if getattr(self._sdk, "READS_CALIBRATION_AT_ONCE", True):
            with contextlib.suppress(TrackerError):  # a device that was never calibrated has none
                self._blob = self._read_blob()

    @classmethod
    def open(cls, setup: TrackerSetup) -> TobiiTracker:
        """Connect to the tracker."""
        return cls(setup)

    @classmethod
    def find(cls) -> list[FoundTracker]:
        """Find the trackers that the SDK sees (about two seconds), and older ones that TittaPy's other module sees."""
        modules = [sdk()]
        if isinstance(modules[0], TittaSdk):
            with contextlib.suppress(TrackerError):
                modules.append(sdk("titta-v1"))
        trackers: dict[str, FoundTracker] = {}
        with speaking_of("looking for eye trackers"):
            for module in modules:
                note = " ([tracker] sdk = 'titta-v1')" if module is not modules[0] else ""
                for device in module.find_all_eyetrackers():
                    name = f"{device.device_name}{note}"
                    found = FoundTracker("tobii", device.model, device.serial_number, device.address, name)
                    trackers.setdefault(device.serial_number, found)
        return list(trackers.values())

    @property
    def info(self) -> TrackerInfo:
        """What the device says of itself."""
        return self._info

    def now_us(self) -> int:
        """Read the SDK's system clock, the one of ``system_time_stamp``."""
        with speaking_of("reading the system clock"):
            return int(self._sdk.get_system_time_stamp())

    def facts(self) -> dict[str, Any]:
        """Return what is stored beside `info`: the display area and the SDK."""
        return {"display_area_mm": self.display_area, "sdk": str(self._sdk.__version__)}

    def start(self, put: Put) -> None:
        """Subscribe to every stream that the device has."""
        self._put = put
        self._lost.clear()
        module, subscribe = self._sdk, self._subscribe
        with speaking_of("reading the capabilities"):
            capabilities = self._device.device_capabilities
        subscribe(module.EYETRACKER_STREAM_ERRORS, partial(put, "stream_errors"))
        for name in NOTIFICATIONS:
            subscribe(getattr(module, f"EYETRACKER_NOTIFICATION_{name}"), self._notified(name, put))
        subscribe(module.EYETRACKER_TIME_SYNCHRONIZATION_DATA, partial(put, "time_sync"))
        subscribe(module.EYETRACKER_USER_POSITION_GUIDE, self._stamped(put))
        if module.CAPABILITY_HAS_EXTERNAL_SIGNAL in capabilities:
            subscribe(module.EYETRACKER_EXTERNAL_SIGNAL, partial(put, "external_signal"))
        if self._section.eye_openness and module.CAPABILITY_HAS_EYE_OPENNESS_DATA in capabilities:
            subscribe(module.EYETRACKER_EYE_OPENNESS_DATA, partial(put, "eye_openness"))
        subscribe(module.EYETRACKER_GAZE_DATA, partial(put, "gaze"), indispensable=True)

    def stop(self) -> None:
        """Unsubscribe from everything; a device that has gone is no error here."""
        subscribed, self._subscribed = self._subscribed, []
        for stream, callback in subscribed:
            with contextlib.suppress(Exception):  # whatever it raises, there is nothing left to unsubscribe from
                self._device.unsubscribe_from(stream, callback)
        self._put = None

    def check_calibration(self, eyes: str) -> None:
        """Look whether the device can be calibrated on a screen, and for one eye alone where that is asked for."""
        capabilities, model = self._device.device_capabilities, self._device.model
        if self._sdk.CAPABILITY_CAN_DO_SCREEN_BASED_CALIBRATION not in capabilities:
            raise TrackerError(
                f"{model} cannot be calibrated on a screen (a head-mounted or remote-controlled device?); set "
                "[calibration] points = 0, or reuse a calibration"
            )
        if eyes != "both" and self._sdk.CAPABILITY_CAN_DO_MONOCULAR_CALIBRATION not in capabilities:
            raise TrackerError(f"{model} cannot calibrate one eye alone; set [calibration] eyes = 'both'")

    def calibrator(self, eyes: str) -> Calibrator | None:
        """Enter calibration mode."""
        self.check_calibration(eyes)
        with speaking_of("entering calibration mode"):
            return TobiiCalibrator(self._sdk, self._device, eyes, self.now_us, self._keep_blob)

    def apply(self, blob: bytes) -> None:
        """Apply a calibration that was saved."""
        with speaking_of("applying the saved calibration"):
            self._device.apply_calibration_data(blob)
        self._blob = self._read_blob()

    def alive(self) -> bool:
        """Return False from the notice of a lost connection on, until it stands again."""
        return not self._lost.is_set()

    def reconnect(self) -> bool:
        """Look for the device again and subscribe; return whether it is back."""
        put = self._put
        try:
            with speaking_of("connecting again"):
                device = self._sdk.EyeTracker(self._device.address)
            self.stop()
            self._device = device
            if put is not None:
                self.start(put)
        except TrackerError:
            self._put = put
            self._lost.set()
            return False
        self._unknown = not self._blob
        return True

    def unsettled(self) -> bool:
        """Return whether frequency, mode or display area were changed, by us or another program."""
        return self._changed.is_set()

    def restore(self) -> list[str]:
        """Compare licence, mode, frequency, display area and calibration with those of the start; put back and say."""
        self._changed.clear()
        differences = []
        if self._section.license is not None:
            self._apply_license(self._base / self._section.license)
        for name, wanted, read, write in (
            ("eye tracking mode", self._info.mode, "get_eye_tracking_mode", "set_eye_tracking_mode"),
            ("frequency", self._info.rate_hz, "get_gaze_output_frequency", "set_gaze_output_frequency"),
        ):
            now = self._ask(name, read)
            if now != wanted:
                self._ask(name, write, wanted)
                self._insist(name, wanted, self._ask(name, read))
                differences.append(f"{name} was {now!r}; {wanted!r} is set again")
        area = corners_of(self._ask("display area", "get_display_area"))
        if area != self.display_area:
            corners = {name: tuple(self.display_area[name]) for name in ("top_left", "top_right", "bottom_left")}
            self._ask("display area", "set_display_area", self._sdk.DisplayArea(corners))
            self._insist("display area", self.display_area, corners_of(self._ask("display area", "get_display_area")))
            differences.append("the display area was another; that of the start is set again")
        if self._blob and self._read_blob() != self._blob:
            self._ask("calibration", "apply_calibration_data", self._blob)
            self._insist("calibration", self._blob, self._read_blob())
            differences.append("the calibration was another; that of this session is applied again")
        if self._unknown:
            differences.append("the calibration cannot be compared: that of before was never read")
            self._unknown = False
        return differences

    def _ask(self, name: str, method: str, *arguments: Any) -> Any:
        with speaking_of(f"after the reconnection, {name}"):
            return getattr(self._device, method)(*arguments)

    def _insist(self, name: str, wanted: Any, now: Any) -> None:
        if now != wanted:
            raise TrackerError(
                f"after the reconnection the {name} of the tracker cannot be set to what it was; its samples would not "
                "be what the file says. Set up the tracker and go on with --resume"
            )

    def _keep_blob(self, blob: bytes) -> None:
        self._blob = blob

    def _read_blob(self) -> bytes:
        with speaking_of("reading the calibration"):
            return bytes(self._device.retrieve_calibration_data() or b"")

    def _choose(self, section: TrackerSection) -> Any:
        if section.address:
            return self._connected(section.address)
        with speaking_of("looking for eye trackers"):
            devices = list(self._sdk.find_all_eyetrackers())
        if section.serial:
            named = [t for t in devices if t.serial_number == section.serial]
            if not named:
                raise TrackerError(f"no eye tracker with the serial number {section.serial}; found {_listed(devices)}")
            return self._connected(named[0])
        if len(devices) != 1:
            raise TrackerError(
                f"{'no' if not devices else len(devices)} eye trackers found"
                + (
                    f" ({_listed(devices)}); choose with [tracker] serial"
                    if devices
                    else "; is it switched on and plugged in?"
                )
            )
        return self._connected(devices[0])

    def _connected(self, device: Any) -> Any:
        """Return the device itself; TittaPy finds facts, and connects by the address."""
        if not isinstance(device, str) and not isinstance(self._sdk, TittaSdk):
            return device
        address = device if isinstance(device, str) else device.address
        with speaking_of(f"connecting to {address}"):
            return self._sdk.EyeTracker(address)

    def _apply_license(self, path: Path) -> None:
        try:
            key = path.read_bytes()
        except OSError as error:
            raise TrackerError(f"[tracker] license {path} cannot be read: {error.strerror}") from error
        with speaking_of(f"applying the licence {path.name}"):
            failed = self._device.apply_licenses(key)
        if failed:
            raise TrackerError(f"the licence {path.name} is refused: {failed[0].validation_result}")

    def _set(self, key: str, wanted: Any, list_all: str, get: str, put: str) -> None:
        """Set what the study asks for, and look whether it took."""
        if not wanted:
            return
        with speaking_of(f"setting [tracker] {key}"):
            if getattr(self._device, get)() == wanted:
                return
            known = list(getattr(self._device, list_all)())
            if wanted not in known:
                raise TrackerError(f"[tracker] {key} = {wanted!r} is not among what this tracker offers: {known}")
            getattr(self._device, put)(wanted)
            now = getattr(self._device, get)()
        if now != wanted:
            raise TrackerError(f"[tracker] {key} was set to {wanted!r}, but the tracker reports {now!r}")

    def _check_display_area(self, screen: Screen) -> dict[str, list[float]]:
        with speaking_of("reading the display area"):
            area = self._device.get_display_area()
            if self._section.display_area is not None:
                top_left, top_right, bottom_left = self._section.display_area
                wanted = {"top_left": top_left, "top_right": top_right, "bottom_left": bottom_left}
                if any(list(getattr(area, name)) != list(corner) for name, corner in wanted.items()):
                    self._device.set_display_area(self._sdk.DisplayArea(wanted))
                    area = self._device.get_display_area()
        if not fits(area.width, area.height, screen):
            raise TrackerError(
                f"the tracker's display area is {area.width:.0f} x {area.height:.0f} mm, the study's screen "
                f"{screen.width_mm:g} x {screen.height_mm:g} mm: gaze would be off. Set up the screen in Tobii's "
                "Eye Tracker Manager, or correct [screen]"
            )
        return corners_of(area)

    def _read_info(self) -> TrackerInfo:
        device = self._device
        with speaking_of("reading frequency and mode"):
            return TrackerInfo(
                "tobii",
                device.model,
                device.serial_number,
                device.firmware_version,
                float(device.get_gaze_output_frequency()),
                device.get_eye_tracking_mode(),
            )

    def _subscribe(self, stream: str, callback: Any, *, indispensable: bool = False) -> None:
        """Subscribe; a stream that is refused is noted, unless the recording is nothing without it."""
        try:
            with speaking_of(f"subscribing to {stream}"):
                self._device.subscribe_to(stream, callback, as_dictionary=True)
        except TrackerError as error:
            if indispensable or self._put is None:
                raise
            text = {"error": "stream_error_refused", "source": stream, "message": str(error)}
            self._put("stream_errors", {"system_time_stamp": self.now_us(), **text})
            return
        self._subscribed.append((stream, callback))

    def _notified(self, name: str, put: Put) -> Any:
        lost, changed = self._lost, self._changed

        def callback(data: dict[str, Any]) -> None:
            put("notifications", data)
            if name == "CONNECTION_LOST":
                lost.set()
            elif name == "CONNECTION_RESTORED":
                lost.clear()
            elif name in _SETTINGS:
                changed.set()

        return callback

    def _stamped(self, put: Put) -> Any:
        """Return a callback for the user position guide, which carries no time: it gets the moment it arrived."""
        offset = self._offset_us

        def callback(data: dict[str, Any]) -> None:
            put("user_position", (time.monotonic_ns() // 1000 + offset, data))

        return callback


def fits(width_mm: float, height_mm: float, screen: Screen) -> bool:
    """Return whether a display area is as large as the screen of a study, about."""
    pairs = ((width_mm, screen.width_mm), (height_mm, screen.height_mm))
    return all(abs(actual - expected) <= _SIZE_TOLERANCE * expected for actual, expected in pairs)


def _listed(devices: list[Any]) -> str:
    return ", ".join(f"{t.model} {t.serial_number} at {t.address}" for t in devices) or "none"


def corners_of(area: Any) -> dict[str, list[float]]:
    """Return the four corners of a display area, mm."""
    return {name: list(getattr(area, name)) for name in ("top_left", "top_right", "bottom_left", "bottom_right")}
