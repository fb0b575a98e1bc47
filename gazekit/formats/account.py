"""The account of an import: what was read, what was taken and left out, and where every unit came from.

An account is printed, kept in the provenance of the session file, and given as JSON. What could be meant in two ways
or was lost stands among its doubts, and ``--strict`` makes an error of every doubt.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.core.types import Floats, Index
from gazekit.gaze import LIMITS_HZ, GazeRecording, check_rate, hole_us, rate_doubt, sampling_interval_us

_PICTURE = re.compile(r"[^\s,;:'\"]+\.(?:jpe?g|png|bmp|gif|tiff?|webp)\b", re.IGNORECASE)
_MARGIN = 0.1  # of the screen: people look beside it too, and trackers err there
_CORNER = 0.002  # of the screen: shares taken for pixels do not leave it
_NEAR_CORNER = 0.1  # of the screen: degrees and per cent taken for pixels do not leave it
_MIDDLE = 0.15  # of the screen: nobody looks at a corner of it on the average
_ENOUGH = 50  # points
_FEW = 4096  # samples of a part whose place is looked at
_NAMES = 12  # columns that are named in one line
_ALIKE = 50  # samples with gaze: so many are the same in two recordings only where one is a copy
_FEW_BACK, _ONE_IN = 10, 20  # samples that may lie before the one above: so many, or one in so many
_JITTER = 0.5  # of the time of a sample, by which a clock may err
_STEPS = 8  # parts of a recording from which its rate is taken


class Fact(NamedTuple):
    """What was taken for granted and who said so: file, option, mapping, format, guess, or no other is possible."""

    what: str
    value: str
    source: str


def refuse_disorder(back: int, samples: int) -> None:
    """Refuse rows that are not in the order of time; some that stand twice, or some recordings in one, are no such.

    Parameters
    ----------
    back : int
        Samples whose time is more than a clock's jitter, half a sample, before that of the row above.
    samples : int
        All of them.

    Raises
    ------
    FormatError
        More than 10 and more than one in 20 are.
    """
    if back > max(_FEW_BACK, samples / _ONE_IN):
        raise FormatError(
            f"time runs back at {back} of {samples} samples: the rows are not in the order of time; sort them by the "
            "time stamp within each recording, or export the recording again"
        )


@dataclass
class Account:
    """What came of one recording; ``rows`` are ``samples`` and what was ``left_out`` with a reason.

    ``damaged`` counts lines of the whole file that could not be read.
    """

    rows: int = 0
    samples: int = 0
    with_gaze: int = 0
    rate_hz: float = float("nan")
    holes: int = 0  # times without samples, of pauses or of what was lost, and their seconds together
    holes_s: float = 0.0
    left_out: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    taken: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    messages: int = 0
    matched: dict[str, int] = field(default_factory=dict)
    example: str = ""
    pictures: int = 0
    makers_fixations: int = 0
    calibrations: int = 0
    validations: int = 0
    doubts: list[str] = field(default_factory=list)
    undecided: dict[str, str] = field(default_factory=dict)  # columns whose one sign may part thousands, and a number
    _steps: list[Index] = field(default_factory=list)
    last_us: int = 0
    silences: list[tuple[int, int]] = field(default_factory=list)  # last sample before, first after each of the holes
    _begun: bool = False
    _backward: int = 0
    _disorder: int = 0
    _back_us: int = 0  # the furthest step back
    _same_time: int = 0  # samples with the stamp of the one above, and those that have its gaze as well
    _same_gaze: int = 0
    _disbelieved: int = 0  # samples with a place on the screen that their validity takes for lost
    _hole_us: float = float("nan")
    _fixation: int = -1
    _placed: int = 0
    _on_screen: int = 0
    _gaze: int = 0  # CRC-32
    _sum: Floats = field(default_factory=lambda: np.zeros(2))
    _span: list[float] = field(default_factory=lambda: [np.inf, -np.inf, np.inf, -np.inf])

    def know(self, what: str, value: str, source: str) -> None:
        """Note a unit, an origin or a size, and where it came from; a guess is a doubt."""
        self.facts.append(Fact(what, value, source))
        if source == "guess":
            self.doubts.append(f"{what} is a guess: {value}")

    def leave_out(self, reason: str, rows: int) -> None:
        """Count rows that were read and are no samples."""
        if rows:
            self.left_out[reason] = self.left_out.get(reason, 0) + rows

    def count(self, recording: GazeRecording, makers: pd.DataFrame | None) -> None:
        """Count samples, and the fixations that the maker's software found in them."""
        self.samples += len(recording)
        self.with_gaze += int((recording.left.valid | recording.right.valid).sum())
        self._gaze = zlib.crc32(np.hstack([recording.left.gaze, recording.right.gaze]).tobytes(), self._gaze)
        self._place(recording)
        self._note_verdicts(recording)
        time = recording.system_time_us
        if len(time):
            steps = np.diff(time, prepend=self.last_us if self._begun else time[0])
            self._note_back(time, steps)
            self._note_doubled(recording, np.flatnonzero(steps[1:] == 0) + 1)
            self._note_holes(time, steps)
            self.last_us, self._begun = int(time[-1]), True
            if len(self._steps) < _STEPS:
                self._steps.append(steps[1:])
        if makers is not None and len(makers):
            index = np.where(makers["label"].to_numpy() == 1, makers["index"].to_numpy(), -1)
            begins = np.diff(index, prepend=self._fixation) != 0
            self.makers_fixations += int((begins & (index >= 0)).sum())
            self._fixation = int(index[-1])

    def _note_back(self, time: Index, steps: Index) -> None:
        """Count the times that a sample lies before the one above, and those by more than a clock's jitter."""
        back = -steps[steps < 0]
        if len(back):
            forward = np.diff(np.unique(time))
            jitter = _JITTER * float(np.median(forward)) if len(forward) else 0.0
            self._backward += len(back)
            self._disorder += int((back > jitter).sum())
            self._back_us = max(self._back_us, int(back.max()))

    def _note_doubled(self, recording: GazeRecording, same: Index) -> None:
        """Count the samples at ``same``, which have the stamp of the one above, and those with its gaze as well."""
        with_gaze = same[(recording.left.valid | recording.right.valid)[same]]
        if len(with_gaze):
            pairs = [(eye.gaze[with_gaze], eye.gaze[with_gaze - 1]) for eye in (recording.left, recording.right)]
            alike = [((here == above) | (np.isnan(here) & np.isnan(above))).all(axis=1) for here, above in pairs]
            self._same_time += len(with_gaze)
            self._same_gaze += int((alike[0] & alike[1]).sum())

    def _note_holes(self, time: Index, steps: Index) -> None:
        """Count the times for which nothing was recorded."""
        if not np.isfinite(self._hole_us) and len(steps) > 2:
            self._hole_us = hole_us(sampling_interval_us(np.append(0, np.cumsum(steps[1:])), steps[1:]))
        holes = steps > self._hole_us
        self.holes += int(holes.sum())
        self.holes_s += float(steps[holes].sum()) / 1e6
        self.silences += [(int(time[at] - steps[at]), int(time[at])) for at in np.flatnonzero(holes)]

    def _place(self, recording: GazeRecording) -> None:
        """Note where on the screen some of the gaze is."""
        few = slice(None, None, max(1, len(recording) // _FEW))
        for eye in (recording.left, recording.right):
            x, y = eye.gaze[few][eye.valid[few]].T
            if len(x):
                inside = (x >= -_MARGIN) & (x <= 1 + _MARGIN) & (y >= -_MARGIN) & (y <= 1 + _MARGIN)
                self._sum = self._sum + np.array([x.sum(), y.sum()])
                self._placed, self._on_screen = self._placed + len(x), self._on_screen + int(inside.sum())
                left, right, top, bottom = self._span
                self._span = [min(left, x.min()), max(right, x.max()), min(top, y.min()), max(bottom, y.max())]

    def _note_verdicts(self, recording: GazeRecording) -> None:
        """Count the samples that have a place on the screen, which their validity says is none."""
        eyes = (recording.left, recording.right)
        placed = [((eye.gaze >= 0) & (eye.gaze <= 1)).all(axis=1) for eye in eyes]
        self._disbelieved += int(((placed[0] | placed[1]) & ~(eyes[0].valid | eyes[1].valid)).sum())

    def _first_steps(self) -> Index:
        return np.concatenate(self._steps) if self._steps else np.empty(0, np.int64)

    def interval_us(self) -> float:
        """Compute the time between the samples that were counted, microseconds; NaN where no two are."""
        steps = self._first_steps()
        return sampling_interval_us(np.append(0, np.cumsum(steps)), steps)

    def close(self, said_hz: float = float("nan")) -> None:
        """Draw the conclusions when all samples have come; ``said_hz`` is the rate that the file gives itself.

        Raises
        ------
        FormatError
            Rows that are not in the order of time.
        InputError
            A rate that no eye tracker has: the unit of time is another.
        """
        refuse_disorder(self._disorder, self.samples)
        steps = self._first_steps()
        try:
            check_rate(np.append(0, np.cumsum(steps)), steps)
        except InputError as error:
            raise InputError(f"{error}{self._perhaps_thousands()}") from None
        self.rate_hz = 1e6 / self.interval_us()
        if self.samples and not self.with_gaze:
            self.doubts.append("no sample has gaze")
        if self._disbelieved > max(_ENOUGH, self.with_gaze):
            self.doubts.append(
                f"{self._disbelieved} samples have a place on the screen and are lost by their validity, "
                f"{self.with_gaze} are not: do other values mean good, or is their meaning reversed?"
            )
        if self.rate_hz == self.rate_hz and not LIMITS_HZ[0] <= self.rate_hz <= LIMITS_HZ[1]:  # of few samples
            self.doubts.append(f"{self.rate_hz:.4g} samples a second: the unit of time is likely another")
        if doubt := rate_doubt(said_hz, self.rate_hz):
            self.doubts.append(doubt)
        if self._backward:
            self.doubts.append(
                f"time runs back {counted(self._backward, 'time')}, by at most {self._back_us / 1000:.4g} ms: rows "
                "stand twice or out of order, or the clock was set back; detectors leave such samples out, or shift "
                "what follows. Sort the rows by their time stamp within each recording, or export it again"
            )
        if self._same_gaze > max(_FEW_BACK, self._same_time / 2):
            self.doubts.append(
                f"{counted(self._same_gaze, 'sample has', 'samples have')} the stamp and the gaze of the one above: do "
                "rows stand twice? Detectors leave them out"
            )
        self._doubt_places()
        rest = self.rows - self.samples - sum(self.left_out.values())
        if rest:
            self.doubts.append(f"{abs(rest)} rows {'less' if rest < 0 else 'more'} than samples and what was left out")
        for pattern, number in self.matched.items():
            if not number:
                self.doubts.append(f"--set {pattern}=... matched 0 of {self.messages} messages{self.example}")
        self.doubts += [f"{number} {reason}" for reason, number in self.damaged.items()]

    def doubt_twins(self, name: str, seen: dict[tuple[int, int], str]) -> None:
        """Doubt a recording whose gaze is, sample for sample, that of another, which ``seen`` names."""
        other = seen.setdefault((self.samples, self._gaze), name)
        if other != name and self.with_gaze >= _ALIKE:
            self.doubts.append(f"every sample has the gaze of {other}: is it a copy, or in the file twice?")

    def doubt_messages(self, messages: Sequence[str]) -> None:
        """Say that no picture was taken, though messages name some, and which pattern finds them."""
        named = [text for text in messages if _PICTURE.search(text)]
        if match := _PICTURE.search(named[0]) if named else None:
            before, after = re.escape(named[0][: match.start()]).replace("\\ ", " "), named[0][match.end() :]
            pattern = f"^{before}(?P<image>{'.+' if not after else '[^' + after[0] + ']+'})"
            self.doubts.append(
                f"no picture was taken, though {len(named)} of {len(messages)} messages name a file of one, the first "
                f"{named[0]!r}: --set onset='{pattern}'"
            )

    def _doubt_places(self) -> None:
        """Doubt the unit, the origin or the screen where the gaze lies off it, or all of it in one spot."""
        left, right, top, bottom = self._span
        if self._placed >= _ENOUGH and max(np.abs(self._sum)) < _MIDDLE * self._placed and max(left, top) < -_MARGIN:
            self.doubts.append(
                "the middle of the gaze is the top left corner of the screen: it likely counts from the middle of the "
                "screen ([gaze] origin)"
            )
        elif self._placed and self._on_screen < self._placed / 2:
            share = 100 * self._on_screen / self._placed
            self.doubts.append(
                f"{share:.0f} % of the gaze is on the screen: its size, the unit or the origin is likely another"
            )
        elif self._placed and (reach := max(abs(left), right, abs(top), bottom)) < _CORNER:
            self.doubts.append("all gaze lies in the top left pixels: the unit of the gaze is likely another")
        elif self._placed and self.undecided and min(max(abs(left), right), max(abs(top), bottom)) < _CORNER:
            self.doubts.append(f"all gaze lies on one edge of the screen{self._perhaps_thousands()}")
        elif self._placed >= _ENOUGH and reach < _NEAR_CORNER:
            self.doubts.append(
                f"all gaze lies within {reach:.1%} of the screen about its top left corner: the unit of the gaze is "
                "likely another, such as degrees or per cent"
            )

    def _perhaps_thousands(self) -> str:
        """Say which numbers may have thousands whose sign was taken for the decimal one; empty where none may."""
        some = ", ".join(f"{number} in {name}" for name, number in list(self.undecided.items())[:2])
        return f"; perhaps a sign parts thousands ({some}): then write the numbers without it" if some else ""

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield what and its text, a line each, for people."""
        yield "rows read", f"{self.rows}" + "".join(f"; {n} {why}" for why, n in self.damaged.items())
        holes = f"; {counted(self.holes, 'time')} without samples, {self.holes_s:.1f} s together" if self.holes else ""
        yield "samples kept", f"{self.samples}, {self.with_gaze} with gaze, {self.rate_hz:.5g} a second{holes}"
        if self.left_out:
            yield "left out", "; ".join(f"{n} {why}" for why, n in self.left_out.items())
        yield "columns taken", short(self.taken)
        if self.ignored:
            yield "columns ignored", short(self.ignored)
        for fact in self.facts:
            yield fact.what, f"{fact.value} ({fact.source})"
        matched = "".join(f"; {name} matched {n} of {self.messages} messages" for name, n in self.matched.items())
        messages = (
            "" if self.matched or not self.messages else f"; {counted(self.messages, 'message')} (see --set onset=...)"
        )
        yield "pictures", f"{counted(self.pictures, 'time')} on the screen{matched}{messages}"
        yield "makers' fixations", str(self.makers_fixations)
        yield "calibrations", f"{self.calibrations}, validations {self.validations}"

    def document(self) -> dict[str, Any]:
        """Return the account as JSON holds it."""
        inner = [name for name in vars(self) if name.startswith("_") or name == "silences"]
        document = {name: value for name, value in asdict(self).items() if name not in inner}
        rate = None if np.isnan(self.rate_hz) else self.rate_hz
        return document | {"rate_hz": rate, "facts": [fact._asdict() for fact in self.facts]}


def short(names: Sequence[str]) -> str:
    """Join names, of many only the first."""
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more if names else "all"
