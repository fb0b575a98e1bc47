"""Tables of SPSS (.sav): values with their labels, ids as the text that SPSS shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazekit.core.errors import FormatError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

_FILE = re.compile(r"[^\s/\\]+\.(?:jpe?g|png|bmp|gif|tiff?|webp)", re.IGNORECASE)


def numbers_and_ids(path: Path, is_id: Callable[[object], bool]) -> pd.DataFrame:
    """Read a table; columns of ids become text: the labels of their values, or with the zeros that SPSS shows."""
    table, about = _read(path)
    for name in filter(is_id, table.columns):
        table[name] = _labelled(table[name], name, about)
    return table


def read_spss(path: Path) -> pd.DataFrame:
    """Read a table with every cell as text; empty cells are empty strings.

    A column whose label names a picture file bears the label: names of variables cannot hold it. Words are taken for
    values only where no label is a number, so that a scale whose ends are labelled stays numbers.
    """
    table, about = _read(path)
    names = {}
    for name in table.columns:
        column, labels = table[name], about.variable_value_labels.get(name, {})
        if labels and not any(re.match(r"\s*\d", str(label)) for label in labels.values()):
            column = _labelled(column, name, about)
        table[name] = [_text(value) for value in column]
        label = str(about.column_names_to_labels.get(name) or "")
        names[name] = label if _FILE.search(label) else str(name)
    twice = [name for name in names if list(names.values()).count(names[name]) > 1]
    return table.rename(columns=names | {name: name for name in twice})


def _read(path: Path) -> tuple[pd.DataFrame, Any]:
    try:
        import pyreadstat
    except ImportError:
        raise MissingExtraError("pyreadstat", "files") from None
    try:
        table, about = pyreadstat.read_sav(str(path))
    except pyreadstat.ReadstatError as error:
        raise FormatError(f"{path} is no table of SPSS that can be read: {error}") from None
    return table, about


def _labelled(column: pd.Series, name: str, about: Any) -> pd.Series:
    """Give values their labels where all have one, or the zeros of SPSS's format N."""
    labels = about.variable_value_labels.get(name, {})
    if labels and column.dropna().isin(labels).all():
        return column.map(labels)
    width = re.fullmatch(r"N(\d+)", str(about.original_variable_types.get(name, "")))
    if width is None:
        return column
    return column.map(lambda value: f"{int(value):0{width[1]}d}" if value == value else value)


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return f"{value:.15g}" if isinstance(value, float) else str(value).strip()
