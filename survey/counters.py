"""How many showings of each picture are held and done, for showings of one picture and of several alike."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from survey import queries as do


def is_set(row: Any) -> bool:
    """Say whether a slot compares several pictures."""
    return row.image_id is None and row.kind != "C"


def take(connection: Connection, row: Any) -> bool:
    """Count one more showing of a slot's picture; return false where it is not open (of several: where none is)."""
    if not is_set(row):
        return connection.execute(do.TAKE, {"b_image": row.image_id}).rowcount == 1
    if connection.execute(do.OPEN_IN_SET, {"b_slot": row.id}).first() is None:
        return False
    connection.execute(do.TAKE_SET, {"b_slot": row.id})
    return True


def give_back(connection: Connection, row: Any) -> None:
    """Count one showing less of a slot's pictures: it is neither held nor done any more."""
    _both(connection, row, do.GIVE_BACK, do.GIVE_BACK_SET)


def count_done(connection: Connection, row: Any) -> None:
    """Count one rating more of a slot's pictures."""
    _both(connection, row, do.COUNT_DONE, do.COUNT_DONE_SET)


def uncount(connection: Connection, row: Any) -> None:
    """Count one rating less of a slot's pictures."""
    _both(connection, row, do.UNCOUNT, do.UNCOUNT_SET)


def _both(connection: Connection, row: Any, of_picture: Any, of_set: Any) -> None:
    if is_set(row):
        connection.execute(of_set, {"b_slot": row.id})
    else:
        connection.execute(of_picture, {"b_image": row.image_id})
