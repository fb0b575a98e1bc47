"""A lock on a file that ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import sys
from typing import IO, Any

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
