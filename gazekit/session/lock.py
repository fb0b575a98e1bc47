"""A lock on a file that ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from gazekit.core.errors import OutputError

_WAIT_S = 10.0  # for another program that is writing
_FAR = 1 << 40  # on Windows a locked byte cannot be read: lock one that no journal has


def take_lock(file: IO[Any]) -> bool:
    """Lock an open file for this process; False where another process holds it.

    A file system that has no locks gives True: there is nothing to ask then.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            position = file.tell()
            os.lseek(file.fileno(), _FAR, os.SEEK_SET)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(file.fileno(), position, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def alone(path: Path, wait_s: float = _WAIT_S) -> Iterator[None]:
    """Keep other programs, and other threads of this one, from changing a file meanwhile (``.<name>.lock`` beside it).

    Who makes the file in hours is waited for with ``wait_s`` of infinity.

    Raises
    ------
    OutputError
        Its folder cannot be written, or another program keeps the file for longer than ``wait_s``.
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    with open(lock, "a+b") as file:
        start = time.monotonic()
        while not take_lock(file):
            waited = time.monotonic() - start
            if waited > wait_s:
                raise OutputError(f"another program has been writing {path} for {wait_s:g} s; try again")
            time.sleep(0.005 if waited < _WAIT_S else 0.5)
        yield
