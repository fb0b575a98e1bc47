"""What a person said in a session: of each picture, and to the questions of the study."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from gazekit.session.model import STIMULUS_COLUMNS, TIMING_COLUMNS, Session

ANSWER_COLUMNS = (
    "participant",
    "image",
    "order",  # of the showing in its session; -1 where the picture was shown in an earlier part of it
    "attribute",  # what was asked
    "answer",  # as it is stored
    "score",  # the same as a number; NaN where it is words
    "time_ms",  # from the question's appearance to the answer; NaN where unknown
)
RATING = "rating"  # what the one scale of a study asks that gives it no name
FACTS = ("block", "started_by", "ended_by")  # of a viewing, in a session's table of pictures: no answers
_OTHERS = {*STIMULUS_COLUMNS, *TIMING_COLUMNS, *FACTS, "presentation"}
_PREFIX = "answer_"
_AGAIN = re.compile(r" \(\d+\)$")  # a picture that is shown again on purpose, as the plan names it


def answers_of(session: Session) -> pd.DataFrame:
    """Read what a person said of each picture: a row an answer, with `ANSWER_COLUMNS`; what was not answered has none.

    Each column of the session's table of pictures that is no fact of the viewing is an answer (``answer_NAME`` that
    to NAME), and ``response`` too, that to one scale, which was there from the picture's end; a column that ends in
    ``_ms`` is the time of another. The ledger has answers to pictures that an earlier part showed.

    Examples
    --------
    >>> from gazekit.session import open_session
    >>> len(answers_of(open_session("sample_data/sessions/P01.gaze.h5")))
    0
    """
    rows = [*_of_pictures(session), *_of_ledger(session)]
    table = pd.DataFrame(rows, columns=[*ANSWER_COLUMNS[1:-2], "time_ms"])
    table.insert(0, "participant", session.participant)
    table.insert(5, "score", pd.to_numeric(table["answer"], errors="coerce").astype(float))
    return table.astype({"order": "int64", "time_ms": float})


def people_answers(session: Session) -> pd.DataFrame:
    """Read the answers to the study's questions, as `survey export` has them: rater, question, value."""
    ledger = session.streams.get("ledger")
    rows: list[tuple[str, str]] = []
    if ledger is not None:
        asked = ledger[(ledger["kind"] == "question") & (ledger["done_us"] >= 0)]
        rows = list(zip(asked["id"], asked["answer"], strict=True))
    else:  # of version 0.1
        texts = session.messages["text"].str.extract(r"^answer ([a-z0-9_]+): (.*)$").dropna()
        rows = list(texts.itertuples(index=False, name=None))
    table = pd.DataFrame(rows, columns=["question", "value"])
    table.insert(0, "rater", session.participant)
    return table


def _of_pictures(session: Session) -> Iterator[tuple[Any, ...]]:
    stimuli = session.stimuli
    extra = [str(name) for name in stimuli if name not in _OTHERS]
    extra = [name for name in extra if not (name.endswith("_ms") and name.removesuffix("_ms") in extra)]
    attributes = {name: name.removeprefix(_PREFIX) for name in extra}
    if RATING not in attributes.values():
        attributes = {"response": RATING} | attributes
    rated_us = {row.id: row.done_us for row in _answered(session, "rating")}
    for row in stimuli.to_dict("records"):
        for name, attribute in attributes.items():
            time_ms = row.get(f"{name}_ms", np.nan)
            if name == "response":
                time_ms = (rated_us.get(row["image"], np.nan) - row["offset_us"]) / 1000
            if answer := _as_text(row[name]):
                yield row["image"], row["order"], attribute, answer, time_ms


def _of_ledger(session: Session) -> Iterator[tuple[Any, ...]]:
    shown = set(session.stimuli["image"])
    for row in _answered(session, "rating", "answer "):
        image = row.id if row.id in shown else _AGAIN.sub("", row.id)
        if image not in shown:
            yield image, -1, RATING if row.kind == "rating" else row.kind.removeprefix("answer "), row.answer, np.nan


def _answered(session: Session, *kinds: str) -> list[Any]:
    """Return the steps of a ledger that are answers, by what their kind begins with."""
    ledger = session.streams.get("ledger")
    if ledger is None:
        return []
    return [r for r in ledger.itertuples() if r.kind.startswith(kinds) and r.done_us >= 0 and r.answer]


def _as_text(value: Any) -> str:
    """Return an answer as text, empty where there is none."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.15g}"
    return str(value)
