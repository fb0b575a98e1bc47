"""Who rates what next: slots that are held, done or released.

The open picture with the fewest slots comes first, so that every picture reaches its target as early as
possible; among equals a shuffled order of the rater decides. Every function here runs inside a transaction of
`survey.database.Store.write`.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, delete, insert, select, update

from survey import queries as do
from survey.comparing import REPEAT_GAP, chance, choose_set, pick
from survey.config import SurveySection
from survey.counters import count_done, give_back, is_set, take, uncount
from survey.schema import compared, event, more_score, rater, slot
from survey.stopping import stop_if_narrow

GOOD = 0.8
"""Share of its time that a slot that was held ahead must still have to be shown without holding it anew."""


@dataclass(frozen=True)
class Behaviour:
    """What a page reports about a rating besides the score."""

    time_ms: int | None = None
    viewport_w: int | None = None
    viewport_h: int | None = None
    blurs: int | None = None
    entered: str | None = None
    server_ms: int | None = None
    load_ms: int | None = None
    shown_w: int | None = None
    shown_h: int | None = None
    exposed_ms: int | None = None
    steps: str | None = None
    inputs: int | None = None


def make_plan(section: SurveySection, rng: random.Random) -> str:
    """Draw the order of a rater's showings: practice, then pictures with repeats and attention checks mixed in.

    Repeats come late enough for a picture to repeat; checks are spread over equal stretches.
    """
    gold = min(gold_showings(section), section.pictures_per_rater // 2)
    main = ["M"] * (section.pictures_per_rater - gold)
    for _ in range(gold):
        main.insert(rng.randint(0, len(main)), "G")
    for _ in range(min(section.repeats, max(0, len(main) - REPEAT_GAP))):
        main.insert(rng.randint(min(REPEAT_GAP + 1, len(main)), len(main)), "R")
    checks = section.attention_checks
    stretch = len(main) / checks if checks else 0
    for k in reversed(range(checks)):
        main.insert(rng.randint(int(k * stretch) + 1, max(int(k * stretch) + 1, int((k + 1) * stretch))), "C")
    return "P" * section.practice + "".join(main)


def gold_showings(section: SurveySection) -> int:
    """Count the showings that it takes to show a rater the pairs of known order."""
    pairs = section.gold[: section.gold_pairs]
    return len({name for pair in pairs for name in pair}) if section.task == "rate" else len(pairs)


def raters_needed(pictures: int, section: SurveySection, seed: int = 0) -> int:
    """Simulate how many raters are needed, if all of them come to the end and none is left out."""
    if section.task != "rate":  # no picture is closed to anybody
        return math.ceil(pictures * section.raters_per_picture / section.together / section.pictures_per_rater)
    rng = np.random.default_rng(seed)
    taken, raters = np.zeros(pictures, np.int64), 0
    while (taken < section.raters_per_picture).any():
        unseen = rng.permutation(pictures)[0 if section.practice_folder else min(section.practice, pictures - 1) :]
        open_pictures = unseen[taken[unseen] < section.raters_per_picture]
        emptiest = np.argsort(taken[open_pictures], kind="stable")[: section.pictures_per_rater]
        taken[open_pictures[emptiest]] += 1
        raters += 1
    return raters


def release_expired(connection: Connection, now: float, section: SurveySection) -> int:
    """Release the slots that are held past their time, and return how many there were.

    None is held longer than from now on: a clock that was set back leaves no picture closed.
    """
    connection.execute(do.BRING_NEAR, {"b_latest": now + 60 * section.hold_minutes})
    expired = connection.execute(do.EXPIRED, {"b_now": now}).all()
    for row in expired:
        connection.execute(do.RELEASE, {"b_slot": row.id})
        if row.kind == "M":
            give_back(connection, row)
    return len(expired)


def hold(
    connection: Connection, person: Row[Any], place: int, section: SurveySection, now: float, earlier: Row[Any] | None
) -> bool:
    """Hold a slot for a place of the rater's plan; return false where no picture is open to this rater.

    ``earlier`` is the slot of this place, if there is one: where it was released, it is held again if its picture is
    still open; else a new slot with a number of its own takes its place.
    """
    kind = person.plan[place]
    expires = now + 60 * section.hold_minutes
    if earlier is not None:
        if earlier.state == "held" and earlier.expires - now > GOOD * 60 * section.hold_minutes:
            return True  # it was held ahead a moment ago
        if earlier.state == "held" or earlier.kind != "M" or take(connection, earlier):
            connection.execute(do.RETAKE, {"b_slot": earlier.id, "b_expires": expires})
            return True
        connection.execute(delete(compared).where(compared.c.slot_id == earlier.id))
        connection.execute(delete(slot).where(slot.c.id == earlier.id))
    values: dict[str, Any] = {"kind": kind, "occasion": int(kind == "R")}
    together: list[int] = []
    if kind == "C":
        values["expected"] = 1 + chance(person.id, place) % section.answers
    elif section.task != "rate":
        together = choose_set(connection, person.id, place, kind, section)
        if not together:
            return False
    else:
        values["image_id"] = _choose(connection, person.id, place, kind, section)
        if values["image_id"] is None:
            return False
        if kind == "G" and connection.execute(do.TAKE, {"b_image": values["image_id"]}).rowcount == 1:
            values["kind"] = "M"  # its rating is one of those that are asked for
    held = {"rater_id": person.id, "place": place, "state": "held", "expires": expires}
    slot_id = connection.execute(do.HAND_OUT, held | values).inserted_primary_key
    if together and slot_id is not None:
        rows = [{"slot_id": slot_id[0], "position": k, "image_id": one} for k, one in enumerate(together, 1)]
        connection.execute(insert(compared), rows)
        if kind == "M":
            connection.execute(do.TAKE_SET, {"b_slot": slot_id[0]})
    return True


def slot_at(connection: Connection, rater_id: int, place: int) -> Row[Any] | None:
    """Return the slot of a rater at a place of the plan, if it was handed out."""
    return connection.execute(do.SLOT_AT, {"b_rater": rater_id, "b_place": place}).one_or_none()


def slots_between(connection: Connection, rater_id: int, first: int, last: int) -> dict[int, Row[Any]]:
    """Read the slots of a rater from one place of the plan to another, by place."""
    values = {"b_rater": rater_id, "b_first": first, "b_last": last}
    return {row.place: row for row in connection.execute(do.SLOTS_BETWEEN, values)}


def advance(
    connection: Connection,
    person: Row[Any],
    section: SurveySection,
    now: float | None = None,
    *,
    slots: Mapping[int, Row[Any]] | None = None,
    release: bool = True,
) -> Row[Any]:
    """Hold the rater's current picture and the next one (to be loaded ahead), and return the rater's new row.

    Where no picture is open for the current place, the plan is shortened. A rater at the end of the plan has
    finished, unless there are questions to answer.

    Parameters
    ----------
    connection : Connection
        A transaction that writes.
    person : Row
        The rater.
    section : SurveySection
        The survey's settings.
    now : float, optional
        The moment, seconds since 1970.
    slots : mapping, optional
        Slots of the current place and the next, where they were read in this transaction.
    release : bool
        Release the slots that are held past their time first; else only where no picture is open.
    """
    now = time.time() if now is None else now
    if (release and release_expired(connection, now, section)) or slots is None:
        slots = slots_between(connection, person.id, person.place, person.place + 1)
    while person.place < len(person.plan) and not hold(
        connection, person, person.place, section, now, slots.get(person.place)
    ):
        if release or not release_expired(connection, now, section):
            person = _skip(connection, person)
        release = True
        slots = slots_between(connection, person.id, person.place, person.place + 1)
    ahead = person.place + 1
    if ahead < len(person.plan) and person.plan[ahead] in "PMG":
        hold(connection, person, ahead, section, now, slots.get(ahead))
    if person.place >= len(person.plan) and not section.questions:
        finish(connection, person, now)
    return person


def finish(connection: Connection, person: Row[Any], now: float | None = None) -> None:
    """Note that a rater has finished; the first time counts."""
    now = time.time() if now is None else now
    connection.execute(
        update(rater).where(rater.c.id == person.id, rater.c.finished_at.is_(None)).values(finished_at=now)
    )


def _skip(connection: Connection, person: Row[Any]) -> Row[Any]:
    """Remove a place without a picture from the plan; what is held ahead moves up."""
    before, rest = person.plan[: person.place], person.plan[person.place + 1 :]
    ahead = slot_at(connection, person.id, person.place + 1)
    if ahead is not None:
        connection.execute(update(slot).where(slot.c.id == ahead.id).values(place=person.place))
    elif person.plan[person.place] == "M":
        rest = "".join(letter for letter in rest if letter != "M")  # no picture is open to this rater any more
    connection.execute(update(rater).where(rater.c.id == person.id).values(plan=before + rest))
    return connection.execute(do.READ_RATER, {"b_rater": person.id}).one()


def submit(
    connection: Connection,
    person: Row[Any],
    slot_id: int,
    score: int,
    section: SurveySection,
    behaviour: Behaviour = Behaviour(),
    now: float | None = None,
    more: Mapping[str, int] | None = None,
    worst: int | None = None,
    current: Row[Any] | None = None,
) -> Row[Any] | None:
    """Store a rating of the rater's current slot; return the rater's new row, or None where nothing was stored.

    A slot that is behind the rater (double click, Back, a second tab) keeps its first rating; a slot of somebody
    else is not touched. A slot that expired counts if its picture is still open; else its rating is kept as a spare.
    What a rater gives who was left out is kept as excluded, and the picture opens again.
    Where pictures are compared, ``score`` is the position of the best one and ``worst`` that of the worst. ``current``
    is the rater's current slot, where it was read in this transaction.
    """
    now = time.time() if now is None else now
    current = slot_at(connection, person.id, person.place) if current is None else current
    if current is None or current.id != slot_id or current.state == "done" or not 1 <= score <= section.answers:
        return None
    state = _state_of_rating(connection, person, current)
    if current.kind == "M" and state == "done":
        count_done(connection, current)
    if is_set(current):
        pick(connection, current.id, score, worst, learn=current.kind == "M" and state != "excluded")
    values = {"b_slot": current.id, "score": score, "rated_at": now, "state": state}
    connection.execute(do.RATE, values | vars(behaviour))
    if more:
        rows = [{"slot_id": current.id, "scale": name, "score": value} for name, value in more.items()]
        connection.execute(insert(more_score), rows)
    if current.kind == "M" and current.image_id is not None and state == "done":
        stop_if_narrow(connection, current.image_id, section)
    return connection.execute(do.STEP_RATER, {"b_rater": person.id, "b_now": now}).one()


def _state_of_rating(connection: Connection, person: Row[Any], current: Row[Any]) -> str:
    """Say what becomes of a slot that is rated: done, a spare, or excluded, whose picture opens again."""
    if current.kind != "M":
        return "done"
    if person.excluded_at is not None:
        if current.state == "held":
            give_back(connection, current)
        return "excluded"
    return "spare" if current.state == "released" and not take(connection, current) else "done"


def undoable(person: Row[Any], last: Row[Any] | None) -> bool:
    """Say whether a rater may take the last rating back: once, and not the answer to an attention check."""
    if person.finished_at is not None or person.undone == person.place:
        return False
    return last is not None and last.kind != "C" and last.state == "done"


def undo(connection: Connection, person: Row[Any], section: SurveySection, now: float | None = None) -> bool:
    """Take the rater's last rating back, to be given again; return false where that is not possible."""
    now = time.time() if now is None else now
    last = slot_at(connection, person.id, person.place - 1)
    if last is None or not undoable(person, last):
        return False
    if last.kind == "M":
        uncount(connection, last)
    connection.execute(update(compared).where(compared.c.slot_id == last.id).values(picked=None))
    connection.execute(delete(more_score).where(more_score.c.slot_id == last.id))
    connection.execute(do.TAKE_BACK, {"b_slot": last.id, "expires": now + 60 * section.hold_minutes})
    connection.execute(do.STEP_BACK, {"b_rater": person.id, "b_now": now})
    return True


def fail(
    connection: Connection,
    person: Row[Any],
    slot_id: int,
    section: SurveySection,
    now: float | None = None,
    position: int | None = None,
) -> Row[Any] | None:
    """Replace the rater's current picture, which could not be shown; return the rater's new row, or None."""
    now = time.time() if now is None else now
    current = slot_at(connection, person.id, person.place)
    if current is None or current.id != slot_id or current.state not in ("held", "released") or current.kind == "C":
        return None
    if current.kind == "M" and current.state == "held":
        give_back(connection, current)
    away = {"state": "failed", "place": -current.id}
    connection.execute(update(slot).where(slot.c.id == current.id).values(away))
    image_id = current.image_id
    if image_id is None:
        of_set = select(compared.c.image_id).where(compared.c.slot_id == current.id, compared.c.position == position)
        image_id = connection.execute(of_set).scalar_one_or_none()
    record(connection, "picture failed", now, rater_id=person.id, image_id=image_id)
    return advance(connection, person, section, now)


def record(connection: Connection, kind: str, now: float | None = None, **values: Any) -> None:
    """Note that something happened: ``rater_id``, ``image_id`` and ``detail`` say to whom and what."""
    connection.execute(insert(event).values(kind=kind, at=time.time() if now is None else now, **values))


def _choose(connection: Connection, rater_id: int, place: int, kind: str, section: SurveySection) -> int | None:
    """Choose the picture for a place: the open one with the fewest slots (counted here), a repeat, any for practice."""
    values: dict[str, Any] = {"b_rater": rater_id, "b_chance": chance(rater_id, place)}
    if kind == "R":
        return connection.execute(do.CHOOSE_REPEAT, values | {"b_before": place - REPEAT_GAP}).scalar_one_or_none()
    if kind == "M":
        return connection.execute(do.TAKE_MAIN, values).scalar_one_or_none()
    if kind == "G":
        names = [name for pair in section.gold[: section.gold_pairs] for name in pair]
        return connection.execute(do.GOLD, values | {"b_names": names}).scalar_one_or_none()
    query = do.CHOOSE_ONLY_PRACTICE if section.practice_folder else do.CHOOSE_PRACTICE
    return connection.execute(query, values).scalar_one_or_none()
