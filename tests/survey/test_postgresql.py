"""The store on a real PostgreSQL server, and databases of older versions."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text

from survey import schema
from survey.config import read_study
from survey.database import open_store, remembered
from survey.rating_export import export_choices, export_ratings
from survey.simulate import fill
from survey.web import create_app
from tests.benchmarks.survey_load import Rater
from tests.fixtures.hostile import attack, unlimited
from tests.fixtures.postgresql import binaries, crashing_postgres, postgres
from tests.fixtures.survey import (
    PASSWORD,
    STUDY,
    begin,
    counters_agree,
    finish,
    newcomer,
    operator,
    rate,
    rate_once,
    section,
    send,
    serving,
    write_study,
)
from tests.needs import need


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    need(binaries(), "PostgreSQL (Debian: postgresql)")
    with postgres() as url:
        yield url


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest) -> str:
    """An empty database of its own."""
    name = request.node.name[:30].replace("[", "_").replace("]", "").lower()
    admin = open_store(server)
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    admin.close()
    return server.replace("/postgres", f"/{name}")


def test_raters_at_once_fill_every_picture_exactly_on_postgresql(url: str) -> None:
    store = open_store(url)
    settings = section(raters_per_picture=10, pictures_per_rater=20)
    store.add_images([f"p{k:02d}" for k in range(20)], 10)
    tokens = [newcomer(store, settings) for _ in range(16)]

    def work(token: str) -> None:
        while rate(store, token, settings):
            pass

    threads = [threading.Thread(target=work, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ratings = export_ratings(store)
    assert ratings.groupby("image").size().tolist() == [10] * 20
    assert not ratings.duplicated(["rater", "image"]).any()
    counters_agree(store)
    store.close()


def test_the_pages_work_on_postgresql(url: str, tmp_path: Path) -> None:
    study = write_study(tmp_path)
    store = open_store(url)
    app = create_app(read_study(study), tmp_path, store, password=PASSWORD)
    begin(client := app.test_client(), "?PROLIFIC_PID=p1")
    finish(client)
    enemy = app.test_client()
    unlimited(enemy)
    begin(enemy)
    attack(enemy, 150, seed=5)
    assert len(export_ratings(store, practice=True).query("rater == 'r00001'")) == 9
    boss = operator(app.test_client())
    assert "1 finished" in boss.get("/operator/").get_data(as_text=True)
    assert boss.get("/operator/download/ratings.csv").get_data(as_text=True).count("r00001") == 9
    assert send(client, "/mine/delete", sure="yes").status_code == 200
    assert export_ratings(store, practice=True).query("rater == 'r00001'").empty
    store.close()


def test_a_plain_user_of_postgresql_writes_and_waits_for_the_disk_after_the_turn(url: str) -> None:
    admin = open_store(url)
    with admin.write() as connection:
        connection.execute(text("CREATE ROLE lab LOGIN"))
        connection.execute(text("GRANT SELECT, INSERT, UPDATE ON meta TO lab"))
    admin.close()
    store = open_store(url.replace("survey@", "lab@"))
    commits = text("SHOW synchronous_commit")
    with store.write() as connection:
        assert remembered(connection, "scale", "7") == "7"
        assert connection.execute(commits).scalar_one() == "off"  # who holds the lock does not wait for the disk
    with store.read() as connection:
        assert remembered(connection, "scale", "9") == "7"
        assert connection.execute(commits).scalar_one() == "on"
    store.close()


@pytest.mark.parametrize("task", ["pairs", "best-worst"])
def test_choices_agree(url: str, tmp_path: Path, task: str) -> None:
    truth = {f"p{k}": 2.0 + k / 2 for k in range(12)}
    settings = section(task=task, raters_per_picture=6, pictures_per_rater=9, repeats=1, gold=[("p9", "p2")])
    tables = []
    for where in (url, str(tmp_path / "s.db")):
        fill(where, truth, section=settings, seed=2)
        store = open_store(where)
        tables.append(export_choices(store))
        store.close()
    assert tables[0].equals(tables[1])
    assert len(tables[0]) > 20


def test_both_databases_give_the_same_simulated_ratings(url: str, tmp_path: Path) -> None:
    truth = {f"p{k}": 2.0 + k / 2 for k in range(12)}
    tables = []
    for where in (url, str(tmp_path / "s.db")):
        fill(where, truth, raters=6, per_picture=3, seed=2)
        store = open_store(where)
        tables.append(export_ratings(store))
        store.close()
    assert tables[0].equals(tables[1])


def first_version(path: Path) -> None:
    """A database as schema version 1 left it, with a rating in it."""
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE meta ("key" VARCHAR(40) NOT NULL PRIMARY KEY, value TEXT NOT NULL);
        INSERT INTO meta VALUES ('schema', '1'), ('secret', 'abc');
        CREATE TABLE image (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(400) NOT NULL UNIQUE, target INTEGER NOT NULL,
            taken INTEGER NOT NULL, done INTEGER NOT NULL);
        INSERT INTO image VALUES (1, 'x.jpg', 10, 1, 1);
        CREATE TABLE rater (id INTEGER NOT NULL PRIMARY KEY, token_hash VARCHAR(64) NOT NULL UNIQUE,
            name VARCHAR(20) NOT NULL UNIQUE, code VARCHAR(40) NOT NULL, consent_version VARCHAR(40) NOT NULL,
            consent_at FLOAT NOT NULL, seen_at FLOAT NOT NULL, ready_at FLOAT, finished_at FLOAT, deleted_at FLOAT,
            plan TEXT NOT NULL, place INTEGER NOT NULL);
        INSERT INTO rater VALUES (1, 'h', 'r00001', 'CODE', '1', 1.0, 2.0, 1.5, 2.0, NULL, 'M', 1);
        CREATE TABLE platform (rater_id INTEGER NOT NULL PRIMARY KEY REFERENCES rater (id), source VARCHAR(20) NOT NULL,
            participant VARCHAR(200) NOT NULL, study VARCHAR(200) NOT NULL, session VARCHAR(200) NOT NULL);
        CREATE TABLE slot (id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            rater_id INTEGER NOT NULL REFERENCES rater (id), place INTEGER NOT NULL,
            kind VARCHAR(1) NOT NULL, image_id INTEGER REFERENCES image (id),
            occasion INTEGER NOT NULL, state VARCHAR(8) NOT NULL, expires FLOAT NOT NULL, expected INTEGER,
            score INTEGER, rated_at FLOAT, time_ms INTEGER, viewport_w INTEGER, viewport_h INTEGER, blurs INTEGER,
            UNIQUE (rater_id, place), UNIQUE (image_id, rater_id, occasion));
        INSERT INTO slot VALUES (7, 1, 0, 'M', 1, 0, 'done', 9.0, NULL, 8, 2.0, 1500, 800, 600, 0);
        CREATE INDEX image_taken ON image (taken);
        CREATE INDEX slot_expiry ON slot (state, expires);
        CREATE TABLE answer (rater_id INTEGER NOT NULL REFERENCES rater (id), question VARCHAR(40) NOT NULL,
            value TEXT NOT NULL, PRIMARY KEY (rater_id, question));
        """
    )
    connection.close()


def test_an_older_database_is_migrated_and_keeps_its_ratings(tmp_path: Path) -> None:
    first_version(tmp_path / "old.db")
    store = open_store(tmp_path / "old.db")
    row = export_ratings(store).iloc[0]
    assert (row["rater"], row["image"], row["score"], row["time_ms"]) == ("r00001", "x.jpg", 8, 1500)
    with store.read() as connection:
        version = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "schema")).scalar_one()
        found = {column["name"] for column in inspect(connection).get_columns("slot")}
    assert version == str(schema.VERSION)
    assert found == {column.name for column in schema.slot.columns}
    assert store.secret(tmp_path) == "abc"
    assert (tmp_path / "old.db.secret").stat().st_mode & 0o777 == 0o600
    with store.read() as connection:
        assert connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "secret")).all() == []
    store.close()


@pytest.mark.once
def test_many_clients_lose_nothing_while_postgresql_restarts_and_crashes(tmp_path: Path) -> None:
    """16 raters at a real server; PostgreSQL is restarted in order, then crashes."""
    need(binaries(), "PostgreSQL (Debian: postgresql)")
    plain = STUDY.replace("practice = 1", "practice = 0\nrequests_per_minute = 100000\nstarts_per_hour = 100000")
    plain = plain.replace("pictures_per_rater = 6", "pictures_per_rater = 12").replace("repeats = 1", "repeats = 0")
    plain = plain.replace("attention_checks = 1", "attention_checks = 0")
    plain = plain.replace("raters_per_picture = 3", "raters_per_picture = 9")
    study = write_study(tmp_path, plain, pictures=20)
    with crashing_postgres() as (url, control), serving(study, "--database-url", url) as (address, _):
        host, port = address.removeprefix("http://").split(":")
        people = [Rater(host, int(port), random.Random(k), (0.1, 0.4)) for k in range(16)]
        threads = [threading.Thread(target=person.take_part) for person in people]
        for thread in threads:
            thread.start()
        for way in ("fast", "immediate"):
            time.sleep(1.2)
            control("stop", "-m", way)
            time.sleep(0.3)
            control("start")
        for thread in threads:
            thread.join(timeout=600)
        store = open_store(url)
        ratings = export_ratings(store)
        with store.read() as connection:
            scores = {row.id: row.score for row in connection.execute(select(schema.slot))}
        counters_agree(store)
        store.close()
    acknowledged = [pair for person in people for pair in person.stored]
    away = sum(person.away for person in people)
    print(f"\n{len(acknowledged)} ratings acknowledged, {away} answers said that nothing can be stored")
    assert [error for person in people for error in person.errors] == []
    assert away > 0
    assert len(acknowledged) >= 20 * 9
    assert all(scores[int(slot)] == score for slot, score in acknowledged)
    assert ratings.groupby("image").size().tolist() == [9] * 20


@pytest.mark.once
def test_a_crash_of_postgresql_is_an_error_page_and_loses_nothing(tmp_path: Path) -> None:
    need(binaries(), "PostgreSQL (Debian: postgresql)")
    study = write_study(tmp_path, STUDY.replace("pictures_per_rater = 6", "pictures_per_rater = 40"), pictures=40)
    with crashing_postgres() as (url, control):
        store = open_store(url)
        client = create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client()
        client.application.config["PROPAGATE_EXCEPTIONS"] = False
        begin(client)
        acknowledged = 0
        for _ in range(4):
            for _ in range(5):
                acknowledged += rate_once(client).status_code == 303
            control("stop", "-m", "immediate")
            away = client.get("/rate")
            assert away.status_code == 503
            assert "Your ratings so far are kept" in away.get_data(as_text=True)
            control("start")
            for _ in range(20):  # the first tries may meet connections that are gone
                if client.get("/rate").status_code == 200:
                    break
                time.sleep(0.05)
            assert len(export_ratings(store, practice=True)) == acknowledged
        assert acknowledged == 20
        store.close()
