"""Tobii Studio, data export as TSV (Tobii Studio user manuals 1.x to 3.x, "Data export").

``RecordingTimestamp`` in milliseconds, ``EyeTrackerTimestamp`` in microseconds, gaze in pixels of the screen
(``GazePointLeftX (ADCSpx)``), eyes in millimetres of the display area (``EyePosLeftX (ADCSmm)``, from its top left),
``ValidityLeft`` 0 (certain) to 4 (lost), of which 0 and 1 count as valid. Rows without a validity are events.

Studio 1 and 2 name the columns otherwise: ``Timestamp`` in milliseconds,
``GazePointXLeft`` in pixels of the screen, the picture in ``StimuliName`` or ``MediaName``; lines such as
``Recording resolution:`` may stand above the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gazekit.core.errors import FormatError
from gazekit.formats.names import ColumnNames
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Head, TextTable, split_line
from gazekit.formats.tobii_rows import SIDES, RowLayout, read_rows

TITLE = "Tobii Studio 1, 2 and 3 data export (TSV)"
_ABOVE = {
    "participant": "participant",
    "recording": "recording name",
    "resolution": "recording resolution",
    "unit": "coordinate unit",
}
_LINES_ABOVE = 200


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    names = ColumnNames(head.columns)
    gaze = any(names.find(f"GazePoint{side}X", "adcspx") for side in ("Left", "Right", ""))
    modern = bool(names.find("RecordingTimestamp")) and (gaze or bool(names.find("GazeEventType")))
    return modern or _classic_header(head) is not None


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of every recording in the file, each with a draft of its own."""
    skip = _classic_header(head)
    if skip is None:
        table = TextTable(head, strict=request.strict)
        layout = _layout(ColumnNames(table.names))
    else:
        table = TextTable(head, skip, separator=_separator(head.lines[skip]), strict=request.strict)
        layout = _classic(ColumnNames(table.names), _facts(head, skip))
    yield from read_rows(head, request, table, layout)


def _separator(line: str) -> str:
    return max("\t;,", key=line.count)


def _classic_header(head: Head) -> int | None:
    """Find the line with the columns of Studio 1 and 2; None where there is none."""
    for number, line in enumerate(head.lines[:_LINES_ABOVE]):
        if "GazePointXLeft" in line or "GazePointXRight" in line:
            columns = split_line(line, _separator(line))
            return number if "Timestamp" in columns else None
    return None


def _facts(head: Head, skip: int) -> dict[str, str]:
    """Read the lines above the table, such as ``Recording name:<tab>Rec 01``."""
    pairs = [line.partition(":") for line in head.lines[:skip]]
    lines = {name.strip().lower(): value.strip(' \t;,"') for name, _, value in pairs}
    facts = {key: lines[name] for key, name in _ABOVE.items() if lines.get(name)}
    started = " ".join(filter(None, (lines.get("recording date"), lines.get("recording time"))))
    if not facts.get("unit", "pixels").lower().startswith("pixel"):
        raise FormatError(
            f"{head.path}: its gaze is in {facts['unit']}, and pixels are read; export again with pixels, or give a "
            f"mapping (--mapping)"
        )
    return facts | ({"started": started} if started else {})


def _classic(names: ColumnNames, above: Mapping[str, str]) -> RowLayout:
    sides = {side: side.capitalize() for side in SIDES}
    size = [names.find("MediaWidth"), names.find("MediaHeight")]
    event = names.find("Event")
    return RowLayout(
        program="Tobii Studio",
        time=names.find("Timestamp"),
        time_unit="ms",
        device=names.find("MicroSecondTimestamp"),
        participant=names.find("ParticipantName") or names.find("Participant"),
        recording=names.find("RecordingName"),
        stimulus=names.find("StimuliName") or names.find("MediaName"),
        events=((event, names.find("Descriptor")),) if event else (),
        gaze={side: names.find_all(f"GazePoint{{}}{name}", "XY") for side, name in sides.items()},
        pupil={side: names.find(f"Pupil{name}") for side, name in sides.items()},
        validity={side: names.find(f"Validity{name}") for side, name in sides.items()},
        media=names.find_all("MediaPos{}", "XY") + (size if all(size) else []),
        above=above,
    )


def _layout(names: ColumnNames) -> RowLayout:
    sides = {side: side.capitalize() for side in SIDES}
    what = (
        ("StudioEvent", "StudioEventData"),
        ("KeyPressEvent", ""),
        ("MouseEvent", ""),
        ("ExternalEvent", "ExternalEventValue"),
    )
    size = [names.find("MediaWidth"), names.find("MediaHeight")]
    resolution = names.find("RecordingResolution")
    return RowLayout(
        program="Tobii Studio",
        time=names.find("RecordingTimestamp"),
        time_unit="ms",
        device=names.find("EyeTrackerTimestamp"),
        others=names.find_all("MouseEvent{}", "XY", "adcspx"),
        participant=names.find("ParticipantName"),
        recording=names.find("RecordingName"),
        stimulus=names.find("MediaName"),
        version=names.find("StudioVersionRec"),
        started=(names.find("RecordingDate"),),
        events=tuple((names.find(event), names.find(value)) for event, value in what if names.find(event)),
        gaze={side: names.find_all(f"GazePoint{name}{{}}", "XY", "adcspx") for side, name in sides.items()},
        gaze_mm={side: names.find_all(f"GazePoint{name}{{}}", "XY", "adcsmm") for side, name in sides.items()},
        mean_gaze=names.find_all("GazePoint{}", "XY", "adcspx"),
        origin={side: names.find_all(f"EyePos{name}{{}}", "XYZ", "adcsmm") for side, name in sides.items()},
        pupil={side: names.find(f"Pupil{name}") for side, name in sides.items()},
        validity={side: names.find(f"Validity{name}") for side, name in sides.items()},
        movement=names.find("GazeEventType"),
        movement_index=[names.find("FixationIndex"), names.find("SaccadeIndex")],
        media=names.find_all("MediaPos{}", "XY", "adcspx") + (size if all(size) else []),
        resolution=[resolution] if resolution else [],
        wanted="'GazePointLeftX (ADCSpx)', 'GazePointLeftY', 'GazePointRightX', 'GazePointRightY'",
        shown=("Image", "Movie", "Web", "URL", "Pdf"),
    )
