"""jsPsych with WebGazer: the JSON of its data (jsPsych documentation, extension ``webgazer``).

Every trial with ``webgazer_data`` holds points ``x``, ``y`` in pixels of the browser's window and ``t`` in milliseconds
from the trial's beginning; the trial ends at ``time_elapsed``. A trial's ``stimulus`` is its picture, and
``webgazer_targets`` say where things stood.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.types import Floats
from gazekit.formats.columns import decimal, eye, point, recording, whole_us
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
    """Read the samples of all trials, a session for each person; the window's size must be given as the screen's."""
    trials = list(_trials(_of_table(head) if "webgazer_data" in head.columns else _document(head)))
    people = [next((str(trial[name]) for name in _NAMES if trial.get(name)), "") for trial in trials]
    named = [who for who in dict.fromkeys(people) if who]
    if len(named) < 2:  # trials without a name are the same person's
        people = [named[0] if named else ""] * len(trials)
    read = 0
    for who in dict.fromkeys(people):
        own = [trial for trial, name in zip(trials, people, strict=True) if name == who]
        shown = [_Shown.of(trial) for trial in own if trial.get("webgazer_data")]
        part = _part([trial for trial in shown if len(trial.points)], request, head, who, many=len(named) > 1)
        if part is not None:
            read += 1
            yield part
    if not read:
        raise FormatError(f"{head.path}: no trial has points in webgazer_data")


@dataclass
class _Shown:
    """A trial with gaze: its points (ms from its beginning, x, y), its end and length in ms, its picture."""

    points: Floats
    ends: float  # NaN where it does not say
    length: float
    name: str
    targets: Any

    @classmethod
    def of(cls, trial: Mapping[str, Any]) -> _Shown:
        rows = _decoded(trial["webgazer_data"]) or []
        points = np.array([[_number(row.get(key)) for key in ("t", "x", "y")] for row in rows]).reshape(-1, 3)
        points = points[np.isfinite(points[:, 0])]
        last = float(points[-1, 0]) if len(points) else 0.0
        length = max(last, _number(trial.get("rt")) if np.isfinite(_number(trial.get("rt"))) else last)
        targets = _decoded(trial.get("webgazer_targets"))
        return cls(points, _number(trial.get("time_elapsed")), length, _picture(trial.get("stimulus")), targets)


def _part(trials: list[_Shown], request: Request, head: Head, who: str, *, many: bool) -> Part | None:
    if not trials:
        return None
    draft = request.draft(head, who=who, tracker=TrackerInfo(kind="webgazer"), many=many)
    draft.account.know("time", "ms from each trial's beginning, added to time_elapsed", "format")
    draft.account.know("gaze", "pixels of the browser's window from its top left, y downward", "format")
    untimed = sum(bool(np.isnan(trial.ends)) for trial in trials)
    if untimed:
        some = counted(untimed, "trial has", "trials have")
        draft.account.know("time_elapsed", f"{some} none: each begins 1 s after the one before", "guess")
        last = 0.0
        for trial in trials:
            trial.ends = last = last + 1000.0 + trial.length if np.isnan(trial.ends) else trial.ends
    trials.sort(key=lambda trial: trial.ends)
    shown, rows = Showing(draft.screen), []
    for trial in trials:
        start = trial.ends - trial.length
        rows.append(trial.points + np.array([start, 0.0, 0.0]))
        if trial.name:
            shown.start(trial.name, round(1000 * start), round(1000 * trial.ends) + 1)
            _place(shown, trial.name, trial.targets)
    time, x, y = np.concatenate(rows).T
    draft.stimuli = shown.rows()
    shown.describe(draft.account)
    draft.account.rows, draft.account.taken = len(time), ["t", "x", "y"]
    gaze = point(x, y) / (draft.screen.width_px, draft.screen.height_px)
    return Part(draft, recording(whole_us(time, "ms"), eye(gaze), Eye.missing(len(time))), last=True)


def _number(value: Any) -> float:
    """Return a number; NaN of null, an empty text, or whatever is none."""
    return decimal(str(value)) if value is not None else float("nan")


def _document(head: Head) -> Any:
    try:
        return json.loads(_whole(head))
    except json.JSONDecodeError as error:
        raise FormatError(
            f"{head.path} is cut off or damaged: it is no whole JSON document ({error}); save the data again"
        ) from None


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
