"""One person is one rater, a picture is rated when it was seen, and what was done can be changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from survey.config import read_study
from survey.database import open_store
from survey.rating_export import export_events, export_ratings
from survey.schema import image, platform, rater, slot
from survey.screening import screen
from survey.traces import export_traces
from survey.web import create_app
from tests.fixtures.survey import (
    PASSWORD,
    STUDY,
    begin,
    counters_agree,
    field,
    finish,
    look,
    operator,
    rate_once,
    send,
    store_of,
    write_study,
)

Clients = Callable[[], FlaskClient]
PROLIFIC = "?PROLIFIC_PID=p1&STUDY_ID=s&SESSION_ID="


def raters(client: FlaskClient) -> int:
    with store_of(client).read() as connection:
        return len(connection.execute(select(rater.c.id)).all())


def test_a_platform_id_joins_once_a_study(make_client: Clients) -> None:
    begin(make_client(), PROLIFIC + "t1")
    stranger = make_client()
    stranger.get(f"/{PROLIFIC}t2")
    answer = send(stranger, "/consent", agree="yes", version="1")
    assert answer.status_code == 409
    assert "You have joined already" in answer.get_data(as_text=True)
    assert stranger.get("/rate").headers["Location"] == "/"
    assert raters(stranger) == 1


def test_one_person_without_a_submission_is_no_ten_raters(make_client: Clients) -> None:
    begin(make_client(), "?PROLIFIC_PID=SAMEPERSON")
    for _ in range(9):
        again = make_client()
        again.get("/?PROLIFIC_PID=SAMEPERSON")
        assert send(again, "/consent", agree="yes", version="1").status_code == 409
    assert raters(again) == 1


def test_who_lost_the_cookie_goes_on_in_the_same_submission(make_client: Clients) -> None:
    first = make_client()
    begin(first, PROLIFIC + "t1")
    rate_once(first, 4)
    due = field(first.get("/rate").get_data(as_text=True), "slot")
    again = make_client()
    again.get(f"/{PROLIFIC}t1")
    assert send(again, "/consent", agree="yes", version="1").headers["Location"] == "/"
    assert field(again.get("/rate").get_data(as_text=True), "slot") == due
    assert first.get("/rate").headers["Location"] == "/"  # one person, one browser at a time
    assert raters(again) == 1


@pytest.mark.parametrize(
    "query",
    [
        "?PROLIFIC_PID=",
        "?PROLIFIC_PID=%7B%7B%25PROLIFIC_PID%25%7D%7D",
        "?workerId=W&assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE",
    ],
    ids=["empty", "placeholder", "preview"],
)  # fmt: skip
def test_what_is_no_id_joins_nobody_to_anybody(make_client: Clients, query: str) -> None:
    one, other = make_client(), make_client()
    begin(one, query)
    begin(other, query)
    with store_of(one).read() as connection:
        assert connection.execute(select(platform)).all() == []
    assert raters(one) == 2


def test_a_picture_that_nobody_asked_for_is_not_rated(client: FlaskClient) -> None:
    begin(client)
    page = client.get("/rate").get_data(as_text=True)
    data = {name: field(page, name) for name in ("csrf_token", "slot", "shown")} | {"score": "5", "time_ms": "3000"}
    answer = client.post("/rate", data=data)
    assert answer.status_code == 400
    assert "Please wait until you see the picture" in answer.get_data(as_text=True)
    look(client, page)
    assert client.post("/rate", data=data | {"script": "on"}).status_code == 400  # it was not decoded
    assert export_ratings(store_of(client), practice=True).empty
    assert client.post("/rate", data=data | {"script": "on", "load_ms": "80"}).status_code == 303
    assert len(export_ratings(store_of(client), practice=True)) == 1


def test_the_servers_time_stands_beside_the_claim(client: FlaskClient) -> None:
    begin(client)
    page = client.get("/rate").get_data(as_text=True)
    look(client, page)
    data = {name: field(page, name) for name in ("csrf_token", "slot", "shown")}
    time.sleep(0.05)
    client.post("/rate", data=data | {"score": "5", "time_ms": "9000"})
    rate_once(client, time_ms="9000", shown="1.aaaa")  # a stamp that is not ours: since the rating before
    table = export_ratings(store_of(client), practice=True)
    assert table["time_ms"].tolist() == [9000, 9000]
    assert 50 <= table["server_ms"].iloc[0] < 9000
    assert 1 <= table["server_ms"].iloc[1] < 9000


def test_the_last_rating_can_be_taken_back_once(client: FlaskClient) -> None:
    begin(client)
    rate_once(client, 3)
    rate_once(client, 4)
    slot_now = field(client.get("/rate").get_data(as_text=True), "slot")
    assert send(client, "/undo").status_code == 303
    assert send(client, "/undo").status_code == 303  # once: nothing happens
    assert field(client.get("/rate").get_data(as_text=True), "slot") != slot_now
    counters_agree(store_of(client))
    rate_once(client, 9)
    assert field(client.get("/rate").get_data(as_text=True), "slot") == slot_now
    table = export_ratings(store_of(client), practice=True)
    assert [s for s, kind in zip(table["score"], table["kind"], strict=True) if kind != "check"] == [3, 9]
    counters_agree(store_of(client))


def test_a_picture_that_fails_is_replaced_and_reported(client: FlaskClient) -> None:
    begin(client)
    rate_once(client)
    slot_id = field(client.get("/rate").get_data(as_text=True), "slot")
    with store_of(client).read() as connection:
        broken = connection.execute(select(slot.c.image_id).where(slot.c.id == int(slot_id))).scalar_one()
    send(client, "/failed", slot=slot_id)
    send(client, "/failed", slot=slot_id)  # a second report of the same picture does nothing
    counters_agree(store_of(client))
    finish(client)
    with store_of(client).read() as connection:
        shown = connection.execute(select(slot.c.image_id).where(slot.c.state == "done")).scalars().all()
        name = connection.execute(select(image.c.name).where(image.c.id == broken)).scalar_one()
    assert broken is None or broken not in shown
    events = export_events(store_of(client))
    assert events["kind"].tolist() == ([] if broken is None else ["picture failed"])
    assert events["image"].tolist() == ([] if broken is None else [name])


def test_a_rating_after_its_hold_is_kept_as_a_spare(make_client: Clients) -> None:
    late, other = make_client(), make_client()
    begin(late)
    rate_once(late)
    page = late.get("/rate").get_data(as_text=True)
    while "please choose <strong>" in page:
        rate_once(late)
        page = late.get("/rate").get_data(as_text=True)
    look(late, page)
    slot_id = int(field(page, "slot"))
    with store_of(late).write() as connection:  # its time is over, and the picture has all its ratings
        number = connection.execute(select(slot.c.image_id).where(slot.c.id == slot_id)).scalar_one()
        connection.execute(update(slot).where(slot.c.id == slot_id).values(expires=1.0, kind="M"))
    begin(other)
    with store_of(late).write() as connection:
        connection.execute(update(image).where(image.c.id == number).values(target=0))
    data = {name: field(page, name) for name in ("csrf_token", "slot", "shown")}
    assert late.post("/rate", data=data | {"score": "8"}).status_code == 303
    table = export_ratings(store_of(late), practice=True)
    assert table[table["kind"] == "spare"]["score"].tolist() == [8]


def test_numbers_are_numbers(client: FlaskClient) -> None:
    begin(client)
    while client.get("/rate").status_code == 200:
        rate_once(client)
    for wrong in ("nan", "inf", "-5", "1e999", "-0.1"):
        assert send(client, "/questions", q_age=wrong).status_code == 400, wrong
    assert send(client, "/questions", q_age="30").status_code == 303


def test_traces_are_kept_exported_and_tell_scripts_from_people(client: FlaskClient) -> None:
    begin(client)
    store = store_of(client)
    rate_once(client, trace="m0.a0.5k m1e.a4.60 p2s.a4.60 c4.a4.60", script="on", load_ms="9")
    rate_once(client, trace="M0.1.1 C5.1.1", script="on", load_ms="9")
    rate_once(client, trace="x<script>", script="on", load_ms="9")
    table = export_ratings(store, practice=True)
    assert table["inputs"].fillna(-1).tolist() == [2, 0, -1]
    traces = export_traces(store)
    assert traces["what"].tolist() == ["move", "move", "press", "click", "move", "click"]
    assert traces["time_ms"].tolist()[:4] == [0, 50, 150, 154]
    assert traces["x"].tolist()[:2] == [360, 364]
    assert traces["by"].tolist() == ["person"] * 4 + ["script"] * 2
    assert client.get("/mine/data.json").get_json()["traces"] == [
        "m0.a0.5k m1e.a4.60 p2s.a4.60 c4.a4.60",
        "M0.1.1 C5.1.1",
    ]
    rows = pd.DataFrame({"rater": "b", "image": [f"p{k}" for k in range(9)], "score": [1, 2, 3] * 3, "inputs": 0})
    people = pd.concat([rows.assign(rater="a", inputs=3), rows.assign(rater="c", inputs=None), rows])
    found = screen(people, exclude_by=["no input"])
    assert found[found["rule"] == "no input"]["rater"].tolist() == ["b"]


@pytest.mark.parametrize(
    ("consent", "kept"), [("", True), ('consent = "Ours."', False), ('consent = "Ours."\ntraces = true', True)],
    ids=["the-programs", "own", "own-that-says-so"],
)  # fmt: skip
def test_traces_are_kept_where_the_consent_names_them(tmp_path: Path, consent: str, kept: bool) -> None:
    study = write_study(tmp_path, STUDY.replace("practice = 1", f"practice = 1\n{consent}"))
    store = open_store(tmp_path / "s.db", durable=False)
    client = create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client()
    begin(client)
    rate_once(client, trace="k5", script="on", load_ms="9")
    assert ("inputs" in export_ratings(store, practice=True).columns) == kept
    store.close()


@pytest.mark.parametrize(
    "step", [-86_400.0, -5.0, 7200.0, 40 * 86_400.0], ids=["a-day-back", "5-s-back", "2-h", "40-days"]
)
def test_a_step_of_the_servers_clock_throws_nobody_out(
    client: FlaskClient, make_client: Clients, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    boss = operator(make_client())
    begin(client)
    rate_once(client, 4)
    page = client.get("/rate").get_data(as_text=True)
    look(client, page)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + step)
    form = {name: field(page, name) for name in ("csrf_token", "slot", "shown")} | {"score": "7"}
    assert client.post("/rate", data=form).status_code == 303  # a page from before the step
    for _ in range(3):
        rate_once(client, 6)
    table = export_ratings(store_of(client), practice=True)
    assert len(table) == 5
    assert table["server_ms"].between(1, 60_000).all()
    assert boss.get("/operator/").status_code == 200
    counters_agree(store_of(client))
    monkeypatch.setattr(time, "time", real)  # and back
    rate_once(client, 5)
    assert len(export_ratings(store_of(client), practice=True)) == 6
    assert boss.get("/operator/").status_code == 200


@pytest.mark.parametrize("query", ["?PROLIFIC_PID=sameperson", "?prolific_pid=SAMEPERSON", "?Prolific_Pid=SamePerson"])
def test_letters_of_another_case_make_no_second_person(make_client: Clients, query: str) -> None:
    begin(make_client(), "?PROLIFIC_PID=SAMEPERSON")
    again = make_client()
    again.get(f"/{query}")
    assert send(again, "/consent", agree="yes", version="1").status_code == 409
    assert raters(again) == 1


def test_who_began_in_a_preview_is_who_accepts_and_nobody_else(make_client: Clients) -> None:
    first, other = make_client(), make_client()
    begin(first, "?assignmentId=ASSIGNMENT_ID_NOT_AVAILABLE&hitId=h")
    first.get("/?workerId=W&hitId=h&assignmentId=a1")
    begin(other, "?workerId=V&hitId=h&assignmentId=a2")
    first.get("/?workerId=X&hitId=h&assignmentId=a3")  # has an id already
    other.get("/?workerId=W&hitId=h&assignmentId=a1")
    with store_of(first).read() as connection:
        stored = [(row.rater_id, row.participant) for row in connection.execute(select(platform))]
    assert sorted(stored) == [(1, "W"), (2, "V")]
