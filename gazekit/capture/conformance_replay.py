"""A traced tracker, answering again: the SDK's module as `gazekit.capture.tobii` uses it, made of a trace."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from gazekit.capture.conformance import STREAMS, Call, Trace
from gazekit.capture.tobii_streams import CONVERTERS
from gazekit.capture.tracker import Converter, joined
from gazekit.core.errors import FormatError
from gazekit.session.samples import NUMERIC, empty_samples

Callback = Callable[[Any], None]


class ReplayedSdk:
    """The SDK's module over a trace; `tracker` is the tracker that was opened last.

    Settings are as they were left; errors come again with the names of their kinds. What the trace does not hold
    (places of gaze, eyes, calibrations) is missing or zero.
    """

    CONVERTERS: Mapping[str, Converter] = {**CONVERTERS, **dict.fromkeys(STREAMS, joined)}

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self.__version__ = f"{trace.header['sdk']} (replayed)"
        self.name = str(trace.header["layer"])
        self.answers: dict[str, deque[Call]] = {}
        for call in trace.calls:
            self.answers.setdefault(call.name, deque()).append(call)
        self.tracker: ReplayedTracker
        self.EyeTrackerConnectionFailedError = self.error("EyeTrackerConnectionFailedError")
        self.EyeTrackerInvalidOperationError = self.error("EyeTrackerInvalidOperationError")

    def __getattr__(self, name: str) -> str:
        if name.startswith(("EYETRACKER_", "CALIBRATION_", "SELECTED_")):
            return name.lower()
        if name.startswith("CAPABILITY_"):
            wanted = name.lower().removeprefix("capability_")
            known: list[str] = self.__dict__["_trace"].header.get("device_capabilities", [])
            return next((text for text in known if text.removeprefix("capability_") == wanted), name.lower())
        raise AttributeError(name)

    def error(self, name: str) -> type[Exception]:
        """Return the kind of error that has a name; always the same one."""
        kinds: dict[str, type[Exception]] = self.__dict__.setdefault("_kinds", {})
        return kinds.setdefault(name, type(name, (Exception,), {}))

    def answer(self, name: str) -> Any:
        """Return the next answer to a call, or the last again; raise what it raised.

        Raises
        ------
        FormatError
            The trace holds no such call.
        """
        calls = self.answers.get(name)
        if not calls:
            raise FormatError(f"the trace holds no call of {name}: record it again with gazekit trackers --check")
        call = calls.popleft() if len(calls) > 1 else calls[0]
        if call.error:
            raise self.error(call.error)(call.text)
        return call.answer

    def get_system_time_stamp(self) -> int:
        """Return the system clock, where the trace begins."""
        return int(self.answer("get_system_time_stamp"))

    def find_all_eyetrackers(self) -> list[ReplayedTracker]:
        """Return the traced tracker, where it was found."""
        return [self.EyeTracker("traced")] if self.answer("find_all_eyetrackers") else []

    def EyeTracker(self, address: str) -> ReplayedTracker:
        """Connect."""
        self.answer("EyeTracker")
        self.tracker = ReplayedTracker(self, self._trace, address)
        return self.tracker

    def DisplayArea(self, corners: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the corners."""
        return corners

    def ScreenBasedCalibration(self, device: ReplayedTracker) -> SimpleNamespace:
        """Return a calibration that answers as that of the trace; a result has no samples in it."""
        calls = ("enter_calibration_mode", "leave_calibration_mode")
        parts: dict[str, Any] = {name: lambda name=name: self.answer(name) for name in calls}
        parts |= {name: lambda x, y, name=name: self.answer(name) for name in ("collect_data", "discard_data")}

        def compute() -> SimpleNamespace:
            return SimpleNamespace(status=self.answer("compute_and_apply")["status"], calibration_points=())

        return SimpleNamespace(**parts, compute_and_apply=compute)


class ReplayedTracker:
    """The traced tracker."""

    def __init__(self, sdk: ReplayedSdk, trace: Trace, address: str) -> None:
        self._sdk, self._trace, self.address = sdk, trace, address
        self.model, self.firmware_version = str(trace.header["model"]), str(trace.header["firmware_version"])
        self.serial_number = self.device_name = "traced"
        self.device_capabilities = tuple(trace.header["device_capabilities"])
        self.subscribers: dict[str, Callback] = {}
        self._set: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            if name.startswith("set_"):
                self._sdk.answer(name)
                self._set[name.removeprefix("set_")] = arguments[0]
                return None
            if name.removeprefix("get_") in self._set:
                return self._set[name.removeprefix("get_")]
            answer = self._sdk.answer(name)
            if isinstance(answer, dict) and "top_left" in answer:
                return SimpleNamespace(**answer)
            return bytes(answer["bytes"]) if isinstance(answer, dict) and "bytes" in answer else answer

        return call

    def subscribe_to(self, stream: str, callback: Callback, as_dictionary: bool = True) -> None:
        """Subscribe, where the trace says that it can be."""
        name = next((name for name, constant in STREAMS.items() if constant.lower() == stream), "")
        name = name or ("stream_errors" if "stream_errors" in stream else "notifications")
        self._sdk.answer(f"subscribe_to {name}")
        self.subscribers[name] = callback

    def unsubscribe_from(self, stream: str, callback: Callback | None = None) -> None:
        """End all subscriptions."""
        self.subscribers.clear()

    def deliver(self) -> None:
        """Deliver every stream of the trace, as fast as it goes: stamps and validity, no places."""
        for name, stream in self._trace.streams.items():
            if name not in self.subscribers or not len(stream.arrived_us):
                continue
            block = (
                empty_samples(len(stream.device_us))
                if name == "gaze"
                else np.zeros(len(stream.arrived_us), NUMERIC[name])
            )
            fields = block.dtype.names or ()
            for column, values in (("device_time_us", stream.device_us), ("system_time_us", stream.system_us)):
                if column in fields:
                    block[column] = values
            if name == "time_sync":
                block["request_us"] = block["response_us"] = stream.system_us
                block["device_us"] = stream.device_us
            if name == "gaze":
                block["left_valid"], block["right_valid"] = stream.valid & 1, stream.valid >> 1
            if name == "user_position":
                continue  # of it there are moments only
            self.subscribers[name](block)
