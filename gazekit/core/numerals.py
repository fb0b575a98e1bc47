"""How the numbers of a text table are written: which sign is the decimal one, and what parts thousands.

``2.460`` may be two and a half or two thousand. Other numbers tell: ``900,5`` leaves the point to thousands, as do
``1.234.567`` and ``2.460,5``; in ``12.5``, ``0.460`` and ``1234.567`` it is the decimal sign. Where none tells, the
sign is taken for the decimal one, and a column that does not look like decimals is doubted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

BLANKS = "'\u2019\u00a0\u2009\u202f "  # what may part thousands and is never a decimal sign
_OTHER = {".": ",", ",": "."}
_ONE_SIGN = re.compile(r"[-+]?(\d*)([.,])(\d+)([eE][-+]?\d+)?")
_PARTED = re.compile(rf"[-+]?\d{{1,3}}(?:[{BLANKS}]\d{{3}})+(?:([.,])\d+)?")
_ENOUGH = 5  # numbers of a column that show how it is written


class Numerals(NamedTuple):
    """The decimal sign of a column, and whether numbers tell it: then the other sign can only part thousands."""

    decimal: str = "."
    sure: bool = False

    @property
    def parting(self) -> str:
        """The signs that can part thousands."""
        return BLANKS + (_OTHER[self.decimal] if self.sure else "")

    def pattern(self) -> str:
        """Return the regular expression of a number whose thousands are parted."""
        return rf"^[-+]?\d{{1,3}}(?:[{self.parting}]\d{{3}})+(?:[{self.decimal}]\d+)?$"


def decimal_sign(word: str) -> tuple[str, bool]:
    """Find the decimal sign that a number shows, and whether it can be no other.

    Examples
    --------
    >>> [decimal_sign(word) for word in ("900,5", "2.460", "2.460,5", "1.234.567", "0.460", "12")]
    [(',', True), ('.', False), (',', True), (',', True), ('.', True), ('', False)]
    """
    word = word.strip()
    if parted := _PARTED.fullmatch(word):
        return parted[1] or "", bool(parted[1])
    if one := _ONE_SIGN.fullmatch(word):
        whole, sign, rest, power = one.groups()
        either = 1 <= len(whole) <= 3 and not whole.startswith("0") and len(rest) == 3 and not power
        return sign, not either
    for decimal, other in _OTHER.items():
        if re.fullmatch(rf"[-+]?\d{{1,3}}(?:[{other}]\d{{3}})+[{decimal}]\d+", word):
            return decimal, True
        if re.fullmatch(rf"[-+]?\d{{1,3}}(?:[{other}]\d{{3}}){{2,}}", word):
            return decimal, True
    return "", False


def numerals_of(columns: Mapping[str, Iterable[str]]) -> dict[str, Numerals]:
    """Find how the numbers of each column are written; a column that does not tell is written as those that do."""
    signs = {name: {decimal_sign(word) for word in words} for name, words in columns.items()}
    told = {name: {sign for sign, certain in found if certain} for name, found in signs.items()}
    everywhere = set().union(*told.values())
    perhaps = {sign for found in signs.values() for sign, _ in found if sign}
    rest = Numerals(",") if perhaps == {","} else Numerals()
    if len(everywhere) == 1:
        rest = Numerals(min(everywhere), sure=True)
    return {name: Numerals(min(own), sure=True) if len(own) == 1 else rest for name, own in told.items()}


def doubtful(columns: Mapping[str, Iterable[str]], numerals: Mapping[str, Numerals]) -> list[str]:
    """Say which columns may have thousands whose sign was taken for the decimal one.

    These have whole numbers below 1,000 beside others with a sign and exactly three digits behind it, a zero the last
    of some: who writes ``1.500`` for one and a half writes ``992.000`` too.
    """
    doubts = []
    for name, words in columns.items():
        if numerals[name].sure:
            continue
        signs = [(word.strip(), decimal_sign(word)[0]) for word in words]
        parted = [word for word, sign in signs if sign]
        whole = [word for word, sign in signs if not sign and re.fullmatch(r"[-+]?\d{1,3}", word)]
        if len(parted) >= _ENOUGH and whole and any(word.endswith("0") for word in parted):
            doubts.append(
                f"{name} has {whole[-1]} and {parted[0]}: the {_WORDS[numerals[name].decimal]} was taken for the "
                "decimal sign; where it parts thousands, write the numbers without it"
            )
    return doubts


def undecided(columns: Mapping[str, Iterable[str]], numerals: Mapping[str, Numerals]) -> dict[str, str]:
    """Find the columns each of whose numbers may have a decimal sign or parted thousands, and the first number."""
    found = {}
    for name, words in columns.items():
        numbers = [word.strip() for word in words if any(sign.isdigit() for sign in word)]
        if not numerals[name].sure and len(numbers) >= _ENOUGH and all(decimal_sign(word)[0] for word in numbers):
            found[name] = numbers[0]
    return found


def as_numbers(column: pd.Series, numerals: Numerals) -> pd.Series:
    """Turn the words of a column into numbers; NaN where one is none.

    Examples
    --------
    >>> import pandas as pd
    >>> as_numbers(pd.Series(["2.460", "900,5", "", "x"]), Numerals(",", sure=True)).tolist()
    [2460.0, 900.5, nan, nan]
    """
    import pandas as pd

    numbers = (
        pd.to_numeric(column, errors="coerce") if numerals.decimal == "." else pd.Series(float("nan"), column.index)
    )
    words = column[numbers.isna()].astype(str).str.strip()
    parted = words.str.fullmatch(numerals.pattern().strip("^$"))
    words = words.where(~parted, words.str.replace(f"[{numerals.parting}]", "", regex=True))
    if numerals.decimal == ",":
        words = words.where(~words.str.contains(".", regex=False), "").str.replace(",", ".")
    return numbers.fillna(pd.to_numeric(words, errors="coerce"))


_WORDS = {".": "point", ",": "comma"}
