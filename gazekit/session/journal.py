"""The journal of a running session (``*.gaze.journal``): append-only, every record checksummed.

Eight bytes of magic, then records. A record is a head of 20 bytes (marker, sequence number, length of the
payload, kind, 0, CRC-32 of all of it but marker and checksum) and its payload. The first record is the header
(JSON). A block is the name of a numeric stream, a zero byte, and its rows as they lie in memory (little endian).
An event is JSON. A session that ended in order ends with a record of kind END.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import threading
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gazekit.core.errors import FormatError, InputError, OutputError
from gazekit.core.files import existing_file, sync_folder
from gazekit.session.events import Event, event_to_json
from gazekit.session.lock import take_lock
from gazekit.session.samples import NUMERIC, Block

SUFFIX = ".gaze.journal"
SCHEMA = "gazekit.journal/1"
MAGIC = b"GAZEKJ\r\n"
MARKER = b"\xa5gz\x1a"
HEADER, BLOCK, EVENT, END = 1, 2, 3, 4
LARGEST = 4 << 20  # bytes of a payload; a longer one can only be damage

SYNC_S = 0.05  # so often a running session's journal is synced to the disk, seconds
_BLOCK_BYTES = 1 << 16
_HEAD = struct.Struct("<4sIIHHI")
_CHECKED = struct.Struct("<IIHH")


class JournalWriter:
    """Appends records to a new journal. One thread writes; `sync` may be called from another.

    Raises
    ------
    OutputError
        The journal exists already, or its folder cannot be written.
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any]) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror or error}") from error
        try:
            self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115 (open for as long as the session runs)
        except FileExistsError:
            raise OutputError(
                f"{self.path} exists already: a session is running, or one was cut off. "
                f"Make its session file with: gazekit recover {self.path}"
            ) from None
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror or error}") from error
        take_lock(self._file)
        self._sequence = 0
        self._end = 0
        try:
            self._append(MAGIC)
            self.write(HEADER, json.dumps({"schema": SCHEMA, **header}, sort_keys=True).encode())
            self.sync()
            sync_folder(self.path.parent)  # the name of a new file is not on the disk before that
        except (OSError, ValueError) as error:  # ValueError: a plan that is longer than a record may be
            self._file.close()
            self.path.unlink(missing_ok=True)
            raise OutputError(f"{self.path} cannot be written: {getattr(error, 'strerror', error)}") from error

    def write(self, kind: int, payload: bytes) -> None:
        """Append a record; an `OSError` leaves the journal as it was before."""
        if len(payload) > LARGEST:
            raise ValueError(f"a record of {len(payload)} bytes; at most {LARGEST} fit")
        crc = zlib.crc32(payload, zlib.crc32(_CHECKED.pack(self._sequence, len(payload), kind, 0)))
        self._append(_HEAD.pack(MARKER, self._sequence, len(payload), kind, 0, crc) + payload)
        self._sequence += 1

    def block(self, stream: str, rows: Block) -> None:
        """Append rows of a numeric stream, in records of at most 64 kB: what fits on a disk is kept."""
        name = stream.encode() + b"\0"
        step = _BLOCK_BYTES // rows.dtype.itemsize
        for start in range(0, len(rows), step):
            self.write(BLOCK, name + rows[start : start + step].tobytes())

    def event(self, event: Event) -> None:
        """Append an event."""
        self.write(EVENT, json.dumps(event_to_json(event), sort_keys=True).encode())

    def end(self, summary: Mapping[str, Any]) -> None:
        """Append the record that says the session ended in order."""
        self.write(END, json.dumps(summary, sort_keys=True).encode())

    def sync(self) -> None:
        """Wait until what was written is on the disk."""
        if not self._file.closed:
            os.fsync(self._file.fileno())

    def keep_synced(self, stop: threading.Event) -> OSError | None:
        """Sync what was written every `SYNC_S` seconds, in a thread of its own, until it is stopped or fails."""
        synced: int | None = None
        while not stop.wait(SYNC_S):
            if synced != self._end:
                synced = self._end
                try:
                    self.sync()
                except OSError as error:
                    return error
        return None

    def close(self) -> None:
        """Sync and close."""
        if not self._file.closed:
            try:
                self.sync()
            finally:
                self._file.close()

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise
        self._end += len(data)


@dataclass(frozen=True)
class Record:
    """A record that passed its checksum."""

    sequence: int
    kind: int
    payload: bytes

    def json(self) -> dict[str, Any]:
        """Return the content of a header, an event or an end."""
        try:
            value = json.loads(self.payload)
        except ValueError as error:
            raise FormatError(f"record {self.sequence} of the journal is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise FormatError(f"record {self.sequence} of the journal should hold an object, found {value!r:.80}")
        return value

    def rows(self) -> tuple[str, Block]:
        """Return stream and rows of a block."""
        name, _, data = self.payload.partition(b"\0")
        stream = name.decode("ascii", "replace")
        dtype = NUMERIC.get(stream)
        if dtype is None or len(data) % dtype.itemsize:
            raise FormatError(f"record {self.sequence} of the journal holds {len(data)} bytes of stream {stream!r:.40}")
        return stream, np.frombuffer(data, dtype=dtype)


def read_header(path: str | Path) -> dict[str, Any]:
    """Read the header of a journal alone, also of a session that is running.

    Raises
    ------
    FormatError
        Not a journal, or its header is not whole (yet).
    InputError
        It cannot be read.
    """
    path = existing_file(path, "journal")
    try:
        with open(path, "rb") as file:
            begins, place = file.read(len(MAGIC)) == MAGIC, _record_at(file, len(MAGIC))
            file.seek(len(MAGIC) + _HEAD.size)
            payload = file.read(place[1]) if place else b""
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    if not begins or place is None:
        raise FormatError(f"{path} is not a journal of gazekit, or has lost its header")
    return Record(place[0], HEADER, payload).json()


@dataclass(frozen=True)
class Damage:
    """Bytes of a journal that are no whole record."""

    offset: int
    length: int
    at_end: bool


class Journal:
    """A journal, read. Damaged stretches are skipped and listed in `damage`; every record given is whole.

    Raises
    ------
    InputError
        No such file, an empty one, or one of a session that is still running.
    FormatError
        Not a journal, of another version, or without a header.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, "journal")
        try:
            with open(self.path, "rb") as file:
                free, magic = take_lock(file), file.read(len(MAGIC))
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}") from error
        if not free:
            raise InputError(f"{self.path} is being written: its session is still running. End it (Escape) first")
        if magic != MAGIC:
            raise FormatError(f"{self.path} is not a journal of gazekit: it does not begin as one")
        self.damage: list[Damage] = []
        self.missing_records = 0
        self._offsets, self._lengths = array("Q"), array("I")
        self._streams: dict[str, array[int]] = {}  # the records of each stream, by position in the two above
        self._others = array("I")
        self._scan()
        first = next(self.records(), None)
        if first is None or first.kind != HEADER:
            raise FormatError(f"{self.path} has lost its header (its first record is damaged); it cannot be recovered")
        try:
            self.header = first.json()
        except FormatError as error:
            raise FormatError(f"{self.path} is not a journal that this gazekit wrote: {error}") from error
        if self.header.get("schema") != SCHEMA:
            raise FormatError(f"{self.path} is of schema {self.header.get('schema')!r}; this gazekit reads {SCHEMA}")

    def records(self, stream: str | None = None) -> Iterator[Record]:
        """Yield all whole records in order, or the blocks of one stream; memory stays flat."""
        places = range(len(self._offsets)) if stream is None else self._streams.get(stream, array("I"))
        yield from self._read(places)

    def others(self) -> Iterator[Record]:
        """Yield all whole records but blocks of a stream that is known."""
        yield from self._read(self._others)

    def streams(self) -> list[str]:
        """Return the streams of which there are blocks, in alphabetical order."""
        return sorted(self._streams)

    def _read(self, places: Iterable[int]) -> Iterator[Record]:
        with open(self.path, "rb") as file:
            for place in places:
                file.seek(self._offsets[place])
                _, sequence, size, kind, _, _ = _HEAD.unpack(file.read(_HEAD.size))
                yield Record(sequence, kind, file.read(min(size, self._lengths[place])))

    def _scan(self) -> None:
        size, position, expected = self.path.stat().st_size, len(MAGIC), 0
        with open(self.path, "rb") as file:
            while position < size:
                place = _record_at(file, position)
                if place is None:
                    position = self._skip(file, position, size)
                    continue
                sequence, length, stream = place
                if sequence < expected:
                    raise FormatError(
                        f"{self.path}: record {sequence} comes after record {expected - 1}; this is not one journal"
                    )
                self.missing_records += sequence - expected
                expected = sequence + 1
                known = self._streams.setdefault(stream, array("I")) if stream in NUMERIC else self._others
                known.append(len(self._offsets))
                self._offsets.append(position)
                self._lengths.append(length)
                position += _HEAD.size + length

    def _skip(self, file: BinaryIO, start: int, size: int) -> int:
        """Return the start of the next whole record, or the end; what lies between is damage."""
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            position = data.find(MARKER, start + 1)
            while position != -1 and _record_at(file, position) is None:
                position = data.find(MARKER, position + len(MARKER))
        stop = size if position == -1 else position
        self.damage.append(Damage(start, stop - start, at_end=position == -1))
        return stop


def _record_at(file: BinaryIO, position: int) -> tuple[int, int, str] | None:
    """Return sequence number, length and stream of the record at a position; None where there is no whole one."""
    file.seek(position)
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    marker, sequence, length, kind, zero, crc = _HEAD.unpack(head)
    if marker != MARKER or length > LARGEST:
        return None
    payload = file.read(length)
    if len(payload) < length or zlib.crc32(payload, zlib.crc32(_CHECKED.pack(sequence, length, kind, zero))) != crc:
        return None
    stream = payload.partition(b"\0")[0].decode("ascii", "replace") if kind == BLOCK else ""
    return sequence, length, stream
