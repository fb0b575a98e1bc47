"""The session file (``*.gaze.h5``): written whole or not at all, checked when opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from gazekit.errors import FormatError, InputError
from gazekit.files import existing_file, whole_file
from gazekit.gaze import Eye, GazeRecording
from gazekit.screen import Screen
from gazekit.session.model import (
    MESSAGE_COLUMNS,
    STIMULUS_COLUMNS,
    STREAMS,
    Calibration,
    CalibrationPoint,
    Clock,
    Session,
    TrackerInfo,
    Validation,
)

SCHEMA = "gazekit.session/1"
_COLUMN = {"chunks": True, "compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}


def write_session(session: Session, path: str | Path) -> Path:
    """Write a session file; an existing one is never overwritten.

    Raises
    ------
    OutputError : the file exists already, or cannot be written.
    """
    path = Path(path)
    with whole_file(path, overwrite=False) as temporary, h5py.File(temporary, "w") as file:
        _write_attributes(file, session)
        _write_recording(file.create_group("gaze"), session.recording)
        _write_table(file, "stimuli", session.stimuli)
        _write_table(file, "messages", session.messages)
        for name, table in session.streams.items():
            _write_table(file, name, table)
        for n, calibration in enumerate(session.calibrations):
            _write_calibration(file.create_group(f"calibrations/{n}"), calibration)
        for n, validation in enumerate(session.validations):
            group = _write_table(file, f"validations/{n}", validation.table)
            group.attrs["time_us"] = validation.time_us
            group.attrs["passed"] = "" if validation.passed is None else str(validation.passed)
    return path


def open_session(path: str | Path) -> Session:
    """Open a session file.

    Raises
    ------
    InputError : no such file, or an empty one.
    FormatError : not a session file, of another schema, or damaged.
    """
    path = existing_file(path, "session file")
    try:
        with h5py.File(path, "r") as file:
            schema = file.attrs.get("schema", "none")
            if schema != SCHEMA:
                raise FormatError(f"{path} is not a session file of schema {SCHEMA}; its schema is {schema}")
            return _read(file)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, InputError, RuntimeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is not a session file, or is damaged: {error}") from error


def _write_attributes(file: h5py.File, session: Session) -> None:
    plain = ("participant", "name", "task", "started_utc", "finalised")
    file.attrs["schema"] = SCHEMA
    file.attrs.update({name: getattr(session, name) for name in plain})
    for name, value in {
        "tracker": asdict(session.tracker),
        "screen": asdict(session.screen),
        "clock": asdict(session.clock),
        "display": dict(session.display),
        "provenance": dict(session.provenance),
    }.items():
        file.attrs[name] = json.dumps(value, sort_keys=True)


def _write_recording(group: h5py.Group, recording: GazeRecording) -> None:
    columns = {"device_time_us": recording.device_time_us, "system_time_us": recording.system_time_us}
    for side in ("left", "right"):
        eye = getattr(recording, side)
        columns |= {f"{side}_{f.name}": getattr(eye, f.name) for f in fields(eye)}
    for name, values in columns.items():
        group.create_dataset(name, data=values, dtype=values.dtype, **(_COLUMN if len(values) else {}))


def _write_table(file: h5py.File, name: str, table: pd.DataFrame) -> h5py.Group:
    group = file.create_group(name)
    group.attrs["columns"] = json.dumps(list(map(str, table.columns)))
    for column in table.columns:
        values = table[column].to_numpy()
        if values.dtype.kind in "iufb":
            group.create_dataset(str(column), data=values, dtype=values.dtype)
        else:
            group.create_dataset(str(column), data=[str(v) for v in values], dtype=h5py.string_dtype())
    return group


def _write_calibration(group: h5py.Group, calibration: Calibration) -> None:
    group.attrs.update({"time_us": calibration.time_us, "status": calibration.status})
    group.create_dataset("blob", data=np.frombuffer(calibration.blob, dtype=np.uint8), dtype=np.uint8)
    for n, point in enumerate(calibration.points):
        part = group.create_group(f"points/{n}")
        part.attrs["target"] = point.target
        for name in ("left", "right", "left_used", "right_used"):
            values = getattr(point, name)
            part.create_dataset(name, data=values, dtype=values.dtype)


def _read(file: h5py.File) -> Session:
    streams = {name: _read_table(file[name]) for name in STREAMS if name in file}
    return Session(
        participant=str(file.attrs["participant"]),
        name=str(file.attrs["name"]),
        task=str(file.attrs["task"]),
        started_utc=str(file.attrs["started_utc"]),
        finalised=bool(file.attrs["finalised"]),
        tracker=TrackerInfo(**_json(file, "tracker")),
        screen=Screen(**_json(file, "screen")),
        clock=Clock(**_json(file, "clock")),
        display=_json(file, "display"),
        provenance=_json(file, "provenance"),
        recording=_read_recording(file["gaze"]),
        stimuli=_read_table(file["stimuli"], STIMULUS_COLUMNS),
        messages=_read_table(file["messages"], MESSAGE_COLUMNS),
        calibrations=tuple(_read_calibration(group) for group in _numbered(file, "calibrations")),
        validations=tuple(_read_validation(group) for group in _numbered(file, "validations")),
        streams=streams,
    )


def _json(file: h5py.File, name: str) -> dict[str, Any]:
    value = json.loads(str(file.attrs[name]))
    if not isinstance(value, dict):
        raise FormatError(f"the attribute {name} should be an object, found {value!r}")
    return value


def _numbered(file: h5py.File, name: str) -> list[h5py.Group]:
    return [file[name][key] for key in sorted(file[name], key=int)] if name in file else []


def _read_recording(group: h5py.Group) -> GazeRecording:
    sides = {side: Eye(**{f.name: group[f"{side}_{f.name}"][()] for f in fields(Eye)}) for side in ("left", "right")}
    return GazeRecording(group["device_time_us"][()], group["system_time_us"][()], **sides)


def _read_table(group: h5py.Group, expected: Mapping[str, str] | None = None) -> pd.DataFrame:
    names = json.loads(str(group.attrs["columns"]))
    missing = [name for name in expected or {} if name not in names]
    if missing:
        raise FormatError(f"the table {group.name} lacks {', '.join(missing)}")
    columns = {}
    for name in names:
        values = group[name]
        columns[name] = values.asstr()[()].astype(object) if h5py.check_string_dtype(values.dtype) else values[()]
    return pd.DataFrame(columns, columns=names)


def _read_calibration(group: h5py.Group) -> Calibration:
    points = (
        [
            CalibrationPoint(
                target=(float(part.attrs["target"][0]), float(part.attrs["target"][1])),
                **{name: part[name][()] for name in ("left", "right", "left_used", "right_used")},
            )
            for part in (group["points"][key] for key in sorted(group["points"], key=int))
        ]
        if "points" in group
        else []
    )
    return Calibration(
        int(group.attrs["time_us"]), str(group.attrs["status"]), tuple(points), group["blob"][()].tobytes()
    )


def _read_validation(group: h5py.Group) -> Validation:
    passed = {"True": True, "False": False}.get(str(group.attrs["passed"]))
    return Validation(int(group.attrs["time_us"]), _read_table(group), passed)
