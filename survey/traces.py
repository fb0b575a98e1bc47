"""What pointer and keys did while a picture was rated: kept in a few hundred letters, read as a table.

A trace is a row of steps: a letter (`STEPS`), the time since the step before in ms and, for those of the pointer, its
place in the window in CSS pixels, x and y; all numbers in base 36. Capital letters are steps that a script made, not
a person's device. Which key was pressed is not kept. Moves are at least 50 ms apart.

>>> read_steps("m0.a0.5k m1e.a4.60 c2s.a4.60")[2]
Step(time_ms=150, what='click', x=364, y=216, by_script=False)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sqlalchemy import select

from survey.database import Store
from survey.schema import image, rater, slot

STEPS = {"m": "move", "p": "press", "c": "click", "k": "key", "l": "leave", "r": "return"}
INPUTS = frozenset("pck")
LONGEST = 6000
_STEP = re.compile(r"([mpcklr])([0-9a-z]{1,6})(?:\.([0-9a-z]{1,4})\.([0-9a-z]{1,4}))?", re.IGNORECASE)
_TRACE = re.compile(rf"{_STEP.pattern}(?: {_STEP.pattern})*", re.IGNORECASE)


@dataclass(frozen=True)
class Step:
    """Something that pointer or keyboard did: when (since the page was there), what, and where in the window."""

    time_ms: int
    what: str
    x: int | None
    y: int | None
    by_script: bool


def read_steps(text: str) -> list[Step]:
    """Read a trace; steps that are not well formed are left out."""
    steps, time_ms = [], 0
    for match in _STEP.finditer(text):
        letter, after, x, y = match.groups()
        time_ms += int(after, 36)
        place = [None if side is None else int(side, 36) for side in (x, y)]
        steps.append(Step(time_ms, STEPS[letter.lower()], place[0], place[1], letter.isupper()))
    return steps


def checked(text: str | None) -> tuple[str | None, int | None]:
    """Check a trace that a page sent; return it with the number of a person's keys, presses and clicks.

    Both are None where it is not well formed. An empty trace of a page with script is one in which nothing was done.
    """
    if text is None or len(text) > LONGEST or not (text == "" or _TRACE.fullmatch(text)):
        return None, None
    return text, sum(step[0] in INPUTS for step in text.split())


def export_traces(store: Store) -> pd.DataFrame:
    """Read all traces, a row a step: rater, place (of the showing in the rater's plan), image, time_ms, what, x, y, by.

    ``by`` is ``person`` or ``script``.
    """
    query = (
        select(rater.c.name, slot.c.place, image.c.name, slot.c.steps)
        .join(rater, rater.c.id == slot.c.rater_id)
        .join(image, image.c.id == slot.c.image_id, isouter=True)
        .where(slot.c.steps.is_not(None))
        .order_by(slot.c.rater_id, slot.c.place)
    )
    rows: list[tuple[Any, ...]] = []
    with store.read() as connection:
        for name, place, picture, text in connection.execute(query):
            for step in read_steps(text):
                by = "script" if step.by_script else "person"
                rows.append((name, place, picture or "", step.time_ms, step.what, step.x, step.y, by))
    table = pd.DataFrame(rows, columns=["rater", "place", "image", "time_ms", "what", "x", "y", "by"])
    return table.astype({"x": "Int64", "y": "Int64"})
