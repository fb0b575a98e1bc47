"""E-Prime Extensions for Tobii, ``.gazedata``: tab-separated samples (E-Prime Extensions for Tobii user guide).

Gaze is in shares of the screen from its top left, -1 where there is none; ``Validity...Eye`` runs from 0 (certain) to
4 (lost). Time is ``TimestampSec`` and ``TimestampMicrosec``, or ``TETTime`` in milliseconds. ``CurrentObject`` names
what E-Prime shows, and columns such as ``Stimulus`` or ``UserDefined_1`` may name the picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gazekit.formats.columns import Onward, diameter, eye, point, recording, whole_us
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.stimuli import Showing
from gazekit.formats.text import Batch, Head, TextTable
from gazekit.gaze import Eye
from gazekit.session.model import TrackerInfo

TITLE = "E-Prime Extensions for Tobii (.gazedata)"
_SIDES = ("Left", "Right")
_PICTURES = ("Stimulus", "Image", "Picture", "UserDefined_1", "CurrentObject")


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    timed = head.has("TETTime") or head.has("TimestampSec", "TimestampMicrosec")
    return timed and head.has("XGazePosLeftEye", "YGazePosLeftEye")


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of one session; the screen must be given."""
    table = TextTable(head, strict=request.strict)
    numbers = ["TETTime", "TimestampSec", "TimestampMicrosec"]
    numbers += [f"{name}{side}Eye" for side in _SIDES for name in ("XGazePos", "YGazePos", "DiameterPupil", "Validity")]
    picture = next((name for name in _PICTURES if name in table.names), "")
    kinds = dict.fromkeys(numbers, "number") | dict.fromkeys(filter(None, (picture, "Subject")), "text")
    draft: Draft | None = None
    for batch in table.batches(kinds):
        if draft is None:
            subject = batch.texts("Subject", np.array([0]))[0]
            draft = request.draft(head, who=subject, tracker=TrackerInfo(kind="tobii"))
            shown, onward = Showing(draft.screen), Onward()
            draft.account.know("gaze", "shares of the screen from its top left, y downward", "format")
            draft.account.know("time", "s and us" if "TimestampSec" in batch else "ms", "format")
        if "TimestampSec" in batch:
            seconds, micro = batch.numbers("TimestampSec"), batch.numbers("TimestampMicrosec")
            stamps = whole_us(seconds * 1e6 + micro, "us")
        else:
            stamps = whole_us(batch.numbers("TETTime"), "ms")
        stamps = onward.of(stamps)
        shown.runs(*batch.codes(picture), stamps)
        yield Part(draft, recording(stamps, *(_eye(batch, side) for side in _SIDES)))
    if draft is not None:
        draft.stimuli = shown.rows(draft.account.silences)
        table.describe(draft.account)
        onward.describe(draft.account)
        draft.notes += table.notes()


def _eye(batch: Batch, side: str) -> Eye:
    gaze = point(*(batch.numbers(f"{axis}GazePos{side}Eye") for axis in "XY"), missing=[(-1.0, -1.0), (0.0, 0.0)])
    name = f"Validity{side}Eye"
    valid = batch.numbers(name) < 2 if name in batch else None
    return eye(gaze, valid=valid, pupil_mm=diameter(batch.numbers(f"DiameterPupil{side}Eye")))
