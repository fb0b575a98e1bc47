"""A format: CSV with the columns ms, gaze_x and gaze_y in pixels of the screen; lost samples are empty."""

from collections.abc import Iterator

from gazekit.formats.session_builder import Part, Request
from gazekit.formats.text import Head, TextTable
from gazekit.gaze import GazeRecording

TITLE = "Three columns (an example): ms, gaze_x, gaze_y"


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    return head.has("ms", "gaze_x", "gaze_y")


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples; the screen must be given."""
    table = TextTable(head, strict=request.strict)
    draft = request.draft(head)
    for batch in table.batches({"ms": "number", "gaze_x": "number", "gaze_y": "number"}):
        time_us = (batch.numbers("ms") * 1000).round().astype("int64")
        gaze = GazeRecording.from_pixels(time_us, batch.numbers("gaze_x"), batch.numbers("gaze_y"), draft.screen)
        yield Part(draft, gaze)
    table.describe(draft.account)
    draft.notes += table.notes()
