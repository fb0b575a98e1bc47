"""Names that are one but for how they are written."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def written_alike(names: Iterable[object]) -> list[list[str]]:
    """Return the names that differ in nothing but capitals, blanks and Unicode forms, in groups.

    Parameters
    ----------
    names : iterable
        Of people or pictures; each may come several times.

    Examples
    --------
    >>> written_alike(["P01", "p01 ", "P02", "P01"])
    [['P01', 'p01 ']]
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(set(map(str, names))):
        groups.setdefault("".join(unicodedata.normalize("NFC", name).split()).casefold(), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
