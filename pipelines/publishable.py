"""A session as it may be published: without free text, what a person said of herself, times of day and paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from gazekit.session import Session
from gazekit.session.model import STIMULUS_COLUMNS, VIEWING_COLUMNS

_SAID = r"(?:answer |note of the operator)"
_FREE = {"practice": ("answers",), "regions": ("word",)}  # columns of streams that hold words of a person
_KEPT = ("gazekit", "schema", "clock", "notes", "account")
_PLANNED = {*STIMULUS_COLUMNS, *VIEWING_COLUMNS} - {"response"}


def publishable(session: Session, left_out: Counter[str]) -> Session:
    """Take out of a session what could tell who the person is; what was taken out is counted."""
    told = session.messages["text"].str.match(_SAID)
    left_out["messages with answers of a person or notes of the operator"] += int(told.sum())
    streams = {name: _without_words(name, table, left_out) for name, table in session.streams.items()}
    if session.started_utc:
        left_out["dates and times of day of sessions"] += 1
    provenance = {name: value for name, value in session.provenance.items() if name in _KEPT}
    return replace(
        session,
        messages=session.messages[~told].reset_index(drop=True),
        stimuli=_only_numbers(session.stimuli, left_out),
        streams=streams,
        started_utc="",
        provenance=provenance | ({"account": _facts(provenance["account"])} if "account" in provenance else {}),
    )


def _facts(account: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of an import's account the example of a message."""
    return {name: value for name, value in account.items() if name not in ("example", "doubts")}


def _without_words(name: str, table: pd.DataFrame, left_out: Counter[str]) -> pd.DataFrame:
    if name == "ledger":
        numbers = pd.to_numeric(table["answer"], errors="coerce").notna()
        words = (table["answer"] != "") & (~numbers | (table["kind"] == "question"))
        left_out["answers to questions about the person, and answers in words"] += int(words.sum())
        return table.assign(answer=table["answer"].where(~words, ""))
    for column in _FREE.get(name, ()):
        left_out["words of a person about a picture"] += int((table[column] != "").sum())
        table = table.assign(**{column: ""})
    return table


def _only_numbers(stimuli: pd.DataFrame, left_out: Counter[str]) -> pd.DataFrame:
    """Keep ratings and other answers that are numbers; words go."""
    for name in [
        column for column in stimuli if column not in _PLANNED and not pd.api.types.is_numeric_dtype(stimuli[column])
    ]:
        words = (stimuli[name] != "") & pd.to_numeric(stimuli[name], errors="coerce").isna()
        left_out["answers in words about a picture"] += int(words.sum())
        stimuli = stimuli.assign(**{name: stimuli[name].where(~words, "")})
    return stimuli
