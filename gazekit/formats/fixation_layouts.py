"""Layouts of files of fixations, each known by its columns.

- EyeLink Data Viewer, fixation report (Data Viewer user manual): ``CURRENT_FIX_X``, ``CURRENT_FIX_DURATION``, ms.
- Gazepoint Analysis, ``..._fixations.csv``: shares of the screen, seconds.
- Tobii Pro Lab and Tobii Studio, exports with a fixation on one row or on the rows of its samples.
- SMI BeGaze, event detail (BeGaze manual): ``Fixation Position X [px]``, ms, a row an eye.
- Pupil Cloud and Neon ``fixations.csv``; Pupil Player ``fixations_on_surface_<name>.csv`` (Pupil Labs documentation).
- MATLAB: a cell a picture with ``img`` and ``subjects`` of ``fix_x``, ``fix_y``, ``fix_duration``, as OSIE has it
  (Xu et al. 2014): picture pixels counted from 1.
- MATLAB of FIGRIM (Bylinskii et al. 2015): ``allImages`` with ``filename`` and ``userdata.fixations.enc``, n x 2
  picture pixels counted from 1, no durations (github.com/cvzoya/figrim: README, compMapsLocsForImage.m; pysaliency).
- HDF5 of etdb (Wilming et al. 2017): a group a study with ``SUBJECTINDEX``, ``category``, ``filenumber``, ``x``, ``y``,
  ``start``, ``end`` (ms).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd

from gazekit.core.errors import FormatError, InputError
from gazekit.core.lasting import lasting
from gazekit.core.tables import read_table
from gazekit.core.types import Bools, Floats
from gazekit.formats.account import Account
from gazekit.formats.gazepoint import is_fixation_table
from gazekit.formats.matlab import read_mat
from gazekit.formats.names import ColumnNames, split_unit
from gazekit.formats.text import Head

_PICTURE = ("image", "picture", "stimulus", "img", "imagefile", "image_file", "picture_name", "image_name", "filename")
Columns = dict[str, Any]


class TableLayout(NamedTuple):
    """A layout: what it is called, how it is known, and how its columns are read."""

    title: str
    looks_like: Callable[[Head], bool]
    columns: Callable[[Head, Mapping[str, float], Account], Columns]


def _read(head: Head, account: Account, columns: Iterable[str], what: str, ids: Iterable[str] = ()) -> pd.DataFrame:
    """Read a table, and note in the account its rows and which of its columns are taken."""
    taken = list(dict.fromkeys([*columns, *ids]))
    table = read_table(head.path, columns, what, ids=ids)
    account.rows = len(table)
    account.taken = [name for name in taken if name in table]
    account.ignored = [name for name in map(str, table.columns) if name not in taken]
    return table


def _number(table: pd.DataFrame, name: str) -> Floats:
    words = table[name]
    if not pd.api.types.is_numeric_dtype(words):
        words = words.astype(str).str.replace(",", ".")
    return np.asarray(pd.to_numeric(words, errors="coerce"), dtype=np.float64)


def _lasting(table: pd.DataFrame, columns: tuple[str, str, str], per_ms: float, account: Account, path: Path) -> Floats:
    """Return the durations, ms: the column of them, or where the file has none the end less the start."""
    duration, start, end = columns
    if duration in table:
        return _number(table, duration)
    account.know("durations", f"not in the file: {end} less {start}", "file")
    return lasting(_number(table, start), _number(table, end), (start, end), path) / per_ms


def _has_duration(names: Container[str], duration: str, start: str, end: str) -> bool:
    return duration in names or (start in names and end in names)


def _drop(table: pd.DataFrame, keep: Bools | pd.Series, reason: str, account: Account) -> pd.DataFrame:
    account.leave_out(reason, int((~np.asarray(keep)).sum()))
    return table[keep]


def _one_eye(table: pd.DataFrame, column: str, account: Account) -> pd.DataFrame:
    """Keep the eye of which there are more fixations, where a file has those of both."""
    if column not in table or table[column].nunique() < 2:
        return table
    eye = table[column].value_counts().index[0]
    account.know("eye", f"{eye}: of both, the one with more fixations", "file")
    return _drop(table, table[column] == eye, "fixations of the other eye", account)


def _size(sizes: Mapping[str, float], path: Path) -> tuple[float, float]:
    if not {"width_px", "height_px"} <= set(sizes):
        raise InputError(f"{path} gives places as shares of the screen; give --screen WIDTHxHEIGHT")
    return sizes["width_px"], sizes["height_px"]


_LOOKS = ["CURRENT_FIX_X", "CURRENT_FIX_Y"]
_LOOK_TIMES = ("CURRENT_FIX_DURATION", "CURRENT_FIX_START", "CURRENT_FIX_END")


def _is_data_viewer(head: Head) -> bool:
    return head.has(_LOOKS[0]) and _has_duration(head.columns, *_LOOK_TIMES)


def _data_viewer(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    names = {name.lower(): name for name in head.columns}
    picture = next((names[name] for name in _PICTURE if name in names), None)
    if picture is None:
        raise FormatError(
            f"{head.path} has no column that names the picture ({', '.join(_PICTURE[:4])}, ...); add it to the report"
        )
    ids = [name for name in (picture, "RECORDING_SESSION_LABEL") if name in head.columns]
    eye = next((name for name in ("EYE_REPORTED", "EYE_USED", "CURRENT_FIX_EYE") if name in head.columns), "")
    more = [name for name in (*_LOOK_TIMES[: 2 + (_LOOK_TIMES[0] not in head.columns)], eye) if name in head.columns]
    table = _one_eye(_read(head, account, [*_LOOKS, *more], "fixation report", ids), eye, account)
    account.know("time", "ms", "format")
    account.know("places", "pixels of the screen from its top left", "format")
    start = _number(table, "CURRENT_FIX_START") * 1000 if "CURRENT_FIX_START" in table else np.zeros(len(table))
    if "CURRENT_FIX_START" not in table:
        account.know("onset", "not in the file: 0 throughout", "format")
    duration = _lasting(table, _LOOK_TIMES, 1.0, account, head.path)
    return {
        "participant": table.get("RECORDING_SESSION_LABEL", head.path.stem),
        "image": table[picture].astype(str),
        "onset_us": start,
        "offset_us": start + duration * 1000,
        "duration_ms": duration,
        "x_px": _number(table, "CURRENT_FIX_X"),
        "y_px": _number(table, "CURRENT_FIX_Y"),
    }


def _gazepoint(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    media = [name for name in ("MEDIA_NAME",) if name in head.columns]
    table = _read(head, account, ["FPOGX", "FPOGY", "FPOGS", "FPOGD"], "table of fixations", media)
    width, height = _size(sizes, head.path)
    account.know("time", "s", "format")
    account.know("places", "shares of the screen from its top left", "format")
    start = _number(table, "FPOGS") * 1e6
    return {
        "participant": head.path.stem.removesuffix("_fixations"),
        "image": table["MEDIA_NAME"].astype(str) if media else "",
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
_TOBII_MEDIA = {
    "left": ("Presented Media position X", "MediaPosX"),
    "top": ("Presented Media position Y", "MediaPosY"),
    "width": ("Presented Media width", "MediaWidth"),
    "height": ("Presented Media height", "MediaHeight"),
    "picture width": ("Original Media width", ""),
    "picture height": ("Original Media height", ""),
}


def _tobii_names(head: Head) -> dict[str, str]:
    names = ColumnNames(head.columns)
    columns = {
        key: next((n for name in both if (n := names.find(name, "us", "ms", ""))), "") for key, both in _TOBII.items()
    }
    units = ("dacspx", "adcspx", "px", "")
    columns |= {
        key: next((n for name in both if name and (n := names.find(name, *units))), "")
        for key, both in _TOBII_MEDIA.items()
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


def _tobii(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    names = _tobii_names(head)
    texts = [names[key] for key in ("who", "recording", "picture", "stimulus") if key in names]
    table = _read(head, account, dict.fromkeys(names.values()), "export of fixations", texts)
    if "kind" in names:
        table = _drop(table, table[names["kind"]] == "Fixation", "rows of no fixation", account)
    else:
        table = _drop(table, _number(table, names["number"]) > 0, "rows of no fixation", account)
    keys = [names[key] for key in ("who", "recording", "number") if key in names]
    table = _drop(table, ~table.duplicated(keys), "further rows of the same fixations", account)
    picture = names.get("picture") or names.get("stimulus")
    time, unit = np.zeros(len(table)), 1000.0
    if "time" in names:
        said = split_unit(names["time"])[1]
        time, unit = _number(table, names["time"]), 1.0 if said == "us" else 1000.0
        known = said or names["time"] == "RecordingTimestamp"
        if not known and len(time) > 1 and np.median(_number(table, names["duration"])) > 0:
            unit = _tobii_unit(time, _number(table, names["duration"]))
        account.know("time", "us" if unit == 1 else "ms", "file" if known else "only possible")
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
    if "x_picture" in columns:
        account.know("places", "pixels of the picture (MCS px)", "file")
    elif {"left", "top", "width", "height"} <= set(names):
        columns |= _on_media(table, names, columns)
        account.know("places", "pixels of the screen, taken to the picture by its position and size", "file")
        if "picture width" not in names:
            account.know("size of pictures", "not in the file: taken as shown 1:1; export it too", "guess")
    else:
        account.know("places", "pixels of the screen from its top left", "file")
    return columns


def _tobii_unit(time: Floats, duration_ms: Floats) -> float:
    """Tell microseconds from milliseconds: a fixation begins after the one before it has ended."""
    steps = np.diff(time)
    ratio = np.median(steps[steps > 0]) / np.median(duration_ms) if (steps > 0).any() else 1.0
    return 1.0 if ratio > 100 else 1000.0


def _on_media(table: pd.DataFrame, names: Mapping[str, str], columns: Columns) -> Columns:
    """Take places on the screen to pixels of the picture, by where it stood and how large it was."""
    places = {}
    for axis, start, size in (("x", "left", "width"), ("y", "top", "height")):
        shown = _number(table, names[size])
        own = _number(table, names[f"picture {size}"]) if f"picture {size}" in names else shown
        with np.errstate(invalid="ignore", divide="ignore"):
            place = (columns[f"{axis}_px"] - _number(table, names[start])) * own / shown
        places[f"{axis}_picture"] = np.where(shown > 0, place, np.nan)
    return places


def _begaze_names(head: Head) -> dict[str, str]:
    names = ColumnNames(head.columns)
    columns = {
        "start": names.find("Event Start Trial Time", "ms") or names.find("Fixation Start", "ms"),
        "duration": names.find("Event Duration", "ms") or names.find("Fixation Duration", "ms"),
        "end": names.find("Event End Trial Time", "ms") or names.find("Fixation End", "ms"),
        "x": names.find("Fixation Position X", "px"),
        "y": names.find("Fixation Position Y", "px"),
        "picture": names.find("Stimulus"),
        "who": names.find("Participant") or names.find("Subject"),
        "kind": names.find("Category"),
        "eye": names.find("Eye L/R") or names.find("Eye"),
    }
    return {key: name for key, name in columns.items() if name}


def _is_begaze(head: Head) -> bool:
    names = _begaze_names(head)
    return {"start", "x", "y", "picture"} <= set(names) and _has_duration(names, "duration", "start", "end")


def _begaze(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    names = _begaze_names(head)
    ids = [names[key] for key in ("picture", "who") if key in names]
    if "duration" in names:
        names.pop("end", None)
    table = _read(head, account, names.values(), "event export", ids)
    if "kind" in names:
        kept = table[names["kind"]].astype(str).isin(["Fixation", "Visual Intake"])
        table = _drop(table, kept, "rows of no fixation", account)
    table = _one_eye(table, names.get("eye", ""), account)
    account.know("time", "ms from the trial's beginning", "file")
    account.know("places", "pixels of the stimulus from its top left", "format")
    start = _number(table, names["start"]) * 1000
    duration = _lasting(
        table, (names.get("duration", ""), names["start"], names.get("end", "")), 1.0, account, head.path
    )
    x, y = _number(table, names["x"]), _number(table, names["y"])
    return {
        "participant": table[names["who"]].astype(str) if "who" in names else head.path.stem,
        "image": table[names["picture"]].astype(str),
        "onset_us": start,
        "offset_us": start + duration * 1000,
        "duration_ms": duration,
        **{"x_px": x, "y_px": y, "x_picture": x, "y_picture": y},
    }


_CLOUD = {"fixation id", "start timestamp [ns]"}
_CLOUD_TIMES = ("duration [ms]", "start timestamp [ns]", "end timestamp [ns]")


def _is_cloud(head: Head) -> bool:
    places = ColumnNames(head.columns).find("fixation x", "px", "normalized")
    return set(head.columns) >= _CLOUD and bool(places) and _has_duration(head.columns, *_CLOUD_TIMES)


def _cloud(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    names = ColumnNames(head.columns)
    x, y = (names.find(f"fixation {axis}", "px", "normalized") for axis in "xy")
    hit = next((name for name in head.columns if name.startswith("fixation detected")), "")
    time = _CLOUD_TIMES[0] if _CLOUD_TIMES[0] in head.columns else _CLOUD_TIMES[2]
    wanted = [*sorted(_CLOUD), time, x, y, *filter(None, [hit])]
    table = _read(head, account, wanted, "table of fixations", [n for n in ("recording id",) if n in head.columns])
    if hit:
        on = table[hit].astype(str).str.lower().isin(["true", "1", "1.0"])
        table = _drop(table, on, f"fixations off it ({hit})", account)
    shares = split_unit(x)[1] == "normalized"
    scale = _size(sizes, head.path) if shares else (1.0, 1.0)
    picture = next((p.name for p in sorted(head.path.parent.glob("reference_image.*"))), "")
    plane = "the surface" if shares else "the reference image" if hit else "the scene video"
    account.know("time", "ns", "file")
    account.know("places", f"{'shares' if shares else 'pixels'} of {plane} from its top left", "file")
    if picture:
        account.know("picture", f"{picture}, which stands beside the file", "file")
    start = _number(table, "start timestamp [ns]") / 1000
    duration = _lasting(table, _CLOUD_TIMES, 1e6, account, head.path)
    places = {"x": _number(table, x) * scale[0], "y": _number(table, y) * scale[1]}
    columns: Columns = {
        "participant": table["recording id"].astype(str) if "recording id" in table else head.path.parent.name,
        "image": picture,
        "onset_us": start,
        "offset_us": start + duration * 1000,
        "duration_ms": duration,
        **{f"{axis}_px": value for axis, value in places.items()},
    }
    return columns | ({f"{axis}_picture": value for axis, value in places.items()} if hit else {})


_SURFACE = ("fixation_id", "start_timestamp", "duration", "norm_pos_x", "norm_pos_y", "on_surf")


def _core(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    table = _read(head, account, _SURFACE, "table of fixations")
    table = _drop(table, table["on_surf"].astype(str).str.lower() == "true", "rows off the surface", account)
    table = _drop(table, ~table.duplicated("fixation_id"), "further frames of the same fixations", account)
    width, height = _size(sizes, head.path)
    account.know("time", "s, durations ms", "format")
    account.know("places", "shares of the surface from its bottom left", "format")
    surface = head.path.stem.removeprefix("fixations_on_surface_")
    account.know("picture", f"{surface}, the surface's name in the file's", "file")
    start = _number(table, "start_timestamp") * 1e6
    x, y = _number(table, "norm_pos_x") * width, (1 - _number(table, "norm_pos_y")) * height
    return {
        "participant": next((p.name for p in head.path.parents if p.name not in ("surfaces", "exports", "000")), ""),
        "image": surface,
        "onset_us": start,
        "offset_us": start + _number(table, "duration") * 1000,
        "duration_ms": _number(table, "duration"),
        **{"x_px": x, "y_px": y},
    }


def _has_variable(head: Head, variable: str) -> bool:
    import scipy.io

    if not head.start.startswith(b"MATLAB 5.0"):
        return False
    try:
        return variable in [name for name, _, _ in scipy.io.whosmat(str(head.path))]
    except (ValueError, OSError, NotImplementedError):
        return False


def _matlab(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    cells = read_mat(head.path)["fixations"]
    rows = [row for cell in np.atleast_1d(cells) for row in _matlab_rows(cell)]
    account.taken = ["img", "subjects.fix_x", "subjects.fix_y", "subjects.fix_duration"]
    return _on_pictures(rows, ("image", "participant", "x_picture", "y_picture", "duration_ms"), account)


def _on_pictures(rows: Sequence[tuple[str | float, ...]], names: Sequence[str], account: Account) -> Columns:
    """Make columns of rows whose places are pixels of the picture as MATLAB counts them, from 1."""
    columns: Columns = dict(zip(names, map(list, zip(*rows, strict=True)) if rows else [[]] * len(names), strict=True))
    columns |= {name: np.asarray(columns[name], dtype=np.float64) for name in names[2:]}
    for axis in "xy":
        columns[f"{axis}_picture"] = columns[f"{axis}_picture"] - 0.5
        columns[f"{axis}_px"] = np.full(len(rows), np.nan)
    account.rows = len(rows)
    account.know("places", "pixels of the picture, counted from 1", "format")
    account.know("onset", "not in the file: 0 throughout, in the order of the file", "format")
    return columns


def _matlab_rows(cell: Any) -> Iterator[tuple[str, str, float, float, float]]:
    for number, subject in enumerate(np.atleast_1d(cell.subjects), start=1):
        places = [np.atleast_1d(getattr(subject, name)) for name in ("fix_x", "fix_y", "fix_duration")]
        yield from ((str(cell.img), str(number), float(x), float(y), float(t)) for x, y, t in zip(*places, strict=True))


def _figrim(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    rows: list[tuple[str | float, ...]] = []
    later = 0
    for image in np.atleast_1d(read_mat(head.path)["allImages"]):
        for number, person in enumerate(np.atleast_1d(image.userdata), start=1):
            first, *repeated = (_figrim_places(person, viewing) for viewing in ("enc", "rec", "rec2"))
            rows += [(str(image.filename), f"{head.path.stem}-{number}", float(x), float(y)) for x, y in first]
            later += sum(map(len, repeated))
    account.taken = ["filename", "userdata.fixations.enc"]
    account.leave_out("of the second and third viewing, as in the authors' own maps", later)
    account.know("durations", "not in the file: --weight count gives maps of it", "format")
    account.know("participants", "numbered by their place in userdata, whether or not it is one person's", "guess")
    columns = _on_pictures(rows, ("image", "participant", "x_picture", "y_picture"), account)
    account.rows += later
    return columns


def _figrim_places(person: Any, viewing: str) -> Floats:
    places = np.asarray(getattr(getattr(person, "fixations", None), viewing, []), dtype=np.float64)
    return places.reshape(-1, places.shape[-1])[:, :2] if places.size else np.empty((0, 2))


_ETDB = {"SUBJECTINDEX", "filenumber", "x", "y", "start", "end"}


def _is_etdb(head: Head) -> bool:
    if not head.start.startswith(b"\x89HDF"):
        return False
    try:
        with h5py.File(head.path, "r") as file:
            return any(isinstance(group, h5py.Group) and set(group) >= _ETDB for group in file.values())
    except OSError:
        return False


def _etdb(head: Head, sizes: Mapping[str, float], account: Account) -> Columns:
    parts = []
    with h5py.File(head.path, "r") as file:
        for study, group in file.items():
            if not (isinstance(group, h5py.Group) and set(group) >= _ETDB):
                continue
            names = [name for name in (*sorted(_ETDB), "category") if name in group]
            account.taken, account.ignored = names, [str(name) for name in group if name not in names]
            numbers = pd.DataFrame({name: np.asarray(group[name][()]).ravel() for name in names})
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
    whole = pd.concat(parts, ignore_index=True)
    account.rows = len(whole)
    account.know("time", "ms", "format")
    account.know("places", "pixels of the screen from its top left", "format")
    return {str(name): column for name, column in whole.items()}


LAYOUTS = (
    TableLayout("EyeLink Data Viewer fixation report", _is_data_viewer, _data_viewer),
    TableLayout("Gazepoint fixations", is_fixation_table, _gazepoint),
    TableLayout("Tobii fixations (Pro Lab, Studio)", _is_tobii, _tobii),
    TableLayout("SMI BeGaze event detail", _is_begaze, _begaze),
    TableLayout("Pupil Cloud fixations", _is_cloud, _cloud),
    TableLayout("Pupil Player fixations on a surface", lambda h: h.has(*_SURFACE), _core),
    TableLayout("MATLAB fixations as of OSIE", lambda h: _has_variable(h, "fixations"), _matlab),
    TableLayout("FIGRIM fixations (MATLAB)", lambda h: _has_variable(h, "allImages"), _figrim),
    TableLayout("etdb fixations (HDF5)", _is_etdb, _etdb),
)
