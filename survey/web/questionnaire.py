"""Answers to the questions at the end: read, checked, stored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, insert

from gazekit.core.messages import Catalogue
from survey.config import Question
from survey.schema import answer
from survey.web.security import clean

LONGEST = 2000


def read_answers(
    questions: Sequence[Question], form: Mapping[str, str], texts: Catalogue
) -> tuple[dict[str, str], dict[str, str]]:
    """Read the answers in a form, and what is wrong with them in the page's language, both by the question's name."""
    given = {question.name: clean(form.get(f"q_{question.name}"), LONGEST) for question in questions}
    faults = {q.name: fault for q in questions if (fault := _fault(q, given[q.name], texts))}
    return given, faults


def store_answers(connection: Connection, rater_id: int, given: Mapping[str, str]) -> None:
    """Replace a rater's answers; empty ones are left out."""
    connection.execute(delete(answer).where(answer.c.rater_id == rater_id))
    rows = [{"rater_id": rater_id, "question": name, "value": value} for name, value in given.items() if value]
    if rows:
        connection.execute(insert(answer), rows)


def _fault(question: Question, value: str, texts: Catalogue) -> str:
    if not value:
        return texts("survey.answer_this") if question.required else ""
    if question.kind == "choice" and value not in question.values:
        return texts("survey.choose_one")
    if question.kind == "number":
        try:
            number = float(value)
        except ValueError:
            return texts("survey.give_number")
        if not math.isfinite(number):
            return texts("survey.give_number")
        most = math.inf if question.maximum is None else question.maximum
        if not question.minimum <= number <= most:
            low = f"{question.minimum:g}"
            if question.maximum is None:
                return texts("survey.number_least", low=low)
            return texts("survey.number_between", low=low, high=f"{question.maximum:g}")
    return ""
