"""Sessions as plain tables, CSV or Parquet: a folder a session, with all that is no table in ``session.json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.errors import FormatError, unknown_name
from gazekit.core.files import whole_folder
from gazekit.formats.round_trip import (
    describe,
    numbers_text,
    read_document,
    read_frame,
    rebuild,
    recording_of,
    sample_kinds,
    samples_table,
    tables_of,
)
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.text import Head, TextTable
from gazekit.session.model import Session

TITLE = "session exported by gazekit as CSV or Parquet (a folder with session.json)"
DOCUMENT = "session.json"
KINDS = ("csv", "parquet")
Kind = Literal["csv", "parquet"]


def export_tables(session: Session, folder: str | Path, kind: Kind = "csv") -> Path:
    """Write a session as tables into a new folder: ``samples``, ``stimuli``, ``messages``, its streams, the rest.

    ``import_recording`` of the folder gives the same session back, to the last digit.

    Raises
    ------
    OutputError
        The folder exists, or cannot be written.
    InputError
        An unknown kind.
    """
    if kind not in KINDS:
        raise unknown_name("kind of table", str(kind), KINDS)
    with whole_folder(folder) as temporary:
        _write(samples_table(session.recording, session.screen), temporary / f"samples.{kind}")
        for name, table in tables_of(session).items():
            _write(table, temporary / f"{name}.{kind}")
        document = json.dumps({**describe(session), "kind": kind}, indent=1, allow_nan=False)
        (temporary / DOCUMENT).write_text(document + "\n", encoding="utf-8", newline="\n")
    return Path(folder)


def looks_like(head: Head) -> bool:
    """Tell whether a folder is such an export."""
    return DOCUMENT in head.names and any(f"samples.{kind}" in head.names for kind in KINDS)


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the session of a folder."""
    folder = head.path
    document = read_document(folder / DOCUMENT)
    kind = document.get("kind", "csv")
    missing = [f"{name}.{kind}" for name in document.get("tables", {}) if f"{name}.{kind}" not in head.names]
    if missing:
        raise FormatError(f"{folder} lacks {', '.join(missing)}")
    tables = {name: _read(folder / f"{name}.{kind}", kinds) for name, kinds in document.get("tables", {}).items()}
    columns = _csv_columns(folder) if kind == "csv" else _parquet_columns(folder)
    session = rebuild(document, recording_of(columns), tables)
    draft = Draft.of(session, request)
    draft.inputs = sorted(folder / name for name in head.names)
    yield Part(draft, session.recording)


def _write(table: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    elif all(dtype.kind in "iuf" for dtype in table.dtypes):
        with open(path, "wb") as file:
            for start in range(0, max(len(table), 1), 1 << 16):
                rows = table.iloc[start : start + (1 << 16)]
                file.write(numbers_text(rows, separator=",", missing="", header=start == 0))
    else:
        table.to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def _read(path: Path, kinds: dict[str, str]) -> pd.DataFrame:
    if path.suffix != ".parquet":
        return read_frame(path, kinds)
    table = pd.read_parquet(path)
    return table.astype({name: "object" if kind == "str" else kind for name, kind in kinds.items()})[list(kinds)]


def _csv_columns(folder: Path) -> dict[str, npt.NDArray[np.generic]]:
    table = TextTable(Head.of(folder / "samples.csv"), strict=True)
    kinds = sample_kinds()
    _check(table.names, folder)
    if len(table.head.lines) == 1:
        return {name: np.empty(0, np.int64 if kind == "integer" else np.float64) for name, kind in kinds.items()}
    batches = list(table.batches(kinds))
    return {
        name: np.concatenate([b.integers(name) if kind == "integer" else b.numbers(name) for b in batches])
        for name, kind in kinds.items()
    }


def _parquet_columns(folder: Path) -> dict[str, npt.NDArray[np.generic]]:
    table = pd.read_parquet(folder / "samples.parquet")
    _check(table.columns, folder)
    return {name: table[name].to_numpy() for name in sample_kinds()}


def _check(names: object, folder: Path) -> None:
    missing = [name for name in sample_kinds() if name not in list(names)]  # type: ignore[call-overload]
    if missing:
        raise FormatError(f"the samples of {folder} lack the columns {', '.join(missing)}")
