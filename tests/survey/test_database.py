from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, func, select, update

from survey import raters as people
from survey.aggregation import aggregate
from survey.assignment import advance, slot_at, submit
from survey.database import Store, open_store
from survey.errors import SurveyError
from survey.monitoring import PictureState
from survey.rating_export import export_histograms, export_ratings, own_copy
from survey.schema import image, meta, rater, slot
from survey.simulate import fill
from tests.fixtures.survey import counters_agree, newcomer, rate, section


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "survey.db", durable=False)
    yield opened
    opened.close()


@pytest.mark.skipif(os.name == "nt", reason="Windows takes no such names")
@pytest.mark.parametrize("folder", ["what?", "100%25", "a#b", "me@home:1", "é 日本 'x' \"y\"\nz"])
def test_any_folder_holds_its_own_database(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    file = tmp_path / folder / "survey.sqlite3"
    with contextlib.closing(open_store(file, durable=False)) as opened:
        with opened.write() as connection:
            connection.execute(meta.insert().values(key="of", value=folder))
        assert opened.address == str(file)
        with contextlib.closing(open_store(opened.address, create=False)) as again, again.read() as connection:
            assert connection.execute(select(meta.c.value).where(meta.c.key == "of")).scalar() == folder
    assert list(tmp_path.iterdir()) == [tmp_path / folder]
    assert file.stat().st_size > 0


def test_raters_at_once_fill_every_picture_exactly(store: Store) -> None:
    settings = section(raters_per_picture=10, pictures_per_rater=40)
    store.add_images([f"p{k:02d}" for k in range(40)], 10)
    tokens = [newcomer(store, settings) for _ in range(25)]

    def work(token: str) -> None:
        while rate(store, token, settings):
            pass

    threads = [threading.Thread(target=work, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ratings = export_ratings(store)
    assert ratings.groupby("image").size().tolist() == [10] * 40
    assert not ratings.duplicated(["rater", "image"]).any()
    counters_agree(store)


def test_practice_pictures_are_entered_once_and_a_survey_without_ratings_has_no_histograms(store: Store) -> None:
    for names in (["w0", "w1"], ["w1", "w2"], ["w0"]):
        store.add_practice_images(names)
    with store.read() as connection:
        rows = connection.execute(select(image.c.name, image.c.practice).order_by(image.c.name)).all()
    assert [tuple(row) for row in rows] == [("w0", 1), ("w1", 1), ("w2", 1)]
    assert export_histograms(store, 10).empty


def test_a_database_of_a_server_is_not_copied_as_a_file(tmp_path: Path) -> None:
    """Its own program makes the copy; there is no log of SQLite to wait for either."""
    pytest.importorskip("psycopg", reason="PostgreSQL: pip install 'gazekit[postgres]'")
    store = Store(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"))
    with pytest.raises(SurveyError, match="backed up with pg_dump"):
        store.backup(tmp_path / "copy.db")
    store.sync()
    store.checkpoint()
    assert list(tmp_path.iterdir()) == []


def test_how_far_a_mean_may_be_off_is_said_from_enough_ratings_on() -> None:
    bounds = [
        PictureState("p", n, 0, 30, [n - n // 2, 0, n // 2], withdrawn=False, failures=0).bound for n in (0, 2, 30, 300)
    ]
    assert bounds[:2] == [None, None]
    assert bounds[2] is not None
    assert bounds[3] is not None
    assert 0 < bounds[3] < bounds[2] < 1.5


def test_pictures_fill_evenly(store: Store) -> None:
    settings = section(raters_per_picture=5, pictures_per_rater=6)
    store.add_images([f"p{k}" for k in range(9)], 5)
    for _ in range(3):
        token = newcomer(store, settings)
        while rate(store, token, settings):
            pass
    assert export_ratings(store).groupby("image").size().tolist() == [2] * 9


def test_a_hold_expires_and_the_picture_is_given_to_somebody_else(store: Store) -> None:
    settings = section(raters_per_picture=1, hold_minutes=1, pictures_per_rater=1)
    store.add_images(["p"], 1)
    late, other = newcomer(store, settings), newcomer(store, settings)
    with store.write() as connection:
        person = people.find(connection, late)
        assert person is not None
        advance(connection, person, settings, now=1000.0)
        held = slot_at(connection, person.id, 0)
        assert held is not None
    assert not rate(store, other, settings, now=1059.0)
    third = newcomer(store, settings)
    assert rate(store, third, settings, now=1061.0)
    with store.write() as connection:
        person = people.find(connection, late)
        assert person is not None
        assert submit(connection, person, held.id, 5, settings, now=1062.0)
    assert export_ratings(store)["kind"].tolist() == ["main", "spare"]
    counters_agree(store)


def test_a_clock_that_was_set_back_leaves_no_picture_closed(store: Store) -> None:
    settings = section(raters_per_picture=1, hold_minutes=1, pictures_per_rater=1)
    store.add_images(["p"], 1)
    with store.write() as connection:
        person = people.find(connection, people.join(connection, settings))
        assert person is not None
        advance(connection, person, settings, now=90_000.0)
    assert not rate(store, newcomer(store, settings), settings, now=1000.0)
    assert rate(store, newcomer(store, settings), settings, now=1061.0)
    counters_agree(store)


def test_a_late_rating_counts_while_the_picture_is_open(store: Store) -> None:
    settings = section(raters_per_picture=2, hold_minutes=1, pictures_per_rater=1)
    store.add_images(["p"], 2)
    late = newcomer(store, settings)
    with store.write() as connection:
        person = people.find(connection, late)
        assert person is not None
        advance(connection, person, settings, now=1000.0)
        held = slot_at(connection, person.id, 0)
        assert held is not None
    assert rate(store, newcomer(store, settings), settings, now=2000.0)
    with store.write() as connection:
        assert submit(connection, person, held.id, 7, settings, now=2001.0)
    counters_agree(store)


def test_the_picture_held_ahead_moves_up_when_the_current_one_is_gone(store: Store) -> None:
    settings = section(raters_per_picture=1, hold_minutes=1, pictures_per_rater=2)
    store.add_images(["p", "q"], 1)
    slow = newcomer(store, settings)
    with store.write() as connection:
        person = people.find(connection, slow)
        assert person is not None
        person = advance(connection, person, settings, now=1000.0)
        first, second = slot_at(connection, person.id, 0), slot_at(connection, person.id, 1)
        assert first is not None
        assert second is not None
        connection.execute(update(slot).where(slot.c.id == second.id).values(expires=9999.0))
    assert rate(store, newcomer(store, settings), settings, now=1100.0)
    with store.write() as connection:
        person = advance(connection, person, settings, now=1101.0)
        current = slot_at(connection, person.id, person.place)
        assert current is not None
        assert (current.image_id, len(person.plan)) == (second.image_id, 1)
        assert not submit(connection, person, first.id, 5, settings)
        assert submit(connection, person, current.id, 5, settings)
    counters_agree(store)


def test_a_second_click_keeps_the_first_rating(store: Store) -> None:
    settings = section()
    store.add_images(["p", "q"], 3)
    token = newcomer(store, settings)
    with store.write() as connection:
        person = people.find(connection, token)
        assert person is not None
        person = advance(connection, person, settings)
        current = slot_at(connection, person.id, 0)
        assert current is not None
        assert submit(connection, person, current.id, 4, settings)
        person = people.find(connection, token)
        assert person is not None
        assert not submit(connection, person, current.id, 9, settings)
    assert export_ratings(store)["score"].tolist() == [4]


def test_nobody_rates_a_slot_of_somebody_else(store: Store) -> None:
    settings = section()
    store.add_images(["p", "q"], 3)
    mine, theirs = newcomer(store, settings), newcomer(store, settings)
    with store.write() as connection:
        a, b = people.find(connection, mine), people.find(connection, theirs)
        assert a is not None
        assert b is not None
        advance(connection, a, settings)
        advance(connection, b, settings)
        other = slot_at(connection, b.id, 0)
        assert other is not None
        assert not submit(connection, a, other.id, 4, settings)


def test_who_leaves_opens_the_pictures_again(store: Store) -> None:
    settings = section(raters_per_picture=1)
    store.add_images(["p", "q"], 1)
    token = newcomer(store, settings)
    assert rate(store, token, settings)
    with store.write() as connection:
        person = people.find(connection, token)
        assert person is not None
        assert len(own_copy(connection, person)["ratings"]) == 1
        people.forget(connection, person)
        assert people.find(connection, token) is None
        assert connection.scalar(select(func.count()).select_from(slot)) == 0
    assert export_ratings(store).empty
    counters_agree(store)
    assert rate(store, newcomer(store, settings), settings)


def test_tokens_are_stored_hashed_only(store: Store) -> None:
    token = newcomer(store, section())
    with store.read() as connection:
        assert token not in str(connection.execute(select(rater)).all())


@pytest.mark.once
def test_simulated_raters_fill_the_survey_and_recover_the_truth(tmp_path: Path, rng: np.random.Generator) -> None:
    truth = {f"p{k:03d}.jpg": float(m) for k, m in enumerate(rng.uniform(3, 8, 60))}
    first = fill_and_export(tmp_path / "a.db", truth)
    table = aggregate(first)
    assert table["n"].tolist() == [10] * 60
    error = table["mean"].to_numpy() - np.array([truth[name] for name in table["image"]])
    assert np.sqrt(np.mean(error**2)) < 0.5
    assert set(first["kind"]) == {"main", "repeat", "check"}
    assert first["rater"].str.startswith("sim").all()
    assert first.equals(fill_and_export(tmp_path / "b.db", truth))


def fill_and_export(path: Path, truth: dict[str, float]):  # type: ignore[no-untyped-def]
    store = open_store(path, durable=False)
    fill(store, truth, raters=25, per_picture=10, seed=4)
    ratings = export_ratings(store)
    counters_agree(store)
    store.close()
    return ratings


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db")
    with store.write() as connection:
        connection.execute(update(meta).where(meta.c.key == "schema").values(value="99"))
    store.close()
    with pytest.raises(SurveyError, match="schema version 99, made by a newer gazekit"):
        open_store(tmp_path / "s.db")


@pytest.mark.parametrize("url", ["nonsense://x", "postgresql://u:secret@127.0.0.1:1/none"], ids=["dialect", "server"])
def test_a_database_that_cannot_be_opened_says_so_without_the_password(url: str) -> None:
    with pytest.raises(SurveyError) as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_sync_puts_the_log_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path / "s.db")
    store.add_images(["p"], 1)
    synced: list[int] = []
    monkeypatch.setattr("survey.database.os.fsync", synced.append)
    store.sync()
    assert len(synced) == 1
    store.close()


def test_a_long_log_is_moved_beside_the_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("survey.database.LOG_BYTES", 1 << 16)
    store = open_store(tmp_path / "s.db")
    log = tmp_path / "s.db-wal"
    for part in range(3):
        store.add_images([f"{part}-{k:05d}.jpg" for k in range(2000)], 3)
        grown = log.stat().st_size
        assert grown > 1 << 16
        store.sync()
    with contextlib.closing(sqlite3.connect(f"file:{tmp_path / 's.db'}?immutable=1", uri=True)) as copy:
        assert copy.execute("SELECT count(*) FROM image").fetchone() == (6000,)  # the file alone is whole
    store.add_images(["last.jpg"], 3)
    assert log.stat().st_size <= grown  # it began anew
    store.close()
