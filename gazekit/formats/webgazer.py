"""jsPsych with WebGazer: the JSON of its data (jsPsych documentation, extension ``webgazer``).

Every trial with ``webgazer_data`` holds points ``x``, ``y`` in pixels of the browser's window and ``t`` in milliseconds
from the trial's beginning; the trial ends at ``time_elapsed``. A trial's ``stimulus`` is its picture, and
``webgazer_targets`` say where things stood.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gazekit.core.errors import FormatError
from gazekit.formats.columns import eye, point, recording, whole_us
from gazekit.formats.session_builder import Part, Request
from gazekit.formats.stimuli import Showing
from gazekit.formats.text import LETTERS, Head
from gazekit.gaze import Eye
from gazekit.session.model import TrackerInfo

TITLE = "jsPsych with WebGazer (JSON, CSV)"
_NAMES = ("subject", "participant", "subject_id", "participant_id", "prolific_pid", "PROLIFIC_PID", "workerId")


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    if head.text.lstrip()[:1] in ("[", "{"):
        return '"webgazer_data"' in _whole(head)
    return "webgazer_data" in head.columns and head.has("trial_type")


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of all trials; the window's size must be given as the screen's."""
    trials = list(_trials(_of_table(head) if "webgazer_data" in head.columns else json.loads(_whole(head))))
    shown_by = next((str(t[name]) for t in trials for name in _NAMES if t.get(name)), "")
    draft = request.draft(head, who=shown_by, tracker=TrackerInfo(kind="webgazer"))
    draft.account.know("time", "ms from each trial's beginning, added to time_elapsed", "format")
    draft.account.know("gaze", "pixels of the browser's window from its top left, y downward", "format")
    shown, rows = Showing(draft.screen), []
    for trial in trials:
        points = _decoded(trial.get("webgazer_data")) or []
        if not points:
            continue
        length = float(trial.get("rt") or points[-1]["t"])
        start = float(trial.get("time_elapsed", 0)) - max(length, float(points[-1]["t"]))
        rows += [(start + float(p["t"]), float(p["x"]), float(p["y"])) for p in points]
        name = _picture(trial.get("stimulus"))
        if name:
            until = round(1000 * (start + max(length, float(points[-1]["t"])))) + 1
            shown.start(name, round(1000 * start), until)
            _place(shown, name, _decoded(trial.get("webgazer_targets")))
    if not rows:
        raise FormatError(f"{head.path}: no trial has points in webgazer_data")
    time, x, y = np.array(rows, dtype=np.float64).T
    draft.stimuli = shown.rows()
    shown.describe(draft.account)
    draft.account.rows, draft.account.taken = len(time), ["t", "x", "y"]
    gaze = point(x, y) / (draft.screen.width_px, draft.screen.height_px)
    yield Part(draft, recording(whole_us(time, "ms"), eye(gaze), Eye.missing(len(time))))


def _trials(content: Any) -> Iterator[dict[str, Any]]:
    """Yield the trials of a list, of lists of lists (JATOS), or of a document that holds one."""
    if isinstance(content, list):
        for part in content:
            yield from _trials(part)
    elif isinstance(content, dict):
        nested = [value for key, value in content.items() if key in ("trials", "data") and isinstance(value, list)]
        if nested:
            yield from _trials(nested)
        else:
            yield content


def _of_table(head: Head) -> list[dict[str, Any]]:
    """Read the trials of jsPsych's data as CSV, whose lists are JSON in a cell."""
    with open(head.path, encoding=head.encoding, errors=LETTERS, newline="") as file:
        csv.field_size_limit(1 << 30)
        return [dict(row) for row in csv.DictReader(file, delimiter=head.separator)]


def _decoded(value: Any) -> Any:
    """Decode a list or a mapping that stands as JSON in a text."""
    return json.loads(value) if isinstance(value, str) and value.strip()[:1] in ("[", "{") else value


def _whole(head: Head) -> str:
    return head.path.read_text(head.encoding, LETTERS)


def _picture(stimulus: Any) -> str:
    """Return the picture's file: a trial's stimulus is its address, or a piece of HTML that shows it."""
    if not isinstance(stimulus, str):
        return ""
    source = re.search(r"""src=['"]([^'"]+)""", stimulus)
    name = source[1] if source else stimulus
    return name if re.search(r"\.(jpe?g|png|gif|bmp|webp|tiff?)$", name, re.IGNORECASE) else ""


def _place(shown: Showing, name: str, targets: Any) -> None:
    """Note where a picture stood, where the trial has it among its targets."""
    box = next((value for key, value in (targets or {}).items() if "img" in key or "stimulus" in key), None)
    if box and min(box.get("width", 0), box.get("height", 0)) > 0:
        place = {
            "x": float(box["x"]),
            "y": float(box["y"]),
            "width": float(box["width"]),
            "height": float(box["height"]),
        }
        shown.geometry[name] = place | {"picture_width": 0, "picture_height": 0}
