"""Fixations that other programs found, without the samples: read straight to gazekit's table of fixations.

- EyeLink Data Viewer, fixation report (Data Viewer user manual): ``CURRENT_FIX_X``, ``CURRENT_FIX_DURATION``, ms.
- Gazepoint Analysis, ``..._fixations.csv``: shares of the screen, seconds.
- Tobii Pro Lab and Tobii Studio, exports with a fixation on one row or on the rows of its samples.
- MATLAB: a cell a picture with ``img`` and ``subjects`` of ``fix_x``, ``fix_y``, ``fix_duration``, as OSIE has it
  (Xu et al. 2014): picture pixels counted from 1.
- HDF5 of etdb (Wilming et al. 2017): a group a study with ``SUBJECTINDEX``, ``category``, ``filenumber``, ``x``, ``y``,
  ``start``, ``end`` (ms).

Where a file has places on the screen only, a picture is taken to fill the screen, as in an import of samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd

from gazekit.core.errors import FormatError, InputError
from gazekit.core.tables import FIXATION_COLUMNS, read_table
from gazekit.core.types import Floats
from gazekit.formats.gazepoint import is_fixation_table
from gazekit.formats.names import ColumnNames
from gazekit.formats.session_builder import SCREEN_OPTIONS
from gazekit.formats.text import Head
from gazekit.screen import Screen

_PICTURE = ("image", "picture", "stimulus", "img", "imagefile", "image_file", "picture_name", "image_name", "filename")
Columns = dict[str, Any]


class TableLayout(NamedTuple):
    """A layout: what it is called, how it is known, and how its columns are read."""

    title: str
    looks_like: Callable[[Head], bool]
    columns: Callable[[Head, Mapping[str, float]], Columns]


def layout_of(path: str | Path) -> TableLayout | None:
    """Find the layout of a file of fixations; None where it is another file."""
    head = Head.of(path)
    return next((layout for layout in LAYOUTS if layout.looks_like(head)), None)


def read_makers_fixations(path: str | Path, screen: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Read a file of fixations that another program found.

    Parameters
    ----------
    path : str or Path
        The file.
    screen : mapping of str to float
        Sizes of the screen as the fields of `Screen`, where the layout needs them; with all of them the table has
        degrees too.

    Returns
    -------
    DataFrame
        A fixation table (`gazekit.core.tables.FIXATION_COLUMNS`); what the file does not tell is NaN or empty.

    Raises
    ------
    FormatError
        The file is of no known layout, or lacks a column.
    """
    layout, sizes = layout_of(path), dict(screen or {})
    if layout is None:
        known = "; ".join(layout.title for layout in LAYOUTS)
        raise FormatError(f"{path} is no table of fixations that is known: {known}")
    table = pd.DataFrame(layout.columns(Head.of(path), sizes))
    if len(sizes) == len(SCREEN_OPTIONS):
        whole = Screen(int(sizes["width_px"]), int(sizes["height_px"]), *(sizes[n] for n in list(SCREEN_OPTIONS)[2:]))
        table["x_deg"], table["y_deg"] = whole.to_degrees(table["x_px"], table["y_px"])
    for name, place in (("x_picture", "x_px"), ("y_picture", "y_px")):
        table[name] = table[name] if name in table else table[place]
    for name in ("onset_us", "offset_us"):
        table[name] = np.round(table[name].astype(float)).astype("int64") if name in table else 0
    table["detector"], table["parameters"] = layout.title, "{}"
    table["samples"] = 0
    missing = {name: np.nan for name in FIXATION_COLUMNS if name not in table}
    return table.assign(**missing)[list(FIXATION_COLUMNS)].reset_index(drop=True)


def _number(table: pd.DataFrame, name: str) -> Floats:
    return np.asarray(pd.to_numeric(table[name], errors="coerce"), dtype=np.float64)


def _size(sizes: Mapping[str, float], path: Path) -> tuple[float, float]:
    if not {"width_px", "height_px"} <= set(sizes):
        raise InputError(f"{path} gives places as shares of the screen; give --screen WIDTHxHEIGHT")
    return sizes["width_px"], sizes["height_px"]


def _picture_column(columns: Mapping[str, str], path: Path) -> str:
    column = next((columns[name] for name in _PICTURE if name in columns), None)
    if column is None:
        raise FormatError(
            f"{path} has no column that names the picture ({', '.join(_PICTURE[:4])}, ...); add it to the report"
        )
    return column


def _data_viewer(head: Head, sizes: Mapping[str, float]) -> Columns:
    columns = ["CURRENT_FIX_X", "CURRENT_FIX_Y", "CURRENT_FIX_DURATION"]
    ids = [name for name in head.columns if name.lower() in (*_PICTURE, "recording_session_label")]
    table = read_table(head.path, columns, "fixation report", ids=ids)
    picture = _picture_column({str(name).lower(): str(name) for name in table.columns}, head.path)
    start = _number(table, "CURRENT_FIX_START") * 1000 if "CURRENT_FIX_START" in table else np.zeros(len(table))
    return {
        "participant": table.get("RECORDING_SESSION_LABEL", head.path.stem),
        "image": table[picture].astype(str),
        "onset_us": start,
        "offset_us": start + _number(table, "CURRENT_FIX_DURATION") * 1000,
        "duration_ms": _number(table, "CURRENT_FIX_DURATION"),
        "x_px": _number(table, "CURRENT_FIX_X"),
        "y_px": _number(table, "CURRENT_FIX_Y"),
    }


def _gazepoint(head: Head, sizes: Mapping[str, float]) -> Columns:
    table = read_table(head.path, ["FPOGX", "FPOGY", "FPOGS", "FPOGD"], "table of fixations", ids=["MEDIA_NAME"])
    width, height = _size(sizes, head.path)
    start = _number(table, "FPOGS") * 1e6
    return {
        "participant": head.path.stem.removesuffix("_fixations"),
        "image": table["MEDIA_NAME"].astype(str) if "MEDIA_NAME" in table else "",
        "onset_us": start,
        "offset_us": start + _number(table, "FPOGD") * 1e6,
        "duration_ms": _number(table, "FPOGD") * 1000,
        "x_px": _number(table, "FPOGX") * width,
        "y_px": _number(table, "FPOGY") * height,
    }


_TOBII = {  # Pro Lab's name, Studio's name
    "time": ("Recording timestamp", "RecordingTimestamp"),
    "who": ("Participant name", "ParticipantName"),
    "recording": ("Recording name", "RecordingName"),
    "picture": ("Presented Media name", "MediaName"),
    "stimulus": ("Presented Stimulus name", "MediaName"),
    "kind": ("Eye movement type", "GazeEventType"),
    "duration": ("Gaze event duration", "GazeEventDuration"),
    "number": ("Eye movement type index", "FixationIndex"),
}


def _tobii_names(head: Head) -> dict[str, str]:
    names = ColumnNames(head.columns)
    columns = {
        key: next((n for name in both if (n := names.find(name, "us", "ms", ""))), "") for key, both in _TOBII.items()
    }
    for axis in "XY":
        screen = names.find(f"Fixation point {axis}", "dacspx", "") or names.find(f"FixationPoint{axis}", "adcspx")
        media = names.find(f"Fixation point {axis}", "mcspx") or names.find(f"FixationPoint{axis}", "mcspx")
        columns |= {f"{axis} screen": screen, f"{axis} picture": media}
    return {key: name for key, name in columns.items() if name}


def _is_tobii(head: Head) -> bool:
    names, lists = _tobii_names(head), ColumnNames(head.columns)
    gaze = any(lists.find(n, *u) for n, u in (("Gaze point left X", ("dacspx", "")), ("GazePointLeftX", ("adcspx",))))
    places = {"X screen", "Y screen"} <= set(names) or {"X picture", "Y picture"} <= set(names)
    return {"duration", "number"} <= set(names) and places and not gaze


def _tobii(head: Head, sizes: Mapping[str, float]) -> Columns:
    names = _tobii_names(head)
    texts = [names[key] for key in ("who", "recording", "picture", "stimulus") if key in names]
    table = read_table(head.path, list(names.values()), "export of fixations", ids=texts)
    if "kind" in names:
        table = table[table[names["kind"]] == "Fixation"]
    table = table[_number(table, names["number"]) > 0] if "kind" not in names else table
    keys = [names[key] for key in ("who", "recording", "number") if key in names]
    table = table.drop_duplicates(keys)  # one row a fixation, where every sample repeats it
    picture = names.get("picture") or names.get("stimulus")
    time, unit = np.zeros(len(table)), 1000.0
    if "time" in names:
        time = _number(table, names["time"])
        unit = 1.0 if "[μs]" in names["time"] or "[µs]" in names["time"] else 1000.0
    columns: Columns = {
        "participant": table[names["who"]].astype(str) if "who" in names else head.path.stem,
        "image": table[picture].astype(str) if picture else "",
        "onset_us": time * unit,
        "offset_us": time * unit + _number(table, names["duration"]) * 1000,
        "duration_ms": _number(table, names["duration"]),
    }
    for axis, name in (("X", "x"), ("Y", "y")):
        screen, media = (names.get(f"{axis} {of}") for of in ("screen", "picture"))
        columns[f"{name}_px"] = _number(table, screen) if screen else np.full(len(table), np.nan)
        columns |= {f"{name}_picture": _number(table, media)} if media else {}
    return columns


def _is_matlab(head: Head) -> bool:
    import scipy.io

    if not head.start.startswith(b"MATLAB 5.0"):
        return False
    try:
        return "fixations" in [name for name, _, _ in scipy.io.whosmat(str(head.path))]
    except (ValueError, OSError, NotImplementedError):
        return False


def _matlab(head: Head, sizes: Mapping[str, float]) -> Columns:
    import scipy.io

    cells = scipy.io.loadmat(str(head.path), squeeze_me=True, struct_as_record=False)["fixations"]
    rows = [row for cell in np.atleast_1d(cells) for row in _matlab_rows(cell)]
    names = ("image", "participant", "x_picture", "y_picture", "duration_ms")
    columns: Columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    columns |= {name: np.asarray(columns[name], dtype=np.float64) for name in names[2:]}
    for axis in "xy":
        columns[f"{axis}_picture"] = columns[f"{axis}_picture"] - 0.5  # MATLAB counts pixels from 1
        columns[f"{axis}_px"] = np.full(len(rows), np.nan)
    return columns


def _matlab_rows(cell: Any) -> Iterator[tuple[str, str, float, float, float]]:
    for number, subject in enumerate(np.atleast_1d(cell.subjects), start=1):
        places = [np.atleast_1d(getattr(subject, name)) for name in ("fix_x", "fix_y", "fix_duration")]
        yield from ((str(cell.img), str(number), float(x), float(y), float(t)) for x, y, t in zip(*places, strict=True))


_ETDB = {"SUBJECTINDEX", "filenumber", "x", "y", "start", "end"}


def _is_etdb(head: Head) -> bool:
    if not head.start.startswith(b"\x89HDF"):
        return False
    try:
        with h5py.File(head.path, "r") as file:
            return any(isinstance(group, h5py.Group) and set(group) >= _ETDB for group in file.values())
    except OSError:
        return False


def _etdb(head: Head, sizes: Mapping[str, float]) -> Columns:
    parts = []
    with h5py.File(head.path, "r") as file:
        for study, group in file.items():
            if not (isinstance(group, h5py.Group) and set(group) >= _ETDB):
                continue
            names = [name for name in (*_ETDB, "category") if name in group]
            values = {name: np.asarray(group[name][()]).ravel() for name in names}
            numbers = pd.DataFrame(values)
            folder = numbers["category"].astype("int64").astype(str) + "/" if "category" in numbers else ""
            start, end = numbers["start"] * 1000, numbers["end"] * 1000
            parts.append(
                pd.DataFrame(
                    {
                        "participant": study + "-" + numbers["SUBJECTINDEX"].astype("int64").astype(str),
                        "image": folder + numbers["filenumber"].astype("int64").astype(str) + ".png",
                        "onset_us": start,
                        "offset_us": end,
                        "duration_ms": (end - start) / 1000,
                        "x_px": numbers["x"].astype(float),
                        "y_px": numbers["y"].astype(float),
                    }
                )
            )
    return {str(name): column for name, column in pd.concat(parts, ignore_index=True).items()}


LAYOUTS = (
    TableLayout(
        "EyeLink Data Viewer fixation report", lambda h: h.has("CURRENT_FIX_X", "CURRENT_FIX_DURATION"), _data_viewer
    ),
    TableLayout("Gazepoint fixations", is_fixation_table, _gazepoint),
    TableLayout("Tobii fixations (Pro Lab, Studio)", _is_tobii, _tobii),
    TableLayout("MATLAB fixations as of OSIE", _is_matlab, _matlab),
    TableLayout("etdb fixations (HDF5)", _is_etdb, _etdb),
)
