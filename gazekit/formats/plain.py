"""Plain tables (CSV, TSV, semicolons) of any program, by a small TOML file that says what the columns are.

A mapping file::

    [time]
    column = "timestamp"
    unit = "ms"                     # s, ms, us, ns, or date for stamps such as 2026-11-28 10:00:00.125

    [gaze]
    unit = "px"                     # px, display (0 to 1), mm, deg (Fick angles from the centre), or PsychoPy's
                                    # norm (-1 to 1 from the centre) and height (1 is the screen's height)
    origin = "centre"               # top-left (default), centre, or bottom-left
    y = "up"                        # down (default, but up from bottom-left, and in norm and height), or up
    missing = [0.0]                 # a point of these values in x and y stands for no gaze

    [left]
    x = "left_x"
    y = "left_y"
    pupil_mm = "left_pupil"         # optional, and so is a column of verdicts with the values that mean good
    valid = "left_validity"
    valid_values = ["0", "1"]

    [right]
    x = "right_x"
    y = "right_y"

    [stimulus]
    column = "image"                # name of what is shown, empty or one of none between
    none = ["-1"]

    [target]                        # where a validation asked to look, in the unit and origin of the gaze
    column = "target_id"
    x = "tar_x"
    y = "tar_y"
    none = ["-1"]

    [labels]                        # what someone else made of each sample: words that stand for each class
    column = "label"
    fixation = ["1"]                # and saccade, oscillation (post-saccadic), pursuit, lost
    saccade = ["2"]

    [message]
    column = "event"

    [participant]
    column = "subject"              # a file of several people becomes a session for each

    [screen]                        # any of the sizes that the file does not say
    width_px = 1920
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, PositiveFloat, PositiveInt

from gazekit.core.config import Section, read_toml, validated
from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.core.types import Floats, Index
from gazekit.formats import eye_movements
from gazekit.formats.account import Account, Fact
from gazekit.formats.columns import UNITS_US, Onward, diameter, eye, point, recording, whole_us
from gazekit.formats.dates import date_order, dates_us, order_so_far
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.stimuli import Showing
from gazekit.formats.text import Batch, Head, TextTable, separator_of, split_line
from gazekit.gaze import LIMITS_HZ, Eye, check_order
from gazekit.screen import Screen

TITLE = "plain table (CSV, TSV) with a mapping file: --mapping FILE.toml"
TARGETS = "targets"
_LINES_ABOVE = 500


class TimeSection(Section):
    """``[time]``."""

    column: str
    unit: Literal["s", "ms", "us", "ns", "date"]


class GazeSection(Section):
    """``[gaze]``."""

    unit: Literal["px", "display", "mm", "deg", "norm", "height"] = "px"
    origin: Literal["top-left", "centre", "bottom-left"] | None = None
    y: Literal["down", "up"] | None = None
    missing: list[float] = []

    @property
    def from_centre(self) -> bool:
        """Whether the numbers count from the middle of the screen."""
        return self.unit in ("norm", "height", "deg") or self.origin == "centre"

    @property
    def upward(self) -> bool:
        """Whether y counts upward."""
        return self.y == "up" if self.y else self.unit in ("norm", "height") or self.origin == "bottom-left"


class EyeSection(Section):
    """``[left]``, ``[right]``."""

    x: str
    y: str
    pupil_mm: str = ""
    valid: str = ""
    valid_values: list[str] = ["1", "Valid", "true", "True"]


class ColumnSection(Section):
    """``[stimulus]``, ``[message]``, ``[participant]``."""

    column: str
    none: list[str] = []


class TargetSection(ColumnSection):
    """``[target]``."""

    x: str
    y: str


class LabelSection(Section):
    """``[labels]``."""

    column: str
    fixation: list[str] = []
    saccade: list[str] = []
    oscillation: list[str] = []
    pursuit: list[str] = []
    lost: list[str] = []

    def code(self, word: str) -> int:
        """Return the label code of a word; 0 where it stands for no class."""
        classes = (self.fixation, self.saccade, self.oscillation, self.pursuit, self.lost)
        return next((code for code, words in enumerate(classes, start=1) if word in words), 0)


class SizesSection(Section):
    """``[screen]``."""

    width_px: PositiveInt | None = None
    height_px: PositiveInt | None = None
    width_mm: PositiveFloat | None = None
    height_mm: PositiveFloat | None = None
    distance_mm: PositiveFloat | None = None


class TableSection(Section):
    """``[table]``: where the header line is not the first, or the separator is not found by itself."""

    separator: str | None = Field(default=None, min_length=1, max_length=1)
    skip_rows: int = Field(default=0, ge=0)


class ColumnMapping(Section):
    """A whole mapping file."""

    time: TimeSection
    gaze: GazeSection = GazeSection()
    left: EyeSection | None = None
    right: EyeSection | None = None
    stimulus: ColumnSection | None = None
    target: TargetSection | None = None
    labels: LabelSection | None = None
    message: ColumnSection | None = None
    participant: ColumnSection | None = None
    screen: SizesSection = SizesSection()
    table: TableSection = TableSection()

    def describe(self, account: Account) -> None:
        """Note the units and the origin in an account."""
        account.know("time", self.time.unit, "mapping")
        origin = "centre" if self.gaze.from_centre else (self.gaze.origin or "top-left").replace("-", " ")
        known = self.gaze.y or not self.gaze.from_centre or self.gaze.unit in ("norm", "height")
        account.know("gaze", f"{self.gaze.unit} from the {origin} of the screen", "mapping")
        upward = "upward" if self.gaze.upward else "downward"
        unsaid = "" if known else ', for [gaze] y = "up" or "down" is not said'
        account.know("y", upward + unsaid, "mapping" if known else "guess")
        if self.left and self.right and (self.left.x, self.left.y) == (self.right.x, self.right.y):
            account.doubts.append(
                f"both eyes are read from the columns {self.left.x} and {self.left.y}: name those of each eye, or "
                "leave out [right] where they are of one eye or of an average"
            )

    def types(self) -> dict[str, str]:
        """List the columns to read and what they hold."""
        kinds = {self.time.column: "text" if self.time.unit == "date" else "number"}
        for side in filter(None, (self.left, self.right)):
            kinds |= dict.fromkeys(filter(None, (side.x, side.y, side.pupil_mm)), "number")
            kinds |= {side.valid: "text"} if side.valid else {}
        if self.target:
            kinds |= {self.target.x: "number", self.target.y: "number"}
        for named in (self.stimulus, self.target, self.labels, self.message, self.participant):
            kinds |= {named.column: "text"} if named else {}
        return kinds


def read_mapping(path: str | Path) -> ColumnMapping:
    """Read and validate a mapping file.

    Raises
    ------
    ConfigError
        No such file, not TOML, or wrong; the message lists every fault.
    """
    try:
        mapping = validated(ColumnMapping, read_toml(path), path)
    except ConfigError as error:
        raise ConfigError(str(error).replace("study file", "mapping file")) from None
    if mapping.left is None and mapping.right is None:
        raise ConfigError(f"{path} needs a section [left] or [right] with the columns x and y")
    for name, side in (("left", mapping.left), ("right", mapping.right)):
        if side and len({side.x, side.y, mapping.time.column}) < 3:
            raise ConfigError(
                f"{path}: x and y of [{name}] and the time are three columns; found x = {side.x!r}, y = {side.y!r} and "
                f"[time] column = {mapping.time.column!r}"
            )
    return mapping


def looks_like(head: Head) -> bool:
    """Return False: a plain table is what a mapping file says it is."""
    return False


def read(head: Head, request: Request, mapping: str | Path | None = None) -> Iterator[Part]:
    """Read the samples of every participant in the table."""
    if mapping is None:
        raise InputError(f"{head.path}: a plain table needs a mapping file that says what its columns are (--mapping)")
    plan = read_mapping(mapping)
    table = TextTable(head, skip_rows=plan.table.skip_rows, separator=plan.table.separator, strict=request.strict)
    absent = [name for name in plan.types() if name not in table.names]
    if absent:
        raise FormatError(
            f"{head.path} lacks the column{'s' if len(absent) > 1 else ''} {', '.join(absent)} of {mapping}; "
            f"it has {', '.join(table.names[:30])}{_later_header(head, plan)}"
        )
    sizes = {name: float(size) for name, size in plan.screen.model_dump().items() if size is not None}
    people: dict[str, _Person] = {}
    kinds = plan.types()
    if plan.time.unit == "ns":  # which have more digits than a float, where they are whole
        at = table.names.index(plan.time.column)
        cells = [split_line(line, str(table.separator)) for line in head.lines[plan.table.skip_rows + 1 :][:1000]]
        whole = all(row[at].lstrip("+-").isdigit() for row in cells if len(row) > at and row[at])
        kinds[plan.time.column] = "integer" if whole else "number"
    order: Fact | None = None
    for batch in table.batches(kinds):
        if plan.time.unit == "date":
            order = order_so_far(order, date_order(batch.codes(plan.time.column)[1]))
        for name, rows in _by_person(batch, plan):
            if name not in people:
                draft = request.draft(head, sizes, name, inputs=[head.path, Path(mapping)])
                draft.many = plan.participant is not None
                plan.describe(draft.account)
                if order:
                    draft.account.know(*order)
                people[name] = _Person(draft, plan, Showing(draft.screen), Showing(draft.screen))
            yield people[name].part(batch, rows, order)
    for person in people.values():
        person.finish(table)


def _later_header(head: Head, plan: ColumnMapping) -> str:
    """Say in which of the first lines the columns stand, where it is not the one that was read."""
    for number, line in enumerate(head.lines[:_LINES_ABOVE]):
        if set(plan.types()) <= set(split_line(line, plan.table.separator or separator_of(line))):
            return f"; line {number + 1} has them: [table] skip_rows = {number}"
    return ""


@dataclass
class _Person:
    draft: Draft
    plan: ColumnMapping
    shown: Showing
    targets: Showing
    places: list[tuple[float, float]] = field(default_factory=list)
    nowhere: int = 0
    clock: Onward = field(default_factory=Onward)

    def part(self, batch: Batch, rows: Index, order: Fact | None) -> Part:
        plan = self.plan
        self.draft.account.rows += len(rows)
        time = self.clock.of(_time(batch, rows, plan.time, order))
        if plan.stimulus:
            self.shown.runs(*_codes(batch, rows, plan.stimulus), time)
        self.shown.last_us = int(time[-1])
        if plan.message:
            codes, words = _codes(batch, rows, plan.message)
            self.draft.messages += [
                (int(t), words[c]) for t, c in zip(time[codes >= 0], codes[codes >= 0], strict=True)
            ]
        if plan.target:
            self._note_targets(batch, rows, time)
        eyes = [self._eye(batch, rows, side) for side in (plan.left, plan.right)]
        return Part(self.draft, recording(time, eyes[0], eyes[1]), self._labels(batch, rows))

    def finish(self, table: TextTable) -> None:
        table.describe(self.draft.account)
        self.clock.describe(self.draft.account)
        if self.nowhere:
            self.draft.account.know(
                "no gaze", f"{counted(self.nowhere, 'point')} of exactly (-1, -1) or (0, 0)", "format"
            )
        self.draft.stimuli = self.shown.rows(self.draft.account.silences)
        self.draft.notes += table.notes()
        if self.plan.target:
            rows = [(*shown, *place) for shown, place in zip(self.targets.ended(), self.places, strict=True)]
            kinds = {"onset_us": "int64", "offset_us": "int64", "x_px": "float64", "y_px": "float64"}
            self.draft.streams[TARGETS] = pd.DataFrame(rows, columns=["target", *kinds]).astype(kinds)

    def _labels(self, batch: Batch, rows: Index) -> dict[str, pd.DataFrame]:
        if self.plan.labels is None:
            return {}
        codes, words = batch.codes(self.plan.labels.column)
        label = np.array([*(self.plan.labels.code(word) for word in words), 0], dtype=np.int8)[codes[rows]]
        missing = np.full(len(rows), np.nan)
        return {eye_movements.STREAM: eye_movements.stream(label, missing, missing, missing)}

    def _eye(self, batch: Batch, rows: Index, side: EyeSection | None) -> Eye:
        if side is None:
            return Eye.missing(len(rows))
        x, y = batch.numbers(side.x)[rows], batch.numbers(side.y)[rows]
        plan = self.plan.gaze
        lost = np.isnan(point(x, y, missing=[(value, value) for value in plan.missing])[:, 0])
        if plan.unit == "px" and not plan.from_centre and not plan.upward:
            nowhere = (x == y) & ((x == 0) | (x == -1)) & ~lost
            self.nowhere += int(nowhere.sum())
            lost |= nowhere
        screen = self.draft.screen
        gaze = screen.px_to_display(*to_pixels(x, y, self.plan.gaze, screen))
        gaze[lost] = np.nan
        return eye(
            gaze,
            valid=batch.equal(side.valid, *side.valid_values)[rows] if side.valid else None,
            pupil_mm=diameter(batch.numbers(side.pupil_mm)[rows]),
        )

    def _note_targets(self, batch: Batch, rows: Index, time: Index) -> None:
        assert self.plan.target is not None
        codes, words = _codes(batch, rows, self.plan.target)
        places = batch.numbers(self.plan.target.x)[rows], batch.numbers(self.plan.target.y)[rows]
        x, y = to_pixels(*places, self.plan.gaze, self.draft.screen)
        for row, _ in self.targets.runs(codes, words, time):
            self.places.append((float(x[row]), float(y[row])))


def to_pixels(x: Floats, y: Floats, gaze: GazeSection, screen: Screen) -> tuple[Floats, Floats]:
    """Convert coordinates in the unit and from the origin of a mapping file to screen pixels from the top left."""
    up = -1.0 if gaze.upward else 1.0
    if gaze.unit == "deg":
        return screen.to_pixels(x, up * y)
    width, height = screen.width_px, screen.height_px
    across, down = {
        "px": (1.0, 1.0),
        "display": (width, height),
        "mm": (width / screen.width_mm, height / screen.height_mm),
        "norm": (width / 2, height / 2),
        "height": (height, height),
    }[gaze.unit]
    x, y = x * across, up * y * down
    if gaze.from_centre:
        return x + width / 2, y + height / 2
    return x, y + height if gaze.upward else y


def _time(batch: Batch, rows: Index, section: TimeSection, order: Fact | None) -> Index:
    """Return the time of rows in microseconds."""
    if section.unit == "date":
        codes, words = batch.codes(section.column)
        if (codes[rows] < 0).any():
            raise FormatError(
                f"{counted(int((codes[rows] < 0).sum()), 'sample has', 'samples have')} no time stamp in "
                f"{section.column}"
            )
        return dates_us(words, section.column, order)[codes[rows]]
    stamps = batch.stamps(section.column)[rows]
    _check_unit(stamps, section)
    if stamps.dtype.kind == "i":
        return stamps.astype(np.int64) // 1000
    return whole_us(stamps.astype(float), section.unit)


def _check_unit(stamps: Floats | Index, section: TimeSection) -> None:
    """Refuse a unit of time in which no eye tracker delivers its samples."""
    steps = np.diff(stamps)
    steps = steps[steps > 0]
    if len(steps) < 2:
        return
    step = float(np.median(steps))
    rates = {unit: 1e6 / (step * UNITS_US[unit]) for unit in ("s", "ms", "us", "ns")}
    likely = [unit for unit, hz in rates.items() if LIMITS_HZ[0] <= hz <= LIMITS_HZ[1]]
    if section.unit not in likely:
        check_order(np.diff(stamps))
        parted = f"; or does a sign part thousands, as in {stamps[0]:g}? Then write the numbers without it"
        thousandths = (
            stamps.dtype.kind == "f" and bool(np.isclose(steps * 1000, np.round(steps * 1000)).all()) and step % 1 != 0
        )
        raise FormatError(
            f"the column {section.column} steps by {step:g}, in {section.unit} {rates[section.unit]:.4g} samples "
            f"a second; the unit is more likely {' or '.join(likely) or 'another'} ([time] unit)"
            f"{parted if thousandths else ''}"
        )


def _codes(batch: Batch, rows: Index, column: ColumnSection) -> tuple[npt.NDArray[np.int32], list[str]]:
    codes, words = batch.codes(column.column)
    none = [n for n, word in enumerate(words) if word in column.none]
    return np.where(np.isin(codes, none), np.int32(-1), codes)[rows], words


def _by_person(batch: Batch, plan: ColumnMapping) -> Iterator[tuple[str, Index]]:
    if plan.participant is None:
        yield "", np.arange(len(batch))
        return
    codes, words = batch.codes(plan.participant.column)
    for code in pd.unique(codes):
        yield (words[code] if code >= 0 else ""), np.flatnonzero(codes == code)
