"""Excel workbooks (.xlsx) as tab-separated text, row by row: memory stays flat, however long the sheet."""

from __future__ import annotations

import contextlib
import html
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

_CELL = re.compile(
    rb'<c r="([A-Z]+)[0-9]+"(?: s="[0-9]+")?(?: t="([a-zA-Z]+)")?[^>]*>(?:<f[^>]*?(?:/>|>.*?</f>))?'
    rb"(?:<v>([^<]*)</v>|<is>(.*?)</is>)?",
    re.S,
)
_TEXT = re.compile(rb"<t(?: [^>]*)?>(.*?)</t>", re.S)
_FIRST_SHEET = re.compile(r'<sheet [^>]*?r:id="([^"]+)"')
_BLANKS = re.compile(r"[\t\r\n]+")
_BLOCK = 1 << 20


def is_workbook(path: str | Path) -> bool:
    """Tell whether a file is an Excel workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


class WorkbookText(io.RawIOBase):
    """The first sheet of a workbook as UTF-8 text, tab-separated, a line a row, for any reader of text tables."""

    def __init__(self, path: str | Path) -> None:
        self._lines = _lines(Path(path))
        self._rest = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the lines that come next."""
        try:
            if not self._rest:
                self._rest = next(self._lines, b"")
        except (zipfile.BadZipFile, zlib.error, KeyError) as error:
            raise OSError(f"the workbook is damaged: {error}") from error
        size = min(len(self._rest), len(buffer))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of the first sheet, many at a time."""
    with zipfile.ZipFile(path) as archive, contextlib.ExitStack() as stack:
        strings = _shared_strings(archive)
        sheet = stack.enter_context(archive.open(_sheet_name(archive)))
        width, positions = 0, dict[bytes, int]()
        for rows in _rows(sheet):
            lines = []
            for row in rows:
                cells = [b""] * width
                for column, kind, value, inline in _CELL.findall(row):
                    at = positions.get(column)
                    if at is None:
                        at = positions[column] = _position(column)
                    if at >= len(cells):
                        cells += [b""] * (at + 1 - len(cells))
                    if kind == b"s":
                        cells[at] = strings[int(value)] if value else b""
                    elif inline or kind == b"str":
                        cells[at] = _clean(b"".join(_TEXT.findall(inline)) if inline else value)
                    else:
                        cells[at] = value
                width = width or len(cells)
                lines.append(b"\t".join(cells))
            yield b"\n".join(lines) + b"\n" if lines else b""


def _rows(sheet: IO[bytes]) -> Iterator[list[bytes]]:
    """Part a sheet's XML into rows, a block at a time."""
    rest = b""
    while block := sheet.read(_BLOCK):
        *rows, rest = (rest + block).split(b"</row>")
        if rows:
            yield rows


def _position(column: bytes) -> int:
    number = 0
    for letter in column:
        number = 26 * number + letter - 64
    return number - 1


def _sheet_name(archive: zipfile.ZipFile) -> str:
    """Find the file of the first sheet."""
    first = _FIRST_SHEET.search(archive.read("xl/workbook.xml").decode("utf-8", "replace"))
    relations = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    for relation in re.findall(r"<Relationship [^>]*>", relations) if first else ():
        target = re.search(r'Target="([^"]+)"', relation)
        if f'Id="{first[1] if first else ""}"' in relation and target:
            return target[1].removeprefix("/") if target[1].startswith("/") else f"xl/{target[1]}"
    return "xl/worksheets/sheet1.xml"


def _shared_strings(archive: zipfile.ZipFile) -> list[bytes]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    strings, rest = [], b""
    with archive.open("xl/sharedStrings.xml") as file:
        while block := file.read(_BLOCK):
            *items, rest = (rest + block).split(b"</si>")
            strings += [_clean(b"".join(_TEXT.findall(item))) for item in items]
    return strings


def _clean(text: bytes) -> bytes:
    """Undo XML's escapes; what would end a cell becomes a blank."""
    if b"&" in text or b"\t" in text or b"\n" in text or b"\r" in text:
        return _BLANKS.sub(" ", html.unescape(text.decode("utf-8", "replace"))).encode()
    return text
