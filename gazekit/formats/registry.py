"""The formats that can be read: plug-ins of the entry-point group ``gazekit.formats``, gazekit's own among them.

A format is a module (or an object) with ``TITLE``, ``looks_like(head) -> bool`` and
``read(head, request, **options) -> Iterator[Part]``.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from gazekit.core.errors import FormatError, unknown_name
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Head

GROUP = "gazekit.formats"


class UnknownFormatError(FormatError):
    """A file or folder is of no known format."""


class Format(Protocol):
    """One layout of files of one program."""

    TITLE: str

    def looks_like(self, head: Head) -> bool:
        """Tell whether a file or folder has this layout."""
        ...

    def read(self, head: Head, request: Request, **options: Any) -> Iterator[Part]:
        """Read the samples in parts, while their drafts are filled."""
        ...


@functools.cache
def formats() -> dict[str, Format]:
    """Load every installed format, by name; a plug-in that cannot be loaded is left out with a warning."""
    loaded = {}
    for plugin in sorted(entry_points(group=GROUP), key=lambda plugin: plugin.name):
        try:
            loaded[plugin.name] = cast(Format, plugin.load())
        except Exception as error:  # whatever a stranger's module raises must not stop the others
            warnings.warn(f"the format {plugin.name} ({plugin.value}) cannot be loaded: {error}", stacklevel=2)
    return loaded


def named(name: str) -> Format:
    """Return the format of that name."""
    if name not in formats():
        raise unknown_name("format", name, formats())
    return formats()[name]


def detect(head: Head) -> str:
    """Find the name of the format that a file or folder has.

    Raises
    ------
    FormatError
        None, with what the file looks like and what is supported; or more than one.
    """
    names = fitting(head)
    if len(names) == 1:
        return names[0]
    if names:
        raise FormatError(f"{head.path} looks like {' and '.join(names)}; choose one with --format")
    raise UnknownFormatError(
        f"{head.path} is of no known format: it looks like {appearance(head)}. Supported:\n{supported()}"
    )


def fitting(head: Head) -> list[str]:
    """List the formats that a file or folder may have; a damaged file has none."""
    names = []
    for name, known in formats().items():
        with contextlib.suppress(Exception):  # libraries raise anything at bytes that make no sense
            if known.looks_like(head):
                names.append(name)
    return names


def supported() -> str:
    """List the formats that are supported, a line each."""
    return "\n".join(f"  {name:<13}{known.TITLE}" for name, known in formats().items())


def appearance(head: Head) -> str:
    """Describe what a file looks like."""
    if head.path.is_dir():
        names = ", ".join(sorted(head.names)[:8]) or "nothing"
        return f"a folder of {len(head.names)} files ({names})"
    for magic, what in _MAGIC.items():
        if head.start.startswith(magic):
            return what
    if head.text.lstrip()[:1] in ("{", "["):
        return f"JSON, beginning {' '.join(head.text[:200].split())[:60]!r}"
    if not head.text:
        return f"a binary file that begins with {head.start[:8].hex(' ')}"
    widths = {line.count(head.separator) for line in head.lines[:3]}
    if len(head.columns) < 2 or len(widths) > 1:
        return f"text that begins with {head.lines[0][:80]!r}" if head.lines else "text without a line"
    kind = {"\t": "tab-separated table", ";": "semicolon-separated table", ",": "comma-separated table"}[head.separator]
    names = ", ".join(head.columns[:12]) + (", ..." if len(head.columns) > 12 else "")
    header = head.lines[0].lower()
    kind = next((what for what, marks in _TABLES.items() if any(mark in header for mark in marks)), kind)
    hint = "" if head.path.suffix == ".toml" else "; a mapping file can describe such a table (--mapping)"
    return f"a {kind} with the columns {names}{hint}"


_TABLES = {  # tables that are no samples, by words in their header
    "table of fixations, which gazekit fixations, attention and aoi read,": (
        "current_fix_",
        "fixation x [px]",
        "fpogid",
    ),
    "table of metrics of areas or times of interest": (
        "total_duration_of",
        "time_to_first",
        "\ttoi",
        ",toi",
        "ia_dwell_time",
    ),
    "table of movements of the head": ("gyro x", "acceleration x", "quaternion w"),
    "table of blinks": ("blink id", "blink_id"),
    "table of saccades": ("saccade id",),
}
_MAGIC = {
    b"gazekit session file": "a session file of gazekit: there is nothing to import",
    b"\x89HDF": "an HDF5 file without the groups that are known",
    b"PK\x03\x04": "a ZIP archive: unpack it, or export text",
    b"\x1f\x8b": "a gzip archive: unpack it first",
    b"PAR1": "a Parquet file that no session was exported to",
    b"SQLite format 3": "an SQLite database",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"MATLAB 5.0": "a MATLAB file",
    b"%PDF": "a PDF",
}
