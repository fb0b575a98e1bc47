"""What a format hands over: samples in parts, and a draft of the session that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.errors import InputError
from gazekit.formats.account import Account
from gazekit.formats.text import Head
from gazekit.gaze import GazeRecording
from gazekit.screen import Screen
from gazekit.session.model import (
    MESSAGE_COLUMNS,
    STIMULUS_COLUMNS,
    Calibration,
    Clock,
    Session,
    TrackerInfo,
    Validation,
    empty_table,
)

PIXELS = ("width_px", "height_px")
SCREEN_OPTIONS = {
    "width_px": "--screen WIDTHxHEIGHT",
    "height_px": "--screen WIDTHxHEIGHT",
    "width_mm": "--screen-mm WIDTHxHEIGHT",
    "height_mm": "--screen-mm WIDTHxHEIGHT",
    "distance_mm": "--distance-mm NUMBER",
}


_SIZES = (("screen", PIXELS, "px"), ("lit area", ("width_mm", "height_mm"), "mm"), ("distance", ("distance_mm",), "mm"))


@dataclass(frozen=True)
class Request:
    """What the person who imports says of a file.

    Attributes
    ----------
    screen : Mapping[str, float]
        Any of width_px, height_px, width_mm, height_mm, distance_mm.
    participant : str, optional
        Pseudonym to use in place of the file's own.
    strict : bool
        A row that cannot be read is an error; else it is left out and reported.
    stem : str
        What to call a participant of whom the file says nothing; the file's own stem where it is empty.
    """

    screen: Mapping[str, float] = field(default_factory=dict)
    participant: str | None = None
    strict: bool = False
    stem: str = ""

    def draft(self, head: Head, in_file: Mapping[str, float] | None = None, who: str = "", **parts: Any) -> Draft:
        """Begin a session of a file that says these sizes of its screen, and perhaps its participant."""
        in_file = in_file or {}
        screen = self.resolve_screen(in_file, head.path)
        draft = Draft(screen, self.pseudonym(who, head.path), **{"inputs": [head.path], **parts})
        for what, names, unit in _SIZES:
            size = " x ".join(f"{getattr(screen, name):g}" for name in names)
            source = "option" if names[0] in self.screen else "file"
            other = " x ".join(f"{in_file[name]:g}" for name in names if name in in_file)
            source += f"; the file says {other}" if other not in ("", size) else ""
            draft.account.know(what, f"{size} {unit}", source)
        draft.account.doubts += screen.doubts()
        if screen.width_mm < 80 and screen.distance_mm < 150:
            draft.account.know("sizes", "so small a screen so near to the eyes: were centimetres given?", "guess")
        return draft

    def pseudonym(self, in_file: str, path: Path) -> str:
        """Name the participant: as asked for, as the file says, or by the file's name."""
        return self.participant or in_file or self.stem or path.stem

    def resolve_screen(self, in_file: Mapping[str, float], path: Path) -> Screen:
        """Make the screen of what was asked for and what the file says of itself."""
        for name in PIXELS:  # some programs give the last pixel, others the number of pixels
            if name in self.screen and name in in_file and abs(self.screen[name] - in_file[name]) > 1:
                raise InputError(
                    f"{path}: the file (or its mapping) says that its screen's {name} is {in_file[name]:g}, and "
                    f"{self.screen[name]:g} was given; leave {SCREEN_OPTIONS[name].split()[0]} out, or correct it"
                )
        sizes = {**in_file, **self.screen}
        missing = [name for name in SCREEN_OPTIONS if name not in sizes]
        if missing:
            options = ", ".join(dict.fromkeys(SCREEN_OPTIONS[name] for name in missing))
            raise InputError(
                f"{path} does not say the screen's {', '.join(missing)}, and every degree comes from these; "
                f"give {options}"
            )
        return Screen(
            int(sizes["width_px"]), int(sizes["height_px"]), *(float(sizes[k]) for k in list(SCREEN_OPTIONS)[2:])
        )


@dataclass
class Draft:
    """All of a session but its samples, filled while they are read.

    A file that holds several recordings has a draft for each. ``stimuli`` and ``messages`` are rows by the
    columns of `STIMULUS_COLUMNS` and `MESSAGE_COLUMNS`; what a row leaves out is filled with the neutral value.
    ``many`` says that the file names its recordings, since it may hold several.
    """

    screen: Screen
    participant: str
    name: str = ""
    task: str = ""
    tracker: TrackerInfo = field(default_factory=TrackerInfo)
    started_utc: str = ""
    stimuli: list[dict[str, Any]] = field(default_factory=list)
    messages: list[tuple[int, str]] = field(default_factory=list)
    calibrations: list[Calibration] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    streams: dict[str, pd.DataFrame] = field(default_factory=dict)
    display: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    account: Account = field(default_factory=Account)
    notes: list[str] = field(default_factory=list)
    inputs: list[Path] = field(default_factory=list)
    whole: Session | None = None
    many: bool = False

    @classmethod
    def of(cls, session: Session, request: Request) -> Draft:
        """Make the draft of a session that comes whole: all of it is kept, its provenance too."""
        participant = request.participant or session.participant
        draft = cls(session.screen, participant, session.name, whole=session)
        draft.account.rows = len(session.recording)
        return draft

    def session(
        self,
        recording: GazeRecording | None = None,
        streams: Mapping[str, pd.DataFrame] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> Session:
        """Make the session, with its samples or without; one that came whole keeps its own provenance."""
        samples = GazeRecording.empty() if recording is None else recording
        if self.whole is not None:
            imported = {"import": dict(provenance)} if recording is None and provenance else {}
            return replace(
                self.whole,
                participant=self.participant,
                recording=samples,
                stimuli=stimulus_table(self.stimuli) if self.stimuli else self.whole.stimuli,
                provenance={**self.whole.provenance, **imported},
            )
        return Session(
            participant=self.participant,
            screen=self.screen,
            recording=samples,
            name=self.name,
            task=self.task,
            tracker=self.tracker,
            started_utc=self.started_utc,
            stimuli=stimulus_table(self.stimuli),
            messages=message_table(self.messages),
            calibrations=tuple(self.calibrations),
            validations=tuple(self.validations),
            clock=self.clock,
            streams={**self.streams, **(streams or {})},
            display=self.display,
            provenance={**(provenance or {}), **({"notes": self.notes} if self.notes else {})},
        )


@dataclass(frozen=True)
class Part:
    """Some samples of one session, in the order of the file, and rows of per-sample streams beside them.

    ``last`` says that no more of this session come, so that its file need not stay open.
    """

    draft: Draft
    recording: GazeRecording
    streams: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    last: bool = False


def stimulus_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Make the table of stimuli of a session file of rows; the order is numbered where it is not given."""
    if not rows:
        return empty_table(STIMULUS_COLUMNS)
    neutral = {"str": "", "int64": 0, "float64": float("nan")}
    filled = [
        {**{name: neutral[kind] for name, kind in STIMULUS_COLUMNS.items()}, "order": n, **row}
        for n, row in enumerate(rows)
    ]
    table = pd.DataFrame(filled, columns=list(STIMULUS_COLUMNS))
    return table.astype({name: "object" if kind == "str" else kind for name, kind in STIMULUS_COLUMNS.items()})


def message_table(rows: list[tuple[int, str]]) -> pd.DataFrame:
    """Make the table of messages of a session file, in the order of their time."""
    if not rows:
        return empty_table(MESSAGE_COLUMNS)
    table = pd.DataFrame(sorted(rows, key=lambda row: row[0]), columns=list(MESSAGE_COLUMNS))
    return table.astype({"time_us": "int64", "text": "object"})
