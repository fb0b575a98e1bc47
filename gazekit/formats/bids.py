"""BIDS eye tracking (Brain Imaging Data Structure 1.11): one's own exports to the last digit, and others' datasets.

Of others' datasets are read: physio files of ``PhysioType`` eyetrack, per eye, with gaze on the screen in pixels or
lengths, ``physioevents`` messages, and the screen from ``StimulusPresentation`` of ``events.json``.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.types import Floats, Index
from gazekit.formats.bids_out import PHYSIO_COLUMNS, RECORDED, SOURCE, from_text
from gazekit.formats.columns import UNITS_US, diameter, point
from gazekit.formats.round_trip import SIDES, read_document, read_frame, rebuild
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.stimuli import Showing
from gazekit.formats.text import Head
from gazekit.gaze import Eye, GazeRecording, sampling_interval_us
from gazekit.session.model import STIMULUS_COLUMNS, Session, TrackerInfo

TITLE = "BIDS eye tracking (a dataset folder)"
_FILE = re.compile(r"(?P<stem>.*?)(?:_recording-(?P<label>[A-Za-z0-9]+))?_physio\.tsv\.gz")
_WHOLE = ("timestamp", "system_timestamp", "onset")
_LENGTHS_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_LIKELY = {"m": 8.0, "cm": 150.0, "mm": np.inf}  # up to which number a size of a screen, or its distance, is in a unit
_TIMES = {**UNITS_US, "second": 1e6, "seconds": 1e6, "millisecond": 1e3, "milliseconds": 1e3, "microseconds": 1.0}


def looks_like(head: Head) -> bool:
    """Tell whether a folder is a BIDS dataset with physiological recordings."""
    return "dataset_description.json" in head.names and any(_physio(name) for name in head.names)


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read every session of the dataset."""
    stems: dict[str, list[str]] = {}
    for name in sorted(filter(_physio, head.names)):
        if file := _FILE.fullmatch(name):
            stems.setdefault(file["stem"], []).append(name)
    sidecars = _Sidecars(head)
    for stem, names in stems.items():
        recording = _Recording(head, sidecars, stem, names)
        if not recording.eyes:
            continue
        source = head.path / SOURCE / Path(stem).name / "session.json"
        part = _ours(recording, source, request) if source.is_file() else _others(recording, request)
        part.draft.account.doubts += recording.doubts()
        part.draft.inputs, part.draft.many = recording.files(), len(stems) > 1
        yield replace(part, last=len(stems) > 1)


def _physio(name: str) -> bool:
    return name.endswith("_physio.tsv.gz") and not name.startswith(("sourcedata/", "derivatives/"))


@dataclass
class _Recording:
    """The files of one session, with their sidecars."""

    head: Head
    sidecars: _Sidecars
    stem: str
    names: list[str]

    def __post_init__(self) -> None:
        self.eyes: dict[str, tuple[pd.DataFrame, dict[str, Any]]] = {}
        for name in self.names:
            sidecar = self.sidecars.of(name.replace(".tsv.gz", ".json"))
            if sidecar.get("PhysioType") != "eyetrack":
                continue
            side = {"left": "left", "right": "right", "cyclopean": "left"}.get(str(sidecar.get("RecordedEye")))
            if side is None:
                raise FormatError(f"{self.head.path / name}: RecordedEye is {sidecar.get('RecordedEye')!r}")
            table = _columns(self.head.path / name, sidecar)
            if RECORDED in table:  # rows that only keep time through pauses
                table = table[table[RECORDED] != 0].reset_index(drop=True)
            self.eyes[side] = (table, sidecar)

    def doubts(self) -> list[str]:
        """Name files of an eye whose other half is missing: samples that nothing describes, or the other way round."""
        silent = [name for name in self.names if "PhysioType" not in self.sidecars.of(name.replace(".tsv.gz", ".json"))]
        described = (
            name
            for name in self.head.names
            if name.startswith(f"{self.stem}_recording-") and name.endswith("_physio.json")
        )
        alone = [name for name in described if name.replace(".json", ".tsv.gz") not in self.head.names]
        alone = [name for name in alone if "RecordedEye" in read_document(self.head.path / name)]
        return [
            *(f"{name} was passed by: no JSON beside it says its PhysioType" for name in sorted(silent)),
            *(f"{name} describes an eye without samples: its .tsv.gz is missing" for name in sorted(alone)),
        ]

    def files(self) -> list[Path]:
        """List the files that belong to it."""
        stem = Path(self.stem).name
        names = (name for name in self.head.names if name.startswith(self.stem) or f"{SOURCE}/{stem}/" in name)
        return sorted(self.head.path / name for name in names)

    def events_sidecar(self) -> dict[str, Any]:
        """Return the sidecar of the table of events."""
        return self.sidecars.of(f"{self.stem}_events.json")

    def messages(self) -> pd.DataFrame | None:
        """Read the messages beside the first eye that has some."""
        for name in self.names:
            path = self.head.path / name.replace("_physio.", "_physioevents.")
            if path.is_file():
                sidecar = self.sidecars.of(name.replace("_physio.tsv.gz", "_physioevents.json"))
                return _columns(path, sidecar, texts=("trial_type", "message"))
        return None


class _Sidecars:
    """The JSON files of a dataset, by folder and suffix."""

    def __init__(self, head: Head) -> None:
        self._root = head.path
        self._names: dict[tuple[str, str], list[str]] = {}
        for name in sorted(head.names):
            path = PurePosixPath(name)
            if path.suffix == ".json":
                self._names.setdefault((path.parent.as_posix(), path.name.rsplit("_", 1)[-1]), []).append(name)

    def of(self, name: str) -> dict[str, Any]:
        """Merge a file's own JSON over those of the folders above it with the same suffix (BIDS inheritance)."""
        path = PurePosixPath(name)
        entities = set(path.stem.split("_")[:-1])
        merged: dict[str, Any] = {}
        for folder in reversed(path.parents):
            for other in self._names.get((folder.as_posix(), path.name.rsplit("_", 1)[-1]), []):
                if set(PurePosixPath(other).stem.split("_")[:-1]) <= entities:
                    merged |= read_document(self._root / other)
        return merged


def _columns(path: Path, sidecar: dict[str, Any], texts: tuple[str, ...] = ()) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv

    names = [str(name) for name in sidecar.get("Columns") or []]
    if not names:
        raise FormatError(f"{path}: its JSON sidecar lacks Columns")
    kinds = {name: pa.string() if name in texts else pa.float64() for name in names}
    kinds |= {name: pa.int64() for name in names if name in _WHOLE and _looks_whole(path)}
    options = {
        "read_options": csv.ReadOptions(column_names=names),
        "parse_options": csv.ParseOptions(delimiter="\t", quote_char=False),
        "convert_options": csv.ConvertOptions(column_types=kinds, null_values=["n/a"], strings_can_be_null=False),
    }
    try:
        with pa.input_stream(str(path), compression="gzip") as stream:
            content = stream.read()
        if not content:
            return pd.DataFrame({name: pd.Series(dtype="int64" if name in _WHOLE else "float64") for name in names})
        return csv.read_csv(pa.BufferReader(content), **options).to_pandas()
    except (pa.ArrowInvalid, OSError) as error:
        raise FormatError(f"{path} cannot be read as a BIDS table: {error}") from error


def _looks_whole(path: Path) -> bool:
    """Tell whether the first time stamp has no fraction."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return "." not in file.readline().split("\t")[0]
    except (OSError, EOFError) as error:
        raise FormatError(f"{path} cannot be read as a BIDS table: {error}") from error


def _ours(recording: _Recording, source: Path, request: Request) -> Part:
    document = read_document(source)
    kinds = document.get("tables", {})
    tables = {
        name: read_frame(source.parent / f"{name}.csv", kinds[name])
        for name in kinds
        if name not in ("stimuli", "messages")
    }
    events = recording.head.path / f"{recording.stem}_events.tsv"
    if not events.is_file():
        raise FormatError(f"{recording.head.path} lacks {events.name}")
    tables["stimuli"] = _stimuli(events, {**STIMULUS_COLUMNS, **kinds.get("stimuli", {})})
    tables["messages"] = _messages(recording.messages())
    first, _ = next(iter(recording.eyes.values()))
    eyes = {side: _eye(recording, side, len(first)) for side in SIDES}
    device, system = (first[name].to_numpy(np.int64) for name in ("timestamp", "system_timestamp"))
    gaze = GazeRecording(device, system, eyes["left"], eyes["right"])
    session: Session = rebuild(document, gaze, tables)
    return Part(Draft.of(session, request), gaze)


def _eye(recording: _Recording, side: str, n: int) -> Eye:
    if side not in recording.eyes:
        return Eye.missing(n)
    table, _ = recording.eyes[side]
    missing = [name for name in PHYSIO_COLUMNS if name not in table.columns]
    if missing or len(table) != n:
        raise FormatError(
            f"{recording.stem}, {side} eye: lacks {', '.join(missing) or 'nothing'}, "
            f"{counted(len(table), 'row')} of {n}"
        )
    parts = {"gaze": ["x_display", "y_display"], "gaze_mm": ["x_gaze", "y_gaze", "z_gaze"]}
    parts |= {"origin_mm": ["x_eye", "y_eye", "z_eye"]}
    return Eye(
        **{name: table[columns].to_numpy(np.float64) for name, columns in parts.items()},
        pupil_mm=table["pupil_size"].to_numpy(np.float64),
        valid=table["valid"].to_numpy(bool),
        pupil_valid=table["pupil_valid"].to_numpy(bool),
        origin_valid=table["eye_valid"].to_numpy(bool),
    )


def _stimuli(path: Path, kinds: dict[str, str]) -> pd.DataFrame:
    table = read_frame(path, kinds, "\t")
    for name in (name for name, kind in kinds.items() if kind == "str"):
        table[name] = np.array([from_text(cell) for cell in table[name]], dtype=object)
    return table


def _messages(table: pd.DataFrame | None) -> pd.DataFrame:
    if table is None:
        return pd.DataFrame({"time_us": np.empty(0, np.int64), "text": np.empty(0, object)})
    table = table[table["trial_type"] == "message"]
    words = np.array([from_text(cell) for cell in table["message"]], dtype=object)
    return pd.DataFrame({"time_us": table["system_timestamp"].to_numpy(np.int64), "text": words})


def _others(recording: _Recording, request: Request) -> Part:
    """Read a session of somebody else's dataset."""
    shown = recording.events_sidecar().get("StimulusPresentation") or {}
    sizes, doubtful = _screen_sizes(shown)
    first, sidecar = next(iter(recording.eyes.values()))
    entities = dict(part.split("-", 1) for part in Path(recording.stem).name.split("_") if "-" in part)
    draft = request.draft(
        recording.head,
        sizes,
        entities.get("sub", ""),
        name="_".join(filter(None, (entities.get("ses"), entities.get("task"), entities.get("run")))),
        task=entities.get("task", ""),
        tracker=TrackerInfo(
            kind=str(sidecar.get("Manufacturer", "")),
            model=str(sidecar.get("ManufacturersModelName", "")),
            serial=str(sidecar.get("DeviceSerialNumber", "")),
            rate_hz=float(sidecar.get("SamplingFrequency", float("nan"))),
        ),
    )
    time = _time(first["timestamp"].to_numpy(np.float64), sidecar, recording)
    unit = _time_unit(sidecar)
    draft.account.know("time", unit or f"of {sidecar.get('SamplingFrequency')} a second", "file" if unit else "guess")
    if doubtful and not {"width_mm", "height_mm", "distance_mm"} <= set(request.screen):
        draft.account.know("screen's lengths", doubtful, "guess")
    eyes = {side: _others_eye(recording, side, len(first), draft) for side in SIDES}
    table = recording.messages()
    if table is not None and {"message", "trial_type"} & set(table.columns):
        stamps = _time(table["onset"].to_numpy(np.float64), sidecar, recording)
        none = ["n/a"] * len(table)
        columns = [table.get(name, none) for name in ("message", "trial_type")]
        texts = [from_text(str(word)) or from_text(str(kind)) for word, kind in zip(*columns, strict=True)]
        draft.messages = [(int(t), text) for t, text in zip(stamps, texts, strict=True)]
    elif table is not None and len(table):
        columns_there = ", ".join(map(str, table.columns))
        draft.account.know(
            "physioevents", f"{counted(len(table), 'row')} without messages, not taken ({columns_there})", "file"
        )
    draft.stimuli = _others_stimuli(recording, draft, time, sidecar) if len(time) else []
    return Part(draft, GazeRecording(time, time.copy(), eyes["left"], eyes["right"]))


def _others_stimuli(recording: _Recording, draft: Draft, time: Index, sidecar: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the pictures of ``events.tsv``: its onsets count from the first sample, less the recording's StartTime."""
    path = recording.head.path / f"{recording.stem}_events.tsv"
    if not path.is_file():
        return []
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=3)
    if not {"onset", "duration", "stim_file"} <= set(table.columns):
        said = f"{counted(len(table), 'row')} without stim_file, not taken ({', '.join(table.columns)})"
        draft.account.know("events.tsv", said, "file")
        return []
    shown = Showing(draft.screen, last_us=int(time[-1]), sample_us=sampling_interval_us(time))
    zero = int(time[0]) - round(float(sidecar.get("StartTime") or 0) * 1e6)
    for row in table.itertuples():
        if row.stim_file not in ("", "n/a") and row.onset != "n/a":
            onset = zero + round(float(row.onset) * 1e6)
            until = onset + round(float(row.duration) * 1e6) if row.duration != "n/a" else None
            shown.start(row.stim_file, onset, until)
    draft.account.know("pictures", "stim_file of events.tsv, in seconds from the first sample", "file")
    shown.describe(draft.account)
    return shown.rows()


def _others_eye(recording: _Recording, side: str, n: int, draft: Draft) -> Eye:
    if side not in recording.eyes:
        return Eye.missing(n)
    table, sidecar = recording.eyes[side]
    lacking = [name for name in ("timestamp", "x_coordinate", "y_coordinate") if name not in table]
    if lacking or len(table) != n:
        raise FormatError(
            f"{recording.stem}, {side} eye: lacks {', '.join(lacking) or 'nothing'}; "
            f"{counted(len(table), 'row')} of {n}"
        )
    screen, unit = draft.screen, str((sidecar.get("x_coordinate") or {}).get("Units", "")).lower()
    if unit in ("pixel", "pixels", "px"):
        size = (float(screen.width_px), float(screen.height_px))
    elif unit in _LENGTHS_MM:
        size = (screen.width_mm / _LENGTHS_MM[unit], screen.height_mm / _LENGTHS_MM[unit])
    else:
        known = ", ".join(["pixel", *_LENGTHS_MM])
        raise FormatError(f"{recording.stem}: gaze is in {unit or 'no unit'}; known are {known}")
    gaze = point(table["x_coordinate"].to_numpy(np.float64), table["y_coordinate"].to_numpy(np.float64)) / size
    gaze, origin = _from_top_left(gaze, recording.events_sidecar().get("StimulusPresentation") or {})
    pupil = sidecar.get("pupil_size") or {}
    draft.account.know("gaze", f"{unit} from {origin}", "file")
    is_mm = str(pupil.get("Units", "")).lower() in ("mm", "millimeter", "millimetre") and "pupil_size" in table
    taken = ["timestamp", "x_coordinate", "y_coordinate", *(["pupil_size"] if is_mm else [])]
    draft.account.rows = n
    draft.account.taken, draft.account.ignored = taken, [str(c) for c in table.columns if c not in taken]
    if not is_mm and "pupil_size" in table:
        draft.notes.append(f"pupil sizes are in {pupil.get('Units', 'no known unit')} and were left out")
    return Eye.from_gaze(gaze, pupil_mm=diameter(table["pupil_size"].to_numpy(np.float64)) if is_mm else None)


def _from_top_left(gaze: Floats, shown: dict[str, Any]) -> tuple[Floats, str]:
    """Return shares of the screen from its top left, and where they were counted from (``ScreenOrigin``)."""
    words = {str(word).lower() for word in shown.get("ScreenOrigin") or []}
    if "center" in words or "centre" in words:
        return gaze + 0.5, "the centre of the screen, y downward"
    if "bottom" in words:
        return np.stack([gaze[:, 0], 1 - gaze[:, 1]], axis=1), "the bottom left of the screen, y upward"
    return gaze, "the top left of the screen, y downward"


def _screen_sizes(shown: dict[str, Any]) -> tuple[dict[str, float], str]:
    """Read the screen's sizes; lengths should be metres, and where they cannot be, what they were taken for is said."""
    sizes: dict[str, float] = {}
    doubtful = []
    for key, names in (("ScreenResolution", ("width_px", "height_px")), ("ScreenSize", ("width_mm", "height_mm"))):
        if isinstance(shown.get(key), list) and len(shown[key]) == 2:
            sizes |= {name: float(value) for name, value in zip(names, shown[key], strict=True)}
    distance = shown.get("ScreenDistance")
    if isinstance(distance, list) and len(distance) == 3:
        distance = distance[2]
    sizes |= {"distance_mm": float(distance)} if isinstance(distance, (int, float)) else {}
    for name in ("width_mm", "height_mm", "distance_mm"):
        if name in sizes:
            unit = next(unit for unit, most in _LIKELY.items() if sizes[name] <= most)
            doubtful += [f"{name.removesuffix('_mm')} {sizes[name]:g} taken for {unit}"] if unit != "m" else []
            sizes[name] *= _LENGTHS_MM[unit]
    return sizes, ", ".join(doubtful)


def _time_unit(sidecar: dict[str, Any]) -> str:
    """Return the unit of the time stamps where it is said and known; else an empty text."""
    unit = str((sidecar.get("timestamp") or {}).get("Units", "")).lower()
    return unit if unit in _TIMES else ""


def _time(stamps: Floats, sidecar: dict[str, Any], recording: _Recording) -> Index:
    scale = _TIMES.get(_time_unit(sidecar))
    if scale is None:  # by the rate: the median step is one over it
        steps = np.diff(stamps)
        steps = steps[np.isfinite(steps) & (steps > 0)]
        rate = float(sidecar.get("SamplingFrequency", 0) or 0)
        if not len(steps) or rate <= 0:
            raise FormatError(f"{recording.stem}: neither the unit of timestamp nor SamplingFrequency is known")
        scale = 10.0 ** round(float(np.log10(1e6 / rate / np.median(steps))))
    if not np.isfinite(stamps).all():
        raise FormatError(f"{recording.stem}: {int((~np.isfinite(stamps)).sum())} time stamps are missing")
    return np.round(stamps * scale).astype(np.int64)
