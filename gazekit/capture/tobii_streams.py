"""The Tobii SDK's dictionaries as rows; done by the writer, not in the SDK's callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gazekit.capture.tracker import Converter
from gazekit.session.samples import EXTERNAL_SIGNAL, EYE_OPENNESS, SAMPLE, SIDES, TIME_SYNC, USER_POSITION, Block

_GAZE = {
    "gaze": "gaze_point_on_display_area",
    "gaze_mm": "gaze_point_in_user_coordinate_system",
    "origin_mm": "gaze_origin_in_user_coordinate_system",
    "pupil_mm": "pupil_diameter",
    "valid": "gaze_point_validity",
    "pupil_valid": "pupil_validity",
    "origin_valid": "gaze_origin_validity",
}
_COLUMNS = [("device_time_us", "device_time_stamp"), ("system_time_us", "system_time_stamp")] + [
    (f"{side}_{name}", f"{side}_{key}") for side in SIDES for name, key in _GAZE.items()
]
_CHANGES = (
    "external_signal_change_type_value_changed",
    "external_signal_change_type_initial_value",
    "external_signal_change_type_connection_restored",
)


def gaze_rows(items: Sequence[Mapping[str, Any]]) -> Block:
    """Return gaze dictionaries (16 keys) as `SAMPLE` rows; infinities become NaN, a point that is not valid stays."""
    block = np.empty(len(items), dtype=SAMPLE)
    for name, key in _COLUMNS:
        values = np.array([item[key] for item in items])
        if values.dtype.kind == "f":
            values[~np.isfinite(values)] = np.nan
        block[name] = values
    return block


def openness_rows(items: Sequence[Mapping[str, Any]]) -> Block:
    """Return eye openness, mm."""
    block = np.empty(len(items), dtype=EYE_OPENNESS)
    for name, key in (
        ("device_time_us", "device_time_stamp"),
        ("system_time_us", "system_time_stamp"),
        ("left_openness_mm", "left_eye_openness_value"),
        ("left_valid", "left_eye_validity"),
        ("right_openness_mm", "right_eye_openness_value"),
        ("right_valid", "right_eye_validity"),
    ):
        block[name] = [item[key] for item in items]
    return block


def sync_rows(items: Sequence[Mapping[str, Any]]) -> Block:
    """Return time synchronisation: request, device, response."""
    keys = ("system_request_time_stamp", "device_time_stamp", "system_response_time_stamp")
    return np.array([tuple(item[key] for key in keys) for item in items], dtype=TIME_SYNC)


def position_rows(items: Sequence[tuple[int, Mapping[str, Any]]]) -> Block:
    """Return the user position guide with the moment of its arrival."""
    block = np.empty(len(items), dtype=USER_POSITION)
    block["received_us"] = [moment for moment, _ in items]
    for side in SIDES:
        points = np.array([data[f"{side}_user_position"] for _, data in items], dtype=np.float64)
        for column, axis in enumerate("xyz"):
            block[f"{side}_{axis}"] = points[:, column]
        block[f"{side}_valid"] = [data[f"{side}_user_position_validity"] for _, data in items]
    return block


def signal_rows(items: Sequence[Mapping[str, Any]]) -> Block:
    """Return external signals; ``change`` is 0 value changed, 1 initial value, 2 connection restored, -1 other."""
    rows = []
    for item in items:
        change = item["change_type"]
        code = _CHANGES.index(change) if change in _CHANGES else -1
        rows.append((item["device_time_stamp"], item["system_time_stamp"], item["value"], code))
    return np.array(rows, dtype=EXTERNAL_SIGNAL)


def notification_texts(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return notifications: kind without its prefix, all else as text."""
    return [
        _text(item, str(item["notification_type"]).removeprefix("eyetracker_notification_"), "notification_type")
        for item in items
    ]


def error_texts(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return stream errors."""
    return [_text(item, str(item["error"]).removeprefix("stream_error_"), "error") for item in items]


def _text(item: Mapping[str, Any], kind: str, used: str) -> dict[str, Any]:
    rest = {key: value for key, value in item.items() if key not in (used, "system_time_stamp")}
    text = "; ".join(f"{key}: {value}" for key, value in rest.items())
    return {"system_time_us": int(item["system_time_stamp"]), "kind": kind, "text": text}


CONVERTERS: Mapping[str, Converter] = {
    "gaze": gaze_rows,
    "eye_openness": openness_rows,
    "time_sync": sync_rows,
    "user_position": position_rows,
    "external_signal": signal_rows,
    "notifications": notification_texts,
    "stream_errors": error_texts,
}
