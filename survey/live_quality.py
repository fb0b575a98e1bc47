"""Judging raters while the survey runs, so that the pictures of those who are left out open again."""

from __future__ import annotations

import time
from collections.abc import Collection

import pandas as pd
from sqlalchemy import select

from survey.choice_screening import screen_choices
from survey.config import SurveySection
from survey.database import Store
from survey.operations import exclude
from survey.rating_export import export_choices, export_ratings
from survey.schema import rater
from survey.screening import COLUMNS, screen


def judge(store: Store, section: SurveySection, exclude_by: Collection[str] = ()) -> pd.DataFrame:
    """Screen the raters so far (`survey.screening.screen`); an empty table where there is nothing to judge yet."""
    if section.task != "rate":
        choices = export_choices(store)
        if not (choices["kind"] == "main").any():
            return pd.DataFrame(columns=COLUMNS)
        return screen_choices(choices, exclude_by=exclude_by, gold=section.gold)
    ratings = export_ratings(store)
    if not (ratings["kind"] == "main").any():
        return pd.DataFrame(columns=COLUMNS)
    return screen(ratings, scale=section.scale, exclude_by=exclude_by, gold=section.gold)


def leave_out(
    store: Store, section: SurveySection, now: float | None = None, findings: pd.DataFrame | None = None
) -> list[str]:
    """Leave out the raters who break a rule of ``exclude_by`` and have finished or gone; return their names.

    Who is still at work is not judged: ten ratings more may tell otherwise. ``findings`` are what `judge` says by the
    rules of ``exclude_by``; else it is asked here.
    """
    now = time.time() if now is None else now
    findings = judge(store, section, section.exclude_by) if findings is None else findings
    bad = findings[findings["action"] == "excluded"]
    with store.read() as connection:
        rows = connection.execute(select(rater).where(rater.c.excluded_at.is_(None))).all()
    gone = now - 60 * section.hold_minutes
    done = {row.name for row in rows if row.finished_at is not None or row.seen_at < gone}
    names = sorted(set(bad["rater"].astype(str)) & done)
    for name in names:
        reasons = bad[bad["rater"].astype(str) == name]
        why = "; ".join(f"{row.rule} {row.value:.2f} (limit {row.limit:.2f})" for row in reasons.itertuples())
        with store.write() as connection:
            exclude(connection, name, why, now)
    return names
