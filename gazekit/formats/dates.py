"""Dates in a column of text: whether days or months come first, and their microseconds."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from gazekit.core.errors import FormatError
from gazekit.core.types import Index
from gazekit.formats.account import Fact

_NUMERIC_DATE = re.compile(r"\s*(\d{1,2})([./-])(\d{1,2})\2(?:\d{4}|\d{2})\b")
_DAY_FIRST, _MONTH_FIRST = "day, month, year", "month, day, year"


def date_order(words: Sequence[str]) -> Fact | None:
    """Tell whether days or months come first in dates such as 3.11.2026; None where nothing is to be told.

    Between dots days come first. Between other signs a number above 12 tells; where none is, months are taken for
    first, which is a guess.

    Raises
    ------
    FormatError
        In some dates days come first and in others months.
    """
    dates = [match for word in words if (match := _NUMERIC_DATE.match(word))]
    if all(match[1] == match[3] for match in dates):
        return None
    days, months = (next((m for m in dates if int(m[place]) > 12), None) for place in (1, 3))
    if days and months:
        raise FormatError(
            f"days come first in some dates ({days[0].strip()}) and months in others ({months[0].strip()}): write all "
            "of them as 2026-11-28"
        )
    if days or (not months and dates[0][2] == "."):
        return Fact("dates", _DAY_FIRST, "file" if days else "format")
    unsaid = f", such as {dates[0][0].strip()}, for no number above 12 tells; else write them as 2026-11-28"
    return Fact("dates", _MONTH_FIRST if months else _MONTH_FIRST + unsaid, "file" if months else "guess")


def order_so_far(before: Fact | None, now: Fact | None) -> Fact | None:
    """Return how the dates of a table are written, of which a further part says ``now``.

    Raises
    ------
    FormatError
        The further part says otherwise.
    """
    if before is None or now is None or now.source == "guess":
        return before or now
    if (before.value == _DAY_FIRST) != (now.value == _DAY_FIRST):
        raise FormatError(
            f"further down the dates are written as {now.value}; those above were taken for {before.value}: write all "
            "of them as 2026-11-28"
        )
    return before


def dates_us(words: Sequence[str], column: str, order: Fact | None = None) -> Index:
    """Turn dates or times of day into microseconds since 1970, days or months first as said, or `date_order` tells.

    Raises
    ------
    FormatError
        One of them is neither.
    """
    order = order or date_order(words)
    day_first = order is not None and order.value == _DAY_FIRST
    try:
        dates = pd.to_datetime(pd.Series(list(words), dtype=object), format="mixed", utc=True, dayfirst=day_first)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"the column {column} is no date or time of day: {error}") from None
    return np.asarray((dates - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(microseconds=1), dtype=np.int64)
