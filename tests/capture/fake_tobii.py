"""A native module for the vendor's real Python layer to stand on, without a device.

It answers ``call_function(name, args, done)`` and nothing else: subscriptions, calibration and all the rest run in the
vendor's own code.
"""

from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import pytest

from tests.needs import need

GAZE, EXTERNAL, SYNC, ERRORS, NOTIFICATIONS, POSITION, OPENNESS = 1, 2, 3, 4, 5, 7, 8
CONNECTION_FAILED, OPERATION_FAILED, INVALID = 204, 214, 10


def now_us() -> int:
    return time.monotonic_ns() // 1000


class FakeDevice:
    """The device behind the native module: its settings, and a hand to make it deliver."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.trackers = [self.facts("TPS-1", "tet-tcp://10.0.0.1")]
        self.frequency, self.frequencies = 600.0, (60.0, 120.0, 600.0, 1200.0)
        self.mode, self.modes = "human", ("human", "monkey")
        self.area = {
            "top_left": (-263.5, 310.0, 20.0),
            "top_right": (263.5, 310.0, 20.0),
            "bottom_left": (-263.5, 14.0, 20.0),
        }
        self.subscribers: dict[int, Callable[[dict[str, Any]], None]] = {}
        self.unreachable = False
        self.license_answers = [0]
        self.calibrating = False
        self.collected: list[tuple[float, float]] = []
        self.refuse_collect = 0
        self.calibration_answer = "points"
        self.applied: bytes | None = None
        self.calls: list[str] = []

    @staticmethod
    def facts(serial: str, address: str) -> dict[str, Any]:
        return {
            "address": address,
            "device_name": "lab",
            "serial_number": serial,
            "model": "Tobii Pro Spectrum",
            "firmware_version": "2.6",
            "runtime_version": "1",
            "device_capabilities": (
                "capability_has_gaze_data",
                "capability_has_external_signal",
                "capability_has_eye_openness_data",
                "capability_can_do_screen_based_calibration",
                "capability_can_do_monocular_calibration",
            ),
            "core_eyetracker": 7,
        }

    def deliver(self, stream: int, data: dict[str, Any]) -> None:
        subscriber = self.subscribers.get(stream)
        if subscriber is not None:
            subscriber(data)

    def notify(self, kind: str, **data: Any) -> None:
        self.deliver(
            NOTIFICATIONS,
            {"notification_type": f"eyetracker_notification_{kind}", "system_time_stamp": now_us(), **data},
        )

    def call(self, name: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.calls.append(name)
        handler = getattr(self, f"on_{name}", None)
        if handler is None:
            return (0,)
        answer: tuple[Any, ...] = handler(*args)
        return answer

    def on_get_sdk_version(self) -> tuple[Any, ...]:
        return (0, "2.1.0-fake")

    def on_get_system_time_stamp(self) -> tuple[Any, ...]:
        return (0, now_us())

    def on_find_all_eyetrackers(self) -> tuple[Any, ...]:
        return (0, [] if self.unreachable else self.trackers)

    def on_get_device(self, address: str) -> tuple[Any, ...]:
        found = [t for t in self.trackers if t["address"] == address]
        return (0, found[0]) if found and not self.unreachable else (CONNECTION_FAILED, None)

    def on_subscribe_to(self, stream: int, core: int, callback: Any) -> tuple[Any, ...]:
        self.subscribers[stream] = callback
        return (0,)

    def on_unsubscribe_from(self, stream: int, core: int) -> tuple[Any, ...]:
        self.subscribers.pop(stream, None)
        return (CONNECTION_FAILED,) if self.unreachable else (0,)

    def on_get_all_gaze_output_frequencies(self, core: int) -> tuple[Any, ...]:
        return (0, self.frequencies)

    def on_get_gaze_output_frequency(self, core: int) -> tuple[Any, ...]:
        return (0, self.frequency)

    def on_set_gaze_output_frequency(self, core: int, value: float) -> tuple[Any, ...]:
        self.frequency = value
        return (0,)

    def on_get_all_eye_tracking_modes(self, core: int) -> tuple[Any, ...]:
        return (0, self.modes)

    def on_get_eye_tracking_mode(self, core: int) -> tuple[Any, ...]:
        return (0, self.mode)

    def on_set_eye_tracking_mode(self, core: int, value: str) -> tuple[Any, ...]:
        self.mode = value
        return (0,)

    def on_get_display_area(self, core: int) -> tuple[Any, ...]:
        return (0, self.area)

    def on_set_display_area(self, core: int, top_left: Any, top_right: Any, bottom_left: Any) -> tuple[Any, ...]:
        self.area = {"top_left": top_left, "top_right": top_right, "bottom_left": bottom_left}
        return (0,)

    def on_apply_licenses(self, core: int, keys: tuple[bytes, ...]) -> tuple[Any, ...]:
        return (0, self.license_answers)

    def on_calibration_enter_calibration_mode(self, core: int) -> tuple[Any, ...]:
        self.calibrating, self.collected = True, []
        return (0,)

    def on_calibration_leave_calibration_mode(self, core: int) -> tuple[Any, ...]:
        self.calibrating = False
        return (CONNECTION_FAILED,) if self.unreachable else (0,)

    def on_screen_based_calibration_collect_data(self, core: int, x: float, y: float) -> tuple[Any, ...]:
        if self.unreachable:
            return (CONNECTION_FAILED,)
        if self.refuse_collect:
            self.refuse_collect -= 1
            return (OPERATION_FAILED,)
        self.collected.append((x, y))
        return (0,)

    def on_screen_based_monocular_calibration_collect_data(
        self, core: int, x: float, y: float, eye: int
    ) -> tuple[Any, ...]:
        self.collected.append((x, y))
        return (0, eye)

    def on_screen_based_calibration_discard_data(self, core: int, x: float, y: float) -> tuple[Any, ...]:
        self.collected = [p for p in self.collected if p != (x, y)]
        return (0,)

    def on_calibration_compute_and_apply(self, core: int) -> tuple[Any, ...]:
        return (OPERATION_FAILED,) if self.calibration_answer == "failure" else (0,)

    def on_monocular_calibration_compute_and_apply(self, core: int) -> tuple[Any, ...]:
        return (0, 0)

    def on_screen_based_calibration_get_calibration_points(self, core: int) -> tuple[Any, ...]:
        if self.calibration_answer == "no points":
            return (0, [])
        return (
            0,
            [
                {
                    "position": point,
                    "left_sample_position": (point[0] + 0.01, point[1]),
                    "left_validity": 1,
                    "right_sample_position": (point[0], point[1] - 0.01),
                    "right_validity": -1,
                }
                for point in self.collected
                for _ in range(3)
            ],
        )

    def on_calibration_retrieve(self, core: int) -> tuple[Any, ...]:
        return (0, b"calibration of the fake")

    def on_calibration_apply(self, core: int, data: bytes) -> tuple[Any, ...]:
        self.applied = data
        return (0,)


def gaze_dictionary(n: int, rate_hz: float, start_us: int) -> dict[str, Any]:
    """The 16 keys of a gaze sample; n gives stamps and values that a test can tell apart."""
    step = round(n * 1e6 / rate_hz)
    sample: dict[str, Any] = {"device_time_stamp": 1_000_000 + step, "system_time_stamp": start_us + step}
    for side, shift in (("left", 0.0), ("right", 0.01)):
        lost = n % 50 == 49
        x = float("nan") if lost else 0.3 + (n % 97) * 1e-3 + shift
        sample |= {
            f"{side}_gaze_point_on_display_area": (x, 0.5),
            f"{side}_gaze_point_in_user_coordinate_system": (x * 500, 100.0, 20.0),
            f"{side}_gaze_point_validity": int(not lost),
            f"{side}_pupil_diameter": 3.0 + shift,
            f"{side}_pupil_validity": int(not lost),
            f"{side}_gaze_origin_in_user_coordinate_system": (-30.0 + 60 * shift, 150.0, 630.0),
            f"{side}_gaze_origin_validity": int(not lost),
        }
    return sample


class Stream:
    """A thread that delivers gaze at a rate, as the device's own thread does."""

    def __init__(self, device: FakeDevice, rate_hz: float) -> None:
        self._device, self._rate = device, rate_hz
        self.sent = 0
        self.skip = 0  # so many samples are lost on the way
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Stream:
        self._start = now_us()
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        n = 0
        while not self._stop.wait(0.003):
            while n < (now_us() - self._start) * self._rate / 1e6:
                if self.skip:
                    self.skip -= 1
                else:
                    self._device.deliver(GAZE, gaze_dictionary(n, self._rate, self._start))
                    self.sent += 1
                n += 1


def install() -> tuple[Any, FakeDevice]:
    """The vendor's Python layer over the fake; skipped, with the reason, where there are no wheels."""
    if sys.version_info[:2] != (3, 10):
        pytest.skip("the SDK has wheels for CPython 3.10 only")
    import importlib.util

    need(importlib.util.find_spec("tobii_research"), "tobii-research on Python 3.10")
    name = "tobiiresearch.interop.python3.tobii_research_interop"
    module = sys.modules.get(name)
    if not hasattr(module, "device"):
        # another test may have loaded the vendor's own native module
        for loaded in [n for n in sys.modules if n.startswith(("tobii_research", "tobiiresearch"))]:
            del sys.modules[loaded]
        import tobiiresearch.interop.python3 as package

        module = types.ModuleType(name)
        device = FakeDevice()

        def call_function(function: str, args: tuple[Any, ...], done: Callable[[Any], None]) -> int:
            done(device.call(function, args))
            return 0

        module.startup = module.cleanup = lambda: None  # type: ignore[attr-defined]
        module.call_function = call_function  # type: ignore[attr-defined]
        module.device = device  # type: ignore[attr-defined]
        sys.modules[name] = module
        package.tobii_research_interop = module
    import tobii_research

    module.device.reset()
    return tobii_research, module.device
