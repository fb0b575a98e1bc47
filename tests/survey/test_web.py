from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from gazekit.core.errors import GazekitError
from survey.config import SurveySection, read_study
from survey.database import open_store
from survey.operations import set_opening
from survey.payment import payments
from survey.rating_export import export_ratings
from survey.schema import platform, rater, slot
from survey.table_io import harmless
from survey.web import create_app
from tests.fixtures.survey import (
    PASSWORD,
    STUDY,
    begin,
    field,
    finish,
    look,
    operator,
    rate_all,
    rate_once,
    send,
    store_of,
    write_study,
)

Clients = Callable[[], FlaskClient]


def test_nothing_is_stored_before_consent(client: FlaskClient) -> None:
    client.get("/?PROLIFIC_PID=p1&STUDY_ID=s")
    assert send(client, "/consent", version="1").status_code == 400
    assert send(client, "/rate", slot="1", score="5").headers["Location"] == "/"
    with store_of(client).read() as connection:
        assert connection.execute(select(rater)).all() == []
        assert connection.execute(select(slot)).all() == []


def test_consent_is_kept_with_its_version_and_time(client: FlaskClient) -> None:
    begin(client)
    with store_of(client).read() as connection:
        row = connection.execute(select(rater)).one()
    assert row.consent_version == "1"
    assert abs(row.consent_at - time.time()) < 60


def test_consent_to_an_older_text_is_asked_again(client: FlaskClient) -> None:
    assert send(client, "/consent", agree="yes", version="0").headers["Location"] == "/"
    with store_of(client).read() as connection:
        assert connection.execute(select(rater)).all() == []


def test_the_whole_way_and_the_code_only_at_its_end(client: FlaskClient) -> None:
    begin(client, "?PROLIFIC_PID=p%201&STUDY_ID=s&SESSION_ID=t")
    with store_of(client).read() as connection:
        code = connection.execute(select(rater.c.code)).scalar_one()
    pages = []
    while client.get("/rate").status_code == 200:
        pages += [
            client.get(path).get_data(as_text=True)
            for path in ("/rate", "/end", "/questions", "/mine", "/instructions")
        ]
        rate_once(client)
    pages += [client.get(path).get_data(as_text=True) for path in ("/questions", "/end", "/mine", "/mine/data.json")]
    assert all(code not in page for page in pages)
    assert finish(client) == code
    assert f"https://example.org/back?code={code}&amp;who=p%201" in client.get("/end").get_data(as_text=True)


@pytest.mark.parametrize(
    ("query", "source", "participant"),
    [
        ("?PROLIFIC_PID=abc&STUDY_ID=s&SESSION_ID=t", "prolific", "abc"),
        ("?workerId=W1&hitId=h&assignmentId=a", "mturk", "W1"),
        ("?survey_code=77-40113&experiment_id=5", "sona", "77-40113"),
    ],
    ids=["prolific", "mturk", "sona"],
)
def test_platform_ids_stay_apart_from_the_ratings(
    client: FlaskClient, query: str, source: str, participant: str
) -> None:
    begin(client, query)
    rate_all(client)
    with store_of(client).read() as connection:
        row = connection.execute(select(platform)).one()
    assert (row.source, row.participant) == (source, participant)
    ratings = export_ratings(store_of(client), practice=True)
    assert "participant" not in ratings.columns
    assert not ratings.astype(str).isin([participant]).any().any()


def test_ratings_keep_time_viewport_and_loss_of_focus(client: FlaskClient) -> None:
    begin(client)
    rate_once(client, 8, time_ms="1234", viewport_w="390", viewport_h="844", blurs="2", entered="touch")
    row = export_ratings(store_of(client), practice=True).iloc[0]
    assert (row["time_ms"], row["viewport_w"], row["viewport_h"], row["blurs"], row["entered"]) == (
        1234,
        390,
        844,
        2,
        "touch",
    )


def test_without_script_the_time_is_the_servers(client: FlaskClient) -> None:
    begin(client)
    page = client.get("/rate").get_data(as_text=True)
    look(client, page)
    data = {name: field(page, name) for name in ("csrf_token", "slot", "shown")}
    client.post("/rate", data=data | {"score": "4", "time_ms": ""})
    assert 1 <= export_ratings(store_of(client), practice=True)["time_ms"].iloc[0] < 60_000


def test_a_page_sent_without_a_number_asks_again(client: FlaskClient) -> None:
    begin(client)
    page = client.get("/rate").get_data(as_text=True)
    answer = client.post("/rate", data={"csrf_token": field(page, "csrf_token"), "slot": field(page, "slot")})
    assert answer.status_code == 400
    assert "choose a number first" in answer.get_data(as_text=True)
    assert export_ratings(store_of(client), practice=True).empty


def test_pictures_are_shown_only_to_whom_they_are_due(make_client: Clients) -> None:
    one, other = make_client(), make_client()
    begin(one)
    begin(other)
    mine = field(one.get("/rate").get_data(as_text=True), "slot")
    theirs = field(other.get("/rate").get_data(as_text=True), "slot")
    shown = one.get(f"/picture/{mine}")
    assert shown.mimetype == "image/jpeg"
    assert shown.get_data()[:2] == b"\xff\xd8"
    shown.close()
    assert one.get(f"/picture/{theirs}").status_code == 404
    assert make_client().get(f"/picture/{mine}").status_code == 404
    rate_once(one)
    rate_once(one)
    assert one.get(f"/picture/{mine}").status_code == 404


def test_nobody_rates_for_somebody_else(make_client: Clients) -> None:
    one, other = make_client(), make_client()
    begin(one)
    begin(other)
    theirs = field(other.get("/rate").get_data(as_text=True), "slot")
    send(one, "/rate", slot=theirs, score="9")
    assert export_ratings(store_of(one), practice=True).empty


def test_a_lost_hold_is_replaced_without_a_word(client: FlaskClient) -> None:
    begin(client)
    rate_once(client)
    before = field(client.get("/rate").get_data(as_text=True), "slot")
    with store_of(client).write() as connection:
        connection.execute(update(slot).where(slot.c.state == "held").values(expires=1.0))
    assert field(client.get("/rate").get_data(as_text=True), "slot") == before  # still open: the same picture
    assert rate_once(client).status_code == 303


def test_resume_by_link_and_only_by_the_right_one(make_client: Clients) -> None:
    one, other = make_client(), make_client()
    begin(one)
    link = re.search(r"/resume/[\w-]+", one.get("/instructions").get_data(as_text=True))
    assert link
    due = field(one.get("/rate").get_data(as_text=True), "slot")
    assert "Go on only if that is you" in other.get(link.group()).get_data(as_text=True)
    assert other.get("/rate").headers["Location"] == "/"  # a look takes nothing over
    assert send(other, link.group()).headers["Location"] == "/rate"
    assert field(other.get("/rate").get_data(as_text=True), "slot") == due
    assert make_client().get(link.group() + "x").status_code == 404


def test_raters_see_take_along_and_delete_their_data(client: FlaskClient) -> None:
    begin(client, "?PROLIFIC_PID=p1")
    finish(client)
    copy = json.loads(client.get("/mine/data.json").get_data())
    assert len(copy["ratings"]) == 9
    assert copy["answers"] == {"age": "30"}
    assert copy["platform"]["participant"] == "p1"
    assert send(client, "/mine/delete").headers["Location"] == "/mine"
    assert "deleted" in send(client, "/mine/delete", sure="yes").get_data(as_text=True)
    assert export_ratings(store_of(client), practice=True).empty
    assert client.get("/mine").headers["Location"] == "/"
    with store_of(client).read() as connection:
        row = connection.execute(select(platform)).one()  # what payment needs
    assert row.participant == "p1"
    assert payments(store_of(client), SurveySection())[0].action == "approve"


def test_questions_are_checked_and_kept_as_they_were(client: FlaskClient) -> None:
    begin(client)
    rate_all(client)
    bad = send(client, "/questions", q_age="old", q_photographs="Daily", q_comment="<b>hi</b>")
    page = bad.get_data(as_text=True)
    assert bad.status_code == 400
    assert "Please give a number." in page
    assert "Please choose one of the answers." in page
    assert "&lt;b&gt;hi&lt;/b&gt;" in page
    assert "Please answer this question." in send(client, "/questions").get_data(as_text=True)


@pytest.mark.parametrize(
    "path", ["/consent", "/instructions", "/rate", "/questions", "/mine/delete", "/operator/login"]
)
def test_forms_from_elsewhere_are_refused(client: FlaskClient, path: str) -> None:
    begin(client)
    assert client.post(path, data={"agree": "yes", "sure": "yes", "password": PASSWORD}).status_code == 400


def test_every_answer_carries_the_headers(client: FlaskClient) -> None:
    cookie = client.get("/").headers["Set-Cookie"]
    for path in ("/", "/nowhere", "/static/rate.js", "/operator/login"):
        answer = client.get(path)
        answer.close()
        headers = answer.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_the_survey_is_full_when_every_picture_is_taken(make_client: Clients) -> None:
    for _ in range(6):
        someone = make_client()
        if "Every picture has its ratings" in someone.get("/").get_data(as_text=True):
            break
        begin(someone)
        rate_all(someone)
    assert "Every picture has its ratings" in make_client().get("/").get_data(as_text=True)
    ratings = export_ratings(store_of(someone))
    assert ratings[ratings["kind"] == "main"].groupby("image").size().tolist() == [3] * 9


@pytest.mark.usefixtures("same_minute")
def test_too_many_requests_are_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path, STUDY.replace("practice = 1", "practice = 1\nrequests_per_minute = 20"))
    store = open_store(tmp_path / "s.db")
    client = create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client()
    begin(client)
    codes = [client.get("/rate").status_code for _ in range(30)]
    assert codes[0] == 200
    assert codes[-1] == 429
    store_of(client).close()


@pytest.mark.usefixtures("same_minute")
def test_the_operators_page_wants_the_password(make_client: Clients) -> None:
    client = make_client()
    for path in ("/operator/", "/operator/live", "/operator/download/ratings.csv"):
        assert client.get(path).headers["Location"] == "/operator/login"
    assert send(client, "/operator/login", password="guess").status_code == 403
    for _ in range(10):
        last = send(client, "/operator/login", password="guess")
    assert last.status_code == 429
    assert client.get("/operator/").status_code == 303


def test_the_operator_sees_progress_and_downloads_tables(make_client: Clients) -> None:
    someone = make_client()
    begin(someone, "?PROLIFIC_PID=%3D1%2B1")
    finish(someone)
    client = operator(make_client())
    page = client.get("/operator/").get_data(as_text=True)
    assert "<strong>6</strong> of 27 ratings" in page
    assert "1 finished" in page
    assert "reef &amp; &lt;b&gt;friends&lt;/b&gt;" in page
    assert "p001.jpg" in client.get("/operator/live").get_data(as_text=True)
    sizes = {}
    for name in ("ratings", "raters", "answers", "platform", "histograms"):
        body = client.get(f"/operator/download/{name}.csv").get_data(as_text=True)
        sizes[name] = len(pd.read_csv(io.StringIO(body)))
    assert sizes == {"ratings": 9, "raters": 1, "answers": 1, "platform": 1, "histograms": 6}
    assert "'=1+1" in client.get("/operator/download/platform.csv").get_data(as_text=True)
    assert client.get("/operator/download/secret.csv").status_code == 404
    assert send(client, "/operator/logout").status_code == 303
    assert client.get("/operator/").status_code == 303


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "＝1"])
def test_a_cell_is_never_a_formula(cell: str) -> None:
    assert harmless(cell) == "'" + cell


def test_a_short_password_is_refused(study: Path) -> None:
    store = open_store(study.with_suffix(".db"))
    with pytest.raises(GazekitError, match="has 5 characters; at least 10"):
        create_app(read_study(study), study.parent, store, password="admin")
    store.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('consent = "Another text."', "give the new text a new consent_version"),
        ("scale = 7\n", "start with a new database"),
    ],
    ids=["consent", "scale"],
)
def test_a_database_keeps_to_one_consent_text_a_version_and_one_scale(study: Path, change: str, words: str) -> None:
    store = open_store(study.with_suffix(".db"))
    create_app(read_study(study), study.parent, store, password=PASSWORD)
    text = STUDY.replace("practice = 1", f"practice = 1\n{change}").replace(
        '10 = "very beautiful"', '7 = "very beautiful"'
    )
    study.write_text(text)
    with pytest.raises(GazekitError, match=words):
        create_app(read_study(study), study.parent, store, password=PASSWORD)
    store.close()


def test_names_and_comments_are_never_run(tmp_path: Path) -> None:
    study = write_study(tmp_path, pictures=3)
    place = tmp_path / "pictures"
    (place / "p000.jpg").rename(place / "<img src=x onerror=alert(1)>.jpg")
    store = open_store(tmp_path / "s.db")
    client = create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client()
    page = operator(client).get("/operator/").get_data(as_text=True)
    assert "&lt;img src=x onerror=alert(1)&gt;.jpg" in page
    assert "<img src=x" not in page
    store.close()


def test_pictures_that_went_away_are_noticed(study: Path) -> None:
    store = open_store(study.with_suffix(".db"))
    create_app(read_study(study), study.parent, store, password=PASSWORD)
    (study.parent / "pictures" / "p003.jpg").unlink()
    with pytest.raises(GazekitError, match=r"1 picture of this survey's database .* p003\.jpg"):
        create_app(read_study(study), study.parent, store, password=PASSWORD)
    store.close()


def test_a_link_out_of_the_picture_folder_is_not_followed(study: Path) -> None:
    secret = study.parent / "secret.jpg"
    secret.write_bytes(b"secret")
    (study.parent / "pictures" / "innocent.jpg").symlink_to(secret)
    store = open_store(study.with_suffix(".db"))
    app = create_app(read_study(study), study.parent, store, password=PASSWORD)
    assert secret.resolve() not in app.extensions["survey"].pictures.values()
    store.close()


def test_a_rater_who_consented_goes_on_where_the_page_was(client: FlaskClient) -> None:
    client.get("/")
    assert send(client, "/consent", agree="yes", version="1").headers["Location"] == "/instructions"
    assert send(client, "/consent", agree="yes", version="1").headers["Location"] == "/instructions"  # sent twice
    send(client, "/instructions")
    assert send(client, "/consent", agree="yes", version="1").headers["Location"] == "/rate"
    with store_of(client).read() as connection:
        assert len(connection.execute(select(rater)).all()) == 1


def test_a_rating_without_its_picture_and_a_deletion_by_nobody_change_nothing(make_client: Clients) -> None:
    client, stranger = make_client(), make_client()
    begin(client)
    assert send(client, "/rate", score="5").headers["Location"] == "/rate"
    assert send(stranger, "/mine/delete", sure="yes").headers["Location"] == "/"
    assert export_ratings(store_of(client), practice=True).empty


def test_more_starts_than_the_study_takes_are_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path, STUDY.replace("practice = 1", "practice = 1\nstarts_per_hour = 1"))
    with open_store(study.with_suffix(".db"), durable=False) as store:
        app = create_app(read_study(study), study.parent, store, password=PASSWORD)
        begin(app.test_client())
        late = app.test_client()
        late.get("/")
        assert send(late, "/consent", agree="yes", version="1").status_code == 429
        with store.read() as connection:
            assert len(connection.execute(select(rater)).all()) == 1


def test_a_survey_that_closed_under_an_open_page_takes_nobody_in(client: FlaskClient) -> None:
    client.get("/")
    with store_of(client).write() as connection:
        set_opening(connection, "closed")
    send(client, "/consent", agree="yes", version="1")
    with store_of(client).read() as connection:
        assert connection.execute(select(rater)).all() == []


def test_the_operator_merges_withdraws_and_is_told_what_cannot_be(make_client: Clients) -> None:
    one, other, desk = make_client(), make_client(), make_client()
    for client in (one, other):
        begin(client)
        rate_all(client)
    operator(desk)
    assert send(desk, "/operator/do", what="merge", name="r00001", other="r00002").status_code == 303
    answer = send(desk, "/operator/do", what="merge", name="r00001", other="r00001")
    assert answer.status_code == 400
    assert "r00001 cannot be merged with itself" in answer.get_data(as_text=True)
    assert send(desk, "/operator/do", what="paint", name="r00001").status_code == 400
    assert set(export_ratings(store_of(one))["rater"]) == {"r00001"}


def test_behind_tls_the_browser_is_told_to_stay_there(client: FlaskClient) -> None:
    answer = client.get("/", base_url="https://localhost")
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in client.get("/").headers
