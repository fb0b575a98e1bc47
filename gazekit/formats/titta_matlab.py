"""Titta for MATLAB (Niehorster, Andersson & Nystrom 2020): the .mat file of its ``saveData``, saved as version 5 to 7.

``data.gaze`` holds columns of the Tobii Pro SDK (2 x n and 3 x n), ``messages`` a cell of stamps and texts,
``geometry`` the display area in millimetres.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gazekit.core.errors import FormatError
from gazekit.formats.matlab import read_mat
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Head
from gazekit.formats.titta import Columns, sdk_eye
from gazekit.gaze import GazeRecording
from gazekit.session.model import TrackerInfo

TITLE = "Titta for MATLAB (.mat)"
ONSET, OFFSET = r"^onset_(?P<image>.+)$", r"^offset_(?P<image>.+)$"
_SIDES = ("left", "right")
_FIELDS = (  # struct, its field, the SDK's name, axes
    ("gazePoint", "onDisplayArea", "gaze_point_on_display_area", "xy"),
    ("gazePoint", "inUserCoords", "gaze_point_in_user_coordinate_system", "xyz"),
    ("gazePoint", "valid", "gaze_point_validity", ""),
    ("pupil", "diameter", "pupil_diameter", ""),
    ("pupil", "valid", "pupil_validity", ""),
    ("gazeOrigin", "inUserCoords", "gaze_origin_in_user_coordinate_system", "xyz"),
    ("gazeOrigin", "valid", "gaze_origin_validity", ""),
)


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    import scipy.io

    if not head.start.startswith(b"MATLAB 5.0"):
        return False
    try:
        return {"data", "messages"} <= {name for name, _, _ in scipy.io.whosmat(str(head.path))}
    except (ValueError, OSError, NotImplementedError):
        return False


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of one recording; the screen's pixels must be given."""
    content = read_mat(head.path)
    gaze = getattr(content["data"], "gaze", None)
    if gaze is None or not hasattr(gaze, "systemTimeStamp"):
        raise FormatError(f"{head.path}: data has no gaze")
    area = getattr(content.get("geometry"), "displayArea", None)
    sizes = {f"{name}_mm": float(getattr(area, name)) for name in ("width", "height") if hasattr(area, name)}
    system = np.atleast_1d(gaze.systemTimeStamp).astype(np.int64)
    columns: Columns = {"system_time_stamp": system}
    for side in _SIDES:
        columns |= _columns(getattr(gaze, side), side)
    info = content.get("systemInfo")
    draft = request.draft(
        head,
        sizes,
        tracker=TrackerInfo(
            kind="tobii",
            model=str(getattr(info, "model", "")),
            serial=str(getattr(info, "serialNumber", "")),
            firmware=str(getattr(info, "firmwareVersion", "")),
        ),
        messages=[(int(row[0]), str(row[1])) for row in np.atleast_2d(content["messages"]) if len(row) == 2],
    )
    draft.account.know("time", "us", "format")
    draft.account.know("gaze", "shares of the screen from its top left, y downward", "format")
    draft.account.rows, draft.account.taken = len(system), sorted(columns)
    device = np.atleast_1d(gaze.deviceTimeStamp).astype(np.int64)
    yield Part(draft, GazeRecording(device, system, *(sdk_eye(columns, side) for side in _SIDES)))


def _columns(eye: Any, side: str) -> Columns:
    columns: Columns = {}
    for struct, field, name, axes in _FIELDS:
        values = getattr(getattr(eye, struct, None), field, None)
        if values is None:
            continue
        rows = np.asarray(values, dtype=np.float64)
        if not axes:
            columns[f"{side}_{name}"] = np.atleast_1d(rows)
        else:
            columns |= {
                f"{side}_{name}_{axis}": row for axis, row in zip(axes, rows.reshape(len(axes), -1), strict=True)
            }
    return columns
