"""Tobii Pro Lab, data export as one TSV file (Tobii Pro Lab user manual, "Data export": standard file).

Old headers name the unit in round brackets or not at all (``Gaze point left X``, ``Eye position left Z (DACSmm)``), new
ones in square brackets (``Gaze point left X [DACS px]``). The display area coordinate system (DACS) starts at the top
left of the screen, y down, z toward the user. Rows of the sensor ``Eye Tracker`` are samples; rows without a sensor are
events; other sensors (mouse, gyroscope, ...) are passed over, and so are the samples that show the calibration.

``Recording timestamp`` stands for the system clock, ``Eyetracker timestamp`` for the device clock. Where the header
does not say the unit of the former, steps of 100 and more are microseconds, smaller ones milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator

from gazekit.formats.names import ColumnNames, split_unit
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Head, TextTable
from gazekit.formats.tobii_rows import SIDES, RowLayout, read_rows

TITLE = "Tobii Pro Lab data export (TSV), old and new headers"
_PX = ("dacspx", "")
_SCENE = "pixels of the glasses' scene video from its top left, y downward; the video stands for the screen"


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    names = ColumnNames(head.columns)
    known = ("gaze point", "eye movement type", "validity", "pupil diameter")
    return bool(_time_column(names)) and any(name.lower().startswith(known) for name in head.columns)


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of every recording in the file, each with a draft of its own."""
    table = TextTable(head, strict=request.strict)
    yield from read_rows(head, request, table, _layout(ColumnNames(table.names)))


def _time_column(names: ColumnNames) -> str:
    return names.find("Recording timestamp", "us", "ms", "")


def _layout(names: ColumnNames) -> RowLayout:
    time, device = _time_column(names), names.find("Eyetracker timestamp", "us", "", "ms")
    size = names.find_all("Presented Media {}", ("width", "height"), "", "px", "dacspx")
    glasses = names.find_all("Gaze point {}", "XY", "mcspx")
    date = names.find("Recording date UTC") or names.find("Recording date")
    clock = names.find("Recording start time UTC") or names.find("Recording start time")
    return RowLayout(
        program="Tobii Pro Lab",
        time=time,
        time_unit=split_unit(time)[1],
        device=device,
        device_unit=split_unit(device)[1] or "us",
        sensor=names.find("Sensor"),
        others=[
            *names.find_all("Mouse position {}", "XY", "dacspx", "px", ""),
            *names.find_all("Gyro {}", "XYZ", "deg/second", "deg/s", ""),
            *names.find_all("Accelerometer {}", "XYZ", "m/s²", ""),
            *filter(None, [names.find("Galvanic skin response (GSR)", ""), names.find("Mouse position X", "mcspx")]),
        ],
        participant=names.find("Participant name"),
        recording=names.find("Recording name"),
        stimulus=names.find("Presented Stimulus name") or names.find("Presented Media name"),
        version=names.find("Recording software version"),
        started=(date, clock),
        events=((names.find("Event"), names.find("Event value")),),
        gaze={side: names.find_all(f"Gaze point {side} {{}}", "XY", *_PX) for side in SIDES},
        gaze_mm={side: names.find_all(f"Gaze point {side} {{}}", "XY", "dacsmm") for side in SIDES},
        mean_gaze=names.find_all("Gaze point {}", "XY", *_PX) or glasses,
        origin={side: names.find_all(f"Eye position {side} {{}}", "XYZ", "dacsmm") for side in SIDES},
        pupil={side: names.find(f"Pupil diameter {side}", "mm", "") for side in SIDES},
        openness={side: names.find(f"Eye openness {side}", "mm", "") for side in SIDES},
        validity={side: names.find(f"Validity {side}") for side in SIDES},
        movement=names.find("Eye movement type"),
        movement_index=[names.find("Eye movement type index")],
        fixation=names.find_all("Fixation point {}", "XY", *_PX),
        media=names.find_all("Presented Media position {}", "XY", "dacspx", "px", "") + size,
        original=names.find_all("Original Media {}", ("width", "height"), "", "px"),
        resolution=names.find_all("Recording resolution {}", ("width", "height"), "", "px")
        or names.find_all("Recording media {}", ("width", "height"), "px", ""),
        unit=_SCENE if glasses and not names.find("Gaze point X", *_PX) else RowLayout.unit,
        wanted="'Gaze point left X', 'Y' and 'Gaze point right X', 'Y' (DACS px)",
        shown=("ImageStimulus", "VideoStimulus", "WebStimulus", "TextStimulus", "Stimulus"),
        makers={
            of: {
                figure: names.find(f"Average {of} {name}", "degrees", "deg")
                for figure, name in (
                    ("accuracy_deg", "accuracy"),
                    ("std_deg", "precision SD"),
                    ("rms_s2s_deg", "precision RMS"),
                )
            }
            for of in ("calibration", "validation")
        },
        calibration="Eyetracker Calibration",
    )
