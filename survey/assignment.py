"""Who rates what next: slots that are held, done or released.

The open picture with the fewest slots comes first, so that every picture reaches its target as early as
possible; among equals a shuffled order of the rater decides. Every function here runs inside a transaction of
`survey.store.Store.write`.
"""

from __future__ import annotations

import random
import time
import zlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, cast, delete, insert, select, true, update

from survey.config import SurveySection
from survey.schema import image, rater, slot

REPEAT_GAP = 3  # showings at least between a picture and its repeat
PRIME = 1_000_003  # above the number of pictures of any study: multiples of it shuffle them


@dataclass(frozen=True)
class Behaviour:
    """What a page tells about a rating beside the score."""

    time_ms: int | None = None
    viewport_w: int | None = None
    viewport_h: int | None = None
    blurs: int | None = None
    entered: str | None = None


def make_plan(section: SurveySection, rng: random.Random) -> str:
    """The order of a rater's showings: practice, then pictures with repeats and attention checks mixed in.

    Repeats come late enough for a picture to repeat; checks are spread over equal stretches.
    """
    main = ["M"] * section.pictures_per_rater
    for _ in range(min(section.repeats, max(0, len(main) - REPEAT_GAP))):
        main.insert(rng.randint(min(REPEAT_GAP + 1, len(main)), len(main)), "R")
    checks = section.attention_checks
    stretch = len(main) / checks if checks else 0
    for k in reversed(range(checks)):
        main.insert(rng.randint(int(k * stretch) + 1, max(int(k * stretch) + 1, int((k + 1) * stretch))), "C")
    return "P" * section.practice + "".join(main)


def release_expired(connection: Connection, now: float) -> int:
    """Give back the pictures that are held past their time; how many were."""
    late = connection.execute(
        select(slot.c.id, slot.c.image_id, slot.c.kind).where(slot.c.state == "held", slot.c.expires < now)
    ).all()
    for row in late:
        connection.execute(update(slot).where(slot.c.id == row.id).values(state="released"))
        if row.kind == "M":
            _count(connection, row.image_id, taken=-1)
    return len(late)


def hold(connection: Connection, person: Row[Any], place: int, section: SurveySection, now: float) -> bool:
    """Hold what the rater's plan says for a place; false where no picture is open to this rater.

    A slot of this place that was released is taken up again if its picture is still open, else replaced by a
    new one with a number of its own.
    """
    kind = person.plan[place]
    expires = now + 60 * section.hold_minutes
    found = slot_at(connection, person.id, place)
    if found is not None:
        if found.state == "held":
            connection.execute(update(slot).where(slot.c.id == found.id).values(expires=expires))
            return True
        if kind != "M" or _count(connection, found.image_id, taken=+1):
            connection.execute(update(slot).where(slot.c.id == found.id).values(state="held", expires=expires))
            return True
        connection.execute(delete(slot).where(slot.c.id == found.id))
    values: dict[str, Any] = {"kind": kind, "occasion": int(kind == "R")}
    if kind == "C":
        values["expected"] = 1 + _chance(person.id, place) % section.scale
    else:
        values["image_id"] = _choose(connection, person.id, place, kind)
        if values["image_id"] is None:
            return False
        if kind == "M":
            _count(connection, values["image_id"], taken=+1)
    connection.execute(insert(slot).values(rater_id=person.id, place=place, state="held", expires=expires, **values))
    return True


def slot_at(connection: Connection, rater_id: int, place: int) -> Row[Any] | None:
    """The slot of a rater at a place of the plan, if it was handed out."""
    return connection.execute(select(slot).where(slot.c.rater_id == rater_id, slot.c.place == place)).one_or_none()


def advance(connection: Connection, person: Row[Any], section: SurveySection, now: float | None = None) -> Row[Any]:
    """Hold the rater's current picture and the one after it (to be loaded ahead); the rater as it then is.

    Where nothing is open for the current place, the plan is cut short. A rater at the end of the plan is through,
    unless there are questions to answer.
    """
    now = time.time() if now is None else now
    release_expired(connection, now)
    while person.place < len(person.plan) and not hold(connection, person, person.place, section, now):
        person = _skip(connection, person)
    ahead = person.place + 1
    if ahead < len(person.plan) and person.plan[ahead] in "PM":
        hold(connection, person, ahead, section, now)
    if person.place >= len(person.plan) and not section.questions:
        finish(connection, person, now)
    return person


def finish(connection: Connection, person: Row[Any], now: float | None = None) -> None:
    """Take down that a rater is through; the first time counts."""
    now = time.time() if now is None else now
    connection.execute(
        update(rater).where(rater.c.id == person.id, rater.c.finished_at.is_(None)).values(finished_at=now)
    )


def _skip(connection: Connection, person: Row[Any]) -> Row[Any]:
    """Take a place out of the plan that has no picture; what is held ahead moves up."""
    before, rest = person.plan[: person.place], person.plan[person.place + 1 :]
    ahead = slot_at(connection, person.id, person.place + 1)
    if ahead is not None:
        connection.execute(update(slot).where(slot.c.id == ahead.id).values(place=person.place))
    elif person.plan[person.place] == "M":
        rest = "".join(letter for letter in rest if letter != "M")  # no picture is open to this rater any more
    connection.execute(update(rater).where(rater.c.id == person.id).values(plan=before + rest))
    return connection.execute(select(rater).where(rater.c.id == person.id)).one()


def submit(
    connection: Connection,
    person: Row[Any],
    slot_id: int,
    score: int,
    section: SurveySection,
    behaviour: Behaviour = Behaviour(),
    now: float | None = None,
) -> bool:
    """Store a rating of the rater's current slot; false where there was nothing to store.

    A slot that is behind the rater (double click, Back, a second tab) keeps its first rating; a slot of somebody
    else is not touched. A slot that expired is taken up again if its picture is still open; else nothing is stored.
    """
    now = time.time() if now is None else now
    found = slot_at(connection, person.id, person.place)
    if found is None or found.id != slot_id or found.state == "done" or not 1 <= score <= section.scale:
        return False
    if found.kind == "M":
        if found.state == "released" and not _count(connection, found.image_id, taken=+1):
            return False
        _count(connection, found.image_id, done=+1)
    connection.execute(
        update(slot)
        .where(slot.c.id == found.id)
        .values(
            state="done",
            score=score,
            rated_at=now,
            time_ms=behaviour.time_ms,
            viewport_w=behaviour.viewport_w,
            viewport_h=behaviour.viewport_h,
            blurs=behaviour.blurs,
            entered=behaviour.entered,
        )
    )
    connection.execute(update(rater).where(rater.c.id == person.id).values(place=person.place + 1, seen_at=now))
    return True


def _choose(connection: Connection, rater_id: int, place: int, kind: str) -> int | None:
    """The picture for a place: the open one with the fewest slots, one to repeat, or any for practice."""
    mine = select(slot.c.image_id).where(slot.c.rater_id == rater_id, slot.c.image_id.is_not(None))
    shuffle = (cast(image.c.id, BigInteger) * _chance(rater_id, place)) % PRIME
    query = select(image.c.id)
    if kind == "R":
        seen = mine.where(slot.c.kind == "M", slot.c.state == "done", slot.c.place <= place - REPEAT_GAP)
        query = query.where(image.c.id.in_(seen), image.c.id.not_in(mine.where(slot.c.kind == "R")))
    elif kind == "P":
        query = query.where(image.c.id.not_in(mine))
    else:
        query = query.where(image.c.taken < image.c.target, image.c.id.not_in(mine)).order_by(image.c.taken)
    return connection.execute(query.order_by(shuffle).limit(1)).scalar_one_or_none()


def _chance(rater_id: int, place: int) -> int:
    """A number in 1 .. PRIME - 1 that looks random, the same for the same rater and place: an order of the pictures."""
    return zlib.crc32(f"{rater_id}/{place}".encode()) % (PRIME - 1) + 1


def _count(connection: Connection, image_id: int, taken: int = 0, done: int = 0) -> bool:
    """Change a picture's counters; false where it has no open slot left to take."""
    room = image.c.taken < image.c.target if taken > 0 else true()
    changed = connection.execute(
        update(image).where(image.c.id == image_id, room).values(taken=image.c.taken + taken, done=image.c.done + done)
    )
    return changed.rowcount == 1
