"""What the libraries that decode pictures (libpng, libjpeg, libtiff) print from C: caught, to be said of a picture.

They write to the process's standard error, which all threads share. Who hears something while several pictures are
decoded decodes his own once more, alone. What others write there meanwhile, such as a bar of progress, is passed on.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

STDERR = 2
Decoded = TypeVar("Decoded")
_SAID = re.compile(  # at the beginning of a line: what is told of a picture begins with its name
    rb"libpng |(?:\w+ ){0,3}JPEG (?:data|file|process)|TIFF|Inconsistent progression|Unknown Adobe"
    rb"|\[ *(?:WARN|ERROR|FATAL)"
)
_OPENCVS = re.compile(r"^\[ *\w+:\d+@[\d.]+\] global \S+ (?:\w+ )?")  # the time and the line of OpenCV's source


class Said(list[str]):
    """Lines of libraries, and whether they may be of a picture that another thread decoded."""

    mixed = False


class _Catcher:
    """Standard error led into a file while anything is decoded, by any thread."""

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._file = -1
        self._before = -1  # what standard error was
        self._decoding = 0
        self._mixed = False  # several have been decoding since nobody was
        self._alone = 0  # the thread that decodes alone, or is about to

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nothing is decoded, and let nobody else decode meanwhile."""
        with self._turn:
            self._turn.wait_for(lambda: not self._alone)
            self._alone = threading.get_ident()
            self._turn.wait_for(lambda: self._decoding == 0)
        try:
            yield
        finally:
            with self._turn:
                self._alone = 0
                self._turn.notify_all()

    def begin(self) -> int:
        """Lead standard error away, if it is not yet; return where what comes now begins."""
        with self._turn:
            self._turn.wait_for(lambda: self._alone in (0, threading.get_ident()))
            if self._file < 0:
                with tempfile.TemporaryFile() as file:
                    self._file = os.dup(file.fileno())
            if self._decoding == 0:
                self._before = os.dup(STDERR)
                os.dup2(self._file, STDERR)
            self._mixed = self._decoding > 0
            self._decoding += 1
            return os.fstat(self._file).st_size

    def end(self, start: int, said: Said) -> None:
        """Lead standard error back, if nothing else is decoded; add what was said since ``start``."""
        with self._turn:
            lines, said.mixed = self._lines(start), self._mixed
            self._decoding -= 1
            if self._decoding == 0:
                self._turn.notify_all()
                os.dup2(self._before, STDERR)
                os.close(self._before)
                self._pass_on()
        texts = (line.decode("utf-8", "replace").strip() for line in lines if _SAID.match(line))
        said += dict.fromkeys(_OPENCVS.sub("", text) for text in texts)

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
def listening() -> Iterator[Said]:
    """Catch what libraries print while the block decodes a picture; the list is filled when it ends."""
    said = Said()
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
        _CATCHER.end(start, said)


def heard(decode: Callable[[], Decoded]) -> tuple[Decoded, list[str]]:
    """Decode a picture; return what libraries said of it and of no other."""
    with listening() as said:
        decoded = decode()
    if said and said.mixed:
        with _CATCHER.alone(), listening() as said:
            decoded = decode()
    return decoded, said
