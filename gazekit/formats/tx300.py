"""Tobii TX300, raw samples as its SDK (2.x and 3.x) delivered them, one tab-separated file a trial.

``Time`` in whole microseconds; per eye (``L``, ``R``) ``GazePos2d`` on the display area, ``EyePos3d`` and
``GazePos3d`` in millimetres in the tracker's user coordinates, ``PupilDm`` in mm and ``Validity`` from 0 (certainly
this eye) to 4 (lost); Tobii's SDK developer guide advises to use 0 and 1. -1 and (0, 0, 0) stand for missing.
"""

from __future__ import annotations

from collections.abc import Iterator

from gazekit.formats.columns import diameter, eye, point, recording, vector, whole_us
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Batch, Head, TextTable
from gazekit.gaze import Eye
from gazekit.session.model import TrackerInfo

TITLE = "Tobii TX300 raw samples of the SDK (TSV)"
_TYPES = {
    "Time": "number",
    **{
        f"{side}{name}": "number"
        for side in "LR"
        for name in (
            *("GazePos2dx", "GazePos2dy", "GazePos3dx", "GazePos3dy", "GazePos3dz"),
            *("EyePos3dx", "EyePos3dy", "EyePos3dz", "PupilDm", "Validity"),
        )
    },
}


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    return head.has("Time", "LGazePos2dx", "RGazePos2dx", "LValidity", "RValidity")


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of one trial; the screen must be given."""
    table = TextTable(head, strict=request.strict)
    draft = request.draft(head, tracker=TrackerInfo(kind="tobii", model="Tobii TX300", rate_hz=300.0))
    draft.account.know("time", "us", "format")
    draft.account.know("gaze", "shares of the screen from its top left, y downward", "format")
    for batch in table.batches(_TYPES):
        yield Part(draft, recording(whole_us(batch.numbers("Time"), "us"), _eye(batch, "L"), _eye(batch, "R")))
    table.describe(draft.account)
    draft.notes += table.notes()


def _eye(batch: Batch, side: str) -> Eye:
    validity = batch.numbers(f"{side}Validity")
    return eye(
        point(*(batch.numbers(f"{side}GazePos2d{axis}") for axis in "xy"), missing=[(-1.0, -1.0)]),
        valid=validity < 2,
        pupil_mm=diameter(batch.numbers(f"{side}PupilDm")),
        origin_mm=vector(*(batch.numbers(f"{side}EyePos3d{axis}") for axis in "xyz"), missing=[0.0]),
        gaze_mm=vector(*(batch.numbers(f"{side}GazePos3d{axis}") for axis in "xyz"), missing=[0.0]),
    )
