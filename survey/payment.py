"""Who is paid: raters, the platform's ids for them, and what each of them gets, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from survey.config import SurveySection
from survey.database import Store
from survey.schema import platform, rater, slot
from survey.screening import Limits

FAILED_CHECKS = Limits().failed_checks


def completion_code(connection: Connection, person: Row[Any], section: SurveySection) -> str:
    """Return the code that a rater who is through gets; those who failed the attention checks have one of their own."""
    if section.codes.failed_checks and failed_share(connection, person.id) > FAILED_CHECKS:
        return section.codes.failed_checks
    if section.codes.screened_out and person.excluded_at is not None:
        return section.codes.screened_out
    return section.codes.complete or str(person.code)


def failed_share(connection: Connection, rater_id: int) -> float:
    """Compute the share of a rater's attention checks that was not answered as asked."""
    checks = connection.execute(
        select(slot.c.score, slot.c.expected).where(
            slot.c.rater_id == rater_id, slot.c.kind == "C", slot.c.state == "done"
        )
    ).all()
    return sum(row.score != row.expected for row in checks) / len(checks) if checks else 0.0


@dataclass(frozen=True)
class Payment:
    """What becomes of one rater's submission."""

    rater: str
    source: str
    participant: str
    study: str
    session: str
    action: str  # approve, reject or wait
    bonus: float
    code: str
    evidence: str


def payments(store: Store, section: SurveySection, *, bonus: float = 0.0) -> list[Payment]:
    """List what becomes of everybody who came from a platform.

    Raters who came to the end are approved; those who were left out are rejected, with what was found as evidence;
    the others are waited for. Who deleted the data after the end is approved: the work was done.

    Parameters
    ----------
    store : Store
        The survey's database.
    section : SurveySection
        Its settings.
    bonus : float
        Paid to everybody who is approved, in the platform's currency.
    """
    with store.read() as connection:
        rows = connection.execute(
            select(rater, *(platform.c[name] for name in ("source", "participant", "study", "session")))
            .join(platform, platform.c.rater_id == rater.c.id)
            .order_by(rater.c.id)
        ).all()
        return [_payment(connection, row, section, bonus) for row in rows]


def _payment(connection: Connection, row: Row[Any], section: SurveySection, bonus: float) -> Payment:
    action, evidence = "wait", f"{row.place} of {len(row.plan)} pages"
    if row.excluded_at is not None:
        action, evidence = "reject", str(row.excluded_why or "")
    elif row.finished_at is not None:
        action, evidence = "approve", "deleted the data afterwards" if row.deleted_at is not None else ""
    code = completion_code(connection, row, section) if row.finished_at is not None else ""
    paid = bonus if action == "approve" else 0.0
    return Payment(row.name, row.source, row.participant, row.study, row.session, action, paid, code, evidence)
