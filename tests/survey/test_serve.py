"""The real server in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from gazekit.cli import gazekit
from gazekit.core.errors import GazekitError
from survey.config import SurveySection, read_study
from survey.database import Store, open_store
from survey.errors import SurveyError
from survey.live_quality import judge
from survey.raters import join
from survey.rating_export import export_ratings
from survey.serve import Duty, _look_after, _watch, operator_password
from survey.side_process import SideProcess
from survey.simulate import fill
from survey.web import create_app
from tests.fixtures.survey import STUDY, begin, field, finish, operator, rate_all, section, serving, write_study


class Browser:
    """A client with cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[str, dict[str, str]]:
        with self.opener.open(urllib.request.Request(self.url + path, headers=headers or {})) as answer:
            return answer.read().decode(), dict(answer.headers)

    def get_bytes(self, path: str) -> bytes:
        with self.opener.open(self.url + path) as answer:
            return bytes(answer.read())

    def post(self, path: str, **form: str) -> str:
        with self.opener.open(self.url + path, urllib.parse.urlencode(form).encode()) as answer:
            return str(answer.read().decode())


@pytest.mark.once
def test_a_killed_server_goes_on_where_it_was(tmp_path: Path) -> None:
    study = write_study(tmp_path)
    with serving(study) as (url, process):
        someone = Browser(url)
        page, _ = someone.get("/")
        someone.post("/consent", csrf_token=field(page, "csrf_token"), agree="yes", version="1")
        page, _ = someone.get("/instructions")
        page = someone.post("/instructions", csrf_token=field(page, "csrf_token"))
        someone.get_bytes(f"/picture/{field(page, 'slot')}")
        names = ("csrf_token", "slot", "shown")
        page = someone.post("/rate", score="7", **{name: field(page, name) for name in names})
        due = field(page, "slot")
        process.kill()
    with serving(study) as (url, _):
        someone.url = url
        page, _ = someone.get("/rate")
        assert field(page, "slot") == due
        assert f'src="/picture/{due}?fresh"' in page  # from the cache it would count as unseen
        someone.get_bytes(f"/picture/{due}?fresh")
        names = ("csrf_token", "slot", "shown")
        page = someone.post("/rate", score="8", **{name: field(page, name) for name in names})
        assert field(page, "slot") != due
    store = open_store(study.with_suffix(".survey.db"))
    assert export_ratings(store, practice=True)["score"].tolist() == [7, 8]
    store.close()


@pytest.mark.once
def test_people_and_simulated_raters_never_share_a_database(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    study, rehearsal = write_study(tmp_path), str(tmp_path / "rehearsal.db")
    run = ["survey", "simulate", str(study), "--raters", "1", "--database-url"]
    assert CliRunner().invoke(gazekit, [*run, rehearsal]).exit_code == 0
    with pytest.raises(AssertionError, match="did not start"), serving(study, "--database-url", rehearsal):
        pass
    assert "this database holds 1 simulated rater" in capfd.readouterr().err
    with serving(study, "--database-url", rehearsal, "--rehearsal") as (url, _):
        assert urllib.request.urlopen(url).status == 200

    with open_store(people := str(tmp_path / "people.db")) as store, store.write() as connection:
        join(connection, SurveySection())
    with pytest.raises(SurveyError, match="1 person rates in this database"):
        CliRunner().invoke(gazekit, [*run, people], catch_exceptions=False)


@pytest.mark.once
@pytest.mark.parametrize("proxies", [0, 1])
def test_only_announced_proxies_are_believed(tmp_path: Path, proxies: int) -> None:
    with serving(write_study(tmp_path), "--proxies", str(proxies)) as (url, _):
        _, headers = Browser(url).get("/", {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"})
    assert ("Strict-Transport-Security" in headers) == bool(proxies)
    assert not re.search("waitress|werkzeug|python", headers.get("Server", ""), re.IGNORECASE)


def test_the_password_comes_from_a_file_the_environment_or_a_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("from a file\n")
    assert operator_password(tmp_path / "password", lambda: "asked") == "from a file"
    monkeypatch.setenv("GAZEKIT_SURVEY_PASSWORD", "from outside")
    assert operator_password(None, lambda: "asked") == "from outside"
    monkeypatch.delenv("GAZEKIT_SURVEY_PASSWORD")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert operator_password(None, lambda: "asked") == "asked"
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(GazekitError, match="needs a password"):
        operator_password(None, lambda: "asked")


def test_a_duty_that_fails_is_said_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(tmp_path / "s.db")
    over, done, seconds = threading.Event(), [], [0]

    def wait(_seconds: float) -> bool:
        seconds[0] += 1
        return seconds[0] > 41

    monkeypatch.setattr(over, "wait", wait)
    monkeypatch.setattr("survey.serve.time", SimpleNamespace(monotonic=lambda: float(seconds[0])))
    store.add_images(["p"], 0)  # full at once
    settings = section(webhook="http://127.0.0.1:9/nobody", exclude_by=["too fast"])
    duties = _watch(store, settings, "reef", SideProcess(store, settings, inside=True))
    with caplog.at_level("WARNING", logger="survey"):
        _look_after([Duty(1, lambda: done.append(1)), *duties], over)
    assert len(done) == 41
    assert [record.getMessage().endswith("it is tried again in 20 s") for record in caplog.records] == [True, True]
    store.close()


def test_the_process_beside_the_server_says_the_same_and_is_started_again_when_it_died(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db")
    settings = section(raters_per_picture=6, pictures_per_rater=12)
    fill(store, {f"p{k:02d}": 3.0 + k / 3 for k in range(20)}, section=settings, kinds={"straight-lining": 1.0})
    side = SideProcess(store, settings)
    expected = judge(store, settings, ["straight-lining"])
    assert len(expected)
    pd.testing.assert_frame_equal(side.run(judge, ["straight-lining"]), expected)
    with pytest.raises(SurveyError, match="killed, or out of memory"):
        side.run(kill_oneself)
    for _ in range(2):
        pd.testing.assert_frame_equal(side.run(judge, ["straight-lining"]), expected)
    side.close()
    store.close()


def test_where_nothing_is_served_no_process_is_begun(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db", durable=False)
    side = SideProcess(store, section(), inside=True)
    side.begin()
    assert side._pool is None
    assert side.run(judge).empty
    side.close()
    store.close()


def kill_oneself(_store: Store, _section: SurveySection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_nobody_waits_while_raters_are_judged(make_client: Callable[[], FlaskClient]) -> None:
    client = make_client()
    begin(client)
    rate_all(client)
    here = client.application.extensions["survey"]
    with here._judging:  # somebody else's page is at it
        assert here.findings().empty
        assert operator(make_client()).get("/operator/live").status_code == 200
        assert finish(client)
    assert set(here.findings()["rule"]) == {"too fast"}


def test_a_gold_picture_that_is_none_is_named(tmp_path: Path) -> None:
    study = write_study(tmp_path, STUDY.replace("practice = 1", 'practice = 1\ngold = [["p001.jpg", "p02.jpg"]]'))
    store = open_store(tmp_path / "s.db")
    with pytest.raises(GazekitError, match=r"unknown picture in \[survey\] gold 'p02\.jpg'; did you mean p002\.jpg"):
        create_app(read_study(study), tmp_path, store, password="correct horse battery")
    store.close()
