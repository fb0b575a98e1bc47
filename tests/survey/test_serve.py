"""The real server in a process of its own."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from gazekit.core.errors import GazekitError
from survey.config import read_study
from survey.database import open_store
from survey.rating_export import export_ratings
from survey.serve import _look_after, operator_password
from survey.web import create_app
from tests.fixtures.survey import STUDY, field, section, serving, write_study


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
    over, synced = threading.Event(), []
    turns = iter(range(41))
    monkeypatch.setattr(over, "wait", lambda _seconds: next(turns, None) is None)
    monkeypatch.setattr(store, "sync", lambda: synced.append(1))
    store.add_images(["p"], 0)  # full at once
    settings = section(webhook="http://127.0.0.1:9/nobody", exclude_by=["too fast"])
    with caplog.at_level("WARNING", logger="survey"):
        _look_after(store, settings, "reef", over)
    assert len(synced) == 41
    assert [record.getMessage().endswith("it is tried again in 20 s") for record in caplog.records] == [True, True]
    store.close()


def test_a_gold_picture_that_is_none_is_named(tmp_path: Path) -> None:
    study = write_study(tmp_path, STUDY.replace("practice = 1", 'practice = 1\ngold = [["p001.jpg", "p02.jpg"]]'))
    store = open_store(tmp_path / "s.db")
    with pytest.raises(GazekitError, match=r"unknown picture in \[survey\] gold 'p02\.jpg'; did you mean p002\.jpg"):
        create_app(read_study(study), tmp_path, store, password="correct horse battery")
    store.close()
