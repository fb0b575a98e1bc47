"""Tables of Tobii's own programs: a row a sample or an event, recordings one after another in one file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.types import Bools, Floats, Index
from gazekit.formats import eye_movements
from gazekit.formats.account import refuse_disorder
from gazekit.formats.columns import UNITS_US, diameter, eye, openness_stream, point, vector, whole_us
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.stimuli import Showing
from gazekit.formats.text import Batch, Head, TextTable
from gazekit.gaze import LIMITS_HZ, Eye, GazeRecording
from gazekit.session.model import TrackerInfo, Validation

SIDES = ("left", "right")
MISSING = ((-1.0, -1.0), (-9999.0, -9999.0))
_NONE: Mapping[str, list[str]] = {side: [] for side in SIDES}


@dataclass(frozen=True)
class RowLayout:
    """Which column means what; an empty name or list where the table has none.

    ``gaze`` and ``mean_gaze`` are pixels, ``gaze_mm`` and ``origin`` millimetres of the display area (from its top
    left, y down, z toward the user). ``events`` are pairs of columns: what happened, and its value.
    """

    program: str
    time: str
    time_unit: str  # empty where the file does not say it
    device: str = ""
    device_unit: str = "us"
    sensor: str = ""
    others: list[str] = field(default_factory=list)  # numbers of other sensors, such as the mouse
    participant: str = ""
    recording: str = ""
    stimulus: str = ""
    version: str = ""
    started: tuple[str, ...] = ()
    events: tuple[tuple[str, str], ...] = ()
    gaze: Mapping[str, list[str]] = field(default_factory=lambda: _NONE)
    gaze_mm: Mapping[str, list[str]] = field(default_factory=lambda: _NONE)
    mean_gaze: list[str] = field(default_factory=list)
    origin: Mapping[str, list[str]] = field(default_factory=lambda: _NONE)
    pupil: Mapping[str, str] = field(default_factory=dict)
    openness: Mapping[str, str] = field(default_factory=dict)
    validity: Mapping[str, str] = field(default_factory=dict)
    movement: str = ""
    movement_index: list[str] = field(default_factory=list)
    fixation: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)  # x, y, width, height on the screen
    original: list[str] = field(default_factory=list)  # width, height in the picture's own pixels
    resolution: list[str] = field(default_factory=list)  # width and height, or one text such as 1920 x 1080
    above: Mapping[str, str] = field(default_factory=dict)  # what lines above the table say, by RowLayout's names
    shown: tuple[str, ...] = ()  # events <kind>Start and <kind>End
    makers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # calibration, validation: figure: column
    calibration: str = ""  # what is shown, or happens, while calibrating
    unit: str = "pixels from the top left of the screen, y downward"
    wanted: str = ""  # the columns of gaze that an export should have

    @property
    def silent(self) -> bool:
        """Whether no column says which rows are samples, so that lost ones look like rows of other sensors."""
        return not (self.sensor or self.movement or any(self.validity.values()))

    def types(self) -> dict[str, str]:
        """List the columns to read and what they hold."""
        by_side = [self.gaze, self.gaze_mm, self.origin]
        numbers = [self.time, self.device, *self.mean_gaze, *self.fixation, *self.media, *self.original]
        numbers += self.movement_index + (self.resolution if len(self.resolution) == 2 else [])
        numbers += [name for columns in by_side for side in SIDES for name in columns[side]]
        numbers += [*self.pupil.values(), *self.openness.values(), *(self.others if self.silent else [])]
        numbers += [name for figures in self.makers.values() for name in figures.values()]
        texts = [self.sensor, self.participant, self.recording, self.stimulus, self.version, self.movement]
        texts += [*self.started, *(name for pair in self.events for name in pair), *self.validity.values()]
        texts += self.resolution if len(self.resolution) == 1 else []
        return dict.fromkeys(filter(None, numbers), "number") | dict.fromkeys(filter(None, texts), "text")


def read_rows(head: Head, request: Request, table: TextTable, layout: RowLayout) -> Iterator[Part]:
    """Read the samples of every recording in the table, each with a draft of its own."""
    if layout.time and not any([layout.mean_gaze, *layout.gaze.values(), *layout.gaze_mm.values()]):
        raise FormatError(
            f"{head.path} has no columns of gaze: in the data export of {layout.program} tick those of the gaze point, "
            f"{layout.wanted}, and export again"
        )
    sessions: dict[tuple[str, str], Recording] = {}
    runs: dict[tuple[str, str], _Runs] = {}
    for batch, unit in _with_unit(table.batches(layout.types()), layout):
        for (who, recording), rows in _by_recording(batch, layout):
            run = runs.setdefault((who, recording), _Runs(named=bool(who or recording)))
            for more, own_rows in run.part(rows, layout):
                key = who, f"{recording} {more}".strip()
                if key not in sessions:
                    sessions[key] = Recording.begin(head, request, layout, own_rows, key)
                part = sessions[key].part(own_rows, unit)
                if part is not None:
                    yield part
    for session in sessions.values():
        session.finish(table)


@dataclass
class Recording:
    """One recording while its rows go by."""

    draft: Draft
    layout: RowLayout
    shown: Showing
    calibration_rows: int = 0
    taken_for_lost: int = 0
    events: bool = False
    media: set[str] = field(default_factory=set)

    @classmethod
    def begin(cls, head: Head, request: Request, layout: RowLayout, batch: Batch, key: tuple[str, str]) -> Recording:
        """Begin a recording with its first batch."""
        first = np.array([0])
        software = batch.texts(layout.version, first)[0]
        draft = request.draft(
            head,
            _resolution(batch, layout),
            key[0] or layout.above.get("participant", ""),
            name=key[1] or layout.above.get("recording", ""),
            tracker=TrackerInfo(kind="tobii"),
            started_utc=layout.above.get("started", "")
            or " ".join(filter(None, (batch.texts(name, first)[0] for name in layout.started))),
            display={"software": f"{layout.program} {software}"} if software else {},
            many=bool(layout.participant or layout.recording or key[1]),
        )
        from_mm = not any(layout.gaze.values()) and any(layout.gaze_mm.values())
        draft.account.know(
            "gaze", layout.unit if not from_mm else "mm of the screen from its top left, y downward", "file"
        )
        for of, columns in layout.makers.items():
            figures = {figure: float(batch.numbers(name)[0]) for figure, name in columns.items() if name}
            if np.isfinite(figures.get("accuracy_deg", np.nan)):
                table = pd.DataFrame([{"of": of, "eye": "average", **figures}])
                draft.validations.append(Validation(0, table))
        return cls(draft, layout, Showing(draft.screen))

    def part(self, batch: Batch, unit: str) -> Part | None:
        """Take rows of a batch: events and pictures are noted, samples are handed on."""
        layout = self.layout
        time = batch.numbers(layout.time)
        if not self.draft.account.rows:
            self.draft.account.know("time", unit, "file" if layout.time_unit else _unit_source(batch, layout, unit))
        sample, calibrating = _is_sample(batch, layout), _is_calibration(batch, layout)
        if sample.any():
            self.shown.sample_us = _interval_us(time[sample] * UNITS_US[unit])
        for what, value in layout.events:
            self._note_events(batch, time, unit, what, value)
        self.calibration_rows += int((sample & calibrating).sum())
        self.draft.account.rows += len(batch)
        self.draft.account.leave_out("rows of events and other sensors", int((~sample).sum()))
        self.draft.account.leave_out("samples of the calibration", int((sample & calibrating).sum()))
        keep = sample & ~calibrating
        self.taken_for_lost += int((keep & _is_lost(batch, layout)).sum()) if layout.silent else 0
        if not keep.any():
            return None
        samples, system = batch.where(keep), whole_us(time[keep], unit)
        codes, words = samples.codes(layout.stimulus)
        if not self.events:
            self.shown.runs(codes, words, system)
        self.shown.last_us = int(system[-1])
        self._note_media(samples, codes, words)
        recording = GazeRecording(self._device(samples, system), system, *(self._eye(samples, side) for side in SIDES))
        streams = self._movements(samples)
        if any(layout.openness.values()):
            openness = {side: samples.numbers(name) for side, name in layout.openness.items() if name}
            streams["eye_openness"] = openness_stream(recording.device_time_us, system, openness)
        return Part(self.draft, recording, streams)

    def finish(self, table: TextTable) -> None:
        """Complete the draft when no more rows come."""
        table.describe(self.draft.account)
        if self.taken_for_lost:
            said = (
                f"{counted(self.taken_for_lost, 'row with a time alone is', 'rows with a time alone are')} "
                f"such, which no column Sensor or Validity says"
            )
            self.draft.account.know("lost samples", said, "guess")
        if self.shown.unended():
            said = f"{self.shown.unended()} have no event of their end: they end when the next comes"
            self.draft.account.know("pictures", said, "file")
        self.shown.describe(self.draft.account)
        self.draft.stimuli = self.shown.rows(self.draft.account.silences)
        self.draft.notes += table.notes()
        if self.calibration_rows:
            some = ("sample of the calibration was", "samples of the calibration were")
            self.draft.notes.append(f"{counted(self.calibration_rows, *some)} left out")

    def _device(self, batch: Batch, system: Index) -> Index:
        stamps = batch.numbers(self.layout.device)
        return whole_us(stamps, self.layout.device_unit) if np.isfinite(stamps).all() else system.copy()

    def _eye(self, batch: Batch, side: str) -> Eye:
        layout, screen = self.layout, self.draft.screen
        names, size = layout.gaze[side], (float(screen.width_px), float(screen.height_px))
        if not names and layout.gaze_mm[side]:
            names, size = layout.gaze_mm[side], (screen.width_mm, screen.height_mm)
        elif not names and side == "left":
            names = layout.mean_gaze
        if not names:
            return Eye.missing(len(batch))
        x, y = (batch.numbers(name) for name in names)
        validity = layout.validity.get(side, "")
        return eye(
            point(x, y, missing=MISSING) / size,
            valid=batch.equal(validity, "Valid", "0", "1") if validity in batch else None,
            pupil_mm=diameter(batch.numbers(layout.pupil.get(side, ""))),
            origin_mm=self._position(batch, layout.origin[side]),
            gaze_mm=self._position(batch, layout.gaze_mm[side]),
        )

    def _position(self, batch: Batch, names: list[str]) -> Floats | None:
        """Turn mm of the display area into x to the right, y up, z toward the user, from the screen's centre."""
        if not names:
            return None
        screen = self.draft.screen
        x, y, *z = vector(*(batch.numbers(name) for name in names), missing=(-1.0, -9999.0)).T
        depth = z[0] if z else np.where(np.isnan(x), np.nan, 0.0)
        return np.stack([x - screen.width_mm / 2, screen.height_mm / 2 - y, depth], axis=1)

    def _movements(self, batch: Batch) -> dict[str, pd.DataFrame]:
        if self.layout.movement not in batch:
            return {}
        codes, words = batch.codes(self.layout.movement)
        label = np.append(eye_movements.codes_of(words), np.int8(0))[codes]
        index = np.full(len(batch), np.nan)
        for name in self.layout.movement_index:
            index = np.where(np.isnan(index), batch.numbers(name), index)
        x, y = (batch.numbers(name) for name in self.layout.fixation or ["", ""])
        return {eye_movements.STREAM: eye_movements.stream(label, index, x, y)}

    def _note_events(self, batch: Batch, time: Floats, unit: str, what: str, of: str) -> None:
        at = np.flatnonzero((batch.codes(what)[0] >= 0) & np.isfinite(time))
        for stamp, event, value in zip(time[at], batch.texts(what, at), batch.texts(of, at), strict=True):
            moment = round(stamp * UNITS_US[unit])
            self.draft.messages.append((moment, f"{event}: {value}" if value else event))
            kind = next((kind for kind in self.layout.shown if event in (f"{kind}Start", f"{kind}End")), None)
            if kind is None or not value or value == self.layout.calibration:
                continue
            if not self.events:
                self.events, self.shown.intervals = True, []
            (self.shown.start if event.endswith("Start") else self.shown.end)(value, moment)

    def _note_media(self, batch: Batch, codes: npt.NDArray[np.int32], words: list[str]) -> None:
        if len(self.layout.media) != 4:
            return
        for code in np.unique(codes[codes >= 0]):
            if words[code] in self.media:
                continue
            self.media.add(words[code])
            row = np.flatnonzero(codes == code)[0]
            x, y, width, height = (float(batch.numbers(name)[row]) for name in self.layout.media)
            pixels = [float(batch.numbers(name)[row]) for name in self.layout.original] or [0, 0]
            known = [x, y, width, height, *pixels]
            if np.isfinite(known).all() and min(width, height) > 0 and min(pixels) >= 0:
                place = {"x": x, "y": y, "width": width, "height": height}
                self.shown.geometry[words[code]] = place | {
                    "picture_width": int(pixels[0]),
                    "picture_height": int(pixels[1]),
                }


def _interval_us(time_us: Floats) -> float:
    steps = np.diff(time_us)
    steps = steps[steps > 0]
    return float(np.median(steps)) if len(steps) else 0.0


def _is_sample(batch: Batch, layout: RowLayout) -> Bools:
    if layout.sensor in batch:
        return batch.equal(layout.sensor, "Eye Tracker")
    sample = np.zeros(len(batch), dtype=bool)
    for name in [*layout.gaze["left"], *layout.gaze["right"], *layout.mean_gaze]:
        sample |= np.isfinite(batch.numbers(name))
    for name in layout.validity.values():
        sample |= batch.codes(name)[0] >= 0
    if not any(name in batch for name in layout.validity.values()):
        # lost samples have a movement alone; rows of glasses' other sensors repeat the movement that goes on
        lost = batch.equal(layout.movement, "EyesNotFound")
        sample |= lost if "scene video" in layout.unit else batch.codes(layout.movement)[0] >= 0
    return sample | _is_lost(batch, layout) if layout.silent and "scene video" not in layout.unit else sample


def _is_lost(batch: Batch, layout: RowLayout) -> Bools:
    """Find rows with a time and nothing else: no gaze, no event, nothing of another sensor."""
    empty = np.isfinite(batch.numbers(layout.time))
    for name in (*layout.gaze["left"], *layout.gaze["right"], *layout.mean_gaze, *layout.others):
        empty &= ~np.isfinite(batch.numbers(name))
    for what, value in layout.events:
        empty &= (batch.codes(what)[0] < 0) & (batch.codes(value)[0] < 0)
    return empty


def _is_calibration(batch: Batch, layout: RowLayout) -> Bools:
    calibrating = np.zeros(len(batch), dtype=bool)
    if layout.calibration:
        for name in (layout.stimulus, *(event for event, _ in layout.events)):
            calibrating |= batch.equal(name, layout.calibration)
    return calibrating


def _resolution(batch: Batch, layout: RowLayout) -> dict[str, float]:
    """Read the screen's pixels from above the table, or from the first row that has them."""
    if "resolution" in layout.above:
        sizes = [float(size) for size in re.findall(r"\d+", layout.above["resolution"])]
    elif len(layout.resolution) == 1:
        rows = np.flatnonzero(batch.codes(layout.resolution[0])[0] >= 0)[:1]
        sizes = [float(size) for text in batch.texts(layout.resolution[0], rows) for size in re.findall(r"\d+", text)]
    else:
        columns = [batch.numbers(name) for name in layout.resolution]
        sizes = [float(values[values > 0][0]) for values in columns if (values > 0).any()]
    return dict(zip(("width_px", "height_px"), sizes, strict=True)) if len(sizes) == 2 and min(sizes) > 0 else {}


def _by_recording(batch: Batch, layout: RowLayout) -> Iterator[tuple[tuple[str, str], Batch]]:
    """Part the rows of a batch by participant and recording, in the order of the file."""
    if not (layout.participant or layout.recording):
        yield ("", ""), batch
        return
    who, people = batch.codes(layout.participant)
    which, recordings = batch.codes(layout.recording)
    both = who.astype(np.int64) * (len(recordings) + 1) + which
    for value in pd.unique(both):
        rows = both == value
        first = int(rows.argmax())
        w, r = who[first], which[first]
        yield (people[w] if w >= 0 else "", recordings[r] if r >= 0 else ""), batch.where(rows)


_BACK = 10  # steps: less is a clock's jitter


@dataclass
class _Runs:
    """Recordings one after another that no name tells apart: a new one begins where time starts anew.

    Where recordings are ``named``, one goes on where its time only runs back a little, as with rows that stand twice.
    """

    named: bool = False
    number: int = 1
    first: float = np.nan
    last: float = -np.inf

    def part(self, batch: Batch, layout: RowLayout) -> Iterator[tuple[str, Batch]]:
        """Part the rows of a batch by recording: what to add to its name, and its rows."""
        time = batch.numbers(layout.time)
        finite = time[np.isfinite(time)]
        if not len(finite) or (finite[0] >= self.last and (np.diff(finite) >= 0).all()):
            self.first = finite[0] if len(finite) and np.isnan(self.first) else self.first
            self.last = finite[-1] if len(finite) else self.last
            yield self._name(self.number), batch
            return
        known = np.flatnonzero(np.isfinite(time) & _is_sample(batch, layout))
        self.first = time[known[0]] if len(known) and np.isnan(self.first) else self.first
        steps = np.diff(time[known], prepend=self.last)
        forward = steps[np.isfinite(steps) & (steps > 0)]
        least = _BACK * float(np.median(forward)) if len(forward) else 0.0
        back = np.flatnonzero(steps < -least)
        if self.named:
            back = back[time[known[back]] <= self.first + least]
        refuse_disorder(len(back), len(known))
        starts = [self._start(time, known, int(place), least) for place in back]
        if len(known):
            self.last = time[known[-1]]
        numbers = self.number + np.searchsorted(np.array(starts, dtype=int), np.arange(len(batch)), side="right")
        self.number += len(starts)
        for number in np.unique(numbers):
            yield self._name(number), batch.where(numbers == number)

    def _start(self, time: Floats, known: Index, place: int, least: float) -> int:
        """Find the row where a recording begins: its first events may stand before its first sample."""
        before = known[place - 1] + 1 if place else 0
        end = time[known[place - 1]] if place else self.last
        rows = np.arange(before, known[place] + 1)
        return int(rows[time[rows] < end - least][0])

    @staticmethod
    def _name(number: int) -> str:
        return f"recording {number}" if number > 1 else ""


def _with_unit(batches: Iterator[Batch], layout: RowLayout) -> Iterator[tuple[Batch, str]]:
    """Pair batches with the unit of their stamps; where the file is silent they wait for the first that tells."""
    unit, waiting = layout.time_unit, []
    for batch in batches:
        waiting.append(batch)
        unit = unit or _guess_unit(batch, layout)
        while unit and waiting:
            yield waiting.pop(0), unit
    for batch in waiting:
        yield batch, "us"


def _unit_source(batch: Batch, layout: RowLayout, unit: str) -> str:
    """Tell whether the tracker's own clock, whose unit is known, confirms the unit of the time stamps."""
    clocks = ((layout.time, unit), (layout.device, layout.device_unit))
    steps = [np.diff(batch.numbers(name)[_is_sample(batch, layout)]) * UNITS_US[of] for name, of in clocks]
    steps = [step[np.isfinite(step) & (step > 0)] for step in steps]
    if not len(steps[0]):
        return "guess"
    if not len(steps[1]):
        return _only_unit(steps[0])
    if 0.5 < np.median(steps[0]) / np.median(steps[1]) < 2:
        return "file"
    return _only_unit(steps[0])


def _only_unit(steps_us: Floats) -> str:
    """Tell whether the steps allow one unit only: in the other no eye tracker is as slow, or as fast."""
    rates = [1e6 / np.median(steps_us) * factor for factor in (1e-3, 1e3)]
    return "guess" if any(LIMITS_HZ[0] <= rate <= LIMITS_HZ[1] for rate in rates) else "only possible"


def _guess_unit(batch: Batch, layout: RowLayout) -> str:
    """Guess the unit: milliseconds step by less than 100 at any rate of an eye tracker, microseconds by more."""
    steps = np.diff(batch.numbers(layout.time)[_is_sample(batch, layout)])
    steps = steps[np.isfinite(steps) & (steps > 0)]
    if not len(steps):
        return ""
    return "us" if np.median(steps) >= 100 else "ms"
