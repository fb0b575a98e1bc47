"""What a person said in a session: of each picture, and to the questions of the study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from gazekit.session.model import STIMULUS_COLUMNS, Session

ANSWER_COLUMNS = (
    "participant",
    "image",
    "order",  # of the showing in its session; -1 where the picture was shown in an earlier part of it
    "attribute",  # what was asked
    "answer",  # as it is stored
    "score",  # the same as a number; NaN where it is words
    "time_ms",  # from the picture's appearance to the answer; NaN where unknown
)
RATING = "rating"  # what the one scale of a study asks that gives it no name
_TIMES = ("_ms", "_us")


def answers_of(session: Session) -> pd.DataFrame:
    """Read what a person said of each picture: a row an answer, with `ANSWER_COLUMNS`; what was not answered has none.

    Each column of the session's table of pictures that is not among `STIMULUS_COLUMNS` is an answer, and ``response``
    too; ``NAME_ms`` is the time of NAME. The ledger has answers to pictures that an earlier part showed.

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
    extra = [name for name in stimuli if name not in STIMULUS_COLUMNS and not _is_time(name, stimuli)]
    rated_us = _rated_us(session)
    for row in stimuli.to_dict("records"):
        for name in ("response", *extra):
            answer = _text(row[name])
            if not answer:
                continue
            time_ms = row.get(f"{name}_ms", np.nan)
            if name == "response":
                time_ms = (rated_us.get(row["image"], np.nan) - row["onset_us"]) / 1000
            yield row["image"], row["order"], RATING if name == "response" else name, answer, time_ms


def _is_time(name: str, stimuli: pd.DataFrame) -> bool:
    return any(name.endswith(end) and name.removesuffix(end) in stimuli for end in _TIMES)


def _rated_us(session: Session) -> dict[str, int]:
    ledger = session.streams.get("ledger")
    if ledger is None:
        return {}
    rated = ledger[(ledger["kind"] == "rating") & (ledger["done_us"] > 0)]
    return dict(zip(rated["id"], rated["done_us"], strict=True))


def _of_ledger(session: Session) -> Iterator[tuple[Any, ...]]:
    ledger = session.streams.get("ledger")
    if ledger is None:
        return
    shown = set(session.stimuli["image"])
    rated = ledger[(ledger["kind"] == "rating") & (ledger["done_us"] >= 0) & ~ledger["id"].isin(shown)]
    for row in rated.itertuples():
        if row.answer:
            yield row.id, -1, RATING, row.answer, np.nan


def _text(value: Any) -> str:
    """Return an answer as text, empty where there is none."""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.15g}"
    return str(value)
