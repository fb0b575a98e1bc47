"""What the board knows of a session file: computed once, and kept beside it by the content of the file."""

from __future__ import annotations

import atexit
import hashlib
import json
import logging
import math
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.checksum import SESSION, check_seal, read_seal
from gazekit.core.errors import GazekitError, OutputError
from gazekit.core.files import sha256, write_text
from gazekit.core.parallel import results
from gazekit.core.progress import track
from gazekit.events.session_quality import session_quality
from gazekit.events.settings import QualitySection
from gazekit.events.trial_timing import trials_to_leave_out
from gazekit.formats import import_recording
from gazekit.gaze import GazeRecording
from gazekit.screen import Screen
from gazekit.session import Session, TrackerInfo, open_session, write_session

_log = logging.getLogger(__name__)
SUFFIX = ".gaze.h5"
FOLDER = ".explore"
"""Beside the session files; `gazekit erase` and anybody may delete it: it is made again."""
_SCHEMA = "gazekit.explore/1"
_LARGE = 20_000_000  # bytes of session files that are worth a process
TRIAL_COLUMNS = (
    "number",  # from 1, in order of showing, as `gazekit view --trial` counts
    "image",
    "order",
    "onset_us",
    "offset_us",
    "first_row",  # of the recording that lies within the trial
    "end_row",  # behind the last
    "samples",
    "delivered_percent",
    "loss_percent",
    "accuracy_deg",  # of the session's last validation
    "rms_s2s_deg",
    "onset_error_ms",
    "shown_error_ms",
    "frames_missed",
    "timing",  # pass, fail or empty
    "leave_out",  # why the trial is better left out, empty where it is good
    "block",
)
_QUALITY_KEPT = (
    "participant",
    "session",
    "part",
    "image",
    "order",
    "eye",
    "samples",
    "valid_samples",
    "delivered_percent",
    "loss_percent",
    "accuracy_deg",
    "trueness_deg",
    "makers_accuracy_deg",
    "rms_s2s_deg",
    "std_deg",
    "onset_error_ms",
    "shown_error_ms",
    "frames_missed",
    "timing",
    "timing_reasons",
    "verdict",
    "reasons",
    "checks",
)


@dataclass(frozen=True)
class SessionFacts:
    """What is known of a session file without reading its gaze.

    Attributes
    ----------
    digest : str
        SHA-256 of the session file's content, as its seal states it.
    file : Path
        The session file that trials are read from.
    source : Path
        The file that the user named: the same, or the file of another program.
    header : Session
        The session without gaze.
    quality : DataFrame
        The rows of `gazekit.events.session_quality` of the average eye: the whole and each trial.
    trials : DataFrame
        `TRIAL_COLUMNS`.
    """

    digest: str
    file: Path
    source: Path
    header: Session
    quality: pd.DataFrame
    trials: pd.DataFrame

    @property
    def key(self) -> str:
        """The name of the session in addresses: the first letters of its digest."""
        return self.digest[:16]

    @property
    def participant(self) -> str:
        """Whose session it is."""
        return self.header.participant

    @cached_property
    def whole(self) -> dict[str, Any]:
        """The row of the whole: ``verdict``, ``reasons``, ``timing``, ``timing_reasons``, ``checks`` and figures."""
        rows = self.quality[self.quality["part"] == "whole"].to_dict("records")
        return {str(name): value for name, value in rows[0].items()} if rows else {}

    def labelled_trials(self) -> pd.DataFrame:
        """Return the trials with whose they are."""
        assigned = {f"level.{name}": str(value) for name, value in self.header.assigned.items()}
        verdict = self.whole.get("verdict", "")
        return self.trials.assign(
            key=self.key, participant=self.participant, session=self.header.name, verdict=verdict, **assigned
        )


def summaries(
    files: Sequence[Path],
    thresholds: QualitySection,
    *,
    screen: Mapping[str, float] | None = None,
    workers: int = 1,
    keep: bool = True,
) -> tuple[list[SessionFacts], list[str]]:
    """Summarise session files; return what is known of those that can be read, and why others cannot."""
    ready: list[SessionFacts] = []
    faults: list[str] = []
    jobs = []
    for file in files:
        try:
            facts = _remembered(file, thresholds, screen)
        except (GazekitError, OSError) as error:
            faults.append(f"left out: {error}")
            continue
        if facts is None:
            jobs.append((file, thresholds, dict(screen or {}), keep, _scratch(file)))
        else:
            ready.append(facts)
    size = sum(job[0].stat().st_size for job in jobs)
    processes = min(workers, len(jobs)) if size > _LARGE else 1
    answers = results(_summarised, jobs, workers=max(processes, 1))
    for answer in track(answers, "reading sessions", len(jobs)):
        if isinstance(answer, str):
            faults.append(answer)
        else:
            ready.append(answer)
    return ready, faults


def _summarised(
    file: Path, thresholds: QualitySection, screen: Mapping[str, float], keep: bool, scratch: Path | None
) -> SessionFacts | str:
    try:
        return _summarise(file, thresholds, screen, keep, scratch)
    except (GazekitError, OSError) as error:
        return f"left out: {error}"


def _summarise(
    file: Path, thresholds: QualitySection, screen: Mapping[str, float], keep: bool, scratch: Path | None
) -> SessionFacts:
    """Read a session file (or import another program's), judge it, and keep what was found beside it."""
    sealed = file if scratch is None else _imported(file, screen, scratch, keep)
    session = open_session(sealed)
    digest = read_seal(sealed, SESSION)
    quality = session_quality(session, thresholds)
    trials = _trials(session, quality, thresholds)
    kept = quality[(quality["eye"] == "average") & quality["part"].isin(["whole", "trial"])]
    kept = kept[list(_QUALITY_KEPT)].reset_index(drop=True)
    header = _without_gaze(session)
    facts = SessionFacts(digest, sealed, file, header, kept, trials)
    if keep:
        remember(facts, thresholds)
    return facts


def _without_gaze(session: Session) -> Session:
    """Return what the board shows of a session."""
    ledger = {name: table for name, table in session.streams.items() if name in ("ledger", "regions")}
    return Session(
        participant=session.participant,
        screen=session.screen,
        recording=GazeRecording.empty(),
        name=session.name,
        task=session.task,
        tracker=session.tracker,
        started_utc=session.started_utc,
        finalised=session.finalised,
        stimuli=session.stimuli,
        messages=session.messages,
        streams=ledger,
        provenance={name: session.provenance[name] for name in ("parameters", "end") if name in session.provenance},
    )


def _trials(session: Session, quality: pd.DataFrame, thresholds: QualitySection) -> pd.DataFrame:
    """Return a row for each picture shown; for a session without pictures one for all of it."""
    whole = quality[(quality["part"] == "whole") & (quality["eye"] == "average")].iloc[0]
    accuracy = next(
        (
            float(whole[name])
            for name in ("trueness_deg", "accuracy_deg", "makers_accuracy_deg")
            if whole[name] == whole[name]
        ),
        math.nan,
    )
    rows = quality[(quality["part"] == "trial") & (quality["eye"] == "average")]
    reasons = trials_to_leave_out(quality, thresholds)["leave_out"].tolist()
    stimuli = session.stimuli
    stamps = session.recording.system_time_us
    if not len(stimuli):
        begin, end = (int(stamps.min()), int(stamps.max()) + 1) if len(stamps) else (0, 0)
        failed = whole["verdict"] == "fail"
        rows = quality[(quality["part"] == "whole") & (quality["eye"] == "average")]
        reasons = [str(whole["reasons"]) if failed else ""]
        stimuli = pd.DataFrame({"image": [""], "order": [0], "onset_us": [begin], "offset_us": [end]})
    spans = [
        _rows_between(stamps, int(a), int(b)) for a, b in zip(stimuli["onset_us"], stimuli["offset_us"], strict=True)
    ]
    columns = ("delivered_percent", "loss_percent", "rms_s2s_deg", "onset_error_ms", "shown_error_ms", "frames_missed")
    table = pd.DataFrame(
        {
            "number": np.arange(1, len(stimuli) + 1),
            **{name: stimuli[name].to_numpy() for name in ("image", "order", "onset_us", "offset_us")},
            "first_row": [first for first, _, _ in spans],
            "end_row": [end for _, end, _ in spans],
            "samples": [count for _, _, count in spans],
            **{name: pd.to_numeric(rows[name], errors="coerce").to_numpy(dtype=float) for name in columns},
            "accuracy_deg": accuracy,
            "timing": rows["timing"].fillna("").astype(str).to_numpy(),
            "leave_out": reasons,
            "block": stimuli["block"].astype(str).to_numpy() if "block" in stimuli else "",
        }
    )
    return table[list(TRIAL_COLUMNS)]


def _rows_between(stamps: Any, onset_us: int, offset_us: int) -> tuple[int, int, int]:
    """Return the first row within a time, the one behind the last, and how many lie within."""
    inside = np.flatnonzero((stamps >= onset_us) & (stamps < offset_us))
    return (int(inside[0]), int(inside[-1]) + 1, len(inside)) if len(inside) else (0, 0, 0)


# What is kept, and when it is true of a file --------------------------------------------------------------------------


def _remembered(file: Path, thresholds: QualitySection, screen: Mapping[str, float] | None) -> SessionFacts | None:
    """Return what is kept of a file, where it is of this content, these thresholds and this gazekit."""
    sealed = file if file.name.endswith(SUFFIX) else _import_place(file, screen)
    if file != sealed and not sealed.is_file():
        return None
    digest = read_seal(sealed, SESSION)
    place = _place(sealed, digest, thresholds)
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
        if kept["schema"] != _SCHEMA:
            return None
        if kept["stamp"] != _stamp(sealed):  # moved, copied or touched: its content is looked at again
            check_seal(sealed, SESSION)
            kept["stamp"] = _stamp(sealed)
            write_text(place, json.dumps(kept))
        return _from_json(kept, sealed, file)
    except (OSError, ValueError, KeyError, TypeError, OutputError):
        return None


def remember(facts: SessionFacts, thresholds: QualitySection) -> None:
    """Keep what was found of a session file beside it."""
    place = _place(facts.file, facts.digest, thresholds)
    try:
        write_text(place, json.dumps(_to_json(facts)))
    except OutputError as error:  # a folder that may only be read: everything works, and is computed each time
        _log.warning("what was computed of %s is not kept: %s", facts.file, error)


def _place(sealed: Path, digest: str, thresholds: QualitySection) -> Path:
    judged = json.dumps([_SCHEMA, version("gazekit"), thresholds.model_dump()], sort_keys=True)
    folder = sealed.parent if sealed.parent.name == FOLDER else sealed.parent / FOLDER
    return folder / f"{digest}-{hashlib.sha256(judged.encode()).hexdigest()[:12]}.json"


def _stamp(file: Path) -> str:
    state = os.stat(file)
    return f"{state.st_size} {state.st_mtime_ns} {state.st_ino}"


def _import_place(file: Path, screen: Mapping[str, float] | None) -> Path:
    sizes = json.dumps([sorted((screen or {}).items()), version("gazekit")])
    name = hashlib.sha256(f"{sha256(file)} {sizes}".encode()).hexdigest()
    return file.parent / FOLDER / f"{name}.session"


def _scratch(file: Path) -> Path | None:
    """Return a folder of this process for the import of another program's file, where it may not stay beside it."""
    if file.name.endswith(SUFFIX):
        return None
    folder = Path(tempfile.mkdtemp(prefix="gazekit-explore-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _imported(file: Path, screen: Mapping[str, float], scratch: Path, keep: bool) -> Path:
    """Import another program's file once, and keep it as a session file."""
    place = _import_place(file, screen)
    if place.is_file():
        return place
    session = import_recording(file, screen=screen or None)
    if keep:
        try:
            return write_session(session, place)
        except OutputError as error:
            _log.warning("the import of %s is not kept: %s", file, error)
    return write_session(session, scratch / FOLDER / place.name)


def _to_json(facts: SessionFacts) -> dict[str, Any]:
    header = facts.header
    return {
        "schema": _SCHEMA,
        "stamp": _stamp(facts.file),
        "digest": facts.digest,
        "header": {name: getattr(header, name) for name in ("participant", "name", "task", "started_utc", "finalised")},
        "screen": asdict(header.screen),
        "tracker": asdict(header.tracker),
        "provenance": header.provenance,
        "tables": {
            "stimuli": _columns(header.stimuli),
            "messages": _columns(header.messages),
            "quality": _columns(facts.quality),
            "trials": _columns(facts.trials),
            **{f"stream {name}": _columns(table) for name, table in header.streams.items()},
        },
    }


def _from_json(kept: Mapping[str, Any], sealed: Path, source: Path) -> SessionFacts:
    tables = {name: _table(columns) for name, columns in kept["tables"].items()}
    header = Session(
        **kept["header"],
        screen=Screen(**kept["screen"]),
        tracker=TrackerInfo(**kept["tracker"]),
        recording=GazeRecording.empty(),
        stimuli=tables["stimuli"],
        messages=tables["messages"],
        streams={name.removeprefix("stream "): table for name, table in tables.items() if name.startswith("stream ")},
        provenance=kept["provenance"],
    )
    return SessionFacts(kept["digest"], sealed, source, header, tables["quality"], tables["trials"])


def _columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Return a table as lists of what JSON has, each with its type."""
    return {str(name): [str(table[name].dtype), table[name].tolist()] for name in table.columns}


def _table(columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values, dtype=kind) for name, (kind, values) in columns.items()})
