"""Durations of fixations that a table gives by their start and end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gazekit.core.errors import FormatError
from gazekit.core.types import Floats


def advice(missing: Iterable[str]) -> str:
    """Say how a table tells durations, where they are among the columns that it lacks; else an empty text."""
    ways = "; durations are a column duration (ms), or columns start and end, of which they are the difference"
    return ways if "duration_ms" in missing else ""


def lasting(start: Floats, end: Floats, names: tuple[str, str], path: str | Path) -> Floats:
    """Return how long each lasted: its end less its start, in their unit; NaN where one is not known.

    Parameters
    ----------
    start, end : ndarray, shape (n,)
        Times in one unit.
    names : (str, str)
        What the columns are called.
    path : str or Path
        The table.

    Raises
    ------
    FormatError
        An end that is not after its start.
    """
    duration = np.asarray(end - start, dtype=np.float64)
    wrong = np.flatnonzero(duration <= 0)
    if len(wrong):
        row = int(wrong[0])
        raise FormatError(
            f"{path}: without a column of durations they are {names[1]} less {names[0]}, but in {len(wrong)} of "
            f"{len(duration)} rows the end is not after the start: the first is {start[row]:g} to {end[row]:g} in row "
            f"{row + 1}; correct or leave out these rows, or add a column duration (ms)"
        )
    return duration
