"""Files that say whether they are whole: an HDF5 file whose user block holds the SHA-256 of all that follows.

HDF5 readers skip the first 512 bytes (the user block), so a sealed file is an ordinary HDF5 file to any tool.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py

from gazekit.core.errors import FormatError
from gazekit.core.files import existing_file, whole_file

BLOCK = 512
_MARK = b"gazekit dataset, SHA-256 of the bytes after this block: "


@contextlib.contextmanager
def sealed_file(target: str | Path, check: Callable[[Path], None] | None = None) -> Iterator[h5py.File]:
    """Write an HDF5 file beside its target, seal it, check it, and rename it into place.

    ``check`` is given the closed and sealed temporary file and raises if its content is not right.
    """
    with whole_file(target) as temporary:
        with h5py.File(temporary, "w", userblock_size=BLOCK) as file:
            yield file
        digest = _digest(temporary)
        with open(temporary, "rb+") as raw:
            raw.write(_block(digest))
        if check is not None:
            check(temporary)


def read_seal(path: str | Path) -> str:
    """The digest that a file's seal states, without reading the rest.

    Raises
    ------
    InputError, FormatError : no such file; an empty one; not a sealed file.
    """
    path = existing_file(path, "dataset")
    with open(path, "rb") as raw:
        block = raw.read(BLOCK)
    digest = block[len(_MARK) : len(_MARK) + 64]
    if block != _block(digest.decode("ascii", "replace")):
        raise FormatError(f"{path} is not a dataset that gazekit wrote, or its first {BLOCK} bytes have been altered")
    return digest.decode()


def check_seal(path: str | Path) -> str:
    """Read the whole file and compare it with its seal; gives the digest.

    Raises
    ------
    InputError, FormatError : as `read_seal`, and where a byte has been altered or is missing.
    """
    stated, found = read_seal(path), _digest(path)
    if stated != found:
        raise FormatError(
            f"{path} has been altered or cut off since it was written: the SHA-256 of its content is {found[:16]}..., "
            f"its seal says {stated[:16]}...; build it again, or take it from a good copy"
        )
    return found


def _block(digest: str) -> bytes:
    return (_MARK + digest.encode() + b"\n").ljust(BLOCK, b"\0")


def _digest(path: str | Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as raw:
        raw.seek(BLOCK)
        while block := raw.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
