"""PsychoPy's ioHub: its HDF5 data store, and tables of its samples as CSV (PsychoPy documentation, ioHub events).

Samples are compound rows under ``data_collection/events/eyetracker``, messages under ``.../experiment/MessageEvent``;
``time`` is in seconds. Gaze is in the units of the PsychoPy window, from its centre, y upward. The store does not say
which units these were: pixels, ``height`` and ``norm`` are told apart by where the numbers lie, or said by ``unit``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast

import h5py
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import FormatError, InputError, unknown_name
from gazekit.core.types import Bools, Floats
from gazekit.formats.columns import Onward, eye, point, recording, whole_us
from gazekit.formats.plain import GazeSection, to_pixels
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.text import Head, TextTable
from gazekit.gaze import Eye
from gazekit.session.model import TrackerInfo

TITLE = "PsychoPy ioHub: HDF5 data store, or its samples as CSV"
_EVENTS = "data_collection/events"
_SAMPLES = ("BinocularEyeSampleEvent", "MonocularEyeSampleEvent")
_UNITS = ("px", "height", "norm", "deg")
_GAZE = ("left_gaze_x", "left_gaze_y", "right_gaze_x", "right_gaze_y", "gaze_x", "gaze_y")
Columns = Mapping[str, npt.NDArray[Any]]


def looks_like(head: Head) -> bool:
    """Tell whether a file has one of the layouts."""
    if head.start.startswith(b"\x89HDF"):
        try:
            with h5py.File(head.path, "r") as file:
                return f"{_EVENTS}/eyetracker" in file
        except OSError:
            return False
    return head.has("logged_time", "time", "device_time") and (head.has("left_gaze_x") or head.has("gaze_x"))


def read(head: Head, request: Request, unit: str = "") -> Iterator[Part]:
    """Read the samples of every session; the screen must be given.

    Parameters
    ----------
    head : Head
        The file.
    request : Request
        What the person who imports says of it.
    unit : str
        Units of the PsychoPy window: px, height, norm or deg; guessed where it is empty.
    """
    if unit and unit not in _UNITS:
        raise unknown_name("unit", unit, _UNITS)
    if head.start.startswith(b"\x89HDF"):
        yield from _read_store(head, request, unit)
        return
    table = TextTable(head, strict=request.strict)
    wanted = dict.fromkeys(("time", "session_id", "status", *_GAZE), "number")
    batches = list(table.batches(wanted))
    names = [name for name in wanted if name in table.names]
    columns = {name: np.concatenate([batch.numbers(name) for batch in batches]) for name in names}
    for session in np.unique(columns["session_id"]) if "session_id" in columns else [0]:
        rows = columns["session_id"] == session if "session_id" in columns else slice(None)
        draft = _draft(head, request, "", f"{session:g}" if "session_id" in columns else "")
        part = _part(draft, {name: values[rows] for name, values in columns.items()}, unit)
        table.describe(draft.account)
        yield part


def _read_store(head: Head, request: Request, unit: str) -> Iterator[Part]:
    with h5py.File(head.path, "r") as file:
        groups = file[f"{_EVENTS}/eyetracker"]
        name = next((name for name in _SAMPLES if name in groups and len(groups[name])), None)
        if name is None:
            raise FormatError(f"{head.path} holds no samples of an eye tracker, only {', '.join(groups) or 'nothing'}")
        samples = groups[name][()]
        messages = (
            file[f"{_EVENTS}/experiment/MessageEvent"][()] if f"{_EVENTS}/experiment/MessageEvent" in file else None
        )
        meta = file["data_collection/session_meta_data"][()] if "data_collection/session_meta_data" in file else None
    for session in np.unique(samples["session_id"]):
        code = ""
        if meta is not None and "code" in (meta.dtype.names or ()):
            code = "".join(_text(row["code"]) for row in meta[meta["session_id"] == session][:1])
        draft = _draft(head, request, code, f"{session}")
        if messages is not None:
            rows = messages[messages["session_id"] == session]
            draft.messages = [(round(float(row["time"]) * 1e6), _text(row["text"])) for row in rows]
        rows = samples[samples["session_id"] == session]
        taken = [n for n in ("time", "status", *_GAZE) if n in (rows.dtype.names or ())]
        draft.account.taken = taken
        draft.account.ignored = [n for n in rows.dtype.names or () if n not in taken]
        yield _part(draft, {n: rows[n].astype(np.float64) for n in taken}, unit)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _draft(head: Head, request: Request, participant: str, session: str) -> Draft:
    name = f"session {session}" if session else ""
    return request.draft(head, who=participant, name=name, tracker=TrackerInfo(kind="iohub"), many=bool(session))


def _part(draft: Draft, columns: Columns, unit: str) -> Part:
    clock = Onward()
    time = clock.of(whole_us(columns["time"], "s"))
    clock.describe(draft.account)
    if (displaced := int((np.diff(time) < 0).sum())) > 0:
        draft.account.know("order", f"sorted by time, which ran back {displaced} times", "format")
    order = np.argsort(time, kind="stable")
    columns = {name: values[order] for name, values in columns.items()}
    pairs = [("left_gaze_x", "left_gaze_y"), ("right_gaze_x", "right_gaze_y"), ("gaze_x", "gaze_y")]
    places = [(columns[x], columns[y]) for x, y in pairs if x in columns and y in columns]
    if not places:
        raise InputError(f"the samples have no gaze; they have {', '.join(columns)}")
    guess = unit or _guess(np.concatenate([y for _, y in places]))
    draft.account.know("time", "s", "format")
    draft.account.know("gaze", f"{guess} from the centre of the screen, y upward", "option" if unit else "guess")
    draft.account.rows = len(time)
    status = columns.get("status", np.zeros(len(time)))
    lost = (status // 10 == 2, status % 10 == 2) if len(places) == 2 else (status != 0,)  # 20 left, 2 right, 22 both
    eyes = [_eye(draft, *place, guess, gone) for place, gone in zip(places, lost, strict=False)]
    eyes += [Eye.missing(len(time))] * (2 - len(eyes))
    return Part(draft, recording(time[order], eyes[0], eyes[1]))


def _eye(draft: Draft, x: Floats, y: Floats, unit: str, lost: Bools) -> Eye:
    section = GazeSection(unit=cast(Literal["px", "height", "norm", "deg"], unit), origin="centre", y="up")
    valid = np.isfinite(point(x, y)[:, 0]) & ~lost
    gaze = draft.screen.px_to_display(*to_pixels(x, y, section, draft.screen))
    gaze[~np.isfinite(gaze).all(axis=1)] = np.nan
    return eye(gaze, valid=valid)


def _guess(y: Floats) -> str:
    """Tell pixels, height and norm apart: the screen ends at half of its height, in height, and at 1 in norm."""
    reach = float(np.nanquantile(np.abs(y), 0.98)) if np.isfinite(y).any() else 1.0
    return "px" if reach > 3 else "norm" if reach > 0.55 else "height"
