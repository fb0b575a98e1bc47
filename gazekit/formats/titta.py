"""Titta (Niehorster, Andersson & Nystrom 2020) for Python, the HDF5 file of its ``save_data``.

The file is written by pandas: tables ``gaze`` (columns of the Tobii Pro SDK), ``msg`` (time stamp and text),
``time_sync``, ``external_signal``, ``calibration_history``; facts of the tracker are attributes of the file. The tables
are read here as the HDF5 that they are. pandas keeps columns of text as pickles, which may run any code when they are
loaded: they are opened by an unpickler that makes arrays of text and numbers and nothing else.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.errors import FormatError
from gazekit.core.types import Bools, Floats, Index
from gazekit.formats.columns import diameter, eye, openness_stream, point, vector
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Head
from gazekit.gaze import Eye, GazeRecording
from gazekit.session.model import TrackerInfo, Validation

TITLE = "Titta for Python (HDF5)"
ONSET, OFFSET = r"^onset_(?P<image>.+)$", r"^offset_(?P<image>.+)$"  # messages as Titta's own examples name them
_ARRAY_PARTS = {  # all that a pickled array of text is made of
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
}
_SYNC = {"system_request_time_stamp": "request_us", "device_time_stamp": "device_us"}
_SYNC |= {"system_response_time_stamp": "response_us"}
_TAKEN = ("left_", "right_", "system_time_stamp", "device_time_stamp")
Columns = dict[str, npt.NDArray[Any]]


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    if not head.start.startswith(b"\x89HDF"):
        return False
    try:
        with h5py.File(head.path, "r") as file:
            return "gaze" in file and "msg" in file and "pandas_type" in file["gaze"].attrs
    except OSError:
        return False


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of one recording; the screen must be given."""
    try:
        with h5py.File(head.path, "r") as file:
            gaze, messages = read_frame(file["gaze"]), read_frame(file["msg"])
            history = read_frame(file["calibration_history"]) if "calibration_history" in file else {}
            sync = read_frame(file["time_sync"]) if "time_sync" in file else {}
            facts = {name: str(value) for name, value in file.attrs.items()}
    except (OSError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise FormatError(f"{head.path} is not a Titta file that can be read: {error}") from error
    system, device = _stamps(gaze, head)
    draft = request.draft(
        head,
        tracker=TrackerInfo(
            kind="tobii",
            model=facts.get("model", ""),
            serial=facts.get("serial_number", ""),
            firmware=facts.get("firmware_version", ""),
            mode=facts.get("eye_tracking_mode", facts.get("tracking_mode", "")),
        ),
        messages=[(int(t), str(text)) for t, text in zip(messages["system_time_stamp"], messages["msg"], strict=True)],
        validations=_validations(history, int(system[0]) if len(system) else 0),
    )
    if set(_SYNC) <= set(sync):
        draft.streams["time_sync"] = pd.DataFrame({to: sync[name].astype(np.int64) for name, to in _SYNC.items()})
    draft.account.rows, draft.account.taken = len(system), sorted(name for name in gaze if name.startswith(_TAKEN))
    draft.account.ignored = sorted(set(gaze) - set(draft.account.taken))
    draft.account.know("time", "us", "format")
    draft.account.know("gaze", "shares of the screen from its top left, y downward", "format")
    if openness := sdk_openness(gaze):
        draft.streams["eye_openness"] = openness_stream(device, system, openness)
    yield Part(draft, GazeRecording(device, system, *(sdk_eye(gaze, side) for side in ("left", "right"))))


def read_frame(group: h5py.Group) -> Columns:
    """Read the columns of a table that pandas wrote to HDF5 in its ``fixed`` layout."""
    kind = group.attrs.get("pandas_type", b"")
    if (kind.decode() if isinstance(kind, bytes) else str(kind)) != "frame":
        raise FormatError(f"the table {group.name} is not in the layout that Titta writes")
    columns: Columns = {}
    for n in range(int(group.attrs["nblocks"])):
        values = _block(group[f"block{n}_values"])
        names = [name.decode() if isinstance(name, bytes) else str(name) for name in group[f"block{n}_items"][()]]
        rows = values if values.ndim == 2 and values.shape[1] == len(names) else values.T
        columns |= {name: rows[:, i] for i, name in enumerate(names)}
    return columns


class _ArraysOnly(pickle.Unpickler):
    """Makes arrays of text and numbers; anything else in a pickle is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the parts of an array."""
        if (module, name) not in _ARRAY_PARTS:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which no table of text needs")
        return super().find_class(module, name)


def _block(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    if h5py.check_vlen_dtype(dataset.dtype) is None:
        values: npt.NDArray[Any] = dataset[()]
        return values
    packed = bytes(np.asarray(dataset[0], dtype=np.uint8))
    return np.atleast_2d(np.asarray(_ArraysOnly(io.BytesIO(packed)).load(), dtype=object))


def _stamps(gaze: Columns, head: Head) -> tuple[Index, Index]:
    needed = ["system_time_stamp", "device_time_stamp"]
    needed += [f"{side}_gaze_point_on_display_area_{axis}" for side in ("left", "right") for axis in "xy"]
    missing = [name for name in needed if name not in gaze]
    if missing:
        raise FormatError(
            f"{head.path}: the gaze lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        )
    return gaze["system_time_stamp"].astype(np.int64), gaze["device_time_stamp"].astype(np.int64)


def sdk_openness(gaze: Columns) -> dict[str, Floats]:
    """Return how far each eye is open, millimetres, NaN where not valid; empty where the columns are not there."""
    openness = {}
    for side in ("left", "right"):
        if (name := f"{side}_eye_openness_diameter") in gaze:
            valid = gaze.get(f"{side}_eye_openness_valid", np.ones(len(gaze[name]))).astype(np.float64) == 1
            openness[side] = np.where(valid, gaze[name].astype(np.float64), np.nan)
    return openness


def sdk_eye(gaze: Columns, side: str) -> Eye:
    """Make an eye of the columns of the Tobii Pro SDK, as far as they are there."""
    n = len(gaze["system_time_stamp"])

    def number(name: str) -> Floats:
        return gaze[f"{side}_{name}"].astype(np.float64) if f"{side}_{name}" in gaze else np.full(n, np.nan)

    def verdict(name: str) -> Bools | None:
        for word in ("validity", "valid"):
            if f"{side}_{name}_{word}" in gaze:
                return np.asarray(gaze[f"{side}_{name}_{word}"].astype(np.float64) == 1)
        return None

    user = "in_user_coordinate_system"
    by_gaze = eye(
        point(number("gaze_point_on_display_area_x"), number("gaze_point_on_display_area_y")),
        valid=verdict("gaze_point"),
        pupil_mm=diameter(number("pupil_diameter")),
        origin_mm=vector(*(number(f"gaze_origin_{user}_{axis}") for axis in "xyz")),
        gaze_mm=vector(*(number(f"gaze_point_{user}_{axis}") for axis in "xyz")),
    )
    pupil, origin = verdict("pupil"), verdict("gaze_origin")
    return replace(
        by_gaze,
        pupil_valid=by_gaze.pupil_valid if pupil is None else by_gaze.pupil_valid & pupil,
        origin_valid=by_gaze.origin_valid if origin is None else by_gaze.origin_valid & origin,
    )


def _validations(history: Columns, time_us: int) -> list[Validation]:
    """Read the validation after each calibration: accuracy, precision and loss of both eyes."""
    names = {"offset": "accuracy_deg", "RMS_S2S": "rms_s2s_deg", "SD": "std_deg"}
    if "offset_left_eye (deg)" not in history:
        return []
    validations = []
    for row in range(len(history["offset_left_eye (deg)"])):
        rows = []
        for side in ("left", "right"):
            figures = {to: float(history[f"{name}_{side}_eye (deg)"][row]) for name, to in names.items()}
            lost = history.get(f"Prop_data_loss_{side}_eye")
            rows.append(
                {"eye": side, **figures, "loss_percent": 100 * float(lost[row]) if lost is not None else np.nan}
            )
        used = str(history["Calibration used"][row]) == "used" if "Calibration used" in history else None
        validations.append(Validation(time_us, pd.DataFrame(rows), used))
    return validations
