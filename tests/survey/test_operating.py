"""Pausing, leaving out, merging, withdrawing; backups; and what must not be readable or believed."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from gazekit.core.errors import GazekitError
from survey import raters as people
from survey.config import read_study
from survey.database import open_store
from survey.live_quality import leave_out
from survey.operations import exclude, merge, readmit, set_opening, withdraw_picture
from survey.rating_export import export_ratings
from survey.schema import image, rater, slot
from survey.table_io import harmless
from survey.web import create_app
from tests.fixtures.survey import (
    PASSWORD,
    STUDY,
    begin,
    counters_agree,
    field,
    finish,
    newcomer,
    operator,
    rate,
    rate_once,
    section,
    send,
    serving,
    store_of,
    write_study,
)

Clients = Callable[[], FlaskClient]


def test_a_paused_survey_waits_and_goes_on(make_client: Clients) -> None:
    client, boss = make_client(), make_client()
    begin(client)
    page = client.get("/rate").get_data(as_text=True)
    operator(boss)
    assert send(boss, "/operator/do", what="paused").status_code == 303
    paused = client.get("/rate")
    assert paused.status_code == 503
    assert "This survey is paused" in paused.get_data(as_text=True)
    assert send(client, "/rate", slot=field(page, "slot"), score="5").status_code == 503
    assert make_client().get("/").status_code == 503
    send(boss, "/operator/do", what="open")
    assert field(client.get("/rate").get_data(as_text=True), "slot") == field(page, "slot")
    send(boss, "/operator/do", what="closed")
    assert "This survey is closed" in client.get("/rate").get_data(as_text=True)
    assert send(boss, "/operator/do", what="nonsense").status_code == 400


def test_pictures_of_a_rater_who_is_left_out_open_again(make_client: Clients) -> None:
    client, boss = make_client(), make_client()
    begin(client)
    finish(client)
    operator(boss)
    assert send(boss, "/operator/do", what="exclude", name="r00001", why="same answer").status_code == 303
    store = store_of(client)
    counters_agree(store)
    with store.read() as connection:
        assert sum(connection.execute(select(image.c.taken)).scalars()) == 0
    table = export_ratings(store)
    assert set(table["kind"]) == {"excluded", "repeat", "check"}
    assert "1 left out" in boss.get("/operator/").get_data(as_text=True)
    send(boss, "/operator/do", what="readmit", name="r00001")
    counters_agree(store)
    assert (export_ratings(store)["kind"] == "main").sum() == 6
    assert send(boss, "/operator/do", what="exclude", name="nobody", why="x").status_code == 400


def test_the_survey_ends_with_good_ratings_where_rules_leave_raters_out(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db", durable=False)
    settings = section(raters_per_picture=3, pictures_per_rater=12, exclude_by=["straight-lining"])
    store.add_images([f"p{k:02d}" for k in range(12)], 3)
    people = 0
    while True:
        token, score = newcomer(store, settings), 0
        while rate(store, token, settings, 5 if people == 1 else 1 + (7 * score + people) % 10):
            score += 1
        if not score:
            break
        people += 1
        leave_out(store, settings, now=10.0**11)
    ratings = export_ratings(store)
    good = ratings[ratings["kind"] == "main"]
    assert people == 4
    assert good.groupby("image").size().tolist() == [3] * 12
    assert "r00002" not in set(good["rater"])
    counters_agree(store)
    store.close()


def test_a_spare_fills_the_place_of_a_rating_that_is_left_out(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db", durable=False)
    settings = section(raters_per_picture=1, hold_minutes=1, pictures_per_rater=1)
    store.add_images(["p"], 1)
    late = newcomer(store, settings)
    with store.write() as connection:
        from survey import raters as people
        from survey.assignment import advance, slot_at, submit

        person = people.find(connection, late)
        assert person is not None
        advance(connection, person, settings, now=1000.0)
        held = slot_at(connection, person.id, 0)
        assert held is not None
    assert rate(store, newcomer(store, settings), settings, score=2, now=1061.0)
    with store.write() as connection:
        person = people.find(connection, late)
        assert person is not None
        assert submit(connection, person, held.id, 9, settings, now=1062.0)
        exclude(connection, "r00002", "test")
    ratings = export_ratings(store)
    assert ratings[ratings["kind"] == "main"]["score"].tolist() == [9]
    with store.write() as connection:
        readmit(connection, "r00002")
    assert export_ratings(store)["kind"].tolist() == ["spare", "main"]
    counters_agree(store)
    store.close()


def test_two_raters_who_are_one_person_are_merged(make_client: Clients) -> None:
    one, other = make_client(), make_client()
    for client in (one, other):
        begin(client)
        for _ in range(5):
            rate_once(client)
    store = store_of(one)
    before = export_ratings(store, practice=True)
    with store.write() as connection:
        merge(connection, "r00001", "r00002")
    after = export_ratings(store, practice=True)
    counters_agree(store)
    assert set(after["rater"]) == {"r00001"}
    pictures = before[before["kind"] == "main"]
    assert len(after[after["kind"] == "main"]) >= pictures["image"].nunique() - 1
    assert not after[after["kind"] == "main"].duplicated(["rater", "image"]).any()
    finish(one)
    assert other.get("/rate").headers["Location"] == "/"


def test_a_withdrawn_picture_is_shown_to_nobody(make_client: Clients) -> None:
    client = make_client()
    begin(client)
    store = store_of(client)
    with store.write() as connection:
        for name in [f"p{k:03d}.jpg" for k in range(4)]:
            withdraw_picture(connection, name)
    begin(other := make_client())
    finish(other)
    store.add_images([f"p{k:03d}.jpg" for k in range(9)], 3)  # a restart does not bring it back
    late = make_client()
    begin(late)
    finish(late)
    ratings = export_ratings(store)
    mine = ratings[(ratings["rater"] != "r00001") & (ratings["kind"] == "main")]
    assert set(mine["image"]) <= {f"p{k:03d}.jpg" for k in range(4, 9)}
    with pytest.raises(GazekitError, match="there is no picture 'x'"), store.write() as connection:
        withdraw_picture(connection, "x")


def test_an_error_page_stands_where_the_database_is_away(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(client)
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    database = Path(str(store_of(client).engine.url.database))
    with closing(sqlite3.connect(database, isolation_level=None)) as blocker:
        blocker.execute("DROP TABLE slot")
    answer = client.get("/rate")
    assert answer.status_code == 503
    assert "Your ratings so far are kept" in answer.get_data(as_text=True)


def test_a_backup_is_whole_while_raters_rate(client: FlaskClient, tmp_path: Path) -> None:
    begin(client)
    rate_once(client, 7)
    store = store_of(client)
    store.backup(tmp_path / "copy.db")
    rate_once(client, 8)
    copy = open_store(tmp_path / "copy.db", create=False)
    assert len(export_ratings(copy, practice=True)) == 1
    copy.close()
    with pytest.raises(GazekitError, match="never overwritten"):
        store.backup(tmp_path / "copy.db")
    store.checkpoint()
    alone = tmp_path / "alone.db"  # the file without its log
    alone.write_bytes(Path(str(store.engine.url.database)).read_bytes())
    copied = open_store(alone)
    assert len(export_ratings(copied, practice=True)) == 2
    copied.close()


def test_a_server_that_is_asked_to_end_leaves_a_whole_file(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    with serving(study) as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=600) == 0
    assert not Path(f"{study.with_suffix('.survey.db')}-wal").exists()


def test_a_path_without_a_database_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GazekitError, match=r"there is no survey database at .*none\.db"):
        open_store(tmp_path / "none.db", create=False)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps other users out of a profile by itself")
def test_only_the_owner_reads_database_and_secret(study: Path) -> None:
    database = study.with_suffix(".db")
    database.touch()
    database.chmod(0o644)
    store = open_store(database)
    create_app(read_study(study), study.parent, store, password=PASSWORD)
    for path in study.parent.glob("study.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    secret = Path(f"{database}.secret").read_text()
    store.checkpoint()
    assert secret.encode() not in database.read_bytes()
    store.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("very ugly", "hideous"), r"belongs to another study \(anchors"),
        (
            lambda text: text.replace("practice = 1", 'practice = 1\nquestion = "How calm?"'),
            r"another study \(question",
        ),
        (lambda text: text.replace("reef &", "wreck &"), r"another study \(name"),
    ],
    ids=["anchors", "question", "name"],
)
def test_a_database_of_another_study_is_refused(study: Path, change: Callable[[str], str], words: str) -> None:
    store = open_store(study.with_suffix(".db"))
    create_app(read_study(study), study.parent, store, password=PASSWORD)
    study.write_text(change(STUDY))
    with pytest.raises(GazekitError, match=words):
        create_app(read_study(study), study.parent, store, password=PASSWORD)
    store.close()


def test_a_picture_that_was_changed_is_refused(study: Path) -> None:
    store = open_store(study.with_suffix(".db"))
    create_app(read_study(study), study.parent, store, password=PASSWORD)
    pictures = study.parent / "pictures"
    (pictures / "p000.jpg").touch()  # the same bytes
    create_app(read_study(study), study.parent, store, password=PASSWORD)
    (pictures / "p001.jpg").write_bytes((pictures / "p002.jpg").read_bytes())
    with pytest.raises(GazekitError, match=r"1 picture is not what was rated under that name: p001.jpg"):
        create_app(read_study(study), study.parent, store, password=PASSWORD)
    store.close()


def test_a_logged_out_session_is_over_wherever_its_cookie_is(make_client: Clients) -> None:
    boss, thief = make_client(), make_client()
    operator(boss)
    cookie = boss.get_cookie("survey")
    assert cookie is not None
    thief.set_cookie("survey", cookie.value)
    assert thief.get("/operator/").status_code == 200
    send(boss, "/operator/logout")
    assert thief.get("/operator/").status_code == 303


@pytest.mark.usefixtures("same_minute")
def test_strangers_do_not_lock_a_known_operator_out(make_client: Clients) -> None:
    boss, stranger, other = make_client(), make_client(), make_client()
    operator(boss)
    send(boss, "/operator/logout")
    codes = [send(stranger, "/operator/login", password="guess").status_code for _ in range(11)]
    assert codes[-1] == 429
    assert send(other, "/operator/login", password=PASSWORD).status_code == 429  # the account, whatever the address
    operator(boss)


def test_downloads_are_recorded(make_client: Clients) -> None:
    boss = operator(make_client())
    boss.get("/operator/download/ratings.csv")
    events = boss.get("/operator/download/events.csv").get_data(as_text=True)
    assert 'download,,,"ratings.csv, 0 rows"' in events


@pytest.mark.parametrize(
    "cell",
    ["a;=1+1", "a\t+1", "a,@x", 'a\n"=1', " =1", "a|-1"],
    ids=["semicolon", "tab", "comma", "line", "blank", "bar"],
)
def test_formulas_are_defused_for_every_separator(cell: str) -> None:
    safe = str(harmless(cell))
    assert safe != cell
    assert all(not re.match(r'[\s"]*[=+\-@]', part) for part in re.split(r"[;,|\t\n]", safe))
    assert harmless("plain text - with a dash") == "plain text - with a dash"


def test_the_host_that_a_request_names_is_not_believed(study: Path) -> None:
    store = open_store(study.with_suffix(".db"))
    settings = read_study(study)
    client = create_app(settings, study.parent, store, password=PASSWORD).test_client()
    begin(client)
    page = client.get("/instructions", headers={"Host": "evil.example"}).get_data(as_text=True)
    assert "evil.example" not in page
    guarded = create_app(
        settings, study.parent, store, password=PASSWORD, public_url="https://lab.example/"
    ).test_client()
    assert guarded.get("/", headers={"Host": "evil.example"}).status_code == 400
    assert guarded.get("/", headers={"Host": "lab.example"}).status_code == 200
    store.close()


def test_a_default_text_of_an_earlier_version_stays_the_one_agreed_to(study: Path) -> None:
    store = open_store(study.with_suffix(".db"))
    with store.write() as connection:
        from survey.database import remembered

        remembered(connection, "consent 1", "The text of an earlier version.")
    client = create_app(read_study(study), study.parent, store, password=PASSWORD).test_client()
    assert "The text of an earlier version." in client.get("/").get_data(as_text=True)
    store.close()


def test_pauses_are_kept_over_a_restart(study: Path) -> None:
    store = open_store(study.with_suffix(".db"))
    with store.write() as connection:
        set_opening(connection, "paused")
    client = create_app(read_study(study), study.parent, store, password=PASSWORD).test_client()
    assert client.get("/").status_code == 503
    with store.read() as connection:
        assert connection.execute(select(rater)).all() == []
    assert isinstance(export_ratings(store), pd.DataFrame)
    store.close()


def test_gold_pictures_are_shown_to_every_rater_and_count_where_they_are_open(tmp_path: Path) -> None:
    names = [f"p{k:02d}" for k in range(40)]
    gold = [(names[k], names[k + 20]) for k in range(3)]
    store = open_store(tmp_path / "s.db", durable=False)
    settings = section(raters_per_picture=2, pictures_per_rater=12, gold=gold, exclude_by=["gold"])
    store.add_images(names, 2)
    better = {name for name, _ in gold}
    for person in range(4):
        token = newcomer(store, settings)
        while True:
            with store.read() as connection:
                query = select(image.c.name).join(slot, slot.c.image_id == image.c.id)
                row = people.find(connection, token)
                shown = connection.execute(query.where(slot.c.rater_id == row.id, slot.c.place == row.place)).scalar()
            good = (shown in better) == (person != 2)  # the third one has it upside down
            if not rate(store, token, settings, 8 if good else 3):
                break
    table = export_ratings(store)
    of_gold = table[table["image"].isin({name for pair in gold for name in pair})]
    assert of_gold.groupby("rater")["image"].nunique().tolist() == [6] * 4
    assert of_gold[of_gold["kind"] == "main"].groupby("image").size().tolist() == [2] * 6
    counters_agree(store)
    assert leave_out(store, settings, now=10.0**11) == ["r00003"]
    counters_agree(store)
    store.close()
