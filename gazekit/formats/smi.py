"""SMI: text of the IDF converter, and raw data exports of BeGaze (manuals of iView X and BeGaze, SensoMotoric).

The IDF converter's text begins with lines of ``##`` that tell the screen, the rate and the person; ``SMP`` lines are
samples in microseconds, ``MSG`` lines messages. BeGaze exports a table whose time is ``RecordingTime [ms]``. Points of
regard are pixels from the screen's top left; (0, 0) stands for no gaze.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gazekit.core.types import Floats
from gazekit.formats import eye_movements
from gazekit.formats.columns import UNITS_US, Onward, decimal, diameter, eye, point, recording, whole_us
from gazekit.formats.names import ColumnNames, split_unit
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.stimuli import Showing
from gazekit.formats.text import LETTERS, Batch, Head, LineNumbers, TextTable, split_line
from gazekit.gaze import Eye
from gazekit.session.model import TrackerInfo

TITLE = "SMI: text of the IDF converter, raw data export of BeGaze"
ONSET = r"# Message: (?P<image>.+\.(?:jpe?g|png|bmp|gif|tiff?))\s*$"  # BeGaze notes each picture so
_SIDES = {"left": "L", "right": "R"}
_PIXELS = "pixels from the top left of the screen, y downward"
_HEADER = re.compile(r"^## ([^:\r\n]+):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)


def looks_like(head: Head) -> bool:
    """Tell whether a file has one of the layouts."""
    return _is_idf(head) or _is_begaze(head)


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of a file."""
    yield from _read_idf(head, request) if _is_idf(head) else _read_begaze(head, request)


def _is_idf(head: Head) -> bool:
    return head.text.startswith("## [") or (head.text.startswith("## ") and "POR X" in head.text[:20_000])


def _is_begaze(head: Head) -> bool:
    names = ColumnNames(head.columns)
    sides = ("Right", "Left", "Binocular")
    return bool(names.find("RecordingTime", "ms")) and any(names.find(f"Point of Regard {s} X", "px") for s in sides)


def _read_idf(head: Head, request: Request) -> Iterator[Part]:
    facts = dict(_HEADER.findall(head.text))
    draft = request.draft(
        head,
        _sizes(facts),
        facts.get("Subject", ""),
        tracker=TrackerInfo(kind="smi", rate_hz=decimal(facts.get("Sample Rate", ""))),
        started_utc=facts.get("Date", ""),
    )
    draft.account.know("time", "us", "format")
    draft.account.know("gaze", _PIXELS, "format")
    lines: LineNumbers | None = None
    with open(head.path, encoding=head.encoding, errors=LETTERS, newline="") as file:
        for line in file:
            if line.startswith("##"):
                continue
            if lines is None:
                names = split_line(line, "\t")
                lines = LineNumbers(names, _idf_columns(names))
                continue
            cells = line.split("\t", 3)
            if len(cells) > 3 and cells[1] == "MSG":
                if np.isfinite(stamp := decimal(cells[0])):
                    draft.messages.append((int(stamp), cells[3].strip()))
                else:
                    lines.untimed += 1
            elif line.strip() and lines.add(line):
                yield _idf_part(lines, draft)
    if lines is not None and len(lines):
        yield _idf_part(lines, draft)
    if lines is not None:
        lines.describe(draft.account)


def _sizes(facts: dict[str, str]) -> dict[str, float]:
    """Read the screen's sizes from the header."""
    known = (
        ("Calibration Area", ("width_px", "height_px")),
        ("Stimulus Dimension [mm]", ("width_mm", "height_mm")),
        ("Head Distance [mm]", ("distance_mm",)),
    )
    sizes: dict[str, float] = {}
    for key, names in known:
        numbers = [float(n) for n in re.findall(r"\d+(?:\.\d+)?", facts.get(key, ""))]
        if len(numbers) == len(names) and min(numbers) > 0:
            sizes |= dict(zip(names, numbers, strict=True))
    return sizes


def _idf_columns(names: tuple[str, ...]) -> list[str]:
    wanted = ["Time"]
    wanted += [f"{letter} POR {axis} [px]" for letter in "LR" for axis in "XY"]
    wanted += [name for letter in "LR" for name in (f"{letter} Mapped Diameter [mm]",)]
    return [name for name in wanted if name in names]


def _idf_part(lines: LineNumbers, draft: Draft) -> Part:
    columns = lines.take()
    time = whole_us(columns["Time"], "us")
    missing = np.full(len(time), np.nan)
    eyes = [
        _eye(
            columns.get(f"{letter} POR X [px]", missing),
            columns.get(f"{letter} POR Y [px]", missing),
            columns.get(f"{letter} Mapped Diameter [mm]", missing),
            draft,
        )
        for letter in _SIDES.values()
    ]
    draft.account.rows += len(time)
    return Part(draft, recording(time, *eyes))


def _eye(x: Floats, y: Floats, pupil: Floats, draft: Draft) -> Eye:
    gaze = point(x, y, missing=[(0.0, 0.0)]) / (draft.screen.width_px, draft.screen.height_px)
    return eye(gaze, pupil_mm=diameter(pupil))


@dataclass(frozen=True)
class _BeGaze:
    """The columns of a raw data export."""

    time: str
    participant: str
    stimulus: str
    category: str
    content: str
    gaze: dict[str, list[str]]
    pupil: dict[str, str]

    @classmethod
    def of(cls, names: ColumnNames) -> _BeGaze:
        """Find the columns; one gaze of both eyes stands for the left one."""
        sides = {side: side.capitalize() for side in _SIDES}
        gaze = {side: names.find_all(f"Point of Regard {name} {{}}", "XY", "px") for side, name in sides.items()}
        if not any(gaze.values()):
            gaze["left"] = names.find_all("Point of Regard Binocular {}", "XY", "px")
        return cls(
            time=names.find("RecordingTime", "ms"),
            participant=names.find("Participant"),
            stimulus=names.find("Stimulus"),
            category=names.find("Category Right") or names.find("Category Left") or names.find("Category Binocular"),
            content=names.find("Annotation Name") or names.find("Content"),
            gaze=gaze,
            pupil={side: names.find(f"Pupil Diameter {name}", "mm") for side, name in sides.items()},
        )

    def types(self) -> dict[str, str]:
        """List the columns to read and what they hold."""
        numbers = [self.time, *(name for pair in self.gaze.values() for name in pair), *self.pupil.values()]
        texts = (self.participant, self.stimulus, self.category, self.content)
        return dict.fromkeys(filter(None, numbers), "number") | dict.fromkeys(filter(None, texts), "text")


def _read_begaze(head: Head, request: Request) -> Iterator[Part]:
    table = TextTable(head, strict=request.strict)
    columns = _BeGaze.of(ColumnNames(table.names))
    drafts: dict[str, tuple[Draft, Showing, eye_movements.Numbers, Onward]] = {}
    for batch in table.batches(columns.types()):
        codes, people = batch.codes(columns.participant)
        for code in np.unique(codes):
            name = people[code] if code >= 0 else ""
            if name not in drafts:
                draft = request.draft(head, who=name, tracker=TrackerInfo(kind="smi"), many=bool(columns.participant))
                draft.account.know("time", split_unit(columns.time)[1], "file")
                draft.account.know("gaze", _PIXELS, "format")
                drafts[name] = draft, Showing(draft.screen), eye_movements.Numbers(), Onward(1e3)
            part = _begaze_part(batch.where(codes == code), columns, *drafts[name])
            if part is not None:
                yield part
    for draft, shown, _, onward in drafts.values():
        onward.describe(draft.account)
        draft.stimuli = shown.rows(draft.account.silences)
        table.describe(draft.account)
        draft.notes += table.notes()


def _begaze_part(
    batch: Batch,
    columns: _BeGaze,
    draft: Draft,
    shown: Showing,
    numbers: eye_movements.Numbers,
    onward: Onward,
) -> Part | None:
    event = batch.equal(columns.category, "User Event", "Information", "Separator") if columns.category else None
    time = onward.of(batch.numbers(columns.time))
    draft.account.rows += len(batch)
    if event is not None and event.any():
        rows = np.flatnonzero(event & np.isfinite(time))
        stamps = np.round(time[rows] * UNITS_US["ms"]).astype(np.int64)
        draft.messages += [(int(t), text) for t, text in zip(stamps, batch.texts(columns.content, rows), strict=True)]
        draft.account.leave_out("rows of events", len(rows))
        draft.account.leave_out("rows of events without a time", int(event.sum()) - len(rows))
        batch, time = batch.where(~event), time[~event]
    if not len(batch):
        return None
    stamps = whole_us(time, "ms")
    shown.runs(*batch.codes(columns.stimulus), stamps)
    missing = np.full(len(batch), np.nan)
    eyes = []
    for side in _SIDES:
        x, y = (batch.numbers(name) for name in columns.gaze[side]) if columns.gaze[side] else (missing, missing)
        eyes.append(_eye(x, y, batch.numbers(columns.pupil[side]), draft))
    streams = {}
    if columns.category in batch:
        codes, words = batch.codes(columns.category)
        label = np.append(eye_movements.codes_of(words), np.int8(0))[codes]
        streams = {eye_movements.STREAM: eye_movements.stream(label, numbers.of(label), missing, missing)}
    return Part(draft, recording(stamps, *eyes), streams)
