"""What the operator does to a running survey: pause and close it, leave raters or pictures out, merge raters."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError
from survey import queries as do
from survey.assignment import record
from survey.comparing import sets_of
from survey.config import SurveySection, SurveyStudy
from survey.counters import count_done, give_back, is_set, take, uncount
from survey.database import Store
from survey.errors import SurveyError
from survey.languages import spoken
from survey.payment import BY_THE_OPERATOR, SAME_PERSON
from survey.raters import SIMULATED
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
    for row in lost:  # once none of the rater's own can be taken for a spare
        if row.state == "done":
            _use_spare(connection, _pictures_of(connection, row))
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

    Where both rated a picture, the rating that came first stays and the other is dropped. A platform's id of the
    other goes to the one who is kept, or is named in the payments as the same person's.

    Raises
    ------
    SurveyError
        There is no such rater, both are the same, one of them deleted the data, or only one of them is left out.
    """
    kept, gone = _rater(connection, keep), _rater(connection, other)
    if kept.id == gone.id:
        raise SurveyError(f"{keep} cannot be merged with itself")
    for person in (kept, gone):
        if person.deleted_at is not None:
            raise SurveyError(f"{person.name} cannot be merged: these data were deleted, or merged before")
    if (kept.excluded_at is None) != (gone.excluded_at is None):
        out = kept if kept.excluded_at is not None else gone
        raise SurveyError(f"{out.name} is left out and the other is not; readmit or exclude one of them first")
    highest = connection.execute(select(func.max(slot.c.place)).where(slot.c.rater_id == kept.id)).scalar() or 0
    place = max(highest, len(kept.plan)) + 1
    moved, theirs = 0, connection.execute(select(slot).where(slot.c.rater_id == gone.id).order_by(slot.c.id)).all()
    for row in theirs:
        same = _same_showing(connection, kept.id, row) if row.state in GIVEN else None
        if row.state not in GIVEN or (same is not None and not _goes_before(row, same)):
            _drop(connection, row)
            continue
        if same is not None:
            _drop(connection, same)
        where = same.place if same is not None and same.state in GIVEN else place + moved
        connection.execute(update(slot).where(slot.c.id == row.id).values(rater_id=kept.id, place=where))
        moved += 1
    connection.execute(delete(answer).where(answer.c.rater_id == gone.id))
    moment = time.time() if now is None else now
    values: dict[str, Any] = {"deleted_at": moment, "token_hash": f"merged {gone.id}", "plan": "", "place": 0}
    if _keeps_platform(connection, kept.id, gone.id):
        given = sum(row.state in GIVEN for row in theirs)
        why = f"{SAME_PERSON} {keep}; {moved} of {given} answers are counted there"
        if gone.excluded_at is not None:  # this evidence goes before
            why = f"{gone.excluded_why or BY_THE_OPERATOR}; {why}"
        values |= {"excluded_at": moment, "excluded_why": why}
    connection.execute(update(rater).where(rater.c.id == gone.id).values(values))
    record(connection, "merged", now, rater_id=kept.id, detail=other)
    return moved


GIVEN = ("done", "spare", "excluded")
"""States of a showing that was rated."""


def _goes_before(row: Row[Any], same: Row[Any]) -> bool:
    """Say whether a rating stands rather than another showing of the same: it was rated, no practice, and earlier."""
    if same.state not in GIVEN:
        return True
    if (row.kind == "P") != (same.kind == "P"):
        return bool(same.kind == "P")
    return bool(row.rated_at < same.rated_at)


def _drop(connection: Connection, row: Row[Any]) -> None:
    """Delete a showing; what it counted for opens again."""
    if row.kind == "M" and row.state in ("done", "held"):
        give_back(connection, row)
    if row.kind == "M" and row.state == "done":
        uncount(connection, row)
    pictures = _pictures_of(connection, row)
    for table in (more_score, compared):
        connection.execute(delete(table).where(table.c.slot_id == row.id))
    connection.execute(delete(slot).where(slot.c.id == row.id))
    if row.kind == "M" and row.state == "done":
        _use_spare(connection, pictures)


def _keeps_platform(connection: Connection, keep_id: int, other_id: int) -> bool:
    """Settle the platform's ids of two raters who are one; return whether the other keeps one, for the payments."""
    ids = {row.rater_id: row for row in connection.execute(select(platform))}
    kept, gone = ids.get(keep_id), ids.get(other_id)
    if gone is None:
        return False
    if kept is not None and (kept.source, kept.participant) != (gone.source, gone.participant):
        return True
    if kept is None:
        connection.execute(update(platform).where(platform.c.rater_id == other_id).values(rater_id=keep_id))
    else:
        connection.execute(delete(platform).where(platform.c.rater_id == other_id))
    return False


def _same_showing(connection: Connection, rater_id: int, row: Row[Any]) -> Row[Any] | None:
    """Find a rater's slot of the same picture, or of the same set of pictures, on the same occasion."""
    if is_set(row):
        members = select(compared.c.image_id).where(compared.c.slot_id == row.id)
        together = set(connection.execute(members).scalars())
        sets = sets_of(connection, rater_id).items()
        hits = [number for number, (kind, _, _, others) in sets if kind == row.kind and set(others) == together]
        return connection.execute(select(slot).where(slot.c.id == hits[0])).one() if hits else None
    same = slot.c.image_id == row.image_id, slot.c.occasion == row.occasion
    query = select(slot).where(slot.c.rater_id == rater_id, slot.c.image_id.is_not(None), *same)
    return connection.execute(query).one_or_none()


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


def open_places(store: Store) -> int:
    """Count how many showings of pictures are still to be handed out."""
    with store.read() as connection:
        wanted = func.coalesce(func.sum(image.c.target - image.c.taken), 0)
        return int(connection.execute(select(wanted).where(image.c.taken < image.c.target)).scalar_one())


def study_facts(study: SurveyStudy, first: SurveySection) -> dict[str, str]:
    """List what makes a study itself; ``first`` is its section in the first of its languages."""
    return {
        "name": study.study.name,
        "question": str(first.question),
        "anchors": json.dumps({str(score): words for score, words in sorted(first.anchors.items())}),
        "task": "" if first.task == "rate" else first.task,
        "scales": json.dumps([scale.model_dump(mode="json") for scale in first.scales]) if first.scales else "",
    }


def refuse_other_study(store: Store, study: SurveyStudy, base: Path) -> None:
    """Refuse the database of another study; one that was never served belongs to none yet.

    Raises
    ------
    ConfigError
        Name, question, anchors, task, scales or the scale differ from those that the database was served with.
    """
    folder = base / study.study.messages if study.study.messages else None
    facts = study_facts(study, spoken(study.survey, study.study.languages[0], folder).section)
    with store.read() as connection:
        differences = _differences(connection, facts) or []
        scale = connection.execute(select(meta.c.value).where(meta.c.key == "scale")).scalar_one_or_none()
    if scale not in (None, str(study.survey.scale)):
        differences.append(f"scale: 1 to {scale} there, 1 to {study.survey.scale} here")
    if differences:
        raise ConfigError(
            f"this database belongs to another study ({'; '.join(differences)}); say where this study's ratings are "
            f"with --database-url, or put the study file back as it was"
        )


def refuse_simulated(store: Store) -> None:
    """Refuse a database with simulated raters, whose ratings would be taken for people's.

    Raises
    ------
    SurveyError
        Some of its raters are simulated.
    """
    with store.read() as connection:
        simulated = connection.execute(select(func.count()).where(rater.c.name.startswith(SIMULATED))).scalar_one()
    if simulated:
        raise SurveyError(
            f"this database holds {counted(simulated, 'simulated rater')} (`gazekit survey simulate`), and "
            f"people would rate only "
            f"what these left: name another with --database-url, or look at the rehearsal with --rehearsal"
        )


def refuse_people(store: Store) -> None:
    """Refuse a database in which people rate, before simulated raters are put into it.

    Raises
    ------
    SurveyError
        Some of its raters are not simulated.
    """
    with store.read() as connection:
        people = connection.execute(select(func.count()).where(~rater.c.name.startswith(SIMULATED))).scalar_one()
    if people:
        raise SurveyError(
            f"{counted(people, 'person rates', 'people rate')} in this database, and simulated raters would "
            f"take their pictures: rehearse in "
            f"another, such as --database-url rehearsal.db"
        )


def remember_study(connection: Connection, facts: dict[str, str]) -> list[str]:
    """Keep what makes a study itself in its database; return what differs from what is kept there."""
    differences = _differences(connection, facts)
    if differences is None:
        connection.execute(insert(meta).values(key="study", value=json.dumps(facts)))
    return differences or []


def _differences(connection: Connection, facts: dict[str, str]) -> list[str] | None:
    """Say how a study differs from that of a database; None where the database has none yet."""
    kept = connection.execute(select(meta.c.value).where(meta.c.key == "study")).scalar_one_or_none()
    if kept is None:
        return None
    earlier = json.loads(kept)
    different = [name for name in facts if earlier.get(name, "") != facts[name]]
    return [f"{name}: {earlier.get(name)} there, {facts[name]} here" for name in different]


def _rater_id(connection: Connection, name: str) -> int:
    return int(_rater(connection, name).id)


def _rater(connection: Connection, name: str) -> Row[Any]:
    row = connection.execute(select(rater).where(rater.c.name == name)).one_or_none()
    if row is None:
        raise SurveyError(f"there is no rater {name!r} in this survey")
    return row


def _pictures_of(connection: Connection, row: Any) -> list[int]:
    """Read which pictures a slot shows."""
    members = select(compared.c.image_id).where(compared.c.slot_id == row.id)
    return list(connection.execute(members).scalars()) if is_set(row) else [row.image_id]


def _use_spare(connection: Connection, images: list[int]) -> None:
    """Let one spare rating of pictures that opened count (a spare comparison where one of its pictures is open)."""
    sets = select(compared.c.slot_id).where(compared.c.image_id.in_(images))
    shows = or_(slot.c.image_id.in_(images), slot.c.id.in_(sets))
    spares = select(slot.c.id, slot.c.kind, slot.c.image_id).where(shows, slot.c.kind == "M", slot.c.state == "spare")
    for spare in connection.execute(spares.order_by(slot.c.id)).all():
        if take(connection, spare):
            count_done(connection, spare)
            connection.execute(update(slot).where(slot.c.id == spare.id).values(state="done"))
            return
