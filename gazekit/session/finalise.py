"""From the journal to the session file: written beside, verified sample for sample, renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.checksum import SESSION, check_seal
from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError, OutputError
from gazekit.core.types import Index
from gazekit.gaze import GazeRecording
from gazekit.screen import Screen
from gazekit.session.clock import clock_of_stamps, find_gaps, fit_clock
from gazekit.session.events import (
    Answer,
    DisplayFacts,
    Event,
    Message,
    Onset,
    PictureAnswer,
    PracticePicture,
    Region,
    Response,
    Stimulus,
    StreamText,
    Timing,
    TrackerFacts,
    event_from_json,
    step_of,
)
from gazekit.session.journal import BLOCK, END, EVENT, SUFFIX, Journal
from gazekit.session.model import (
    ANSWER_COLUMNS,
    LEDGER_COLUMNS,
    MESSAGE_COLUMNS,
    PRACTICE_COLUMNS,
    REGION_COLUMNS,
    STIMULUS_COLUMNS,
    TIMING_COLUMNS,
    VIEWING_COLUMNS,
    Calibration,
    Clock,
    Session,
    TrackerInfo,
    Validation,
    empty_table,
)
from gazekit.session.read_back import alike, compare_stream
from gazekit.session.samples import SAMPLE, Block
from gazekit.session.session_file import BLOCK_ROWS, open_session, write_session

_FEW_OF_OPENNESS = 0.95  # it comes with every sample of gaze; less is said
TEXT_COLUMNS = {"system_time_us": "int64", "kind": "str", "text": "str"}


@dataclass(frozen=True)
class Recovered:
    """What was made of a journal, and what is missing."""

    session: Path
    samples: int
    stimuli: int
    ended_in_order: bool
    last_system_us: int | None
    last_event: str
    damaged_bytes: int
    torn_bytes: int
    missing_records: int
    missing_samples: int
    out_of_order: int
    interrupted: str
    flips_missed: int
    valid_samples: int
    pictures_without_gaze: list[str]
    silent_streams: list[str]  # beside gaze, that fell silent
    eye_openness: int | None  # rows of it; None without
    end: dict[str, Any]

    def sentences(self) -> list[str]:
        """Say the same in words, a line each."""
        lines = [
            f"{self.session}: {counted(self.samples, 'sample')}, {counted(self.stimuli, 'picture')} shown to the end"
        ]
        if self.end.get("complete") is False and "step" in self.end:
            lines.append(
                f"ended early by {self.end['ended_by']} at step {self.end['step']} of {self.end['steps']}: "
                "go on with --resume"
            )
        if self.end.get("skipped"):
            lines.append(f"skipped by the operator: {', '.join(self.end['skipped'])}; --resume offers them")
        if not self.ended_in_order:
            lines.append(f"the session did not end in order; the last record was {self.last_event or 'samples'}")
        if self.interrupted:
            lines.append(f"the picture {self.interrupted} was on the screen when it stopped; its trial is not complete")
        if self.torn_bytes:
            lines.append(f"{counted(self.torn_bytes, 'byte')} at the end left out: no whole record")
        if self.damaged_bytes or self.missing_records:
            lines.append(
                f"DAMAGED in the middle: {counted(self.damaged_bytes, 'byte')}, "
                f"{counted(self.missing_records, 'record')} could not be read"
            )
        if self.missing_samples:
            lines.append(
                f"{counted(self.missing_samples, 'sample is', 'samples are')} missing by the tracker's stamps "
                f"(table gaps)"
            )
        if self.out_of_order:
            lines.append(
                f"{counted(self.out_of_order, 'sample has', 'samples have')} an earlier stamp than the one "
                f"before: see gazekit quality"
            )
        if self.pictures_without_gaze:
            some = ", ".join(self.pictures_without_gaze[:5])
            lines.append(f"no valid gaze on {len(self.pictures_without_gaze)} of {self.stimuli} pictures: {some}")
        if self.silent_streams:
            lines.append(f"fell silent: {', '.join(self.silent_streams)} (stream_errors says when)")
        if self.eye_openness is not None and self.eye_openness < _FEW_OF_OPENNESS * self.samples:
            lines.append(f"eye openness came with {self.eye_openness} of {self.samples} samples only")
        if self.flips_missed:
            lines.append(f"{self.flips_missed} flips of the display took over one and a half frames")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the same for a program."""
        return {**asdict(self), "session": str(self.session)}


@dataclass
class _Content:
    """All of a journal but its gaze."""

    stimuli: list[Stimulus] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    timing: list[Timing] = field(default_factory=list)
    calibrations: list[Calibration] = field(default_factory=list)
    validations: list[Validation] = field(default_factory=list)
    texts: dict[str, list[StreamText]] = field(default_factory=dict)
    tracker: dict[str, Any] = field(default_factory=dict)
    display: dict[str, Any] = field(default_factory=dict)
    ended: bool = False
    last_event: str = ""
    showing: str = ""
    steps: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    answers: dict[tuple[str, int], PictureAnswer] = field(default_factory=dict)
    practice: list[PracticePicture] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)


class _Looks:
    """Which pictures were looked at, gathered a block of samples at a time."""

    def __init__(self, pictures: Sequence[Stimulus]) -> None:
        self._pictures = sorted(pictures, key=lambda picture: picture.onset_us)
        self._onsets, self._offsets = (
            np.array([getattr(picture, name) for picture in self._pictures], np.int64)
            for name in ("onset_us", "offset_us")
        )
        self._seen = np.zeros(len(self._pictures), bool)

    def add(self, valid_us: Index) -> None:
        """Enter the moments of valid samples."""
        if len(self._seen):
            place = np.searchsorted(self._onsets, valid_us, side="right") - 1
            self._seen[place[(place >= 0) & (valid_us < self._offsets[place])]] = True

    def missing(self) -> list[str]:
        """Return the pictures that no valid sample lies on."""
        return [picture.image for picture, seen in zip(self._pictures, self._seen, strict=True) if not seen]


@dataclass
class _Stamps:
    """What the stamps of all samples say, gathered a block at a time."""

    samples: int = 0
    valid: int = 0
    out_of_order: int = 0
    gaps: list[pd.DataFrame] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    last_system_us: int | None = None
    without_gaze: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, source: Journal, rate_hz: float, pictures: Sequence[Stimulus]) -> _Stamps:
        """Read the gaze of a journal twice: the number of samples says which of them the clock is fitted to."""
        looks = _Looks(pictures)
        stamps = cls(gaps=[find_gaps(np.empty(0, np.int64), np.empty(0, np.int64), rate_hz)])
        last = np.empty(0, SAMPLE)
        for block in _blocks(source, "gaze"):
            with_last = np.concatenate([last, block])
            table = find_gaps(with_last["device_time_us"], with_last["system_time_us"], rate_hz)
            stamps.gaps += [table] if len(table) else []
            stamps.samples += len(block)
            stamps.out_of_order += int((np.diff(with_last["device_time_us"]) < 0).sum())
            valid = block["left_valid"] | block["right_valid"]
            stamps.valid += int(valid.sum())
            looks.add(block["system_time_us"][valid])
            last = block[-1:].copy()
            stamps.last_system_us = int(last["system_time_us"][0])
        stamps.without_gaze = looks.missing()
        step, start, chosen = max(1, stamps.samples // 5000), 0, []
        for block in _blocks(source, "gaze"):
            chosen.append(block[["device_time_us", "system_time_us"]][(-start) % step :: step].copy())
            start += len(block)
        if chosen:
            pairs = np.concatenate(chosen)
            stamps.clock = clock_of_stamps(pairs["device_time_us"], pairs["system_time_us"])
        return stamps


def recover(journal: str | Path, out: str | Path | None = None, *, keep_journal: bool = True) -> Recovered:
    """Make the session file of a journal; the file is verified against the journal before it takes its name.

    Where the session file exists already it is compared with the journal instead: a session that was cut off
    between the renaming of the one and the removal of the other is complete.

    Parameters
    ----------
    journal : str or Path
        The journal, ``*.gaze.journal``.
    out : str or Path, optional
        The session file; by default ``<participant>.gaze.h5`` beside the journal.
    keep_journal : bool
        Leave the journal where it is; else remove it once the session file holds all of it.

    Returns
    -------
    Recovered
        The session file, and what is missing in it.

    Raises
    ------
    InputError, FormatError
        No such journal, or it is not one, or its header is lost.
    OutputError
        The session file exists and holds something else, or cannot be written.
    """
    journal = Path(journal)
    target = session_path(journal) if out is None else Path(out)
    source = Journal(journal)
    try:
        content = _collect(source)
        stamps = _Stamps.of(source, float(content.tracker.get("rate_hz", float("nan"))), content.stimuli)
        session = _session(source, content, stamps)
    except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
        raise FormatError(f"{journal} is not a journal that this gazekit wrote: {error}") from error
    if target.exists():
        _same_as(source, target, stamps.samples)
    else:
        for stale in target.parent.glob(f".{target.name}.*.part"):  # of a session that was killed while it wrote
            stale.unlink()
        rows = {name: (_count(source, name), _blocks(source, name)) for name in ("gaze", *_long_streams(source))}
        write_session(
            session,
            target,
            blocks=rows.pop("gaze"),
            streams=rows,
            check=lambda beside: _verify(source, beside, session, stamps.samples),
        )
    report = _report(source, content, session, target, stamps)
    if not keep_journal:
        os.unlink(journal)
    return report


def session_path(journal: Path) -> Path:
    """Return where the session file of a journal goes: beside it, ``.gaze.h5`` for ``.gaze.journal``."""
    return journal.with_name(journal.name.removesuffix(SUFFIX) + ".gaze.h5")


def _collect(source: Journal) -> _Content:
    content = _Content(tracker=dict(source.header.get("tracker", {})))
    for record in source.others():
        if record.kind == BLOCK:
            record.rows()  # of a stream that nobody knows: says so
        elif record.kind == EVENT:
            fields = record.json()
            content.last_event = f"{fields['event']} {fields.get('image') or fields.get('text') or ''}".strip()
            event = event_from_json(fields)
            _take_event(content, event)
            if (step := step_of(event)) is not None:
                kind, name, moment, answer = step
                content.steps[kind, name] = moment, answer
        elif record.kind == END:
            content.ended = True
            content.end = record.json()
    return content


def _take_event(content: _Content, event: Event) -> None:
    match event:
        case Onset():
            content.showing = event.image
        case Stimulus():
            # a picture that was shown again counts where it was shown last
            content.stimuli = [*(row for row in content.stimuli if row.order != event.order), event]
            content.showing = ""
        case Response():
            # by number: the stimulus itself may have been in a damaged stretch
            content.stimuli = [
                replace(row, response=str(event.response)) if row.order == event.order else row
                for row in content.stimuli
            ]
        case PictureAnswer():
            content.answers[event.name, event.order] = event
        case PracticePicture():
            content.practice.append(event)
        case Region():
            content.regions.append(event)
        case Timing():
            content.timing = [*(row for row in content.timing if row.order != event.order), event]
        case Message():
            content.messages.append(event)
        case Answer():
            content.messages.append(Message(event.time_us, f"answer {event.name}: {event.answer}"))
        case Calibration():
            content.calibrations.append(event)
        case Validation():
            content.validations.append(event)
        case DisplayFacts():
            content.display |= event.facts
        case TrackerFacts():
            content.tracker |= event.facts
        case StreamText():
            content.texts.setdefault(event.stream, []).append(event)


def _session(source: Journal, content: _Content, stamps: _Stamps) -> Session:
    header = source.header
    tracker = TrackerInfo(**content.tracker)
    sync = list(_blocks(source, "time_sync"))
    streams = {name: _table(rows, TEXT_COLUMNS) for name, rows in sorted(content.texts.items())}
    streams["gaps"] = pd.concat(stamps.gaps[1:] or stamps.gaps, ignore_index=True)
    if content.practice:
        streams["practice"] = _table(content.practice, PRACTICE_COLUMNS)
    if content.regions:
        streams["regions"] = _table(content.regions, REGION_COLUMNS)
    if "plan" in header:
        streams["ledger"] = _ledger(header["plan"], content)
    session = Session(
        participant=str(header["participant"]),
        name=str(header["name"]),
        task=str(header["task"]),
        started_utc=str(header["started_utc"]),
        screen=Screen(**header["screen"]),
        tracker=tracker,
        recording=GazeRecording.empty(),
        finalised=content.ended,
        stimuli=_stimuli(header, content),
        messages=_table(content.messages, MESSAGE_COLUMNS),
        calibrations=tuple(content.calibrations),
        validations=tuple(content.validations),
        clock=fit_clock(np.concatenate(sync)) if sync else stamps.clock,
        streams=streams,
        display=content.display,
        provenance={
            **header.get("provenance", {}),
            "clock": "time_sync" if sync else "stamps of the samples",
            "damaged_bytes": sum(d.length for d in source.damage if not d.at_end),
            "missing_records": source.missing_records,
            **({"end": content.end} if "plan" in header and content.ended else {}),
        },
    )
    return session


def _stimuli(header: Mapping[str, Any], content: _Content) -> pd.DataFrame:
    """Return the pictures shown, with what the plan's answers to each were and how long they took."""
    if "plan" not in header:
        return _table(content.stimuli, STIMULUS_COLUMNS)
    table = _table(content.stimuli, {**STIMULUS_COLUMNS, **VIEWING_COLUMNS})
    planned = (str(kind).removeprefix("answer ") for kind, *_ in header["plan"] if str(kind).startswith("answer "))
    answer, taken_ms = ANSWER_COLUMNS
    for name in dict.fromkeys(planned):
        given = [content.answers.get((name, row.order)) for row in content.stimuli]
        table[answer.format(name)] = np.array([event.answer if event else "" for event in given], dtype=object)
        times = [(event.time_us - event.shown_us) / 1000 if event else np.nan for event in given]
        table[taken_ms.format(name)] = np.array(times, dtype=np.float64)
    if content.timing:
        measured = {row.order: row for row in content.timing}
        for name in TIMING_COLUMNS:
            values = [getattr(measured.get(row.order), name, -1) for row in content.stimuli]
            table[name] = np.array(values, dtype=np.int64)
    return table


def _ledger(plan: Sequence[Sequence[str]], content: _Content) -> pd.DataFrame:
    """Return the plan's steps with the moment at which each was done in this part, -1 where it was not."""
    rows = [(n, *step, *content.steps.get((step[0], step[1]), (-1, ""))) for n, step in enumerate(map(tuple, plan))]
    table = pd.DataFrame(rows, columns=list(LEDGER_COLUMNS))
    return table.astype({name: "object" if kind == "str" else kind for name, kind in LEDGER_COLUMNS.items()})


def _long_streams(source: Journal) -> list[str]:
    """Return the streams of numbers beside gaze; they are as long as the session and go from file to file in blocks."""
    return [name for name in source.streams() if name != "gaze"]


def _count(source: Journal, stream: str) -> int:
    return sum(len(record.rows()[1]) for record in source.records(stream))


def _table(rows: Sequence[Event], columns: dict[str, str]) -> pd.DataFrame:
    if not rows:
        return empty_table(columns)
    kinds = {name: object if kind == "str" else kind for name, kind in columns.items()}
    return pd.DataFrame({name: np.array([getattr(row, name) for row in rows], dtype=kinds[name]) for name in columns})


def _blocks(source: Journal, stream: str) -> Iterator[Block]:
    """Yield a stream of a journal in blocks of `BLOCK_ROWS`, so that memory stays flat."""
    waiting: list[Block] = []
    count = 0
    for record in source.records(stream):
        _, rows = record.rows()
        waiting.append(rows)
        count += len(rows)
        while count >= BLOCK_ROWS:
            joined = np.concatenate(waiting)
            yield joined[:BLOCK_ROWS]
            waiting, count = [joined[BLOCK_ROWS:].copy()], count - BLOCK_ROWS
    if count:
        yield np.concatenate(waiting)


def _verify(source: Journal, path: Path, session: Session, n: int) -> None:
    """Read the file back and compare it with the journal: every column of every sample, every table, every fact."""
    for stream in ("gaze", *_long_streams(source)):
        compare_stream(path, stream, _blocks(source, stream), n if stream == "gaze" else _count(source, stream))
    back = open_session(path, gaze=False, leave_out=_long_streams(source))
    for name in (fact.name for fact in fields(Session) if fact.name not in ("recording", "streams")):
        if not alike(getattr(back, name), getattr(session, name)):
            raise OutputError(
                f"{path}: what it holds of {name} does not read back as it was written; the journal is kept"
            )
    for name, table in session.streams.items():
        if not alike(back.streams[name], table):
            raise OutputError(f"{path}: the stream {name} does not read back as it was written; the journal is kept")


def _same_as(source: Journal, target: Path, n: int) -> None:
    try:
        check_seal(target, SESSION)
        compare_stream(target, "gaze", _blocks(source, "gaze"), n)
    except (FormatError, OutputError) as error:
        raise OutputError(
            f"{target} exists already and is never overwritten, but it does not hold what {source.path} holds "
            f"({error}); give another name with --out"
        ) from error


def _report(source: Journal, content: _Content, session: Session, target: Path, stamps: _Stamps) -> Recovered:
    return Recovered(
        session=target,
        samples=stamps.samples,
        stimuli=len(content.stimuli),
        ended_in_order=content.ended,
        last_system_us=stamps.last_system_us,
        last_event=content.last_event,
        damaged_bytes=sum(d.length for d in source.damage if not d.at_end),
        torn_bytes=sum(d.length for d in source.damage if d.at_end),
        missing_records=source.missing_records,
        out_of_order=stamps.out_of_order,
        missing_samples=int(session.streams["gaps"]["missing"].sum()),
        interrupted=content.showing,
        flips_missed=int(content.display.get("flips_missed", 0)),
        valid_samples=stamps.valid,
        pictures_without_gaze=stamps.without_gaze,
        silent_streams=sorted({t.text for t in content.texts.get("stream_errors", ()) if t.kind == "silent"}),
        eye_openness=_count(source, "eye_openness") if "eye_openness" in source.streams() else None,
        end=content.end,
    )
