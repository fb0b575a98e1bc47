"""The session file (``*.gaze.h5``): written whole or not at all, checked when opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from gazekit.core.checksum import SESSION, check_seal, sealed_file
from gazekit.core.errors import FormatError, InputError
from gazekit.core.long_texts import text_of, write_text
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
from gazekit.session.samples import SAMPLE, Block, from_recording

SCHEMA = "gazekit.session/1"
Rows = tuple[int, Iterable[Block]]  # how many, and they themselves in blocks
BLOCK_ROWS = 1 << 15
_CHUNK = 1 << 13
_COLUMN = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}


def write_session(
    session: Session,
    path: str | Path,
    *,
    blocks: Rows | None = None,
    streams: Mapping[str, Rows] | None = None,
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Write a session file; an existing one is never overwritten.

    Parameters
    ----------
    session : Session
        What to write.
    path : str or Path
        The file, customarily ``*.gaze.h5``.
    blocks : tuple, optional
        The gaze as a number of samples and blocks of `SAMPLE` rows, in place of ``session.recording``: for recordings
        that need not fit in memory.
    streams : mapping, optional
        Streams of numbers that need not fit in memory either, beside ``session.streams``.
    check : callable, optional
        Looks at the file before it takes its name, and raises where it is wrong.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        The file exists already, or cannot be written.
    """
    path = Path(path)
    n, rows = blocks or (len(session.recording), [from_recording(session.recording)])
    with sealed_file(path, check, seal=SESSION, overwrite=False) as file:
        write_header(file, session)
        _write_gaze(file.create_group("gaze"), n, rows)
        write_tables(file, session, streams)
    return path


def open_session(path: str | Path, *, gaze: bool = True, leave_out: Collection[str] = ()) -> Session:
    """Open a session file.

    Parameters
    ----------
    path : str or Path
        A session file, ``*.gaze.h5``.
    gaze : bool
        Whether to read the recording; without it, it stays empty.
    leave_out : collection of str
        Streams that are not read.

    Returns
    -------
    Session
        All that the file holds.

    Raises
    ------
    InputError
        No such file, or an empty one.
    FormatError
        Not a session file, of another schema, damaged, or changed since it was written.

    Examples
    --------
    >>> session = open_session("sample_data/sessions/P01.gaze.h5")
    >>> session.participant, len(session.stimuli)
    ('P01', 6)
    """
    check_seal(path, SESSION)
    try:
        with h5py.File(path, "r") as file:
            schema = file.attrs.get("schema", "none")
            if schema != SCHEMA:
                raise FormatError(f"{path} is not a session file of schema {SCHEMA}; its schema is {schema}")
            return _read(file, gaze=gaze, leave_out=leave_out)
    except (OSError, KeyError, ValueError, TypeError, AttributeError, InputError, RuntimeError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{path} is not a session file, or is damaged: {error}") from error


def write_header(file: h5py.File, session: Session) -> None:
    """Write the attributes of a session file."""
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
        write_text(file, name, json.dumps(value, sort_keys=True))


def write_tables(file: h5py.File, session: Session, streams: Mapping[str, Rows] | None = None) -> None:
    """Write everything of a session but its header and its gaze."""
    write_frame(file, "stimuli", session.stimuli)
    write_frame(file, "messages", session.messages)
    for name, (n, blocks) in (streams or {}).items():
        _write_stream(file.create_group(name), n, blocks)
    for name, table in session.streams.items():
        write_frame(file, name, table)
    for n, calibration in enumerate(session.calibrations):
        _write_calibration(file.create_group(f"calibrations/{n}"), calibration)
    for n, validation in enumerate(session.validations):
        group = write_frame(file, f"validations/{n}", validation.table)
        group.attrs["time_us"] = validation.time_us
        group.attrs["passed"] = "" if validation.passed is None else str(validation.passed)


def _write_gaze(group: h5py.Group, n: int, blocks: Iterable[Block]) -> None:
    for name in SAMPLE.names or ():
        shape = (n, *SAMPLE[name].shape)
        options = {"chunks": (min(n, _CHUNK), *shape[1:]), **_COLUMN} if n else {}
        group.create_dataset(name, shape=shape, dtype=SAMPLE[name].base, **options)
    start = 0
    for block in blocks:
        for name in SAMPLE.names or ():
            group[name][start : start + len(block)] = block[name]
        start += len(block)
    if start != n:
        raise ValueError(f"{n} samples were announced, {start} came")


def _write_stream(group: h5py.Group, n: int, blocks: Iterable[Block]) -> None:
    """Write a stream of numbers as `write_frame` would, a block at a time."""
    start = 0
    for block in blocks:
        names = block.dtype.names or ()
        if not start:
            group.attrs["columns"] = json.dumps(list(names))
        for name in names:
            if not start:
                group.create_dataset(name, shape=(n,), dtype=block.dtype[name])
            group[name][start : start + len(block)] = block[name]
        start += len(block)


def write_frame(file: h5py.File, name: str, table: pd.DataFrame) -> h5py.Group:
    """Write a table as a group with a dataset for each column."""
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


def _read(file: h5py.File, *, gaze: bool, leave_out: Collection[str]) -> Session:
    streams = {name: _read_table(file[name]) for name in STREAMS if name in file and name not in leave_out}
    return Session(
        participant=str(file.attrs["participant"]),
        name=str(file.attrs["name"]),
        task=str(file.attrs["task"]),
        started_utc=str(file.attrs["started_utc"]),
        finalised=bool(file.attrs["finalised"]),
        tracker=TrackerInfo(**json_attribute(file, "tracker")),
        screen=Screen(**json_attribute(file, "screen")),
        clock=Clock(**json_attribute(file, "clock")),
        display=json_attribute(file, "display"),
        provenance=json_attribute(file, "provenance"),
        recording=_read_recording(file["gaze"]) if gaze else GazeRecording.empty(),
        stimuli=_read_table(file["stimuli"], STIMULUS_COLUMNS),
        messages=_read_table(file["messages"], MESSAGE_COLUMNS),
        calibrations=tuple(_read_calibration(group) for group in _numbered(file, "calibrations")),
        validations=tuple(_read_validation(group) for group in _numbered(file, "validations")),
        streams=streams,
    )


def json_attribute(file: h5py.File, name: str) -> dict[str, Any]:
    """Read an object that the header of a session file holds: tracker, screen, clock, display or provenance."""
    value = json.loads(text_of(file, name))
    if not isinstance(value, dict):
        raise FormatError(f"the attribute {name} should be an object, found {value!r}")
    return value


def _numbered(file: h5py.File, name: str) -> list[h5py.Group]:
    return [file[name][key] for key in sorted(file[name], key=int)] if name in file else []


def _read_recording(group: h5py.Group) -> GazeRecording:
    sides = {side: Eye(**{f.name: group[f"{side}_{f.name}"][()] for f in fields(Eye)}) for side in ("left", "right")}
    return GazeRecording(group["device_time_us"][()], group["system_time_us"][()], sides["left"], sides["right"])


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
    table = _read_table(group)
    table[[name for name in table if (table[name] == "None").all()]] = np.nan  # 0.1.0 wrote so what nobody measured
    return Validation(int(group.attrs["time_us"]), table, passed)
