"""Tobii Studio 3, data export as TSV (Tobii Studio user manual, "Data export").

``RecordingTimestamp`` in milliseconds, ``EyeTrackerTimestamp`` in microseconds, gaze in pixels of the screen
(``GazePointLeftX (ADCSpx)``), eyes in millimetres of the display area (``EyePosLeftX (ADCSmm)``, from its top left),
``ValidityLeft`` 0 (certain) to 4 (lost), of which 0 and 1 count as valid. Rows without a validity are events.
"""

from __future__ import annotations

from collections.abc import Iterator

from gazekit.formats.names import ColumnNames
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Head, TextTable
from gazekit.formats.tobii_rows import SIDES, RowLayout, read_rows

TITLE = "Tobii Studio 3 data export (TSV)"


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    names = ColumnNames(head.columns)
    gaze = any(names.find(f"GazePoint{side}X", "adcspx") for side in ("Left", "Right", ""))
    return bool(names.find("RecordingTimestamp")) and (gaze or bool(names.find("GazeEventType")))


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of every recording in the file, each with a draft of its own."""
    table = TextTable(head, strict=request.strict)
    yield from read_rows(head, request, table, _layout(ColumnNames(table.names)))


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
