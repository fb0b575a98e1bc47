"""Raters: they join with their consent, come back by a token, end with a code, and may take everything with them."""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from survey.assignment import make_plan
from survey.config import SurveySection
from survey.counters import give_back, uncount
from survey.queries import FIND_RATER
from survey.schema import answer, compared, image, more_score, platform, rater, slot

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no letters that read like digits


@dataclass(frozen=True)
class PlatformIds:
    """Who the recruiting platform says this is (Prolific, MTurk, SONA)."""

    source: str
    participant: str
    study: str = ""
    session: str = ""


SIMULATED = "sim"
"""How the pseudonyms of simulated raters begin, and nobody else's."""


def join(
    connection: Connection,
    section: SurveySection,
    ids: PlatformIds | None = None,
    *,
    rng: random.Random | None = None,
    prefix: str = "r",
    to_the_end: bool = False,
    language: str | None = None,
    now: float | None = None,
) -> str:
    """Add a rater who has consented, and return the token that opens this rater's pages and nobody else's.

    Only the token's SHA-256 is stored. ``to_the_end`` plans no more pictures than are open, so that a rater's progress
    counts what will come.
    """
    now = time.time() if now is None else now
    token = secrets.token_urlsafe(24)
    if to_the_end:
        count = func.count() if section.task == "rate" else func.sum(image.c.target - image.c.taken)
        still_open = select(count).select_from(image).where(image.c.taken < image.c.target)
        showings = -(-int(connection.execute(still_open).scalar_one() or 0) // section.together)
        most = max(1, min(section.pictures_per_rater, showings))
        section = section.model_copy(update={"pictures_per_rater": most})
    number = (connection.execute(select(func.max(rater.c.id))).scalar() or 0) + 1
    added = connection.execute(
        insert(rater).values(
            token_hash=hashed(token),
            name=f"{prefix}{number:05d}",
            code=section.completion_code or "".join(secrets.choice(ALPHABET) for _ in range(10)),
            consent_version=section.consent_version,
            consent_at=now,
            seen_at=now,
            language=language,
            plan=make_plan(section, rng or random.Random()),
        )
    ).inserted_primary_key
    assert added is not None
    if ids is not None:
        connection.execute(insert(platform).values(rater_id=added[0], **vars(ids)))
    return token


def of_platform(connection: Connection, ids: PlatformIds) -> Row[Any] | None:
    """Find the rater who joined with a platform's id, also one whose data were deleted."""
    return connection.execute(
        select(rater, platform.c.session)
        .join(platform, platform.c.rater_id == rater.c.id)
        .where(platform.c.source == ids.source, func.lower(platform.c.participant) == ids.participant.lower())
        .order_by(rater.c.id)
        .limit(1)
    ).one_or_none()


def identify(connection: Connection, person: Row[Any], ids: PlatformIds) -> None:
    """Store a platform's ids of a rater who has none, where they are nobody else's."""
    known = connection.execute(select(platform.c.rater_id).where(platform.c.rater_id == person.id)).one_or_none()
    if known is None and of_platform(connection, ids) is None:
        connection.execute(insert(platform).values(rater_id=person.id, **vars(ids)))


def come_back(connection: Connection, person: Row[Any], ids: PlatformIds) -> str | None:
    """Give a platform's participant who lost the cookie a new token; None where that is not proved.

    A participant's id can be guessed; the id of the submission is a secret between the platform and its participant.
    """
    if person.deleted_at is not None or not ids.session or person.session != ids.session:
        return None
    token = secrets.token_urlsafe(24)
    connection.execute(update(rater).where(rater.c.id == person.id).values(token_hash=hashed(token)))
    return token


def hashed(token: str) -> str:
    """Return what is stored of a token: its SHA-256, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


def find(connection: Connection, token: str) -> Row[Any] | None:
    """Find the rater of a token; None for a wrong token, or where the data were deleted."""
    return connection.execute(FIND_RATER, {"b_hash": hashed(token)}).one_or_none()


def forget(connection: Connection, person: Row[Any], now: float | None = None) -> None:
    """Delete all that a rater gave and open the pictures again.

    What is left is a row that says that somebody left and, for payment, the platform's ids and the completion code.
    """
    now = time.time() if now is None else now
    rows = connection.execute(
        select(slot.c.id, slot.c.kind, slot.c.state, slot.c.image_id).where(slot.c.rater_id == person.id)
    ).all()
    for row in rows:
        if row.kind == "M" and row.state in ("held", "done"):
            give_back(connection, row)
        if row.kind == "M" and row.state == "done":
            uncount(connection, row)
    mine = select(slot.c.id).where(slot.c.rater_id == person.id)
    for part in (more_score, compared):
        connection.execute(delete(part).where(part.c.slot_id.in_(mine)))
    for table in (slot, answer):
        connection.execute(delete(table).where(table.c.rater_id == person.id))
    connection.execute(
        update(rater)
        .where(rater.c.id == person.id)
        .values(deleted_at=now, token_hash=hashed(secrets.token_hex()), plan="", place=0)
    )
