"""Which rows of a survey's table are no answers that count: previews, tests, practice, checks, pictures not seen."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd

from survey.picture_names import PictureNames

NOT_SEEN = "of pictures that did not load"
_NOT_REAL = (
    (
        1,
        "preview",
        ("preview", "vorschau", "aperçu", "vista previa", "anteprima", "prévia", "预览", "預覽", "プレビュー"),
    ),
    (2, "test", ("test", "prueba", "prova", "teste", "测试", "測試", "テスト")),
    (8, "spam", ("spam", "垃圾", "スパム")),
)
"""Qualtrics' bits of Status, and its words in several languages."""


PRACTICE = re.compile(
    r"(is_?)?(prac(t|ti[cs]e)?|training|warm[ _-]?up|"
    r"familiari[sz]ation|übung|probe|entra[iî]nement|pr[aá]ctica|prova|тренировка|练习|練習)"
    r"[\s_-]*(trials?|block|phase|task|round|durchgang)?[\s_-]*\d*",
    re.IGNORECASE,
)
REFUSED = re.compile(r"(survey )?(preview|test)|spam|rejected|returned|timed[ -]?out|screened[ -]?out", re.IGNORECASE)
CHECK = re.compile(
    r"(attention|catch|instructed|imc)([\s_-]*(checks?|trials?|items?|questions?))?|checks?|instructed[\s_-]response",
    re.IGNORECASE,
)
"""What says of a trial that it is a check: its kind, or the name of a column that is true of it."""
_PICTURE = r"(image|img|picture|pic|photo|stimulus|bild)"
LOADED = re.compile(rf"(is_?)?({_PICTURE}_?)?loaded|{_PICTURE}_?load_?(ok|success)", re.IGNORECASE)
NOT_LOADED = re.compile(
    rf"({_PICTURE}_?)?load(ing)?_?(error|failed|failure)|{_PICTURE}_?(error|failed|missing)", re.IGNORECASE
)
"""Columns that say of a trial whether its picture came."""
_TRUE, _FALSE = {"true", "1", "yes"}, {"false", "0", "no"}
KINDS = re.compile(
    r"(kind|type|trial|item|task|phase|condition)|(trial|item|question|stimulus|task)[\s_]?(kind|type)", re.IGNORECASE
)
OF_DATA = ("split", "set", "subset", "fold")  # columns in which training is no practice


def qualtrics_status(cell: str) -> str:
    """Say why a response does not count: Status in words, or a number whose bits are preview, test and spam."""
    word = cell.strip().lower()
    bits = int(word) if word.isdigit() else 0
    return next((why for bit, why, words in _NOT_REAL if bits & bit or any(part in word for part in words)), "")


def why_not_real(table: pd.DataFrame) -> pd.Series[Any]:
    """Say why trials do not count: a status, practice, a check, or a picture that did not come, where a column says so.

    PsychoPy counts the trials of a loop in a column of its name (``practice.thisN``).
    """
    why = pd.Series("", index=table.index)
    for name in map(str, table.columns):
        if name.lower() in OF_DATA:
            continue
        cells = table[name].str.strip()
        says = cells.str.fullmatch(PRACTICE.pattern, flags=re.IGNORECASE)
        if PRACTICE.fullmatch(re.sub(r"\.this(Trial)?N$", "", name)):
            says |= (cells != "") if name.endswith("N") else cells.str.lower().isin(_TRUE)
        if not says.all():
            why[says] = "practice"
        if LOADED.fullmatch(name) or NOT_LOADED.fullmatch(name):
            why[cells.str.lower().isin(_FALSE if LOADED.fullmatch(name) else _TRUE)] = NOT_SEEN
        if KINDS.fullmatch(name):
            why[cells.str.fullmatch(CHECK.pattern, flags=re.IGNORECASE)] = "attention checks"
        elif CHECK.fullmatch(re.sub(r"^is_?", "", name, flags=re.IGNORECASE)):
            why[cells.str.lower().isin(_TRUE)] = "attention checks"
    kind = next((name for name in map(str, table.columns) if name.lower() == "kind"), "")
    if kind and table[kind].eq("main").any():  # as survey export writes it
        why = why.where(table[kind] == "main", table[kind])
    status = why_refused(table)
    return why.where(status == "", status)


def why_refused(table: pd.DataFrame) -> pd.Series[Any]:
    """Say why submissions do not count: what a column called status says, where it is a preview, a test or refused."""
    why = pd.Series("", index=table.index)
    for name in table.columns:
        if re.search(r"(^|[\W_])status$", str(name), re.IGNORECASE):
            words = table[name].str.strip().str.lower()
            why = why.where(~words.str.fullmatch(REFUSED.pattern), words)
    return why


def did_not_load(table: pd.DataFrame, rater: str, image: str, pictures: PictureNames) -> pd.Series[Any]:
    """Say which trials show a picture that jsPsych's preloading could not fetch for this rater."""
    if "failed_images" not in table:
        return pd.Series(data=False, index=table.index)
    lost = {
        (who, picture)
        for who, cell in zip(table[rater], table["failed_images"], strict=True)
        for name in _strings(cell)
        if (picture := pictures.match(name))
    }
    trials = zip(table[rater], table[image].map(pictures.match), strict=True)
    return pd.Series([trial in lost for trial in trials], index=table.index, dtype=bool)


def _strings(cell: str) -> list[str]:
    """Read a cell that is a JSON list of texts; empty where it is none."""
    try:
        content = json.loads(cell) if cell.startswith("[") else []
    except ValueError:
        return []
    return [part for part in content if isinstance(part, str)]
