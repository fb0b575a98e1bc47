"""What a table itself says of the scale that its answers are on: columns such as scale_min, scale_max, scale."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.types import Bools, Floats
from survey.errors import RatingsError

_LOW = re.compile(r"(scale|slider|likert)_?(min|minimum|low|lowest|from|start)|(min|lowest)_?(scale|slider)")
_HIGH = re.compile(
    r"(scale|slider|likert)(_?(max|maximum|high|highest|to|end|points|size|length|levels))?|(max|highest)_?(scale|slider)"
)
LONGEST = 1000  # where a scale may end
MOST_OFF = 0.1  # of the answers


def check_stated_scale(
    table: pd.DataFrame,
    rows: pd.Series[Any],
    answers: Floats,
    *,
    scale: int,
    counts_from: int | None,
    from_scale: tuple[float, float] | None,
) -> None:
    """Refuse answers on several scales, or on another one than was said, where columns of the table say so.

    A column counts only where the answers lie on the scale that it says: ``scale`` may be the size of a picture.

    Parameters
    ----------
    table : DataFrame
        The table as it was read, cells as text.
    rows : Series of int
        For each answer its row, from 0.
    answers : ndarray of float
        The answers as they stand in the table; NaN where there is none.
    scale, counts_from, from_scale
        As of `survey.imports.import_ratings`.

    Raises
    ------
    RatingsError
        The message says what to do.
    """
    there = np.isfinite(answers)
    high_name, high = _stated(table, _HIGH, rows, there)
    low_name, low = _stated(table, _LOW, rows, there)
    answers = answers[there]
    if not len(high) or _outside(answers > high) or not ((high >= 2) & (high <= LONGEST)).all():
        return
    if not len(low) or _outside(answers < low) or not (low < high).all():
        low_name, low = "", np.full(len(high), -np.inf)
    ends = sorted(set(zip(low.tolist(), high.tolist(), strict=True)))
    names = " and ".join(filter(None, (low_name, high_name)))
    if len(ends) > 1:
        said = ", ".join(map(_words, ends[:5]))
        raise RatingsError(
            f"{names}: the answers are on several scales ({said}), and cannot be counted together: import those of "
            "each scale from a table of its own (--from-scale converts); or rename that column if it means "
            "something else"
        )
    ((lowest, highest),) = ends
    unknown = lowest == -np.inf
    wanted = from_scale or ((0.0, scale - 1.0) if counts_from == 0 else (1.0, float(scale)))
    if highest == wanted[1] and (unknown or lowest == wanted[0]):
        return
    if unknown and counts_from == 0 and highest == scale:
        return
    ways = [f"--from-scale {1 if unknown else lowest:g} {highest:g}, which converts them to 1 to {scale}"]
    if lowest == 0:
        ways.insert(0, f"--counts-from 0 --scale {highest + 1:g} (0 becomes 1)")
    elif unknown or lowest == 1:
        ways.insert(0, f"--scale {highest:g}")
    raise RatingsError(
        f"{names}: the answers are on a scale {_words(ends[0])}, and {wanted[0]:g} to {wanted[1]:g} was said or "
        f"assumed. Say {', or '.join(ways)}; or rename that column if it means "
        "something else"
    )


def _outside(off: Bools) -> bool:
    """Say whether more answers lie off a scale than codes of what is missing."""
    return bool(off.mean() > MOST_OFF)


def _words(ends: tuple[float, float]) -> str:
    return f"to {ends[1]:g}" if ends[0] == -np.inf else f"{ends[0]:g} to {ends[1]:g}"


def _stated(table: pd.DataFrame, pattern: re.Pattern[str], rows: pd.Series[Any], there: Bools) -> tuple[str, Floats]:
    """Return the column of that name that holds a number beside each answer, and the numbers; else nothing."""
    for name in map(str, table.columns):
        if not pattern.fullmatch(re.sub(r"[\s_.-]+", "_", name.strip().lower())):
            continue
        cells = table[name].iloc[rows.to_numpy()[there]]
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
        if len(numbers) and np.isfinite(numbers).all():
            return name, numbers
    return "", np.empty(0)
