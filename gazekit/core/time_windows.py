"""Windows of time while a picture is shown: one syntax for all commands, and one name in files."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gazekit.core.errors import ConfigError, InputError
from gazekit.core.types import Bools, Floats, Index


@dataclass(frozen=True)
class TimeWindow:
    """Some of the fixations on a picture, by when they began.

    Attributes
    ----------
    start_ms, end_ms : float
        Since the picture came; a fixation is inside that began in [start_ms, end_ms).
    first : int, optional
        Only each participant's first so many inside.

    Examples
    --------
    >>> str(TimeWindow.of("0:1000")), str(TimeWindow.of(first=3)), str(TimeWindow.of(after=2000))
    ('0-1000ms', 'first3', 'after2000ms')
    """

    start_ms: float = 0.0
    end_ms: float = float("inf")
    first: int | None = None

    @classmethod
    def of(cls, window: str | None = None, first: int | None = None, after: float | None = None) -> TimeWindow | None:
        """Return the window that is asked for as on the command line; None where nothing is asked for.

        Raises
        ------
        ConfigError
            Not two times as 0:1000, or ``window`` with ``after``.
        """
        if window is not None and after is not None:
            raise ConfigError("a window and a time after which to begin say the same; give one of them")
        start, end = after or 0.0, float("inf")
        if window is not None:
            numbers = re.fullmatch(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)", window)
            if numbers is None or float(numbers[1]) >= float(numbers[2]):
                raise ConfigError(
                    f"a window is START:END in milliseconds since the picture came, as 0:1000; not {window!r}"
                )
            start, end = float(numbers[1]), float(numbers[2])
        if first is not None and first < 1:
            raise ConfigError(f"the first 1 or more fixations can be taken; not {first}")
        return None if window is None and first is None and after is None else cls(start, end, first)

    @classmethod
    def named(cls, name: str) -> TimeWindow | None:
        """Return the window of a name as `str` gives it; None where it is none."""
        found = re.fullmatch(r"(?:([\d.]+)-([\d.]+)ms|after([\d.]+)ms)?-?(?:first(\d+))?", name)
        if not name or found is None:
            return None
        start, end, after, first = found.groups()
        window = cls(float(start or after or 0), float(end or "inf"), int(first) if first else None)
        return window if str(window) == name and window.start_ms < window.end_ms else None

    def __str__(self) -> str:
        timed = f"{self.start_ms:g}-{self.end_ms:g}ms" if np.isfinite(self.end_ms) else ""
        timed = timed or (f"after{self.start_ms:g}ms" if self.start_ms else "")
        return "-".join(part for part in (timed, f"first{self.first}" if self.first else "") if part)

    def chosen(self, fixations: pd.DataFrame) -> pd.DataFrame:
        """Return the fixations of a table that lie in the window.

        Raises
        ------
        InputError
            The table does not say when fixations began, or none lies in the window.
        """
        chosen = fixations[self.inside(fixations)]
        if not len(chosen):
            raise InputError(f"none of {len(fixations)} fixations lies in the window {self}")
        return chosen

    def inside(self, fixations: pd.DataFrame) -> Bools:
        """Tell which fixations of a table lie in the window, (n,).

        Raises
        ------
        InputError
            The table does not say when fixations began.
        """
        inside = np.ones(len(fixations), dtype=bool)
        if self.start_ms > 0 or np.isfinite(self.end_ms):
            onset = onsets_ms(fixations)
            inside = np.asarray((onset >= self.start_ms) & (onset < self.end_ms))
        if self.first is not None:
            timed = fixations.assign(row=np.arange(len(fixations)))[inside]
            if has_onsets(timed):
                timed = timed.sort_values("onset_us" if "onset_us" in timed else "since_onset_ms", kind="stable")
            rank = timed.groupby(_keys(timed), observed=True).cumcount()
            inside = np.isin(np.arange(len(fixations)), timed["row"][rank < self.first])
        return inside


def onsets_ms(fixations: pd.DataFrame) -> Floats:
    """Return when each fixation began, milliseconds since its picture came.

    The column ``since_onset_ms`` says it; else it is counted from the first fixation of that participant on that
    picture (``onset_us``), which is said on standard error.

    Raises
    ------
    InputError
        Neither column is there.
    """
    if says_since(fixations):
        return np.asarray(fixations["since_onset_ms"], dtype=np.float64)
    if "onset_us" not in fixations:
        raise InputError(
            "the fixation table has no onset_us (or since_onset_ms), so that only the first N can be taken"
        )
    print("times are counted from each participant's first fixation on a picture (onset_us)", file=sys.stderr)
    begin = fixations.groupby(_keys(fixations), observed=True)["onset_us"].transform("min")
    return np.asarray((fixations["onset_us"] - begin) / 1000, dtype=np.float64)


def showings(fixations: pd.DataFrame) -> Index:
    """Count the showings of each picture to each person, and tell of which each fixation is, from 1, shape (n,).

    Where ``since_onset_ms`` falls the picture was shown again, unless a column ``showing`` says it. All are of the
    first where the table does not say when they began.
    """
    if "showing" in fixations:
        return np.asarray(fixations["showing"], dtype=np.int64)
    if "onset_us" not in fixations or not says_since(fixations):
        return np.ones(len(fixations), dtype=np.int64)
    ordered = fixations.sort_values("onset_us", kind="stable")
    ordered = ordered.assign(again=ordered.groupby(_keys(ordered), observed=True)["since_onset_ms"].diff() < 0)
    numbers = ordered.groupby(_keys(ordered), observed=True)["again"].cumsum() + 1
    return np.asarray(numbers.reindex(fixations.index), dtype=np.int64)


def has_onsets(fixations: pd.DataFrame) -> bool:
    """Say whether a table tells when fixations began."""
    return says_since(fixations) or "onset_us" in fixations


def says_since(fixations: pd.DataFrame) -> bool:
    """Tell whether a column says it; one without a number comes of a program or a session without pictures."""
    return "since_onset_ms" in fixations and bool(fixations["since_onset_ms"].notna().any() or not len(fixations))


def _keys(fixations: pd.DataFrame) -> list[str]:
    return [name for name in ("participant", "image", "showing") if name in fixations]
