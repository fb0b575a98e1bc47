"""Pictures stop when their interval is narrow, and are open again when a rating of theirs goes."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from scipy import stats
from sqlalchemy import select

from survey.assignment import raters_needed
from survey.config import SurveySection, read_study
from survey.database import open_store
from survey.notices import tell_when_full
from survey.operations import exclude
from survey.rating_export import export_ratings
from survey.schema import image, slot
from survey.stopping import CONFIDENCE, width
from survey.web import create_app
from tests.benchmarks.figures import record
from tests.fixtures.survey import (
    PASSWORD,
    STUDY,
    begin,
    counters_agree,
    field,
    finish,
    newcomer,
    rate,
    section,
    write_study,
)


def test_the_width_is_that_of_the_t_interval(rng: np.random.Generator) -> None:
    scores = rng.integers(1, 11, 12)
    low, high = stats.t.interval(CONFIDENCE, 11, loc=scores.mean(), scale=stats.sem(scores))
    assert width(12, scores.sum(), (scores**2).sum()) == pytest.approx(high - low)
    assert width(1, 5, 25) == np.inf
    assert 0 < width(10, 50, 250) < 1  # all agree


def test_a_picture_on_which_people_agree_stops_early_and_opens_again(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db", durable=False)
    settings = section(raters_per_picture=20, pictures_per_rater=2, stop_width=1.0, least=5)
    store.add_images(["agreed", "disputed"], 20)
    for person in range(20):
        token = newcomer(store, settings)
        for _ in range(2):
            with store.read() as connection:
                names = {row.id: row.name for row in connection.execute(select(image))}
            score = 6 if person % 2 else 7
            if not rate(store, token, settings, score):
                break
            with store.write() as connection:  # opinions on the other picture differ more
                last = connection.execute(select(slot).order_by(slot.c.rated_at.desc(), slot.c.id.desc())).first()
                assert last is not None
                if names[last.image_id] == "disputed":
                    connection.execute(slot.update().where(slot.c.id == last.id).values(score=1 + 9 * (person % 2)))
    ratings = export_ratings(store)
    counts = ratings["image"].value_counts()
    assert 5 <= counts["agreed"] < 15
    assert counts["disputed"] == 20
    counters_agree(store)
    store.add_images(["agreed", "disputed"], 20)  # a restart does not open it
    with store.read() as connection:
        targets = {row.name: row.target for row in connection.execute(select(image))}
    assert targets == {"agreed": counts["agreed"], "disputed": 20}
    with store.write() as connection:
        exclude(connection, "r00001", "test")
        assert {row.name: row.target for row in connection.execute(select(image))}["agreed"] == 20
    counters_agree(store)
    store.close()


def stop(draws: np.ndarray, least: int, limit: float) -> np.ndarray:
    """The number of ratings at which each picture (row) stops."""
    sums, squares = np.cumsum(draws, axis=1), np.cumsum(draws.astype(float) ** 2, axis=1)
    most = draws.shape[1]
    return np.array([
        next((n for n in range(least, most) if width(n, s[n - 1], q[n - 1]) <= limit), most)
        for s, q in zip(sums, squares, strict=True)
    ])  # fmt: skip


def test_stopping_saves_ratings_and_the_intervals_cover(rng: np.random.Generator) -> None:
    """1,500 pictures with spreads as different as real ones', on 1..10, stopped at a width of 1.6 points."""
    spread, truth = rng.uniform(0.8, 2.4, 1500), rng.uniform(3.5, 7.5, 1500)
    draws = np.clip(np.rint(truth[:, None] + spread[:, None] * rng.normal(size=(1500, 80))), 1, 10).astype(int)
    limit = 1.6
    ns = np.arange(2, 81)
    sd = np.array([draws[:, :n].std(axis=1, ddof=1) for n in ns])
    widths = 2 * stats.t.ppf(0.975, ns - 1)[:, None] * sd / np.sqrt(ns)[:, None]
    fixed = int(ns[(widths <= limit).mean(axis=1) >= 0.9][0])
    for most in range(fixed, 81):  # as many pictures under the width as with one number for all
        stopped = stop(draws[:, :most], 8, limit)
        half = np.array([width(n, draws[k, :n].sum(), (draws[k, :n] ** 2).sum()) / 2 for k, n in enumerate(stopped)])
        if (2 * half <= limit).mean() >= 0.9:
            break
    mean = np.array([draws[k, :n].mean() for k, n in enumerate(stopped)])
    cover, saved = (np.abs(mean - truth) <= half).mean(), 1 - stopped.mean() / fixed
    record(
        "survey",
        "sequential stop, width 1.6 of 10 points",
        f"cover {cover:.1%}; {saved:.0%} of the ratings saved at 90 % of pictures under the width (8 to {most} ratings "
        f"against {fixed} for all)",
        bar="93 to 97 %; >= 15 %",
        data="1,500 simulated pictures, SD .8 to 2.4",
        command="pytest -n 0 -s tests/survey/test_stopping.py",
        developed_on=True,
    )
    assert 0.93 <= cover <= 0.97
    assert saved >= 0.15


def test_settings_of_stopping_fit_together() -> None:
    with pytest.raises(ValueError, match=r"least \(8\) must not be more than raters_per_picture \(5\)"):
        SurveySection(stop_width=1.0, raters_per_picture=5)


@pytest.mark.parametrize(("pictures", "expected"), [(9, range(5, 8)), (1, range(10, 11)), (500, range(100, 106))])
def test_how_many_raters_are_needed_is_simulated(pictures: int, expected: range) -> None:
    settings = (
        section(raters_per_picture=3, pictures_per_rater=6, practice=1)
        if pictures == 9
        else section(raters_per_picture=10, pictures_per_rater=50)
    )
    assert raters_needed(pictures, settings) in expected


def test_practice_has_pictures_of_its_own_and_progress_counts_what_will_come(tmp_path: Path) -> None:
    study = write_study(
        tmp_path, STUDY.replace("practice = 1", 'practice = 2\npractice_folder = "warm up"'), pictures=4
    )
    (tmp_path / "warm up").mkdir()
    for k in range(2):
        cv2.imwrite(str(tmp_path / "warm up" / f"w{k}.png"), np.full((40, 40, 3), 90 * k, np.uint8))
    store = open_store(tmp_path / "s.db")
    client = create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client()
    begin(client)
    assert "Practice 1 of 2" in client.get("/rate").get_data(as_text=True)
    finish(client)
    table = export_ratings(store, practice=True)
    assert sorted(table[table["kind"] == "practice"]["image"]) == ["practice/w0.png", "practice/w1.png"]
    assert len(table[table["kind"] == "main"]) == 4
    with store.read() as connection:
        plan = connection.exec_driver_sql("SELECT plan FROM rater").scalar_one()
    assert plan.count("M") == 4  # six are asked for, four are there
    assert field(client.get("/operator/login").get_data(as_text=True), "csrf_token")
    store.close()


class Inbox:
    """What a mail server was given."""

    def __init__(self) -> None:
        self.letters: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.letters.append(envelope)
        return "250 OK"


def test_mail_is_sent_once_and_again_where_the_server_was_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = Inbox()
    accepted = AuthResult(success=True)

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        return accepted if login.password == b"secret" else AuthResult(success=False, handled=False)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    post = Controller(inbox, hostname="127.0.0.1", port=port, authenticator=check, auth_require_tls=False)
    post.start()
    mail = {"to": ["lab@example.org", "boss@example.org"], "host": "127.0.0.1", "port": port, "user": "lab"}
    settings = section(raters_per_picture=1, mail=mail)
    store = open_store(tmp_path / "s.db", durable=False)
    store.add_images(["p"], 1)
    assert tell_when_full(store, settings, "reef") == []
    assert rate(store, newcomer(store, settings), settings)
    monkeypatch.setenv("GAZEKIT_SMTP_PASSWORD", "wrong")
    with pytest.raises(OSError, match=r"5\.7\.8"):
        tell_when_full(store, settings, "reef")
    monkeypatch.setenv("GAZEKIT_SMTP_PASSWORD", "secret")
    assert tell_when_full(store, settings, "reef\nBcc: x@y.org") == ["mail"]
    assert tell_when_full(store, settings, "reef") == []
    post.stop()
    store.close()
    (letter,) = inbox.letters
    assert letter.rcpt_tos == ["lab@example.org", "boss@example.org"]
    assert b"Subject: reef Bcc: x@y.org: every picture has its ratings" in letter.content
    with pytest.raises(ValueError, match="pattern"):
        section(mail={"to": ["a@b.c, d@e.f"]})


@pytest.mark.parametrize("starttls", [False, True])
def test_mail_without_a_user_is_sent_and_without_encryption_only_where_none_is_asked_for(
    tmp_path: Path, starttls: bool
) -> None:
    inbox = Inbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    post = Controller(inbox, hostname="127.0.0.1", port=port)
    post.start()
    settings = section(
        raters_per_picture=1,
        mail={"to": ["lab@example.org"], "host": "127.0.0.1", "port": port, "starttls": starttls},
    )
    store = open_store(tmp_path / "s.db", durable=False)
    store.add_images(["p"], 1)
    assert rate(store, newcomer(store, settings), settings)
    if starttls:  # which this server has not: nothing goes out in the open
        with pytest.raises(OSError, match="STARTTLS"):
            tell_when_full(store, settings, "reef")
    else:
        assert tell_when_full(store, settings, "reef") == ["mail"]
    post.stop()
    store.close()
    assert len(inbox.letters) == (not starttls)


def test_a_webhook_is_told_once_when_everything_is_full(tmp_path: Path) -> None:
    told: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    store = open_store(tmp_path / "s.db", durable=False)
    settings = section(raters_per_picture=1, webhook=f"http://127.0.0.1:{server.server_port}/hook")
    store.add_images(["p"], 1)
    assert not tell_when_full(store, settings, "reef")
    assert rate(store, newcomer(store, settings), settings)
    assert tell_when_full(store, settings, "reef") == ["webhook"]
    assert not tell_when_full(store, settings, "reef")
    assert [message["event"] for message in told] == ["full"]
    store.close()
    server.shutdown()
    thread.join()
    server.server_close()
