"""Pictures shown, gathered while rows go by: from start and end events, or from a column that names them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.types import Index
from gazekit.formats.account import Account
from gazekit.screen import Screen

Silence = tuple[int, int]
_LEAD_US = 100_000  # samples before the next picture that a block of them may begin with
_LATEST = 4  # pictures among which one is looked for that came or went at the same time


@dataclass
class Showing:
    """What was on the screen and when.

    Where a file does not say where a picture stood and how large it is, it is taken to fill the screen, one pixel of
    the picture to one of the screen. A place whose ``picture_width`` is 0 belongs to a picture of unknown size.

    A start or an end that stands again within ``sample_us``, the time of a sample, is one and the same: nobody looks
    that briefly. They are counted as ``doubled``.
    """

    screen: Screen
    intervals: list[list[Any]] = field(default_factory=list)  # name, onset_us, offset_us or None
    geometry: dict[str, Mapping[str, float]] = field(default_factory=dict)
    last_us: int = 0
    sample_us: float = 0.0
    doubled: int = 0
    inferred: set[int] = field(default_factory=set)  # intervals that end because something else was seen

    def start(self, name: str, time_us: int, until_us: int | None = None) -> None:
        """Note that a picture comes up, and where it is known already when it goes."""
        if any(shown == name and self._at_once(on, time_us) for shown, on, _ in self.intervals[-_LATEST:]):
            self.doubled += 1
        else:
            self.intervals.append([name, time_us, until_us])

    def end(self, name: str, time_us: int, *, anyway: bool = False) -> None:
        """Note that a picture goes, or the last that came where none of the name is on and it is to end ``anyway``."""
        on = [interval for interval in self.intervals if interval[2] is None]
        named = [interval for interval in on if interval[0] == name] or (on if anyway else [])
        ended = any(off is not None and self._at_once(off, time_us) for _, _, off in self.intervals[-_LATEST:])
        if ended and (not named or self._at_once(named[-1][1], time_us)):
            self.doubled += 1
        elif named:
            named[-1][2] = time_us

    def close(self, time_us: int, coming: str) -> None:
        """End what is on where another picture comes, or the same one later than its start stands twice."""
        last = self.intervals[-1] if self.intervals else None
        if last and last[2] is None and not (last[0] == coming and self._at_once(last[1], time_us)):
            last[2] = time_us
            self.inferred.add(len(self.intervals) - 1)

    def _at_once(self, one_us: int, other_us: int) -> bool:
        return one_us == other_us or abs(one_us - other_us) <= self.sample_us

    def describe(self, account: Account) -> None:
        """Say in an account which starts and ends stood twice."""
        if self.doubled:
            said = counted(self.doubled, "start or end stands", "starts or ends stand")
            account.know("pictures twice", f"{said} again within one sample, and was taken once", "file")

    def runs(self, codes: npt.NDArray[np.int32], words: Sequence[str], time_us: Index) -> list[tuple[int, str]]:
        """Note what is on by the code of each sample (-1 for none); return the rows in which something comes up."""
        begun = []
        for first in np.flatnonzero(np.diff(codes, prepend=-2)):
            name = words[codes[first]] if codes[first] >= 0 else ""
            current = self.intervals[-1] if self.intervals and self.intervals[-1][2] is None else None
            if current is not None and current[0] == name:
                continue
            if current is not None:
                current[2] = int(time_us[first])
                self.inferred.add(len(self.intervals) - 1)
            if name:
                self.intervals.append([name, int(time_us[first]), None])
                begun.append((int(first), name))
        if len(time_us):
            self.last_us = int(time_us[-1])
        return begun

    def ended(self, silences: Sequence[Silence] = (), *, blocks: bool = False) -> list[tuple[str, int, int]]:
        """List name, onset and offset of all that was on.

        What was not seen to end ends when the next comes, or after the last sample; and before that where nothing was
        recorded from then until the next came, since nobody knows that it was on for so long.

        Parameters
        ----------
        silences : sequence of (int, int)
            The last sample before, and the first after each time without samples, microseconds.
        blocks : bool
            Samples come in blocks, one a trial: what was not seen to end ends with its block.
        """
        onsets = sorted(on for _, on, _ in self.intervals)
        rows = []
        for number, (name, on, off) in enumerate(self.intervals):
            after = next((later for later in onsets if later > on), self.last_us + 1) if off is None else off
            if off is None or number in self.inferred:
                least = on if blocks else after - _LEAD_US
                after = next((last + 1 for last, first in silences if on <= last < after and first >= least), after)
            rows.append((name, on, after))
        return rows

    def unended(self) -> int:
        """Count what was not seen to end, though something came after it."""
        last = max((on for _, on, _ in self.intervals), default=0)
        return sum(off is None and on < last for _, on, off in self.intervals)

    def rows(self, silences: Sequence[Silence] = (), *, blocks: bool = False) -> list[dict[str, Any]]:
        """Make rows of a stimulus table; what was not seen to end ends as `ended` says."""
        whole = {"x": 0.0, "y": 0.0, "width": float(self.screen.width_px), "height": float(self.screen.height_px)}
        rows = []
        for name, onset, offset in self.ended(silences, blocks=blocks):
            row: dict[str, Any] = {**whole, "picture_width": self.screen.width_px}
            row |= {"picture_height": self.screen.height_px, **self.geometry.get(name, {})}
            row |= {"image": name, "onset_us": onset, "offset_us": offset}
            rows.append(row)
        return rows


def from_messages(
    messages: Sequence[tuple[int, str]],
    screen: Screen,
    onset: str,
    offset: str,
    account: Account,
    *,
    blocks: bool = False,
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Make rows of a stimulus table from messages that match two regular expressions, and count the matches.

    Parameters
    ----------
    messages : sequence of (int, str)
        Time, microseconds, and text.
    screen : Screen
        What a picture fills of which no place is known.
    onset : str
        Matches when a picture comes, with its name as the group ``image``.
    offset : str
        Matches when it goes. It need not name a picture: without a name, or with one that is not on, it ends the
        last that came. A picture that no message ends stays until the next comes, or the recording ends or pauses.
    account : Account
        Of the samples, with the last, their rate and pauses; what stood twice or does not end is said there.
    blocks : bool
        As for `Showing.ended`.

    Raises
    ------
    InputError
        One is not a regular expression, or the onset has no group ``image``.
    """
    comes, goes = _pattern("onset", onset), _pattern("offset", offset) if offset else None
    if "image" not in comes.groupindex:
        raise InputError(f"onset: {onset!r} has no group (?P<image>...) for the picture's name")
    shown = Showing(screen, last_us=account.last_us, sample_us=account.interval_us())
    matched = {"onset": 0} | ({"offset": 0} if goes else {})
    for time_us, text in sorted(messages, key=lambda message: message[0]):
        if match := comes.search(text):
            matched["onset"] += 1
            name = match["image"].strip()
            shown.close(time_us, name)
            shown.start(name, time_us)
        elif goes is not None and (match := goes.search(text)):
            matched["offset"] += 1
            shown.end(match.groupdict().get("image") or "", time_us, anyway=True)
    shown.describe(account)
    if unended := len(shown.inferred):
        some = counted(unended, "has no message of its end", "have no message of their end")
        account.know("ends", f"{some}: until the next picture, or where the recording pauses", "file")
    return shown.rows(account.silences, blocks=blocks), matched


def _pattern(name: str, text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InputError(f"{name}: {text!r} is not a regular expression: {error}") from None
