"""Calibration of a Tobii tracker, binocular or of one eye."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from gazekit.capture.tobii_errors import speaking_of
from gazekit.core.errors import TrackerError
from gazekit.session import Calibration, CalibrationPoint

_SELECTED = {"left": "SELECTED_EYE_LEFT", "right": "SELECTED_EYE_RIGHT"}


class TobiiCalibrator:
    """The tracker in calibration mode, from construction to `leave`."""

    def __init__(
        self, sdk: Any, device: Any, eyes: str, now_us: Callable[[], int], keep: Callable[[bytes], None]
    ) -> None:
        self._sdk = sdk
        self._device = device
        self._now_us = now_us
        self._keep = keep  # is given the calibration that the device works with from now on
        self._eye: tuple[Any, ...] = ()
        if eyes != "both":
            self._eye = (getattr(sdk, _SELECTED[eyes]),)
            self._calibration = sdk.ScreenBasedMonocularCalibration(device)
        else:
            self._calibration = sdk.ScreenBasedCalibration(device)
        try:
            self._calibration.enter_calibration_mode()
        except sdk.EyeTrackerInvalidOperationError:  # an earlier program did not leave it
            self._calibration.leave_calibration_mode()
            self._calibration.enter_calibration_mode()

    def collect(self, x: float, y: float) -> bool:
        """Collect at a target; blocks for about a second on a real device."""
        with speaking_of("collecting at a calibration target"):
            status = self._calibration.collect_data(x, y, *self._eye)
        return bool(status != self._sdk.CALIBRATION_STATUS_FAILURE)

    def discard(self, x: float, y: float) -> None:
        """Forget a point."""
        with speaking_of("discarding a calibration target"):
            self._calibration.discard_data(x, y, *self._eye)

    def compute(self) -> Calibration:
        """Compute and apply; a success without points, which the SDK cannot express, is a failure."""
        try:
            with speaking_of("computing the calibration"):
                result = self._calibration.compute_and_apply()
        except TrackerError as error:
            if isinstance(error.__cause__, ValueError):
                return Calibration(self._now_us(), f"failure: {error.__cause__}")
            raise
        status = str(result.status).removeprefix("calibration_status_")
        points = tuple(_point(p) for p in result.calibration_points)
        if status == "failure" or not points:
            return Calibration(self._now_us(), "failure", points)
        # of one eye asked for, success_left_eye is the whole success; of both, it is half of one
        success = status == "success" or bool(self._eye)
        with speaking_of("reading the calibration"):
            blob = bytes(self._device.retrieve_calibration_data() or b"")
        self._keep(blob)
        return Calibration(self._now_us(), "success" if success else status, points, blob)

    def leave(self) -> None:
        """Leave calibration mode; a device that has gone, or is not in it, has left it already."""
        gone = (self._sdk.EyeTrackerConnectionFailedError, self._sdk.EyeTrackerInvalidOperationError)
        with speaking_of("leaving calibration mode"), contextlib.suppress(*gone):
            self._calibration.leave_calibration_mode()


def _point(point: Any) -> CalibrationPoint:
    samples = point.calibration_samples
    columns: dict[str, Any] = {}
    for side in ("left", "right"):
        eyes = [getattr(sample, f"{side}_eye") for sample in samples]
        columns[side] = np.array([e.position_on_display_area for e in eyes], dtype=np.float64).reshape(-1, 2)
        columns[f"{side}_used"] = np.array([e.validity == "validity_valid_and_used" for e in eyes], dtype=bool)
    x, y = point.position_on_display_area
    return CalibrationPoint((float(x), float(y)), **columns)
