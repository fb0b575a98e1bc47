"""A session in parts that other programs can read, from which the very same session can be made again.

Tables stand in files of their own; all the rest is one JSON document.
"""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.errors import FormatError
from gazekit.gaze import Eye, GazeRecording
from gazekit.screen import Screen
from gazekit.session.model import Calibration, CalibrationPoint, Clock, Session, TrackerInfo, Validation

SCHEMA = "gazekit.export/1"
SIDES = ("left", "right")
_PLAIN = ("participant", "name", "task", "started_utc", "finalised")
_SPLIT = {  # a field of an eye and the columns that hold it
    "gaze": ("{}_x", "{}_y"),
    "gaze_mm": ("{}_gaze_x_mm", "{}_gaze_y_mm", "{}_gaze_z_mm"),
    "origin_mm": ("{}_origin_x_mm", "{}_origin_y_mm", "{}_origin_z_mm"),
    "pupil_mm": ("{}_pupil_mm",),
    "valid": ("{}_valid",),
    "pupil_valid": ("{}_pupil_valid",),
    "origin_valid": ("{}_origin_valid",),
}


def describe(session: Session) -> dict[str, Any]:
    """Describe all of a session but its samples and tables, as JSON can hold it."""
    tables = {name: _kinds(table) for name, table in tables_of(session).items()}
    return {
        "schema": SCHEMA,
        **{name: getattr(session, name) for name in _PLAIN},
        "tracker": _encode(asdict(session.tracker)),
        "screen": asdict(session.screen),
        "clock": _encode(asdict(session.clock)),
        "display": _encode(dict(session.display)),
        "provenance": _encode(dict(session.provenance)),
        "calibrations": [_calibration(calibration) for calibration in session.calibrations],
        "validations": [{"time_us": v.time_us, "passed": v.passed} for v in session.validations],
        "streams": list(session.streams),
        "tables": tables,
    }


def tables_of(session: Session) -> dict[str, pd.DataFrame]:
    """List the tables of a session by the name of the file that holds them."""
    named = {"stimuli": session.stimuli, "messages": session.messages, **session.streams}
    return named | {f"validation-{n}": validation.table for n, validation in enumerate(session.validations)}


def rebuild(document: Mapping[str, Any], recording: GazeRecording, tables: Mapping[str, pd.DataFrame]) -> Session:
    """Make the session again that `describe` and `tables_of` took apart."""
    try:
        if document["schema"] != SCHEMA:
            raise FormatError(f"the export's schema is {document['schema']}; {SCHEMA} was expected")
        return Session(
            recording=recording,
            screen=Screen(**document["screen"]),
            tracker=TrackerInfo(**_decode(document["tracker"])),
            clock=Clock(**_decode(document["clock"])),
            display=_decode(document["display"]),
            provenance=_decode(document["provenance"]),
            stimuli=tables["stimuli"],
            messages=tables["messages"],
            calibrations=tuple(_calibration_back(entry) for entry in document["calibrations"]),
            validations=tuple(
                Validation(int(entry["time_us"]), tables[f"validation-{n}"], entry["passed"])
                for n, entry in enumerate(document["validations"])
            ),
            streams={name: tables[name] for name in document["streams"]},
            **{name: document[name] for name in _PLAIN},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"the export is damaged: {type(error).__name__} {error}") from error


def samples_table(recording: GazeRecording, screen: Screen) -> pd.DataFrame:
    """Lay out the samples, a row each: both clocks, and per eye display area, pixels, mm, pupil, verdicts."""
    columns: dict[str, npt.NDArray[Any]] = {
        "device_time_us": recording.device_time_us,
        "system_time_us": recording.system_time_us,
    }
    for side in SIDES:
        eye = getattr(recording, side)
        columns[f"{side}_x_px"], columns[f"{side}_y_px"] = screen.display_to_px(eye.gaze)
        for name, parts in _SPLIT.items():
            values = np.atleast_2d(getattr(eye, name).T)
            columns |= {part.format(side): row for part, row in zip(parts, values, strict=True)}
    return pd.DataFrame({name: v.astype(np.uint8) if v.dtype == bool else v for name, v in columns.items()})


def sample_kinds() -> dict[str, str]:
    """List the columns of a table of samples that make a recording, and what each holds."""
    kinds = {"device_time_us": "integer", "system_time_us": "integer"}
    return kinds | {part.format(side): "number" for side in SIDES for parts in _SPLIT.values() for part in parts}


def numbers_text(table: pd.DataFrame, *, separator: str, missing: str, header: bool) -> bytes:
    """Write a table of numbers as text, every number in as few digits as give it back exactly."""
    import pyarrow as pa
    from pyarrow import csv

    columns = {name: pa.array(table[name].to_numpy(), from_pandas=True) for name in table.columns}
    texts = {str(name): column.cast(pa.string()).fill_null(missing) for name, column in columns.items()}
    sink = pa.BufferOutputStream()
    options = csv.WriteOptions(include_header=header, delimiter=separator, quoting_style="none")
    csv.write_csv(pa.table(texts), sink, options)
    return bytes(sink.getvalue())


def recording_of(columns: Mapping[str, npt.NDArray[Any]]) -> GazeRecording:
    """Make the recording again that `samples_table` laid out as columns."""
    eyes = {side: _eye_of(columns, side) for side in SIDES}
    return GazeRecording(columns["device_time_us"], columns["system_time_us"], eyes["left"], eyes["right"])


def _eye_of(columns: Mapping[str, npt.NDArray[Any]], side: str) -> Eye:
    columns_by_field: dict[str, Any] = {}
    for field in fields(Eye):
        parts = [columns[part.format(side)] for part in _SPLIT[field.name]]
        values = np.stack(parts, axis=1) if len(parts) > 1 else parts[0]
        columns_by_field[field.name] = values.astype(bool if field.name.endswith("valid") else np.float64)
    return Eye(**columns_by_field)


def read_frame(path: Path, kinds: Mapping[str, str], separator: str = ",") -> pd.DataFrame:
    """Read a small table, each column of its own kind, numbers to the last digit."""
    quoting = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
    try:
        cells = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, quoting=quoting, encoding="utf-8")
        return pd.DataFrame({name: _typed(cells[name].to_numpy(object), kind) for name, kind in kinds.items()})
    except (ValueError, KeyError, OSError) as error:
        raise FormatError(f"{path} cannot be read as the table {path.stem}: {error}") from error


def _typed(cells: npt.NDArray[np.object_], kind: str) -> npt.NDArray[Any]:
    if kind == "str":
        return cells
    if kind == "bool":
        return np.asarray(cells == "True", dtype=bool)
    return np.array(["nan" if cell in ("", "n/a") else cell for cell in cells], dtype=str).astype(kind)


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON document."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FormatError(f"{path} is not a JSON document that can be read: {error}") from error
    if not isinstance(document, dict):
        raise FormatError(f"{path} should hold a JSON object")
    return document


def _kinds(table: pd.DataFrame) -> dict[str, str]:
    dtypes = {str(name): table[name].dtype for name in table.columns}
    return {name: str(dtype) if getattr(dtype, "kind", "O") in "iufb" else "str" for name, dtype in dtypes.items()}


def _encode(value: Any) -> Any:
    """Spell out NaN, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, Mapping):
        return {str(key): _encode(item) for key, item in value.items()}
    return [_encode(item) for item in value] if isinstance(value, (list, tuple)) else value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        if list(value) == ["float"] and isinstance(value["float"], str):
            return float(value["float"])
        return {key: _decode(item) for key, item in value.items()}
    return [_decode(item) for item in value] if isinstance(value, list) else value


def _calibration(calibration: Calibration) -> dict[str, Any]:
    points = [
        {
            "target": list(point.target),
            **{side: _encode(getattr(point, side).tolist()) for side in SIDES},
            **{f"{side}_used": getattr(point, f"{side}_used").tolist() for side in SIDES},
        }
        for point in calibration.points
    ]
    blob = base64.b64encode(calibration.blob).decode()
    return {"time_us": calibration.time_us, "status": calibration.status, "points": points, "blob": blob}


def _calibration_back(entry: Mapping[str, Any]) -> Calibration:
    points = []
    for point in entry["points"]:
        left, right = (np.array(_decode(point[side]), dtype=np.float64).reshape(-1, 2) for side in SIDES)
        used = (np.array(point[f"{side}_used"], dtype=bool) for side in SIDES)
        points.append(CalibrationPoint((point["target"][0], point["target"][1]), left, right, *used))
    blob = base64.b64decode(entry["blob"])
    return Calibration(int(entry["time_us"]), entry["status"], tuple(points), blob)
