"""Answers to the questions at the end: read, checked, stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, insert

from survey.config import Question
from survey.schema import answer
from survey.web.security import clean

LONGEST = 2000


def read_answers(questions: Sequence[Question], form: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Read the answers in a form, and what is wrong with them, both by the question's name."""
    given = {question.name: clean(form.get(f"q_{question.name}"), LONGEST) for question in questions}
    faults = {question.name: fault for question in questions if (fault := _fault(question, given[question.name]))}
    return given, faults


def store_answers(connection: Connection, rater_id: int, given: Mapping[str, str]) -> None:
    """Replace a rater's answers; empty ones are left out."""
    connection.execute(delete(answer).where(answer.c.rater_id == rater_id))
    rows = [{"rater_id": rater_id, "question": name, "value": value} for name, value in given.items() if value]
    if rows:
        connection.execute(insert(answer), rows)


def _fault(question: Question, value: str) -> str:
    if not value:
        return "Please answer this question." if question.required else ""
    if question.kind == "choice" and value not in question.choices:
        return "Please choose one of the answers."
    if question.kind == "number":
        try:
            answer_value = float(value)
        except ValueError:
            return "Please give a number."
        if not math.isfinite(answer_value):
            return "Please give a number."
        if answer_value < question.minimum or answer_value > (question.maximum or math.inf):
            most = "" if question.maximum is None else f" and at most {question.maximum:g}"
            return f"Please give a number of at least {question.minimum:g}{most}."
    return ""
