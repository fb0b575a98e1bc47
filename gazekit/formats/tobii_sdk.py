"""Tobii Pro SDK, the dictionaries of its gaze stream as a table (Tobii Pro SDK documentation, "Gaze data").

Programs write them with a column for every number (``left_gaze_point_on_display_area_x``), or as Python prints them,
with tuples in a cell (``"(0.5, 0.25)"``). Gaze is on the display area, from (0, 0) at its top left; stamps are
microseconds on the tracker's clock and the host's.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gazekit.core.types import Floats
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Batch, Head, TextTable
from gazekit.formats.titta import Columns, sdk_eye
from gazekit.gaze import GazeRecording
from gazekit.session.model import TrackerInfo

TITLE = "Tobii Pro SDK gaze data as a table (CSV, TSV), flat or with tuples"
_SIDES = ("left", "right")
_USER = "in_user_coordinate_system"
_POINTS = {"gaze_point_on_display_area": "xy", f"gaze_point_{_USER}": "xyz", f"gaze_origin_{_USER}": "xyz"}
_STAMPS = ("device_time_stamp", "system_time_stamp")
_SINGLE = ("pupil_diameter", "gaze_point_validity", "pupil_validity", "gaze_origin_validity")


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    point = "left_gaze_point_on_display_area"
    return any(map(head.has, _STAMPS)) and (head.has(point) or head.has(f"{point}_x"))


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of one recording; the screen must be given."""
    table = TextTable(head, strict=request.strict)
    draft = request.draft(head, tracker=TrackerInfo(kind="tobii"))
    device, system = (name if name in table.names else other for name, other in (_STAMPS, _STAMPS[::-1]))
    alone = "" if device != system else f", {device} alone: it stands for both clocks"
    draft.account.know("time", f"us{alone}", "format")
    draft.account.know("gaze", "shares of the screen from its top left, y downward", "format")
    tuples = [f"{side}_{name}" for side in _SIDES for name in _POINTS if f"{side}_{name}" in table.names]
    numbers = [f"{side}_{name}_{axis}" for side in _SIDES for name, axes in _POINTS.items() for axis in axes]
    numbers += [f"{side}_{name}" for side in _SIDES for name in _SINGLE]
    kinds = dict.fromkeys(_STAMPS, "integer")
    kinds |= dict.fromkeys(numbers, "number") | dict.fromkeys(tuples, "text")
    for batch in table.batches(kinds):
        columns: Columns = {name: batch.numbers(name) for name in numbers if name in batch}
        for name in tuples:
            values = _tuples(batch, name, len(_POINTS[name.split("_", 1)[1]]))
            columns |= {f"{name}_{axis}": values[:, n] for n, axis in enumerate("xyz"[: values.shape[1]])}
        columns["system_time_stamp"] = stamps = batch.integers(system)
        eyes = (sdk_eye(columns, side) for side in _SIDES)
        yield Part(draft, GazeRecording(batch.integers(device), stamps, *eyes))
    table.describe(draft.account)
    draft.notes += table.notes()


def _tuples(batch: Batch, name: str, width: int) -> Floats:
    """Read cells such as ``(0.5, nan)`` as numbers, shape (n, width); NaN where a cell holds another number of them."""
    codes, words = batch.codes(name)
    values = np.full((len(words) + 1, width), np.nan)
    for n, word in enumerate(words):
        cells = word.strip("()[] ").split(",")
        if len(cells) == width:
            values[n] = [float(cell) for cell in cells]
    return values[codes]
