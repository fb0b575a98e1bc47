"""What a session holds, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.types import Bools, Floats, Index
from gazekit.gaze import GazeRecording
from gazekit.screen import Placement, Screen

STIMULUS_COLUMNS = {
    "image": "str",  # id of the picture
    "sha256": "str",  # of the picture's file, empty where unknown
    "picture_width": "int64",  # the picture's own pixels
    "picture_height": "int64",
    "onset_us": "int64",  # system clock: the flip's time
    "offset_us": "int64",
    "x": "float64",  # placement on the screen, pixels
    "y": "float64",
    "width": "float64",
    "height": "float64",
    "order": "int64",  # 0-based position in the session
    "response": "str",  # the rating or answer after the picture, empty where none
}
VIEWING_COLUMNS = {  # of stimuli that `gazekit record` made; see `gazekit.session.events.Stimulus`
    "presentation": "int64",
    "block": "str",
    "started_by": "str",
    "ended_by": "str",
}
ANSWER_COLUMNS = {  # of stimuli, for each answer that the study asks for; {} is its name
    "answer_{}": "str",  # empty where none was given
    "answer_{}_ms": "float64",  # from the question's appearance to the answer; NaN where it was not asked
}
PRACTICE_COLUMNS = {
    "image": "str",
    "sha256": "str",
    "onset_us": "int64",
    "offset_us": "int64",
    "ended_by": "str",
    "answers": "str",
}
REGION_COLUMNS = {  # see `gazekit.session.events.Region`
    "time_us": "int64",
    "image": "str",
    "sha256": "str",
    "number": "int64",
    **dict.fromkeys(("x", "y", "width", "height"), "float64"),
    "word": "str",
}
LEDGER_COLUMNS = {
    "step": "int64",  # 0-based position in the plan
    "kind": "str",  # picture, rating, answer NAME, question, break, pages, practice, interview
    "id": "str",  # the picture (with its presentation), the question's name, the place of the pages
    "sha256": "str",  # of the picture's file
    "done_us": "int64",  # system clock; -1 where it is not done in this part
    "answer": "str",
}
TIMING_COLUMNS = dict.fromkeys(  # of stimuli on a display; -1 where nothing was measured; see events.Timing
    ("intended_onset_us", "intended_offset_us", "frames_missed", "swap_us"), "int64"
)
MESSAGE_COLUMNS = {"time_us": "int64", "text": "str"}  # system clock
STREAMS = (
    "eye_openness",
    "time_sync",
    "user_position",
    "external_signal",
    "notifications",
    "stream_errors",
    "gaps",
    "ledger",
    "eye_movements",
    "targets",
    "practice",
    "regions",
)


@dataclass(frozen=True)
class TrackerInfo:
    """Which eye tracker made the samples; an importer fills what it knows."""

    kind: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    rate_hz: float = float("nan")
    mode: str = ""


@dataclass(frozen=True)
class CalibrationPoint:
    """One target of a calibration: where it was, and the samples that each eye gave (display area)."""

    target: tuple[float, float]
    left: Floats  # (n, 2)
    right: Floats
    left_used: Bools
    right_used: Bools


@dataclass(frozen=True)
class Calibration:
    """One attempt at a calibration; all attempts are kept."""

    time_us: int
    status: str
    points: tuple[CalibrationPoint, ...] = ()
    blob: bytes = b""


@dataclass(frozen=True)
class Validation:
    """Data quality at known targets: a row for each target and eye (columns of `data_quality`)."""

    time_us: int
    table: pd.DataFrame
    passed: bool | None = None


@dataclass(frozen=True)
class Clock:
    """system = device + offset + drift * (device - origin), fitted from the time-sync stream."""

    origin_us: int = 0
    offset_us: float = 0.0
    drift: float = 0.0
    residual_us: float = float("nan")

    def to_system(self, device_us: npt.ArrayLike) -> Index:
        """Return device time stamps on the system clock, microseconds."""
        device = np.asarray(device_us, dtype=np.int64)
        shift = self.offset_us + self.drift * (device - self.origin_us)
        return device + np.round(shift).astype(np.int64)


@dataclass(frozen=True)
class Trial:
    """One picture on the screen and the gaze while it was there."""

    image: str
    picture: tuple[int, int]  # width, height in the picture's own pixels
    placement: Placement
    onset_us: int
    offset_us: int
    order: int
    recording: GazeRecording


@dataclass(frozen=True)
class Session:
    """An opened session: one participant, one part (a session that was resumed has several files).

    Examples
    --------
    >>> from gazekit.session import open_session
    >>> session = open_session("sample_data/sessions/P01.gaze.h5")
    >>> len(session.trials()), session.tracker.kind
    (6, 'simulated')
    """

    participant: str
    screen: Screen
    recording: GazeRecording
    name: str = ""
    task: str = ""
    tracker: TrackerInfo = TrackerInfo()
    started_utc: str = ""
    finalised: bool = True
    stimuli: pd.DataFrame = field(default_factory=lambda: empty_table(STIMULUS_COLUMNS))
    messages: pd.DataFrame = field(default_factory=lambda: empty_table(MESSAGE_COLUMNS))
    calibrations: tuple[Calibration, ...] = ()
    validations: tuple[Validation, ...] = ()
    clock: Clock = Clock()
    streams: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    display: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def assigned(self) -> dict[str, str]:
        """What the participant was assigned to: the participant table's row, levels of factors, language.

        Empty where the study has neither factors nor a participant table.
        """
        content = self.provenance.get("parameters", {}).get("assigned", {})
        facts = {**content.get("row", {}), **content.get("levels", {})}
        return {**facts, "language": content["language"]} if facts else {}

    def trials(self) -> list[Trial]:
        """Return every picture shown, with its gaze (system clock, onset <= t < offset)."""
        return [
            Trial(
                image=str(row.image),
                picture=(int(row.picture_width), int(row.picture_height)),
                placement=Placement(row.x, row.y, row.width, row.height),
                onset_us=int(row.onset_us),
                offset_us=int(row.offset_us),
                order=int(row.order),
                recording=self.recording.between(int(row.onset_us), int(row.offset_us)),
            )
            for row in self.stimuli.itertuples()
        ]


def answer_names(stimuli: pd.DataFrame) -> list[str]:
    """Return the names of the answers that a session's stimuli have columns of.

    Examples
    --------
    >>> answer_names(pd.DataFrame(columns=["image", "answer_beauty", "answer_beauty_ms"]))
    ['beauty']
    """
    return [
        name.removeprefix("answer_")
        for name in map(str, stimuli.columns)
        if name.startswith("answer_") and f"{name}_ms" in stimuli.columns
    ]


def empty_table(columns: Mapping[str, str]) -> pd.DataFrame:
    """Make a table of no rows with the documented columns and types."""
    return pd.DataFrame({name: pd.Series(dtype="object" if kind == "str" else kind) for name, kind in columns.items()})
