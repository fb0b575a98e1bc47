"""Which pictures are compared next: two or more, open ones first, with those that are about as good so far.

Each comparison moves a picture's strength (Elo's rule, with steps that become smaller). It only chooses what is
shown next; the scores of a study come from all comparisons at once (`survey.choice_scores`). Pictures that are
far apart tell little, and pairing by the strength alone would bring the same neighbours again and again: so a random
part of one unit is added to the distance.
"""

from __future__ import annotations

import math
import random
import zlib
from collections import defaultdict
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, case, cast, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from survey import queries as do
from survey.config import SurveySection
from survey.schema import compared, image, slot

REPEAT_GAP = 3  # showings at least between a picture and its repeat
FIRSTS = 20  # open pictures that are tried, where a rater has compared the first with all others
_IS_OPEN = image.c.taken < image.c.target
NOT_YET = 3  # comparisons before a picture's strength counts


def chance(rater_id: int, place: int) -> int:
    """Return a number from 1 to PRIME - 1 that orders the pictures, the same for the same rater and place."""
    return zlib.crc32(f"{rater_id}/{place}".encode()) % (do.PRIME - 1) + 1


def _shuffled(rater_id: int, place: int) -> ColumnElement[Any]:
    return (cast(image.c.id, BigInteger) * chance(rater_id, place)) % do.PRIME


def choose_set(connection: Connection, rater_id: int, place: int, kind: str, section: SurveySection) -> list[int]:
    """Choose the pictures that a rater compares at a place, in the order in which they are shown.

    The first is the open picture with the fewest showings. Two pictures meet once for each rater, but for hidden
    repeats. Empty where nothing is left to compare.
    """
    order = random.Random(chance(rater_id, place))
    if kind == "R":
        pictures = _repeat(connection, rater_id, place, order)
    elif kind == "G":
        pictures = _gold(connection, rater_id, place, section)
    else:
        pictures = _fresh(connection, rater_id, place, kind, section)
    order.shuffle(pictures)
    return pictures


def pick(connection: Connection, slot_id: int, best: int, worst: int | None, *, learn: bool) -> None:
    """Store which picture was picked as the best one and, of more than two, as the worst one."""
    for position, word in ((best, "best"), (worst, "worst")):
        if position is not None:
            here = (compared.c.slot_id == slot_id) & (compared.c.position == position)
            connection.execute(update(compared).where(here).values(picked=word))
    if learn:
        _move(connection, slot_id, best, worst)


def _move(connection: Connection, slot_id: int, best: int, worst: int | None) -> None:
    rows = connection.execute(
        select(compared.c.position, image.c.id, image.c.strength, image.c.done)
        .join(image, image.c.id == compared.c.image_id)
        .where(compared.c.slot_id == slot_id)
    ).all()
    strength = {row.position: row.strength or 0.0 for row in rows}
    beaten = [(best, other) for other in strength if other != best]
    beaten += [(other, worst) for other in strength if worst is not None and other not in (best, worst)]
    change: dict[int, float] = defaultdict(float)
    for winner, loser in beaten:
        surprise = 1 / (1 + math.exp(strength[winner] - strength[loser]))
        change[winner] += surprise
        change[loser] -= surprise
    for row in rows:
        step = 1.0 / (1.0 + 0.1 * row.done)
        moved = {"strength": strength[row.position] + step * change[row.position]}
        connection.execute(update(image).where(image.c.id == row.id).values(moved))


def _fresh(connection: Connection, rater_id: int, place: int, kind: str, section: SurveySection) -> list[int]:
    """Choose an open picture and its company; for practice any, and nothing is learned from it."""
    shuffle = _shuffled(rater_id, place)
    only = image.c.practice == 1 if kind == "P" and section.practice_folder else image.c.practice.is_(None)
    shown = and_(image.c.withdrawn_at.is_(None), only)
    query = select(image.c.id, image.c.strength, image.c.done).where(shown)
    if kind == "M":
        query = query.where(_IS_OPEN).order_by(image.c.taken)
    for first in connection.execute(query.order_by(shuffle).limit(FIRSTS)).all():
        company = _company(connection, rater_id, first, kind, section, shown, shuffle)
        if len(company) == section.together - 1:
            return [first.id, *company]
    return []


def _company(
    connection: Connection,
    rater_id: int,
    first: Any,
    kind: str,
    section: SurveySection,
    shown: ColumnElement[bool],
    shuffle: ColumnElement[Any],
) -> list[int]:
    """Choose what a picture is compared with: open pictures first, then those that are about as good."""
    mine, other = compared.alias(), compared.alias()
    met = (
        select(other.c.image_id)
        .join(mine, mine.c.slot_id == other.c.slot_id)
        .join(slot, slot.c.id == mine.c.slot_id)
        .where(slot.c.rater_id == rater_id, mine.c.image_id == first.id)
    )
    query = select(image.c.id).where(shown, image.c.id != first.id)
    order: list[ColumnElement[Any]] = [case((_IS_OPEN, 0), else_=1)] if kind == "M" else []
    if section.task == "pairs" and kind == "M":
        query = query.where(image.c.id.not_in(met))
    else:
        order.append(case((image.c.id.in_(met), 1), else_=0))
    if section.pairing == "active" and kind == "M" and first.done >= NOT_YET:
        away = func.abs(func.coalesce(image.c.strength, 0.0) - (first.strength or 0.0))
        order.append(away + shuffle * (1.0 / do.PRIME))
    return list(connection.execute(query.order_by(*order, shuffle).limit(section.together - 1)).scalars())


def sets_of(connection: Connection, rater_id: int) -> dict[int, tuple[str, str, int, list[int]]]:
    """Read what a rater has compared: kind, state, place and pictures by slot."""
    query = select(slot.c.id, slot.c.kind, slot.c.state, slot.c.place, compared.c.image_id)
    query = query.join(compared, compared.c.slot_id == slot.c.id).where(slot.c.rater_id == rater_id)
    sets: dict[int, tuple[str, str, int, list[int]]] = {}
    for row in connection.execute(query.order_by(slot.c.id, compared.c.position)):
        sets.setdefault(row.id, (row.kind, row.state, row.place, []))[3].append(row.image_id)
    return sets


def _repeat(connection: Connection, rater_id: int, place: int, order: random.Random) -> list[int]:
    sets = sets_of(connection, rater_id).values()
    again = {frozenset(pictures) for kind, _, _, pictures in sets if kind == "R"}
    possible = [
        pictures
        for kind, state, earlier, pictures in sets
        if kind == "M" and state == "done" and earlier <= place - REPEAT_GAP and frozenset(pictures) not in again
    ]
    return list(order.choice(possible)) if possible else []


def _gold(connection: Connection, rater_id: int, place: int, section: SurveySection) -> list[int]:
    """Choose the next pair of known order; of more than two, with others."""
    by_name = {name for pair in section.gold for name in pair}
    known = select(image.c.name, image.c.id).where(image.c.name.in_(by_name), image.c.withdrawn_at.is_(None))
    ids = {row.name: row.id for row in connection.execute(known)}
    shown = sum(kind == "G" for kind, *_ in sets_of(connection, rater_id).values())
    pairs = [pair for pair in section.gold[: section.gold_pairs] if set(pair) <= set(ids)]
    if shown >= len(pairs):
        return []
    pictures = [ids[name] for name in pairs[shown]]
    if section.together > 2:
        others = select(image.c.id).where(image.c.id.not_in(pictures), image.c.withdrawn_at.is_(None))
        others = others.where(image.c.practice.is_(None)).order_by(_shuffled(rater_id, place))
        pictures += connection.execute(others.limit(section.together - 2)).scalars()
    return pictures
