"""Column names with units behind them: ``Gaze point left X``, ``... (DACSmm)``, ``... [DACS px]``."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNIT = re.compile(r"(.*?)\s*[(\[]([^()\[\]]*)[)\]]")


def split_unit(name: str) -> tuple[str, str]:
    """Split a column's name from its unit: lower case without blanks, empty where there is none."""
    match = _UNIT.fullmatch(name.strip())
    if match is None:
        return name.strip(), ""
    return match[1], match[2].replace(" ", "").replace("µ", "u").replace("μ", "u").lower()


def _key(name: str, unit: str) -> tuple[str, str]:
    """Make two spellings of a name the same: capitals and blanks differ between versions of a program."""
    return " ".join(name.lower().split()), unit


class ColumnNames:
    """The columns of a table, found by name and unit."""

    def __init__(self, names: Iterable[str]) -> None:
        self._by_name = {_key(*split_unit(name)): name for name in names}

    def find(self, name: str, *units: str) -> str:
        """Return the whole name of the column in the first of these units that the table has; empty for none."""
        for unit in units or ("",):
            if _key(name, unit) in self._by_name:
                return self._by_name[_key(name, unit)]
        return ""

    def find_all(self, template: str, parts: Iterable[str], *units: str) -> list[str]:
        """Return the columns ``template.format(part)``, all in one unit; an empty list where one is absent."""
        parts = list(parts)
        for unit in units or ("",):
            names = [self.find(template.format(part), unit) for part in parts]
            if all(names):
                return names
        return []
