"""What a session file holds, compared with what was to be written: streams byte for byte, facts however nested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import OutputError
from gazekit.session.samples import Block


def compare_stream(path: Path, stream: str, blocks: Iterable[Block], n: int) -> None:
    """Compare a stream of a session file with the blocks of the journal, byte for byte.

    Raises
    ------
    OutputError
        A value is another, or there are more or fewer than ``n`` rows.
    """
    with h5py.File(path, "r") as file:
        group, start = file[stream], 0
        for block in blocks:
            stop = start + len(block)
            for name in block.dtype.names or ():
                stored = group[name][start:stop]
                if stored.tobytes() != np.ascontiguousarray(block[name]).tobytes():
                    raise OutputError(f"{path}: {name} of {stream} {start} to {stop - 1} is not what the journal holds")
            start = stop
        first = next(iter(group))
        if not start == n == len(group[first]):
            raise OutputError(
                f"{path} holds {counted(len(group[first]), 'row')} of {stream} where the journal has {start}"
            )


def alike(found: Any, written: Any) -> bool:
    """Compare facts of a session however they are nested; not-a-number is itself."""
    match written:
        case pd.DataFrame():
            return _equal(found, written)
        case np.ndarray():
            return _equal_columns(found, written)
        case Mapping():
            named = {str(name): value for name, value in written.items()}
            return found.keys() == named.keys() and all(alike(found[name], value) for name, value in named.items())
        case list() | tuple():
            return len(found) == len(written) and all(map(alike, found, written))
        case _ if is_dataclass(written):
            return alike(vars(found), vars(written))
    return bool(_key(found) == _key(written))


def _equal(table: pd.DataFrame, other: pd.DataFrame) -> bool:
    if list(table.columns) != list(other.columns) or len(table) != len(other):
        return False
    return all(_equal_columns(table[name].to_numpy(), other[name].to_numpy()) for name in table.columns)


def _equal_columns(values: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    if values.dtype == other.dtype and values.dtype.kind in "iufb":
        return bool(np.array_equal(values, other, equal_nan=values.dtype.kind == "f"))
    return list(map(_key, values)) == list(map(_key, other))


def _key(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
