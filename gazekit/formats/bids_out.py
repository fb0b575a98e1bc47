"""Sessions as a BIDS dataset (Brain Imaging Data Structure 1.11, eye tracking in physiological recordings).

One ``_recording-eye1_physio.tsv.gz`` for the left eye and ``eye2`` for the right, ``_physioevents`` for messages,
``_events.tsv`` for the pictures shown. What BIDS has no place for (calibrations, other streams, provenance) stands
under ``sourcedata/gazekit``, so that the import gives the same sessions back.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gazekit.core.errors import InputError
from gazekit.core.files import whole_folder
from gazekit.formats.round_trip import describe, numbers_text, tables_of
from gazekit.formats.settings import BidsSection
from gazekit.gaze import Eye, GazeRecording
from gazekit.session.model import STIMULUS_COLUMNS, Session

BIDS_VERSION = "1.11.1"
SOURCE = "sourcedata/gazekit"
RECORDED = "recorded"  # column of physio files in which rows keep time through pauses
EYES: dict[Side, str] = {"left": "eye1", "right": "eye2"}
Side = Literal["left", "right"]
Detector = Callable[[Session, Side], pd.DataFrame]
PHYSIO_COLUMNS = {
    "timestamp": ("us", "Time stamp of the eye tracker"),
    "x_coordinate": ("pixel", "Gaze on the screen, to the right"),
    "y_coordinate": ("pixel", "Gaze on the screen, downward"),
    "pupil_size": ("mm", "Pupil diameter"),
    "system_timestamp": ("us", "Time stamp of the recording computer"),
    "x_display": ("arbitrary", "Gaze on the display area, 0 at the left edge to 1 at the right"),
    "y_display": ("arbitrary", "Gaze on the display area, 0 at the upper edge to 1 at the lower"),
    "x_gaze": ("mm", "Gaze point in the tracker's user coordinates, to the right"),
    "y_gaze": ("mm", "Gaze point in the tracker's user coordinates, upward"),
    "z_gaze": ("mm", "Gaze point in the tracker's user coordinates, toward the user"),
    "x_eye": ("mm", "Eye in the tracker's user coordinates, to the right"),
    "y_eye": ("mm", "Eye in the tracker's user coordinates, upward"),
    "z_eye": ("mm", "Eye in the tracker's user coordinates, toward the user"),
    "valid": ("arbitrary", "1 where the tracker holds the gaze for valid"),
    "pupil_valid": ("arbitrary", "1 where the tracker holds the pupil for valid"),
    "eye_valid": ("arbitrary", "1 where the tracker holds the eye's position for valid"),
}
_README = """Eye tracking, exported by gazekit.

Each recording of an eye is a physio file (eye1 left, eye2 right); events.tsv says which picture was on the screen.
"""


@dataclass(frozen=True)
class Names:
    """The entities in the names of one session's files."""

    subject: str
    session: str
    task: str

    @property
    def stem(self) -> str:
        """Beginning of the files' names, such as ``sub-01_ses-01_task-viewing``."""
        return "_".join(
            [f"sub-{self.subject}", *([f"ses-{self.session}"] if self.session else []), f"task-{self.task}"]
        )

    @property
    def folder(self) -> str:
        """Folder of the files, such as ``sub-01/ses-01/beh``."""
        return "/".join([f"sub-{self.subject}", *([f"ses-{self.session}"] if self.session else []), "beh"])


def export_bids(
    sessions: Iterable[Session],
    folder: str | Path,
    *,
    name: str = "",
    fixations: Detector | None = None,
    about: BidsSection | None = None,
) -> Path:
    """Write sessions as a new BIDS dataset.

    Parameters
    ----------
    sessions : Iterable[Session]
        Read one at a time, so that many need not fit in memory.
    name : str
        The dataset's name; the folder's where it is empty.
    fixations : Detector, optional
        Gives the fixations of an eye (``onset_us``, ``offset_us``, ``x_px``, ``y_px``), to stand among the events of
        that eye.
    about : BidsSection, optional
        Authors, licence, task and institution, which no recording knows.

    Raises
    ------
    OutputError
        The folder exists already, or cannot be written.
    InputError
        No sessions.
    """
    folder, about = Path(folder), about or BidsSection()
    with whole_folder(folder) as root:
        people: dict[str, str] = {}
        assigned: dict[str, dict[str, str]] = {}  # groups, conditions, language
        taken: set[str] = set()
        for session in sessions:
            names = _names(session, people, taken)
            assigned.setdefault(session.participant, {}).update(session.assigned)
            _write_session(session, names, root, fixations, about)
        if not people:
            raise InputError("no sessions to export")
        _write_dataset(root, name or about.name or folder.name, people, about, assigned)
    return folder


def to_text(value: str) -> str:
    """Write a text as one cell of a BIDS table, which knows no quotes; `from_text` is the inverse."""
    if value == "":
        return "n/a"
    escaped = value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return "n\\/a" if escaped == "n/a" else escaped


def from_text(cell: str) -> str:
    """Read the text of a cell that `to_text` wrote."""
    if cell == "n/a":
        return ""
    known = {"t": "\t", "n": "\n", "r": "\r"}
    return re.sub(r"\\(.)", lambda escape: known.get(escape[1], escape[1]), cell)


def physio_table(eye: Eye, session: Session) -> pd.DataFrame:
    """Lay out the samples of one eye by the columns of a physio file."""
    x_px, y_px = session.screen.display_to_px(eye.gaze)
    recording = session.recording
    columns = [recording.device_time_us, x_px, y_px, eye.pupil_mm, recording.system_time_us, *eye.gaze.T]
    columns += [*eye.gaze_mm.T, *eye.origin_mm.T]
    columns += [verdict.astype(np.uint8) for verdict in (eye.valid, eye.pupil_valid, eye.origin_valid)]
    return pd.DataFrame(dict(zip(PHYSIO_COLUMNS, columns, strict=True)))


def _names(session: Session, people: dict[str, str], taken: set[str]) -> Names:
    """Make labels of letters and digits alone, each participant's and each session's own."""
    wanted = _label(session.participant) or "unknown"
    subject, n = wanted, 1
    while people.get(subject, session.participant) != session.participant:
        n += 1
        subject = f"{wanted}x{n}"
    people[subject] = session.participant
    task = _label(session.task) or "viewing"
    wanted, n = _label(session.name), 1
    names = Names(subject, wanted, task)
    while names.stem in taken:
        n += 1
        names = Names(subject, f"{wanted}{n:02d}", task)
    taken.add(names.stem)
    return names


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)


def _write_session(session: Session, names: Names, root: Path, fixations: Detector | None, about: BidsSection) -> None:
    stem = root / names.folder / names.stem
    stem.parent.mkdir(parents=True, exist_ok=True)
    eyes: list[Side] = [side for side in EYES if _recorded(getattr(session.recording, side))] or ["left"]
    for side in eyes:
        table = without_holes(physio_table(getattr(session.recording, side), session), session.recording)
        path = f"{stem}_recording-{EYES[side]}_physio"
        _write_gzip(table, Path(f"{path}.tsv.gz"))
        _write_json(_physio_sidecar(session, side, list(table.columns)), Path(f"{path}.json"))
        rows = _message_rows(session)
        if fixations is not None:
            rows = pd.concat([rows, _fixation_rows(fixations(session, side))]).sort_values("onset", kind="stable")
        if len(rows):
            _write_physioevents(rows, session, Path(f"{stem}_recording-{EYES[side]}_physioevents.tsv.gz"))
    _write_events(session, stem, about)
    source = root / SOURCE / names.stem
    source.mkdir(parents=True, exist_ok=True)
    _write_json({**describe(session), "eyes": eyes}, source / "session.json")
    for name, frame in tables_of(session).items():
        if name not in ("stimuli", "messages"):
            frame.to_csv(source / f"{name}.csv", index=False, lineterminator="\n", encoding="utf-8")


def _recorded(eye: Eye) -> bool:
    values = (eye.gaze, eye.gaze_mm, eye.origin_mm, eye.pupil_mm)
    return any(np.isfinite(v).any() for v in values) or bool((eye.valid | eye.pupil_valid | eye.origin_valid).any())


def _physio_sidecar(session: Session, side: str, columns: list[str]) -> dict[str, Any]:
    tracker, rate = session.tracker, session.recording.rate_hz
    nominal = tracker.rate_hz if np.isfinite(tracker.rate_hz) else rate
    document = {
        "PhysioType": "eyetrack",
        "TaskName": session.task or "viewing",
        "SamplingFrequency": float(nominal) if np.isfinite(nominal) else 0.0,
        "StartTime": 0.0,
        "Columns": columns,
        "RecordedEye": side,
        "SampleCoordinateSystem": "gaze-on-screen",
        "Manufacturer": tracker.kind or "n/a",
        "ManufacturersModelName": tracker.model or "n/a",
        "DeviceSerialNumber": tracker.serial or "n/a",
        "SoftwareVersions": tracker.firmware or "n/a",
        "CalibrationCount": len(session.calibrations),
        **_calibration_points(session),
        **_calibration_error(session, side),
    }
    if RECORDED in columns:
        time, stretches = session.recording.device_time_us, session.recording.stretches()
        document["RecordedStretches"] = [[int(time[s.start]), int(time[s.stop - 1])] for s in stretches]
        document[RECORDED] = {
            "Description": "0 where nothing was recorded, and the row only keeps time",
            "Units": "arbitrary",
        }
    return document | {name: {"Description": d, "Units": u} for name, (u, d) in PHYSIO_COLUMNS.items()}


def without_holes(table: pd.DataFrame, recording: GazeRecording) -> pd.DataFrame:
    """Fill pauses in which nothing was recorded with rows of n/a, since a physio file is sampled evenly (BIDS)."""
    stretches = recording.stretches()
    interval = 1e6 / recording.rate_hz if len(stretches) > 1 else float("nan")
    parts = []
    for stretch, after in itertools.zip_longest(stretches, stretches[1:]):
        parts.append(table.iloc[stretch].assign(**{RECORDED: 1}))
        last, to_fill = table.iloc[stretch.stop - 1], 0
        if after is not None:
            pause = table["timestamp"].iloc[after.start] - last["timestamp"]
            to_fill = max(0, round(pause / interval) - 1) if np.isfinite(interval) else 0
        if to_fill:
            steps = np.round(np.arange(1, to_fill + 1) * pause / (to_fill + 1)).astype(np.int64)
            empty = pd.DataFrame(np.nan, index=range(to_fill), columns=table.columns)
            for name in ("timestamp", "system_timestamp"):
                empty[name] = np.int64(last[name]) + steps
            zeros = {name: np.uint8(0) for name in ("valid", "pupil_valid", "eye_valid")}
            parts.append(empty.assign(**zeros, **{RECORDED: 0}))
    if len(parts) == len(stretches):
        return table
    kinds = {name: table[name].dtype for name in table.columns}
    return pd.concat(parts, ignore_index=True).astype(kinds | {RECORDED: np.uint8})


def _calibration_points(session: Session) -> dict[str, Any]:
    """Say where the targets of the last calibration with targets stood."""
    points = next((c.points for c in reversed(session.calibrations) if c.points), ())
    if not points:
        return {}
    width, height = session.screen.width_px, session.screen.height_px
    positions = [[float(p.target[0]) * width, float(p.target[1]) * height] for p in points]
    return {"CalibrationUnit": "pixel", "CalibrationPosition": positions}


def _calibration_error(session: Session, side: str) -> dict[str, Any]:
    """Give the mean and the largest error of the last validation."""
    for validation in reversed(session.validations):
        table = validation.table
        if not {"eye", "accuracy_deg"} <= set(table.columns):
            continue
        rows = table[(table["eye"] == side) & table["accuracy_deg"].notna()]
        if len(rows):
            largest = rows["max_deg"] if "max_deg" in rows else rows["accuracy_deg"]
            mean = float(rows["accuracy_deg"].mean())
            return {"AverageCalibrationError": mean, "MaximalCalibrationError": float(largest.max())}
    return {}


def _message_rows(session: Session) -> pd.DataFrame:
    """Put messages on the tracker's clock; their own stamps stand beside."""
    recording, stamps = session.recording, session.messages["time_us"].to_numpy()
    if len(recording):
        order = np.argsort(recording.system_time_us, kind="stable")
        near = np.clip(np.searchsorted(recording.system_time_us[order], stamps), 0, len(recording) - 1)
        shift = (recording.device_time_us - recording.system_time_us)[order][near]
    else:
        shift = np.zeros(len(stamps), dtype=np.int64)
    words = [to_text(text) for text in session.messages["text"]]
    return _event_rows("message", stamps + shift, np.zeros(len(stamps), np.int64), message=words, system=stamps)


def _fixation_rows(table: pd.DataFrame) -> pd.DataFrame:
    onset, duration = table["onset_us"].to_numpy(), (table["offset_us"] - table["onset_us"]).to_numpy()
    return _event_rows("fixation", onset, duration, x=table["x_px"], y=table["y_px"])


def _event_rows(
    kind: str, onset: Any, duration: Any, *, message: Any = "n/a", system: Any = "n/a", x: Any = "n/a", y: Any = "n/a"
) -> pd.DataFrame:
    columns = {"onset": onset, "duration": np.asarray(duration) / 1e6, "trial_type": kind, "message": message}
    return pd.DataFrame({**columns, "system_timestamp": system, "x_coordinate": x, "y_coordinate": y}, dtype=object)


def _write_physioevents(table: pd.DataFrame, session: Session, path: Path) -> None:
    _write_gzip(table, path)
    _write_json(
        {
            "Columns": list(table.columns),
            "OnsetSource": "timestamp",
            "TaskName": session.task or "viewing",
            "Description": "Messages of the recording, and fixations where they were asked for",
            "onset": {"Description": "When, by the eye tracker's clock", "Units": "us"},
            "duration": {"Description": "How long it lasts; messages last no time", "Units": "s"},
            "trial_type": {"Description": "message or fixation"},
            "message": {"Description": "The message; tab, line feed and backslash stand behind a backslash"},
            "system_timestamp": {"Description": "When, by the recording computer's clock", "Units": "us"},
            "x_coordinate": {"Description": "Centre of a fixation, to the right", "Units": "pixel"},
            "y_coordinate": {"Description": "Centre of a fixation, downward", "Units": "pixel"},
        },
        path.with_name(path.name.replace(".tsv.gz", ".json")),
    )


def _write_events(session: Session, stem: Path, about: BidsSection) -> None:
    shown, recording, screen = session.stimuli, session.recording, session.screen
    start = int(recording.system_time_us[0]) if len(recording) else 0
    table = pd.DataFrame(
        {
            "onset": (shown["onset_us"].to_numpy(np.int64) - start) / 1e6,
            "duration": (shown["offset_us"] - shown["onset_us"]).to_numpy(np.int64) / 1e6,
        }
    )
    more = [str(name) for name in shown.columns if name not in STIMULUS_COLUMNS]
    for name in [*STIMULUS_COLUMNS, *more]:
        number = getattr(shown[name].dtype, "kind", "O") in "iuf"
        table[name] = shown[name].to_numpy() if number else [to_text(str(v)) for v in shown[name]]
    Path(f"{stem}_events.tsv").write_bytes(_tsv(table, header=True).encode())
    presentation = {
        "ScreenDistance": screen.distance_mm / 1000,
        "ScreenOrigin": ["top", "left"],
        "ScreenResolution": [screen.width_px, screen.height_px],
        "ScreenSize": [screen.width_mm / 1000, screen.height_mm / 1000],
        "SoftwareName": "gazekit",
        "SoftwareVersion": version("gazekit"),
    }
    columns = {
        "onset": {"Description": "From the first sample to when the picture came up", "Units": "s"},
        "duration": {"Description": "How long it stayed", "Units": "s"},
        "image": {"Description": "Id of the picture"},
        "sha256": {"Description": "SHA-256 of the picture's file"},
        "picture_width": {"Description": "Width in the picture's own pixels", "Units": "pixel"},
        "picture_height": {"Description": "Height in the picture's own pixels", "Units": "pixel"},
        "onset_us": {"Description": "When it came up, by the recording computer's clock", "Units": "us"},
        "offset_us": {"Description": "When it went, by the recording computer's clock", "Units": "us"},
        "x": {"Description": "Its left edge on the screen", "Units": "pixel"},
        "y": {"Description": "Its upper edge on the screen", "Units": "pixel"},
        "width": {"Description": "Its width on the screen", "Units": "pixel"},
        "height": {"Description": "Its height on the screen", "Units": "pixel"},
        "order": {"Description": "Its place in the session, from 0"},
        "response": {"Description": "The answer after it"},
        **{name: _about_column(name) for name in more},
    }
    _write_json(
        {"TaskName": session.task or "viewing", **about.task(), "StimulusPresentation": presentation, **columns},
        stem,
        "_events.json",
    )


def _about_column(name: str) -> dict[str, str]:
    """Describe a column of stimuli that `gazekit record` adds: viewing, and answers."""
    known = {
        "presentation": {"Description": "Which time the picture was shown, from 1"},
        "block": {"Description": "Block of the study"},
        "started_by": {"Description": "What began it: time, gaze at rest on the cross, limit, operator"},
        "ended_by": {"Description": "What ended it: time, key, mouse, touch, button, answer"},
    }
    if name in known:
        return known[name]
    asked = name.removeprefix("answer_").removesuffix("_ms")
    if name.endswith("_ms"):
        return {"Description": f"From the question's appearance to the answer: {asked}", "Units": "ms"}
    return {"Description": f"Answer to the question {asked}"}


def _write_dataset(
    root: Path,
    name: str,
    people: Mapping[str, str],
    about: BidsSection,
    assigned: Mapping[str, Mapping[str, str]],
) -> None:
    generator = {"Name": "gazekit", "Version": version("gazekit")}
    _write_json(
        {
            "Name": name,
            "BIDSVersion": BIDS_VERSION,
            "DatasetType": "raw",
            "GeneratedBy": [generator],
            **about.dataset(),
        },
        root / "dataset_description.json",
    )
    table = pd.DataFrame({"participant_id": [f"sub-{p}" for p in people], "participant": map(to_text, people.values())})
    more = [n for n in dict.fromkeys(name for facts in assigned.values() for name in facts) if n not in table.columns]
    for column in more:
        table[column] = [to_text(str(assigned.get(person, {}).get(column, ""))) for person in people.values()]
    (root / "participants.tsv").write_bytes(_tsv(table.sort_values("participant_id"), header=True).encode())
    columns = {"participant": {"Description": "The participant's pseudonym in the session file"}}
    columns |= {column: {"Description": f"{column}, as the study assigned or asked it"} for column in more}
    _write_json(columns, root / "participants.json")
    (root / "README").write_bytes(_README.encode())


def _tsv(table: pd.DataFrame, *, header: bool) -> str:
    """Write tab-separated text without quotes (`to_text` leaves nothing that would need them)."""
    out = io.StringIO()
    table.to_csv(
        out, sep="\t", header=header, index=False, na_rep="n/a", lineterminator="\n", quoting=3, quotechar="\0"
    )
    return out.getvalue()


def _write_gzip(table: pd.DataFrame, path: Path) -> None:
    """Write compressed, without a clock in it, so that the same samples give the same bytes."""
    numbers = all(dtype.kind in "iuf" for dtype in table.dtypes)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as packed:
        for start in range(0, len(table), 1 << 16):
            rows = table.iloc[start : start + (1 << 16)]
            if numbers:
                packed.write(numbers_text(rows, separator="\t", missing="n/a", header=False))
            else:
                packed.write(_tsv(rows, header=False).encode())


def _write_json(document: Mapping[str, Any], path: Path, suffix: str = "") -> None:
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    Path(f"{path}{suffix}").write_bytes((text + "\n").encode())
