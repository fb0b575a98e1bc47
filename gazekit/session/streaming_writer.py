"""A session file written as its samples come, in flat memory and on all cores.

Columns are gathered to whole chunks; threads shuffle and deflate them (zlib lets go of the interpreter), and one
thread hands the finished chunks to HDF5.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.checksum import SESSION, sealed_file
from gazekit.gaze import GazeRecording
from gazekit.session.model import Session
from gazekit.session.session_file import write_header, write_tables

CHUNK_ROWS = 1 << 15
_LEVEL = 1
_PENDING = 64  # chunks under way at most, so that memory stays flat
Values = npt.NDArray[Any]


class SessionWriter:
    """A session file that is being made; see `session_writer`."""

    def __init__(self, file: h5py.File, pool: ThreadPoolExecutor) -> None:
        self._file, self._pool = file, pool
        self._columns: dict[str, _Column] = {}
        self._pending: deque[tuple[_Column, int, Future[bytes]]] = deque()
        self.append(GazeRecording.empty())

    def append(self, recording: GazeRecording, streams: Mapping[str, pd.DataFrame] | None = None) -> None:
        """Append samples, and rows of streams whose columns are numbers."""
        columns = {"device_time_us": recording.device_time_us, "system_time_us": recording.system_time_us}
        for side in ("left", "right"):
            eye = getattr(recording, side)
            columns |= {f"{side}_{f.name}": getattr(eye, f.name) for f in fields(eye)}
        for name, values in columns.items():
            self._append(f"gaze/{name}", values)
        for stream, table in (streams or {}).items():
            for name in table.columns:
                self._append(f"{stream}/{name}", table[name].to_numpy())
            self._file[stream].attrs["columns"] = json.dumps(list(table.columns))

    def finish(self, session: Session) -> None:
        """Write all that the session holds besides its samples and the streams that were appended."""
        for column in self._columns.values():
            self._compress(column, column.rest())
        self._write(0)
        write_header(self._file, session)
        write_tables(self._file, session)

    def _append(self, name: str, values: Values) -> None:
        if name not in self._columns:
            self._columns[name] = _Column.create(self._file, name, values)
        column = self._columns[name]
        for chunk in column.add(values):
            self._compress(column, chunk)
        self._write(_PENDING)

    def _compress(self, column: _Column, chunk: Values) -> None:
        if len(chunk):
            self._pending.append((column, column.written, self._pool.submit(deflate, chunk)))
            column.written += len(chunk)

    def _write(self, most: int) -> None:
        """Hand finished chunks to HDF5 until at most so many are under way."""
        while len(self._pending) > most or (self._pending and self._pending[0][2].done()):
            column, start, future = self._pending.popleft()
            rows = min(CHUNK_ROWS, column.written - start)
            column.dataset.resize(max(len(column.dataset), start + rows), axis=0)
            offset = (start, *(0 for _ in column.dataset.shape[1:]))
            column.dataset.id.write_direct_chunk(offset, future.result())


class _Column:
    """One dataset that grows: rows that do not fill a chunk yet wait here."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dataset, self.written = dataset, 0
        self._waiting: list[Values] = []
        self._rows = 0

    @classmethod
    def create(cls, file: h5py.File, name: str, values: Values) -> _Column:
        dataset = file.create_dataset(
            name,
            shape=(0, *values.shape[1:]),
            maxshape=(None, *values.shape[1:]),
            chunks=(CHUNK_ROWS, *values.shape[1:]),
            dtype=values.dtype,
            compression="gzip",
            compression_opts=_LEVEL,
            shuffle=values.dtype.itemsize > 1,
        )
        return cls(dataset)

    def add(self, values: Values) -> Iterator[Values]:
        """Take rows and yield the chunks that are full."""
        self._waiting.append(values)
        self._rows += len(values)
        if self._rows < CHUNK_ROWS:
            return
        rows = np.concatenate(self._waiting)
        whole = len(rows) - len(rows) % CHUNK_ROWS
        self._waiting, self._rows = [rows[whole:].copy()], len(rows) - whole
        for start in range(0, whole, CHUNK_ROWS):
            yield rows[start : start + CHUNK_ROWS]

    def rest(self) -> Values:
        """Return the rows that are left when no more come."""
        return np.concatenate(self._waiting)


def deflate(chunk: Values) -> bytes:
    """Return a chunk as HDF5 stores it after its filters shuffle and deflate; a short one is filled up with zeros.

    Shuffled gaze is runs and noise, in which no longer matches are found: zlib's run-length strategy takes half the
    time of its search and gives smaller files.
    """
    full = chunk
    if len(chunk) < CHUNK_ROWS:
        full = np.zeros((CHUNK_ROWS, *chunk.shape[1:]), dtype=chunk.dtype)
        full[: len(chunk)] = chunk
    data = np.ascontiguousarray(full).reshape(-1).view(np.uint8)
    if chunk.dtype.itemsize > 1:
        data = np.ascontiguousarray(data.reshape(-1, chunk.dtype.itemsize).T)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    return packer.compress(data.data) + packer.flush()


@contextlib.contextmanager
def session_writer(path: str | Path) -> Iterator[SessionWriter]:
    """Make a session file a part at a time; it appears when the block has ended well, and never over another.

    Raises
    ------
    OutputError
        The file exists already, or cannot be written.
    """
    with (
        sealed_file(path, seal=SESSION, overwrite=False) as file,
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
    ):
        yield SessionWriter(file, pool)
