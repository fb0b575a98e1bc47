"""What the operator does to a running survey: pause and close it, leave raters or pictures out, merge raters."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from survey import queries as do
from survey.assignment import record
from survey.comparing import sets_of
from survey.counters import count_done, give_back, is_set, take, uncount
from survey.errors import SurveyError
from survey.schema import answer, compared, image, meta, more_score, platform, rater, slot

Opening = Literal["open", "paused", "closed"]
OPENINGS: tuple[Opening, ...] = ("open", "paused", "closed")


def opening(connection: Connection) -> Opening:
    """Say whether the survey is open, paused (raters wait) or closed (nobody goes on)."""
    kept = connection.execute(select(meta.c.value).where(meta.c.key == "opening")).scalar_one_or_none()
    return next((word for word in OPENINGS if word == kept), "open")


def set_opening(connection: Connection, to: Opening, now: float | None = None) -> None:
    """Open, pause or close the survey; the event is recorded."""
    connection.execute(delete(meta).where(meta.c.key == "opening"))
    connection.execute(insert(meta).values(key="opening", value=to))
    record(connection, to, now)


def exclude(connection: Connection, name: str, why: str, now: float | None = None) -> int:
    """Leave a rater out: the ratings stay, marked, and their pictures open again; return how many opened.

    A picture that has a spare rating takes that in place of being shown again.

    Raises
    ------
    SurveyError
        There is no such rater.
    """
    now = time.time() if now is None else now
    rater_id = _rater_id(connection, name)
    connection.execute(
        update(rater)
        .where(rater.c.id == rater_id, rater.c.excluded_at.is_(None))
        .values(excluded_at=now, excluded_why=why)
    )
    lost = connection.execute(
        select(slot.c.id, slot.c.kind, slot.c.image_id, slot.c.state).where(
            slot.c.rater_id == rater_id, slot.c.kind == "M", slot.c.state.in_(("done", "held", "spare"))
        )
    ).all()
    for row in lost:
        state = "released" if row.state == "held" else "excluded"
        connection.execute(update(slot).where(slot.c.id == row.id).values(state=state))
        if row.state != "spare":
            give_back(connection, row)
        if row.state == "done":
            uncount(connection, row)
            _use_spare(connection, row.image_id)
    record(connection, "excluded", now, rater_id=rater_id, detail=why)
    return sum(row.state == "done" for row in lost)


def readmit(connection: Connection, name: str, now: float | None = None) -> int:
    """Take a rater back in: ratings count where their pictures are still open, else they are spares."""
    rater_id = _rater_id(connection, name)
    connection.execute(update(rater).where(rater.c.id == rater_id).values(excluded_at=None, excluded_why=None))
    rows = connection.execute(
        select(slot.c.id, slot.c.kind, slot.c.image_id).where(slot.c.rater_id == rater_id, slot.c.state == "excluded")
    ).all()
    counted = 0
    for row in rows:
        is_open = take(connection, row)
        if is_open:
            count_done(connection, row)
        connection.execute(update(slot).where(slot.c.id == row.id).values(state="done" if is_open else "spare"))
        counted += is_open
    record(connection, "readmitted", now, rater_id=rater_id)
    return counted


def merge(connection: Connection, keep: str, other: str, now: float | None = None) -> int:
    """Give one rater the ratings of another who is the same person; return how many were moved.

    Where both rated a picture, the rating that came first stays and the other is dropped.
    """
    keep_id, other_id = _rater_id(connection, keep), _rater_id(connection, other)
    if keep_id == other_id:
        raise SurveyError(f"{keep} cannot be merged with itself")
    highest = connection.execute(select(func.max(slot.c.place)).where(slot.c.rater_id == keep_id)).scalar() or 0
    length = len(connection.execute(select(rater.c.plan).where(rater.c.id == keep_id)).scalar_one())
    place = max(highest, length) + 1
    moved = 0
    for row in connection.execute(select(slot).where(slot.c.rater_id == other_id).order_by(slot.c.id)).all():
        if row.state in ("done", "spare") and not _rated_before(connection, keep_id, row):
            connection.execute(update(slot).where(slot.c.id == row.id).values(rater_id=keep_id, place=place + moved))
            moved += 1
            continue
        if row.kind == "M" and row.state in ("done", "held"):
            give_back(connection, row)
        if row.kind == "M" and row.state == "done":
            uncount(connection, row)
            _use_spare(connection, row.image_id)
        for table in (more_score, compared):
            connection.execute(delete(table).where(table.c.slot_id == row.id))
        connection.execute(delete(slot).where(slot.c.id == row.id))
    connection.execute(delete(answer).where(answer.c.rater_id == other_id))
    connection.execute(delete(platform).where(platform.c.rater_id == other_id))
    gone = {"deleted_at": time.time() if now is None else now, "token_hash": f"merged {other_id}"}
    connection.execute(update(rater).where(rater.c.id == other_id).values(plan="", place=0, **gone))
    record(connection, "merged", now, rater_id=keep_id, detail=other)
    return moved


def _rated_before(connection: Connection, rater_id: int, row: Row[Any]) -> bool:
    """Say whether a rater has a slot of the same picture, or of the same set of pictures, on the same occasion."""
    if is_set(row):
        members = select(compared.c.image_id).where(compared.c.slot_id == row.id)
        together = set(connection.execute(members).scalars())
        return any(
            kind == row.kind and set(others) == together
            for kind, _, _, others in sets_of(connection, rater_id).values()
        )
    same = slot.c.image_id == row.image_id, slot.c.occasion == row.occasion
    query = select(slot.c.id).where(slot.c.rater_id == rater_id, slot.c.image_id.is_not(None), *same)
    return connection.execute(query).first() is not None


def withdraw_picture(connection: Connection, name: str, now: float | None = None) -> None:
    """Show a picture to nobody any more; its ratings stay, marked.

    Raises
    ------
    SurveyError
        There is no such picture.
    """
    row = connection.execute(select(image).where(image.c.name == name)).one_or_none()
    if row is None:
        raise SurveyError(f"there is no picture {name!r} in this survey")
    moment = time.time() if now is None else now
    gone = {"target": 0, "most": 0, "withdrawn_at": moment}
    connection.execute(update(image).where(image.c.id == row.id).values(gone))
    with_it = select(compared.c.slot_id).where(compared.c.image_id == row.id)
    shows_it = or_(slot.c.image_id == row.id, slot.c.id.in_(with_it))
    held = select(slot.c.id, slot.c.kind, slot.c.image_id).where(shows_it, slot.c.state == "held")
    for showing in connection.execute(held).all():
        connection.execute(do.RELEASE, {"b_slot": showing.id})
        if showing.kind == "M":
            give_back(connection, showing)
    record(connection, "withdrawn", now, image_id=row.id, detail=name)


def remember_study(connection: Connection, facts: dict[str, str]) -> list[str]:
    """Keep what makes a study itself in its database; return what differs from what is kept there."""
    kept = connection.execute(select(meta.c.value).where(meta.c.key == "study")).scalar_one_or_none()
    if kept is None:
        connection.execute(insert(meta).values(key="study", value=json.dumps(facts)))
        return []
    earlier = json.loads(kept)
    different = [name for name in facts if earlier.get(name, "") != facts[name]]
    return [f"{name}: {earlier.get(name)} there, {facts[name]} here" for name in different]


def _rater_id(connection: Connection, name: str) -> int:
    rater_id = connection.execute(select(rater.c.id).where(rater.c.name == name)).scalar_one_or_none()
    if rater_id is None:
        raise SurveyError(f"there is no rater {name!r} in this survey")
    return int(rater_id)


def _use_spare(connection: Connection, image_id: int | None) -> None:
    """Let a spare rating of a picture count, if there is one and the picture is open."""
    spare = connection.execute(
        select(slot.c.id).where(slot.c.image_id == image_id, slot.c.state == "spare").order_by(slot.c.id).limit(1)
    ).scalar_one_or_none()
    if spare is not None and connection.execute(do.TAKE, {"b_image": image_id}).rowcount == 1:
        connection.execute(do.COUNT_DONE, {"b_image": image_id})
        connection.execute(update(slot).where(slot.c.id == spare).values(state="done"))
