"""What the libraries that decode pictures (libpng, libjpeg, libtiff) print from C: caught, to be said of a picture.

They write to the process's standard error, which all threads share: what came while several pictures were decoded is
said of all of them. What others write there meanwhile, such as a bar of progress, is passed on as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

STDERR = 2
_SAID = re.compile(rb"libpng |.*JPEG|.*TIFF|Inconsistent progression|Unknown Adobe|\[ *(?:WARN|ERROR|FATAL)")
_OPENCVS = re.compile(r"^\[ *\w+:\d+@[\d.]+\] global \S+ (?:\w+ )?")  # the time and the line of OpenCV's source


class _Catcher:
    """Standard error led into a file while anything is decoded, by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file = -1
        self._before = -1  # what standard error was
        self._decoding = 0

    def begin(self) -> int:
        """Lead standard error away, if it is not yet; return where what comes now begins."""
        with self._lock:
            if self._file < 0:
                with tempfile.TemporaryFile() as file:
                    self._file = os.dup(file.fileno())
            if self._decoding == 0:
                self._before = os.dup(STDERR)
                os.dup2(self._file, STDERR)
            self._decoding += 1
            return os.fstat(self._file).st_size

    def end(self, start: int) -> list[str]:
        """Lead standard error back, if nothing else is decoded; return what was said since ``start``."""
        with self._lock:
            lines = self._lines(start)
            self._decoding -= 1
            if self._decoding == 0:
                os.dup2(self._before, STDERR)
                os.close(self._before)
                self._pass_on()
        said = (line.decode("utf-8", "replace").strip() for line in lines if _SAID.match(line))
        return list(dict.fromkeys(_OPENCVS.sub("", line) for line in said))

    def _lines(self, start: int) -> list[bytes]:
        size = os.fstat(self._file).st_size
        return _read_at(self._file, start, size - start).splitlines(keepends=True) if size > start else []

    def _pass_on(self) -> None:
        if lines := self._lines(0):
            os.lseek(self._file, 0, os.SEEK_SET)
            os.ftruncate(self._file, 0)
            for line in lines:
                if not _SAID.match(line):
                    os.write(STDERR, line)


def _read_at(handle: int, start: int, size: int) -> bytes:
    """Read from a place; what another thread writes meanwhile goes on at the end."""
    if hasattr(os, "pread"):
        return os.pread(handle, size, start)
    os.lseek(handle, start, os.SEEK_SET)
    return os.read(handle, size)


_CATCHER = _Catcher()


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """Catch what libraries print while the block decodes a picture; the list is filled when it ends."""
    said: list[str] = []
    if sys.__stderr__ is None:  # closed: its number may be a file's by now
        yield said
        return
    try:
        start = _CATCHER.begin()
    except OSError:  # no room for a file: better a message without a name than no picture
        yield said
        return
    try:
        yield said
    finally:
        said += _CATCHER.end(start)
