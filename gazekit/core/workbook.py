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

from gazekit.core.errors import FormatError

_CELL = re.compile(
    rb'<c r="([A-Z]+)[0-9]+"(?: s="[0-9]+")?(?:[^>]*? t="([a-zA-Z]+)")?[^>]*>(?:<f[^>]*?(?:/>|>.*?</f>))?'
    rb"(?:<v>([^<]*)</v>|<is>(.*?)</is>)?",
    re.S,
)
_TEXT = re.compile(rb"<t(?: [^>]*)?>(.*?)</t>", re.S)
_PREFIX = re.compile(rb"<(\w+):(?:worksheet|sst)\b")
_BLANKS = re.compile(r"[\t\r\n]+")
_BLOCK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, KeyError, RuntimeError)
"""What zipfile raises where an archive is damaged; the last for a password, and a packing that there is not."""


def is_workbook(path: str | Path) -> bool:
    """Tell whether a file is an Excel workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (OSError, *_DAMAGE):
        return False


class WorkbookText(io.RawIOBase):
    """The table of a workbook as UTF-8 text, tab-separated, a line a row, for any reader of text tables.

    It is the first sheet that has three columns or more, and those after it that go on with the same header.
    """

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
        except _DAMAGE as error:
            raise OSError(f"the workbook is damaged: {str(error) or 'a part ends too soon'}") from error
        size = min(len(self._rest), len(buffer))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


@contextlib.contextmanager
def _told(path: str | Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise FormatError(f"{path}: the workbook is damaged: {str(error) or 'a part ends too soon'}") from error


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of the table, many at a time."""
    with zipfile.ZipFile(path) as archive, contextlib.ExitStack() as stack:
        strings, header = _shared_strings(archive), b""
        sheets = _chosen(archive, strings)
        for sheet in sheets:
            first = True
            for block in _sheet_lines(stack.enter_context(archive.open(sheet)), strings):
                start = 0
                if first and block:
                    first, start = False, 0 if not header else len(header) + 1
                    header = header or block.split(b"\n", 1)[0]
                yield block[start:]


def _chosen(archive: zipfile.ZipFile, strings: list[bytes]) -> list[str]:
    """List the sheets to read: the first that is a table, and those after it that go on with the same header."""
    names = _sheets(archive)
    heads = {}
    for name in names.values():
        with archive.open(name) as sheet:
            heads[name] = next(filter(None, _sheet_lines(sheet, strings)), b"").split(b"\n", 1)[0]
    table = next((name for name, head in heads.items() if head.count(b"\t") >= 2), next(iter(heads)))
    return [name for name, head in heads.items() if name == table or (heads[table] and head == heads[table])]


def sheets_of(path: str | Path) -> tuple[list[str], list[str]]:
    """Return the names of the sheets that are read of a workbook, and of those that are not."""
    with _told(path), zipfile.ZipFile(path) as archive:
        chosen = _chosen(archive, _shared_strings(archive))
        names = _sheets(archive)
    return [n for n, file in names.items() if file in chosen], [n for n, file in names.items() if file not in chosen]


def cells_of(path: str | Path) -> dict[str, list[list[str]]]:
    """Read the cells of every sheet of a small workbook, as text, by the sheet's name; a list a row."""
    cells: dict[str, list[list[str]]] = {}
    with _told(path), zipfile.ZipFile(path) as archive:
        strings = _shared_strings(archive)
        for name, file in _sheets(archive).items():
            with archive.open(file) as sheet:
                lines = b"".join(_sheet_lines(sheet, strings)).decode("utf-8", "replace").split("\n")
            cells[name] = [[cell.strip() for cell in line.split("\t")] for line in lines]
    return cells


def _sheet_lines(sheet: IO[bytes], strings: list[bytes]) -> Iterator[bytes]:
    """Yield the lines of a sheet, many at a time."""
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
    rest, prefix = b"", b""
    while block := sheet.read(_BLOCK):
        prefix = prefix or _prefix(block)
        *rows, rest = _without(rest + block, prefix).split(b"</row>")
        if rows:
            yield rows


def _prefix(block: bytes) -> bytes:
    """Return what some programs put before every name (``<x:row>``), or ``<`` where there is nothing."""
    match = _PREFIX.search(block)
    return match[1] + b":" if match else b"<"


def _without(text: bytes, prefix: bytes) -> bytes:
    return text if prefix == b"<" else text.replace(b"<" + prefix, b"<").replace(b"</" + prefix, b"</")


def _position(column: bytes) -> int:
    number = 0
    for letter in column:
        number = 26 * number + letter - 64
    return number - 1


def _sheets(archive: zipfile.ZipFile) -> dict[str, str]:
    """Find the file of each sheet, by its name, in their order."""
    book = archive.read("xl/workbook.xml").decode("utf-8", "replace")
    relations = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    targets = {}
    for relation in re.findall(r"<(?:\w+:)?Relationship [^>]*>", relations):
        identity, target = re.search(r'\bId="([^"]+)"', relation), re.search(r'Target="([^"]+)"', relation)
        if identity and target:
            place = target[1]
            targets[identity[1]] = place.removeprefix("/") if place.startswith("/") else f"xl/{place}"
    sheets = {}
    for sheet in re.findall(r"<(?:\w+:)?sheet [^>]*>", book):
        name, identity = re.search(r'name="([^"]*)"', sheet), re.search(r'r:id="([^"]+)"', sheet)
        if identity and targets.get(identity[1], "") in archive.namelist():
            sheets[html.unescape(name[1]) if name else identity[1]] = targets[identity[1]]
    return sheets or {"": "xl/worksheets/sheet1.xml"}


def _shared_strings(archive: zipfile.ZipFile) -> list[bytes]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    strings, rest, prefix = [], b"", b""
    with archive.open("xl/sharedStrings.xml") as file:
        while block := file.read(_BLOCK):
            prefix = prefix or _prefix(block)
            *items, rest = _without(rest + block, prefix).split(b"</si>")
            strings += [_clean(b"".join(_TEXT.findall(item))) for item in items]
    return strings


def _clean(text: bytes) -> bytes:
    """Undo XML's escapes; what would end a cell becomes a blank."""
    if b"&" in text or b"\t" in text or b"\n" in text or b"\r" in text:
        return _BLANKS.sub(" ", html.unescape(text.decode("utf-8", "replace"))).encode()
    return text
