"""How the C library hands out memory, for processes that need the same large blocks again and again."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of mallopt(3)


def keep_memory() -> bool:
    """Let glibc keep freed memory for the next batch in place of giving it back; true where that is possible.

    Threads share one arena, if none has had to make another before (call this early): of the others the kernel is given
    back what a batch frees, and fills every page anew. It concerns the whole process, and is undone by its end.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(_TRIM_THRESHOLD, 2**31 - 1), mallopt(_MMAP_MAX, 0), mallopt(_ARENA_MAX, 1)])
