"""Files that say whether they are whole: an HDF5 file whose user block holds the SHA-256 of all that follows.

HDF5 readers skip the first 512 bytes (the user block), so a sealed file is an ordinary HDF5 file to any tool. A
flipped bit anywhere is found before the HDF5 library meets it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from gazekit.core.errors import FormatError
from gazekit.core.files import existing_file, whole_file

BLOCK = 512


@dataclass(frozen=True)
class Seal:
    """How the files of one kind begin, and what to do with a file that was altered."""

    kind: str
    mark: bytes
    remedy: str
    guarded: bool  # against a full disk; HDF5 lays the same content out in other bytes then

    def block(self, digest: str) -> bytes:
        """Return the user block of a file whose content has this digest."""
        return (self.mark + digest.encode() + b"\n").ljust(BLOCK, b"\0")


DATASET = Seal(
    "dataset",
    b"gazekit dataset, SHA-256 of the bytes after this block: ",
    "build it again, or take it from a good copy",
    guarded=False,
)
SESSION = Seal(
    "session file",
    b"gazekit session file, sha256 ",
    "take the copy from your backup, or recover it from the journal if that was kept",
    guarded=True,
)


class _Disk(io.RawIOBase):
    """A file under the HDF5 library that never fails: the library crashes where a disk is full (seen with 1.14).

    The first error is kept and later writes are dropped; `check` raises it.
    """

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self._failure: OSError | None = None

    def check(self) -> None:
        """Raise the error that was kept."""
        if self._failure is not None:
            raise self._failure

    def write(self, data: Any) -> int:
        """Write all, or keep the error."""
        view = memoryview(data)
        try:
            while view and self._failure is None:
                view = view[self._raw.write(view) :]
        except OSError as error:
            self._failure = error
        return memoryview(data).nbytes

    def readinto(self, buffer: Any) -> int:
        """Read; zeros where nothing could be written."""
        count = self._raw.readinto(buffer)
        memoryview(buffer)[count:] = bytes(memoryview(buffer).nbytes - count)
        return memoryview(buffer).nbytes

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        """Return the place where it is."""
        return self._raw.tell()

    def truncate(self, size: int | None = None) -> int:
        """Set the length, or keep the error."""
        try:
            return self._raw.truncate(size)
        except OSError as error:
            self._failure = self._failure or error
            return size or 0

    def flush(self) -> None:
        """Do nothing: nothing is buffered here."""


@contextlib.contextmanager
def sealed_file(
    target: str | Path,
    check: Callable[[Path], None] | None = None,
    *,
    seal: Seal = DATASET,
    overwrite: bool = True,
) -> Iterator[h5py.File]:
    """Write an HDF5 file beside its target, seal it, check it, and rename it into place.

    Parameters
    ----------
    target : str or Path
        The file; it appears when the block has ended well.
    check : callable, optional
        Is given the closed and sealed temporary file and raises if its content is not right.
    seal : Seal
        The kind of file.
    overwrite : bool
        Whether an existing file is replaced.

    Yields
    ------
    h5py.File
        The file, open for writing.

    Raises
    ------
    OutputError
        The file exists and ``overwrite`` is false, or it cannot be written (a full disk).
    """
    with whole_file(target, overwrite=overwrite) as temporary:
        with open(temporary, "w+b", buffering=0) as raw:
            disk = _Disk(raw)
            with h5py.File(disk if seal.guarded else temporary, "w", userblock_size=BLOCK) as file:
                yield file
                disk.check()
            disk.check()
        digest = _digest(temporary)
        with open(temporary, "rb+") as sealed:
            sealed.write(seal.block(digest))
        if check is not None:
            check(temporary)


def read_seal(path: str | Path, seal: Seal = DATASET) -> str:
    """Return the digest that a file's seal states, without reading the rest.

    Raises
    ------
    InputError, FormatError
        No such file; an empty one; not a sealed file of this kind.
    """
    path = existing_file(path, seal.kind)
    with open(path, "rb") as raw:
        block = raw.read(BLOCK)
    digest = block[len(seal.mark) : len(seal.mark) + 64]
    if block != seal.block(digest.decode("ascii", "replace")):
        raise FormatError(
            f"{path} is not a {seal.kind} that gazekit wrote, or its first {BLOCK} bytes have been altered"
        )
    return digest.decode()


def check_seal(path: str | Path, seal: Seal = DATASET) -> str:
    """Read the whole file and compare it with its seal.

    Returns
    -------
    str
        The digest.

    Raises
    ------
    InputError, FormatError
        As `read_seal`, and where a byte has been altered or is missing.
    """
    stated, actual = read_seal(path, seal), _digest(path)
    if stated != actual:
        raise FormatError(
            f"{path} has been altered or cut off since it was written: the SHA-256 of its content is "
            f"{actual[:16]}..., its seal says {stated[:16]}...; {seal.remedy}"
        )
    return actual


def _digest(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as raw:
        raw.seek(BLOCK)
        while block := raw.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
