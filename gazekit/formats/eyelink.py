"""EyeLink ASC, which SR Research's ``edf2asc`` makes of an EDF file (EyeLink user manual, "The ASC file format").

Sample lines begin with a time stamp in milliseconds, then x, y (pixels) and pupil for each recorded eye; a lone dot is
missing. ``SAMPLES`` names the eyes and the rate, ``GAZE_COORDS`` or ``DISPLAY_COORDS`` the screen's pixels, ``MSG``
lines are messages, and ``SFIX .. EFIX``, ``SSACC .. ESACC``, ``SBLINK .. EBLINK`` enclose EyeLink's own events.
Pupils are in the tracker's own unit, not millimetres, and are left out.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.types import Bools, Floats
from gazekit.formats import eye_movements
from gazekit.formats.columns import eye, point, recording
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.text import LETTERS, Head
from gazekit.gaze import Eye
from gazekit.screen import Screen
from gazekit.session.model import Calibration, TrackerInfo, Validation

TITLE = "EyeLink ASC (edf2asc)"
OWN_MESSAGES = r"!CAL|!MODE|RECCFG|ELCLCFG|ELCL_|GAZE_COORDS|DISPLAY_COORDS|THRESHOLDS|VALIDATE|DRIFTCORRECT|CAMERA_"
BLOCKS = True  # of samples, one a trial, with nothing between them
_LINES = 1 << 16
_SLACK_US = {"START": 100_000, "MSG": 10_000_000}  # by which a line may lie before the last sample
_BLOCK = 4 << 20
_OTHER_LINE = re.compile(rb"\n(?=[^0-9\n])")
COORDS = re.compile(r"(?:GAZE|DISPLAY)_COORDS\s+([-\d.]+)\s+([-\d.]+)\s+([-\d.]+)\s+([-\d.]+)")
_DATE, _MODEL = r"^\*\* DATE:\s*(.+)$", r"^\*\*\s*(EYELINK.+)$"
_OFFSET = re.compile(r"(-\d+(?:\.\d+)?)\s+")
_CALIBRATION = re.compile(r"!CAL CALIBRATION .*?(?P<verdict>GOOD|FAIR|POOR|FAILED|ABORTED)")
_VALIDATION = re.compile(
    r"!CAL VALIDATION .*?(?P<eye>LEFT|RIGHT)\s+(?P<verdict>GOOD|FAIR|POOR).*?ERROR\s+(?P<mean>[\d.]+) avg\.?"
    r"\s+(?P<max>[\d.]+) max"
)
_TOP_LEFT = "pixels from the top left of the screen, y downward"
_EVENTS = {"SBLINK": 5, "SSACC": 2, "SFIX": 1}  # the innermost first


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    lines = head.lines[:200]
    return any(line.startswith("** CONVERTED FROM") for line in lines[:5]) or (
        any(line.startswith("SAMPLES\t") for line in head.lines[:2000])
        and any(line.startswith("START\t") for line in head.lines[:2000])
    )


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of a file."""
    coords = COORDS.search(head.text)
    corner, sizes = screen_of(coords.groups() if coords else None)
    draft = request.draft(head, sizes, started_utc=_fact(head, _DATE))
    lines = _Lines(draft.screen, corner)
    for run, line in _runs(head):
        if run and not run.endswith(b"\n"):
            whole = run.rfind(b"\n") + 1
            run = run[:whole]
            draft.account.damaged["last line that was cut off"] = 1
            draft.notes.append("the last line was cut off and left out")
        lines.add(run)
        if lines.waiting >= _LINES:
            yield from lines.flush(draft)
        if line[:1].isalpha():
            yield from lines.event(line, draft)
    yield from lines.flush(draft)
    if not draft.account.rows and re.search(r"^(EFIX|ESACC|EBLINK)\b", head.text, re.MULTILINE):
        raise FormatError(
            f"{head.path} holds events and no samples; convert the EDF file again with samples: edf2asc without -e"
        )
    draft.tracker = TrackerInfo(kind="eyelink", model=_fact(head, _MODEL), rate_hz=lines.rate_hz)
    account = draft.account
    account.know("time", "ms", "format")
    if coords:
        account.know("gaze", "pixels from the corner of GAZE_COORDS, y downward", "file")
    else:
        account.know("gaze", _TOP_LEFT, "format")
    if len(lines.settings) > 1:
        account.know("recording", "changes between blocks: " + ", then ".join(lines.settings), "file")
        if len({setting.split(" at ")[1] for setting in lines.settings}) > 1:
            account.doubts.append("the rate changes between blocks: detectors and quality take one rate for all")
    screens = list(dict.fromkeys(match.groups() for _, text in draft.messages if (match := COORDS.search(text))))
    if len({(corner, *size.values()) for corner, size in map(screen_of, screens)}) > 1:
        account.doubts.append(
            f"the screen's coordinates change, from {' '.join(screens[0])} to {' '.join(screens[-1])}: the first are "
            "taken for all samples"
        )
    if lines.starts:
        account.doubts.append(
            f"time runs back {counted(lines.starts, 'time')}: what follows was put 1 s after what was before; "
            "several recordings in one file?"
        )
    eyes = [side for side in ("LEFT", "RIGHT") if any(side.lower() in setting for setting in lines.settings)]
    account.taken = ["time", *(f"{side.lower()} {axis}" for side in eyes for axis in "xy")]
    account.ignored = ["pupil size (in the tracker's own unit)"]
    if lines.offsets:
        account.know("messages", f"{lines.offsets} with a leading offset, which was applied to their time", "file")
    if lines.bad:
        draft.notes.append(
            f"{counted(lines.bad, 'sample line of another length was', 'sample lines of another length were')} left out"
        )
        account.damaged["sample lines of another length"] = lines.bad
    draft.notes.append("pupil sizes are in the tracker's own unit and were left out")


def _runs(head: Head) -> Iterator[tuple[bytes, bytes]]:
    """Yield the lines that begin with a digit, as many as follow one another, each time with the other line after them.

    So a block is searched, and not every line of samples handled in Python.
    """
    rest = b"\n"  # as if a line had ended before the first
    with open(head.path, "rb") as raw:
        file = codecs.EncodedFile(raw, "utf-8", head.encoding) if head.encoding.startswith("utf-16") else raw
        while block := file.read(_BLOCK):
            block = rest + block
            end = block.rfind(b"\n")
            rest, place = block[end:], 1
            for match in _OTHER_LINE.finditer(block, 0, end):
                start = match.start() + 1
                stop = block.find(b"\n", start) + 1
                yield block[place:start], block[start:stop]
                place = stop
            if place <= end:
                yield block[place : end + 1], b""
    if len(rest) > 1:
        yield (rest[1:], b"") if rest[1:2].isdigit() else (b"", rest[1:])


def screen_of(coords: Sequence[str] | None) -> tuple[tuple[float, float], dict[str, float]]:
    """Return the corner and the size in pixels of a screen that a message of coordinates describes.

    Raises
    ------
    FormatError
        The coordinates do not run to the right and downward.
    """
    if coords is None:
        return (0.0, 0.0), {}
    left, top, right, bottom = map(float, coords)
    if right <= left or bottom <= top:
        raise FormatError(
            f"GAZE_COORDS {' '.join(coords)} should be left, top, right and bottom of the screen, in pixels to the "
            "right and downward; correct that line"
        )
    return (left, top), {"width_px": _pixels(left, right), "height_px": _pixels(top, bottom)}


def _pixels(first: float, last: float) -> float:
    """Count the pixels between two coordinates; some experiments give the number of pixels for the last one."""
    size = round(last - first) + 1.0
    return size - size % 2  # no screen has an odd number


def note_message(time_us: int, text: str, draft: Draft) -> bool:
    """Keep a message, and the calibration or validation that it tells of.

    A leading negative number says how many milliseconds earlier its event was; returns whether there was one.
    """
    offset = _OFFSET.match(text)
    if offset:
        time_us, text = time_us + round(1000 * float(offset[1])), text[offset.end() :]
    draft.messages.append((time_us, text))
    if match := _VALIDATION.search(text):
        row = {"eye": match["eye"].lower(), "accuracy_deg": float(match["mean"]), "max_deg": float(match["max"])}
        draft.validations.append(Validation(time_us, pd.DataFrame([row]), match["verdict"] in ("GOOD", "FAIR")))
    elif match := _CALIBRATION.search(text):
        draft.calibrations.append(Calibration(time_us, match["verdict"].lower()))
    return offset is not None


@dataclass
class _Lines:
    """Sample lines that wait to become a part, and what the lines between them said."""

    screen: Screen
    corner: tuple[float, float]
    samples: list[bytes] = field(default_factory=list)  # runs of whole lines
    waiting: int = 0
    eyes: tuple[str, ...] = ()
    rate_hz: float = float("nan")
    bad: int = 0
    offsets: int = 0
    last_stamp: int = -1
    shift_us: int = 0  # of what follows where a clock started anew
    starts: int = 0
    settings: list[str] = field(default_factory=list)  # which eyes at which rate, where these change
    open_events: dict[str, int] = field(default_factory=dict)
    marks: list[tuple[int, int, int]] = field(default_factory=list)  # from which waiting line, label, number

    def add(self, run: bytes) -> None:
        """Take in lines of samples."""
        if b"\n\n" in run or run.startswith(b"\n"):  # empty lines
            run = b"".join(line for line in run.splitlines(keepends=True) if line.strip())
        if run:
            self.samples.append(run)
            self.waiting += run.count(b"\n")

    def event(self, line: bytes, draft: Draft) -> Iterator[Part]:
        """Take in a line that is no sample."""
        words = line.decode("utf-8", LETTERS).split()
        kind = words[0]
        if kind in _SLACK_US and len(words) > 1:
            yield from self._start_anew(_us(words[1]), _SLACK_US[kind], draft)
        if kind == "MSG" and len(words) > 1:
            parts = line.decode("utf-8", LETTERS).split(None, 2)
            text = parts[2].rstrip("\r\n") if len(parts) > 2 else ""
            self.offsets += note_message(_us(words[1]) + self.shift_us, text, draft)
        elif kind == "SAMPLES":
            yield from self.flush(draft)
            self.eyes = tuple(side for side in ("LEFT", "RIGHT") if side in words)
            if "RATE" in words:
                self.rate_hz = float(words[words.index("RATE") + 1])
            setting = f"{' and '.join(self.eyes).lower()} at {self.rate_hz:g} Hz"
            if self.settings[-1:] != [setting]:
                self.settings.append(setting)
            if len(words) > 1 and words[1] != "GAZE":
                raise FormatError(f"the samples are {words[1]}, not GAZE; convert the EDF file with gaze coordinates")
        elif kind in _EVENTS or (kind[:1] == "E" and f"S{kind[1:]}" in _EVENTS):
            self._mark(kind, words[1:2] == ["R"])

    def _start_anew(self, time_us: int, slack_us: int, draft: Draft) -> Iterator[Part]:
        """Put what follows a second after what was before, where the clock starts anew."""
        last = self.samples[-1].rstrip().rpartition(b"\n")[2].split(None, 1)[0] if self.samples else b""
        last_us = _us(last.decode("ascii", "replace")) if last else self.last_stamp
        if time_us < last_us - slack_us:
            yield from self.flush(draft)
            self.shift_us += last_us - time_us + 1_000_000
            self.starts, self.last_stamp = self.starts + 1, -1

    def flush(self, draft: Draft) -> Iterator[Part]:
        """Hand on the lines that wait, as a part."""
        text, number, marks = b"".join(self.samples), self.waiting, self.marks
        self.samples, self.waiting, self.marks = [], 0, [(0, *marks[-1][1:])] if marks else []
        if not number:
            return
        if not self.eyes:
            raise FormatError("samples come before a SAMPLES line, so which eye they are of is not known")
        columns, whole = self._numbers(text, number)
        before = self.last_stamp
        draft.account.rows += int(whole.sum())
        time = np.round(columns[0] * 1000).astype(np.int64)
        stamps, self.last_stamp = time.copy(), int(time[-1])
        if self.rate_hz == 2000:  # without -ftime two samples bear the same millisecond
            time[np.diff(stamps, prepend=before) == 0] += 500
        time += self.shift_us
        sides = {side: columns[1 + 3 * n : 3 + 3 * n] for n, side in enumerate(self.eyes)}
        eyes = [self._eye(sides.get(side), len(time)) for side in ("LEFT", "RIGHT")]
        yield Part(draft, recording(time, eyes[0], eyes[1]), {eye_movements.STREAM: _labels(marks, number, whole)})

    def _numbers(self, text: bytes, number: int) -> tuple[Floats, Bools]:
        """Read the lines that wait: time and x, y, pupil of each eye; and which lines are whole."""
        import pyarrow as pa

        need = 1 + 3 * len(self.eyes)
        text = text.replace(b" ", b"")
        width = text[: text.find(b"\n")].count(b"\t") + 1
        try:
            columns = _parsed(text, width, need) if width >= need else np.empty((need, 0))
        except pa.ArrowInvalid:  # lines of several lengths
            columns = np.empty((need, 0))
        if columns.shape[1] == number:
            return columns, np.ones(number, dtype=bool)
        rows = [line.split(b"\t", need)[:need] for line in text.splitlines()]
        whole = np.array([len(row) == need for row in rows])
        self.bad += int((~whole).sum())
        if not whole.any():
            raise FormatError(f"no sample line has the {need} columns of {' and '.join(self.eyes)}")
        text = b"\n".join(b"\t".join(row).rstrip() for row, keep in zip(rows, whole, strict=True) if keep)
        try:
            return _parsed(text, need, need), whole
        except pa.ArrowInvalid as error:
            raise FormatError(f"a sample line cannot be read: {error}") from error

    def _eye(self, columns: Floats | None, n: int) -> Eye:
        if columns is None:
            return Eye.missing(n)
        x, y = columns[0] - self.corner[0], columns[1] - self.corner[1]
        return eye(point(x, y) / (self.screen.width_px, self.screen.height_px))

    def _mark(self, kind: str, right: bool) -> None:
        """Label the samples from here on by the events of the first recorded eye."""
        if right and self.eyes != ("RIGHT",):
            return
        if kind in _EVENTS:
            self.open_events[kind] = self.open_events.get(kind, 0) + 1
            self.open_events["count"] = self.open_events.get("count", 0) + 1
        else:
            self.open_events.pop(f"S{kind[1:]}", None)
        label = next((code for name, code in _EVENTS.items() if name in self.open_events), 0)
        self.marks.append((self.waiting, label, self.open_events.get("count", 0) if label else -1))


def _parsed(text: bytes, width: int, need: int) -> Floats:
    """Parse lines of ``width`` cells, and return the first ``need`` as numbers, shape (need, n)."""
    import pyarrow as pa
    from pyarrow import csv

    names = [str(n) for n in range(width)]
    options: dict[str, Any] = {
        "read_options": csv.ReadOptions(column_names=names, block_size=1 << 24),
        "parse_options": csv.ParseOptions(delimiter="\t", quote_char=False),
        "convert_options": csv.ConvertOptions(
            column_types=dict.fromkeys(names[:need], pa.float64()), null_values=["."], include_columns=names[:need]
        ),
    }
    table = csv.read_csv(pa.BufferReader(text), **options)
    return np.stack([np.asarray(table[name].to_numpy(), dtype=np.float64) for name in names[:need]])


def _labels(marks: list[tuple[int, int, int]], n: int, whole: Bools) -> pd.DataFrame:
    starts = np.array([0, *(start for start, _, _ in marks), n])
    lengths = np.diff(starts)
    label = np.repeat(np.array([0, *(code for _, code, _ in marks)], dtype=np.int8), lengths)
    index = np.repeat(np.array([-1.0, *(number for _, _, number in marks)]), lengths)
    missing = np.full(int(whole.sum()), np.nan)
    return eye_movements.stream(label[whole], index[whole], missing, missing)


def _us(word: str) -> int:
    try:
        return round(float(word) * 1000)
    except ValueError:
        raise FormatError(f"a MSG line has {word!r} where its time stamp should be") from None


def _fact(head: Head, pattern: str) -> str:
    match = re.search(pattern, head.text, re.MULTILINE)
    return match[1].strip() if match else ""
