"""Gazepoint Analysis, ``<user>_all_gaze.csv`` (Gazepoint Analysis user manual and Open Gaze API by Gazepoint).

Points of gaze are shares of the screen from its top left: ``LPOG`` left, ``RPOG`` right, ``BPOG`` the best of both,
each with a verdict ``..V``; ``FPOG`` is Gazepoint's own fixation. ``TIME(...)`` starts anew with each medium, so the
time is ``TIMETICK(f=...)`` divided by its frequency where the file has it. Pupil diameters (``LPMM``) are mm.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from gazekit.core.errors import FormatError
from gazekit.core.types import Floats
from gazekit.formats import eye_movements
from gazekit.formats.columns import Onward, diameter, eye, point, recording, whole_us
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.stimuli import Showing
from gazekit.formats.text import Batch, Head, TextTable, split_line
from gazekit.gaze import Eye
from gazekit.session.model import TrackerInfo

TITLE = "Gazepoint Analysis all-gaze export (CSV)"
_AGAIN = 0.05  # of the rows of a table of fixations may stand twice, one after the other
_TICK = re.compile(r"TIMETICK\(f=(\d+)\)")
_TIME = re.compile(r"TIME(?:\((.*)\))?")
_POINTS = {"left": "LPOG", "right": "RPOG", "best": "BPOG"}


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    if is_fixation_table(head):
        return False
    timed = any(_TICK.fullmatch(name) or _TIME.fullmatch(name) for name in head.columns)
    return timed and any(head.has(f"{name}X", f"{name}Y") for name in _POINTS.values())


def is_fixation_table(head: Head) -> bool:
    """Tell whether a file has Gazepoint's columns, but a row a fixation: valid throughout, each with a number.

    Numbers may begin anew, with another picture or user; samples in a row have the number of their fixation.
    """
    if not head.has("FPOGID", "FPOGV", "FPOGX"):
        return False
    at = [head.columns.index(name) for name in ("FPOGID", "FPOGV")]
    rows = [split_line(line, head.separator) for line in head.lines[1:2000]]
    rows = [row for row in rows if len(row) > max(at)]
    numbers = [row[at[0]] for row in rows]
    again = sum(before == number for before, number in itertools.pairwise(numbers))
    return len(rows) > 1 and again <= _AGAIN * len(rows) and all(row[at[1]] in ("1", "1.0") for row in rows)


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of one user; the screen must be given."""
    table = TextTable(head, strict=request.strict)
    tick = next((m for m in map(_TICK.fullmatch, table.names) if m), None)
    time = next((m for m in map(_TIME.fullmatch, table.names) if m), None)
    clock = tick or time
    if clock is None:
        raise FormatError(f"{head.path} has neither TIMETICK nor TIME")
    per_second = float(tick[1]) if tick else 1.0
    stem = re.sub(r"[_ ]all[_ ]gaze$", "", head.path.stem)
    draft = request.draft(
        head,
        who="" if request.stem else stem,
        tracker=TrackerInfo(kind="gazepoint"),
        started_utc=(time[1] or "") if time else "",
    )
    draft.account.know("time", f"1/{per_second:g} s, column {clock[0]}", "file")
    draft.account.know("gaze", "shares of the screen from its top left, y downward", "format")
    shown, notes, onward = Showing(draft.screen), Showing(draft.screen), Onward()
    for batch in table.batches(_types(clock[0])):
        stamps = onward.of(whole_us(batch.numbers(clock[0]) / per_second, "s"))
        shown.runs(*batch.codes("MEDIA_NAME"), stamps)
        notes.runs(*batch.codes("USER"), stamps)
        eyes = {side: _eye(batch, side) for side in _POINTS}
        left = eyes["left"] if "LPOGX" in batch or "RPOGX" in batch else _with_pupil(eyes["best"], eyes["left"])
        yield Part(draft, recording(stamps, left, eyes["right"]), {eye_movements.STREAM: _fixations(batch, draft)})
    draft.stimuli = shown.rows(draft.account.silences)
    draft.messages = [(onset, text) for text, onset, _ in notes.ended()]
    table.describe(draft.account)
    onward.describe(draft.account)
    draft.notes += table.notes()


def _types(clock: str) -> dict[str, str]:
    numbers = [clock, "FPOGX", "FPOGY", "FPOGID", "FPOGV", "LPMM", "RPMM", "LPMMV", "RPMMV"]
    numbers += [f"{name}{part}" for name in _POINTS.values() for part in "XYV"]
    return dict.fromkeys(numbers, "number") | {"MEDIA_NAME": "text", "USER": "text"}


def _eye(batch: Batch, side: str) -> Eye:
    name = _POINTS[side]
    verdict = batch.numbers(f"{name}V") == 1 if f"{name}V" in batch else None
    pupil: Floats | None = None
    if side != "best":
        pupil = diameter(batch.numbers(f"{name[0]}PMM"))
        if f"{name[0]}PMMV" in batch:
            pupil = np.where(batch.numbers(f"{name[0]}PMMV") == 1, pupil, np.nan)
    gaze = point(batch.numbers(f"{name}X"), batch.numbers(f"{name}Y"), missing=[(0.0, 0.0)])
    return eye(gaze, valid=verdict, pupil_mm=pupil)


def _with_pupil(gaze: Eye, pupil: Eye) -> Eye:
    """Make the left eye of the best of both, where a file has no eyes apart."""
    return eye(gaze.gaze, valid=gaze.valid, pupil_mm=pupil.pupil_mm)


def _fixations(batch: Batch, draft: Draft) -> pd.DataFrame:
    label = np.where(batch.numbers("FPOGV") == 1, 1, 0).astype(np.int8)
    x, y = batch.numbers("FPOGX") * draft.screen.width_px, batch.numbers("FPOGY") * draft.screen.height_px
    return eye_movements.stream(label, batch.numbers("FPOGID"), x, y)
