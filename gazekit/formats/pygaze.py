"""PyGaze and OpenSesame with an EyeTribe, and PyTribe alone: a TSV of samples with messages between (PyTribe's source).

``timestamp`` is a date, ``time`` milliseconds of the EyeTribe's clock; per eye and for both (``avgx``, ``Lavgx``)
pixels from the screen's top left, (0, 0) where there is no gaze. Lines of ``MSG`` are messages.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gazekit.formats import eye_movements
from gazekit.formats.columns import decimal, eye, point, recording, whole_us
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.text import LETTERS, Head, LineNumbers, split_line
from gazekit.session.model import TrackerInfo

TITLE = "PyGaze, OpenSesame: TSV of an EyeTribe"
_WANTED = ("time", "avgx", "avgy", "rawx", "rawy", "Lrawx", "Lrawy", "Rrawx", "Rrawy")


def looks_like(head: Head) -> bool:
    """Tell whether a file has this layout."""
    return head.separator == "\t" and head.has("timestamp", "time", "fix", "state", "rawx", "rawy")


def read(head: Head, request: Request) -> Iterator[Part]:
    """Read the samples of one recording; the screen must be given."""
    draft = request.draft(head, tracker=TrackerInfo(kind="eyetribe"))
    draft.account.know("time", "ms", "format")
    draft.account.know("gaze", "pixels from the top left of the screen, y downward", "format")
    names = split_line(head.lines[0], "\t")
    lines = LineNumbers(names, [name for name in _WANTED if name in names], texts=["fix"])
    numbers = eye_movements.Numbers()
    with open(head.path, encoding=head.encoding, errors=LETTERS, newline="") as file:
        next(file)
        for line in file:
            if line.startswith("MSG"):
                _, _, time, *text = [*line.rstrip("\r\n").split("\t", 3), "", "", ""][:4]
                if np.isfinite(stamp := decimal(time)):
                    draft.messages.append((round(stamp * 1000), "".join(text)))
                else:
                    lines.untimed += 1
            elif lines.add(line):
                yield _part(lines, draft, numbers)
    if len(lines):
        yield _part(lines, draft, numbers)
    lines.describe(draft.account)


def _part(lines: LineNumbers, draft: Draft, numbers: eye_movements.Numbers) -> Part:
    fixing = np.array([word == "True" for word in lines.words("fix")], dtype=np.int8)
    columns = lines.take()
    time, size = whole_us(columns["time"], "ms"), (draft.screen.width_px, draft.screen.height_px)
    both = [side for side in "LR" if f"{side}rawx" in columns]
    pairs = [(f"{side}rawx", f"{side}rawy") for side in both] or [("rawx", "rawy")]
    eyes = [eye(point(columns[x], columns[y], missing=[(0.0, 0.0)]) / size) for x, y in pairs]
    eyes += [eye(np.full((len(time), 2), np.nan))] * (2 - len(eyes))
    draft.account.rows += len(time)
    missing = np.full(len(time), np.nan)
    movements = eye_movements.stream(fixing, numbers.of(fixing), missing, missing)
    return Part(draft, recording(time, *eyes), {eye_movements.STREAM: movements})
