"""The formats that can be read: plug-ins of the entry-point group ``gazekit.formats``, gazekit's own among them.

A format is a module (or an object) with ``TITLE``, ``looks_like(head) -> bool`` and
``read(head, request, **options) -> Iterator[Part]``.
"""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, Protocol, cast

from gazekit.core.counting import counted
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
    from gazekit.formats.metrics import is_metrics, is_report

    if head.path.is_dir():
        names = ", ".join(sorted(head.names)[:8]) or "nothing"
        return f"a folder of {counted(len(head.names), 'file')} ({names})"
    for magic, what in _MAGIC.items():
        if head.start.startswith(magic):
            return what
    if head.text.lstrip()[:1] in ("{", "["):
        what = next((what for what, marks in _JSON.items() if any(f'"{mark}"' in head.text for mark in marks)), "JSON")
        return f"{what}, beginning {' '.join(head.text[:200].split())[:60]!r}"
    if not head.text:
        return f"a binary file that begins with {head.start[:8].hex(' ')}"
    if is_report(head):
        return "a report of metrics with a measure a sheet, which gazekit measures reads"
    widths = {line.count(head.separator) for line in head.lines[:3]}
    if len(head.columns) < 2 or len(widths) > 1:
        hint = "; if a table stands in it, import --propose writes a mapping file for it" if len(head.lines) > 3 else ""
        return f"text that begins with {head.lines[0][:80]!r}{hint}" if head.lines else "text without a line"
    names = ", ".join(head.columns[:12]) + (", ..." if len(head.columns) > 12 else "")
    if kind := known_table(head):
        from gazekit.formats.fixation_tables import layout_of

        layout = layout_of(head.path)
        reads = f" ({layout.title}), which gazekit fixations, attention and aoi read," if layout else ""
        unnamed = layout is None and kind == "table of fixations"
        hint = "; gazekit attention and aoi read it with the names image, viewer, x, y, duration_ms" if unnamed else ""
        reads += ", which gazekit measures reads," if is_metrics(head) else ""
        return f"a {kind}{reads} with the columns {names}{hint}"
    kind = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "bar"}[head.separator] + "-separated table"
    hint = "; a mapping file can describe such a table (--mapping), and import --propose writes one"
    return f"a {kind} with the columns {names}{'' if head.path.suffix == '.toml' else hint}"


def known_table(head: Head) -> str:
    """Name the kind of a table that holds no samples; empty for another."""
    header = head.lines[0].lower() if head.lines else ""
    return next((what for what, marks in _TABLES.items() if any(mark in header for mark in marks)), "")


def may_be_gaze(head: Head) -> bool:
    """Tell whether a table that no format reads has names of a time or of places, as gaze has."""
    words = {
        word
        for name in head.columns
        for word in re.split(r"[^a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    }
    return len(head.columns) > 2 and not known_table(head) and bool(words & _GAZE_WORDS)


_GAZE_WORDS = {"time", "timestamp", "t", "ms", "us", "ns", "gaze", "x", "y", "eye", "por", "pupil", "stamp"}
_JSON = {  # by words in it
    "jsPsych's data without WebGazer's gaze (JSON; gazekit survey import reads ratings)": ("trial_type", "trial_index"),
    "the description of a recording of Pupil Labs (JSON)": ("wearer_id", "recording_id", "data_format_version"),
    "the description of a recording of Tobii glasses (JSON)": ("rec_info", "scenecamera", "ru_serial"),
    "a sidecar of BIDS (JSON)": ("SamplingFrequency", "BIDSVersion", "TaskName", "StimulusPresentation"),
    "an account or a document of gazekit (JSON)": ("gazekit",),
}
_TABLES = {  # tables that are no samples, by words in their header
    "table of fixations": (
        "current_fix_",
        "fixation x [px]",
        "fpogid",
        "norm_pos_x,norm_pos_y,dispersion",
        "fix_x",
        "fix_duration",
    ),
    "table of metrics of areas or times of interest": (
        "total_duration_of",
        "number_of_whole_fixations",
        "total fixation duration_",
        "fixation count_",
        "time_to_first",
        "\ttoi",
        ",toi",
        "ia_dwell_time",
    ),
    "table of movements of the head": ("gyro x", "acceleration x", "quaternion w"),
    "table of blinks": ("blink id", "blink_id"),
    "table of saccades": ("saccade id",),
    "table of the eyes' states": ("optical axis left x", "eyeball center left x", "eye ball center"),
    "table of the times of a video's frames": ("world_timestamps", "# frame identifier"),
    "table of messages": ("timestamp [ns],name,type", "index,timestamp,label,duration"),
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
    b"\xd0\xcf\x11\xe0": "an old workbook (.xls): save it as .xlsx, or as text",
    b"$FL2": "a table of SPSS: gazekit survey import reads ratings of it",
    b"$FL3": "a table of SPSS: gazekit survey import reads ratings of it",
}
