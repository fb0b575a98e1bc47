"""What the other tests of the assignment leave: with them every branch of it is tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Row, select, update

from survey import raters as people
from survey.assignment import advance, fail, raters_needed, slot_at, submit, undo
from survey.config import SurveySection
from survey.database import Store, open_store
from survey.schema import image, more_score, rater, slot
from tests.fixtures.survey import counters_agree, newcomer, section

NOW = 1_800_000_000.0
LATER = NOW + 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "survey.db", durable=False)
    yield opened
    opened.close()


def seated(connection: Connection, token: str, settings: SurveySection) -> tuple[Row[Any], Row[Any]]:
    """A rater and the picture that is now held for them."""
    person = people.find(connection, token)
    assert person is not None
    person = advance(connection, person, settings, NOW)
    current = slot_at(connection, person.id, person.place)
    assert current is not None
    return person, current


def test_comparisons_need_raters_by_the_places_of_their_pages() -> None:
    settings = section(task="pairs", raters_per_picture=6, pictures_per_rater=9)
    assert raters_needed(12, settings) == 4  # 12 pictures, 6 times each, on 4 times 9 pages of two


def test_a_practice_picture_that_is_held_past_its_time_is_released_too(store: Store) -> None:
    settings = section(practice=1, raters_per_picture=1, pictures_per_rater=1)
    store.add_images(["p", "q"], 1)
    tokens = [newcomer(store, settings) for _ in range(2)]
    for token, now in zip(tokens, (NOW, LATER), strict=True):
        with store.write() as connection:
            person = people.find(connection, token)
            assert person is not None
            advance(connection, person, settings, now)
    with store.read() as connection:
        states = [(row.kind, row.state) for row in connection.execute(select(slot).order_by(slot.c.id))]
    assert ("P", "released") in states
    counters_agree(store)


def test_where_no_picture_is_open_those_held_past_their_time_are_given_on(store: Store) -> None:
    settings = section(raters_per_picture=1, pictures_per_rater=1)
    store.add_images(["p"], 1)
    tokens = [newcomer(store, settings) for _ in range(2)]
    for token, now in zip(tokens, (NOW, LATER), strict=True):
        with store.write() as connection:
            person = people.find(connection, token)
            assert person is not None
            person = advance(connection, person, settings, now, release=False)
            held = slot_at(connection, person.id, person.place)
            assert held is not None
            assert held.state == "held"
    counters_agree(store)


def test_a_late_rating_of_somebody_left_out_fills_no_picture(store: Store) -> None:
    settings = section(raters_per_picture=1, pictures_per_rater=1)
    store.add_images(["p"], 1)
    token = newcomer(store, settings)
    with store.write() as connection:
        person, current = seated(connection, token, settings)
    other = newcomer(store, settings)
    with store.write() as connection:
        somebody = people.find(connection, other)
        assert somebody is not None
        advance(connection, somebody, settings, LATER)  # the hold is over: the picture is theirs now
        connection.execute(
            update(rater).where(rater.c.id == person.id).values(excluded_at=LATER, excluded_why="too fast")
        )
        person = people.find(connection, token)
        assert person is not None
        submit(connection, person, current.id, 7, settings, now=LATER)
    with store.read() as connection:
        assert connection.execute(select(slot.c.state).where(slot.c.id == current.id)).scalar_one() == "excluded"
    counters_agree(store)


def test_somebody_left_out_gives_back_what_is_held(store: Store) -> None:
    settings = section(raters_per_picture=1, pictures_per_rater=1)
    store.add_images(["p"], 1)
    token = newcomer(store, settings)
    with store.write() as connection:
        person, current = seated(connection, token, settings)
        connection.execute(
            update(rater).where(rater.c.id == person.id).values(excluded_at=NOW, excluded_why="too fast")
        )
        person = people.find(connection, token)
        assert person is not None
        submit(connection, person, current.id, 7, settings, now=NOW)
        assert connection.execute(select(image.c.taken, image.c.done)).one() == (0, 0)
    counters_agree(store)


def test_a_practice_rating_taken_back_uncounts_nothing_and_its_other_scales_go(store: Store) -> None:
    settings = section(practice=1, raters_per_picture=1, pictures_per_rater=1)
    store.add_images(["p", "q"], 1)
    token = newcomer(store, settings)
    with store.write() as connection:
        person, current = seated(connection, token, settings)
        assert submit(connection, person, current.id, 7, settings, now=NOW, more={"calm": 3})
        person = people.find(connection, token)
        assert person is not None
        assert connection.execute(select(more_score.c.scale, more_score.c.score)).all() == [("calm", 3)]
        assert undo(connection, person, settings, NOW)
        assert connection.execute(select(more_score.c.scale)).all() == []
        again = slot_at(connection, person.id, 0)
        assert again is not None
        assert (again.id, again.state) == (current.id, "held")
    counters_agree(store)


def test_a_practice_picture_that_fails_gives_no_place_back(store: Store) -> None:
    settings = section(practice=1, raters_per_picture=1, pictures_per_rater=1)
    store.add_images(["p", "q"], 1)
    token = newcomer(store, settings)
    with store.write() as connection:
        person, current = seated(connection, token, settings)
        assert current.kind == "P"
        assert fail(connection, person, current.id, settings, NOW) is not None
        assert connection.execute(select(slot.c.state).where(slot.c.id == current.id)).scalar_one() == "failed"
    counters_agree(store)
