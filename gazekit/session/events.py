"""What happens in a session, as the journal keeps it: each kind of event is a dataclass, written and read here.

An event is a JSON object whose ``event`` is its kind. Times are the system clock, microseconds.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from gazekit.core.errors import FormatError
from gazekit.session.model import Calibration, CalibrationPoint, Validation
from gazekit.session.samples import TEXTS


@dataclass(frozen=True)
class Onset:
    """A picture has appeared."""

    event: ClassVar[str] = "onset"
    time_us: int
    image: str
    order: int


@dataclass(frozen=True)
class Stimulus:
    """A picture was shown to its end: a row of the session's stimuli."""

    event: ClassVar[str] = "stimulus"
    image: str
    sha256: str
    picture_width: int
    picture_height: int
    onset_us: int
    offset_us: int
    x: float
    y: float
    width: float
    height: float
    order: int
    response: str
    presentation: int = 1  # of a picture that is shown several times on purpose
    block: str = ""  # name of the block of the study
    started_by: str = "time"  # gaze, time, limit (gaze did not come to rest)
    ended_by: str = "time"  # time, key, mouse, touch, button, answer


@dataclass(frozen=True)
class PracticePicture:
    """A picture for practice was shown; a row of the session's table ``practice``, never of its stimuli."""

    event: ClassVar[str] = "practice"
    image: str
    sha256: str
    onset_us: int
    offset_us: int
    ended_by: str
    answers: str  # JSON object: name -> answer


@dataclass(frozen=True)
class PictureAnswer:
    """The answer to one of several questions about a picture: columns of the session's stimuli."""

    event: ClassVar[str] = "picture_answer"
    order: int
    id: str  # of the trial: the picture, and its presentation where that is not the first
    name: str
    answer: str
    by: str  # key, mouse, touch
    shown_us: int
    time_us: int


@dataclass(frozen=True)
class Region:
    """A place that a person marked in a picture, with a word for it; a row of the table ``regions``."""

    event: ClassVar[str] = "region"
    time_us: int
    image: str
    sha256: str
    number: int
    x: float  # picture pixels
    y: float
    width: float
    height: float
    word: str


@dataclass(frozen=True)
class Timing:
    """When a picture was to be there and when it was; columns of the session's table ``stimuli``."""

    event: ClassVar[str] = "timing"
    image: str
    order: int
    intended_onset_us: int
    onset_us: int
    intended_offset_us: int
    offset_us: int
    frames_missed: int  # while it was shown
    swap_us: int  # how long the swap that brought it took, to the stamp


@dataclass(frozen=True)
class Response:
    """The answer to a picture, by the picture's number in the plan."""

    event: ClassVar[str] = "response"
    order: int
    response: str
    image: str = ""
    time_us: int = 0


@dataclass(frozen=True)
class Message:
    """A text on the session's time axis."""

    event: ClassVar[str] = "message"
    time_us: int
    text: str


@dataclass(frozen=True)
class Answer:
    """The answer to a question of the study."""

    event: ClassVar[str] = "answer"
    time_us: int
    name: str
    answer: str


@dataclass(frozen=True)
class StepDone:
    """A step of the plan is done that has no other record."""

    event: ClassVar[str] = "step_done"
    time_us: int
    kind: str
    id: str


@dataclass(frozen=True)
class DisplayFacts:
    """What was measured of the display, and what else the tracker says of itself."""

    event: ClassVar[str] = "display"
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackerFacts:
    """Fields of `TrackerInfo` that have changed since the header was written."""

    event: ClassVar[str] = "tracker"
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamText:
    """A row of a stream of texts: a notification, or an error of a stream."""

    stream: str
    system_time_us: int
    kind: str
    text: str


Plain = Onset | Stimulus | Timing | Response | Message | Answer | StepDone | PracticePicture | PictureAnswer | Region
Event = Plain | DisplayFacts | TrackerFacts | StreamText | Calibration | Validation
_PLAIN: dict[str, type[Plain]] = {
    kind.event: kind
    for kind in (
        Onset,
        Stimulus,
        Timing,
        Response,
        Message,
        Answer,
        StepDone,
        PracticePicture,
        PictureAnswer,
        Region,
    )
}
_FACTS: dict[str, type[DisplayFacts | TrackerFacts]] = {kind.event: kind for kind in (DisplayFacts, TrackerFacts)}


def event_to_json(event: Event) -> dict[str, Any]:
    """Return an event as the journal keeps it."""
    match event:
        case Calibration():
            return {"event": "calibration", **_calibration_to_json(event)}
        case Validation():
            return {"event": "validation", **_validation_to_json(event)}
        case StreamText():
            return {
                "event": event.stream,
                "system_time_us": event.system_time_us,
                "kind": event.kind,
                "text": event.text,
            }
        case DisplayFacts() | TrackerFacts():
            return {"event": event.event, **event.facts}
    return {"event": event.event, **asdict(event)}


def event_from_json(content: Mapping[str, Any]) -> Event:
    """Return the event that the journal keeps as this object.

    Raises
    ------
    FormatError
        An event of a kind that nobody writes.
    KeyError, TypeError, ValueError
        An event that lacks something, or holds something else.
    """
    kind = content["event"]
    fields = {name: value for name, value in content.items() if name != "event"}
    if kind in _PLAIN:
        return _PLAIN[kind](**fields)
    if kind in _FACTS:
        return _FACTS[kind](fields)
    if kind in TEXTS:
        return StreamText(kind, **fields)
    if kind == "calibration":
        return _calibration_from_json(fields)
    if kind == "validation":
        table = pd.DataFrame(fields["rows"], columns=fields["columns"])
        table = table.astype({name: float for name in table if table[name].isna().all()})  # nothing was measured
        return Validation(int(fields["time_us"]), table, fields["passed"])
    raise FormatError(f"an event of unknown kind {kind!r}")


def trial_id(image: str, presentation: int) -> str:
    """Return what a trial is called in the plan: the picture, and its number where it is shown again on purpose.

    Examples
    --------
    >>> trial_id("reef.jpg", 1), trial_id("reef.jpg", 2)
    ('reef.jpg', 'reef.jpg (2)')
    """
    return image if presentation == 1 else f"{image} ({presentation})"


def step_of(event: Event) -> tuple[str, str, int, str] | None:
    """Return kind, id, moment and answer of the step that an event completes; None where it completes none."""
    match event:
        case Stimulus():
            return "picture", trial_id(event.image, event.presentation), event.offset_us, ""
        case Response(image=image) if image:
            return "rating", image, event.time_us, event.response
        case Answer():
            return "question", event.name, event.time_us, event.answer
        case PictureAnswer():
            return f"answer {event.name}", event.id, event.time_us, event.answer
        case StepDone():
            return event.kind, event.id, event.time_us, ""
    return None


def _calibration_to_json(calibration: Calibration) -> dict[str, Any]:
    arrays = ("left", "right", "left_used", "right_used")
    return {
        "time_us": calibration.time_us,
        "status": calibration.status,
        "blob": base64.b64encode(calibration.blob).decode(),
        "points": [
            {"target": list(point.target), **{name: getattr(point, name).tolist() for name in arrays}}
            for point in calibration.points
        ],
    }


def _calibration_from_json(content: Mapping[str, Any]) -> Calibration:
    points = tuple(
        CalibrationPoint(
            target=(float(point["target"][0]), float(point["target"][1])),
            left=np.array(point["left"], dtype=np.float64).reshape(-1, 2),
            right=np.array(point["right"], dtype=np.float64).reshape(-1, 2),
            left_used=np.array(point["left_used"], dtype=bool),
            right_used=np.array(point["right_used"], dtype=bool),
        )
        for point in content["points"]
    )
    return Calibration(int(content["time_us"]), str(content["status"]), points, base64.b64decode(content["blob"]))


def _validation_to_json(validation: Validation) -> dict[str, Any]:
    table = validation.table
    plain = table.astype(object).where(table.notna(), None)
    return {
        "time_us": validation.time_us,
        "passed": validation.passed,
        "columns": list(map(str, table.columns)),
        "rows": [[v.item() if isinstance(v, np.generic) else v for v in row] for row in plain.to_numpy()],
    }
