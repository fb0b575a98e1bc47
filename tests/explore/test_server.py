"""Who may see what: the link, the cookie, other hosts, other pages, and requests that mean harm."""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient

from gazekit.capture.operator_page.server import Doors
from gazekit.explore import Material, create_app
from gazekit.explore.server import HEADERS

ADDRESSES = ("/", "/board.json", "/board.csv", "/trials", "/static/explore.css", "/nothing", "/trial/x/1")


@pytest.fixture
def doors() -> Doors:
    return Doors("cookie")


@pytest.fixture
def stranger(material: Material, doors: Doors) -> FlaskClient:
    return create_app(material, doors, hosts=lambda: {"localhost", "localhost:80"}).test_client()


def test_without_the_cookie_nothing_is_seen(stranger: FlaskClient) -> None:
    answers = [stranger.get(address) for address in ADDRESSES]
    assert {answer.status_code for answer in answers} == {403}
    assert not any("P01" in answer.get_data(as_text=True) for answer in answers)


def test_a_link_works_once_and_another_host_never(stranger: FlaskClient, doors: Doors) -> None:
    link = doors.link("localhost", 80)
    assert stranger.get(link, headers={"Host": "evil.example"}).status_code == 421
    assert stranger.get(link).status_code == 303
    assert stranger.get("/").status_code == 200
    assert stranger.get("/", headers={"Host": "evil.example"}).status_code == 421
    assert stranger.get(link).status_code == 403
    assert doors.link("localhost", 80) != link


def test_only_the_page_itself_may_write(stranger: FlaskClient, doors: Doors) -> None:
    stranger.get(doors.link("localhost", 80))
    assert stranger.post("/", headers={"Origin": "http://evil.example"}).status_code == 403
    assert stranger.post("/").status_code == 403
    assert stranger.post("/", headers={"Origin": "http://localhost"}).status_code == 405


def test_every_answer_has_the_headers(client: FlaskClient) -> None:
    for address in ("/", "/nothing", "/static/page.js"):
        with client.get(address) as answer:
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS


PIECES = (
    "..", "%2e%2e", "%00", "\\", "etc/passwd", "study.toml", "P01.gaze.h5", "static", "trial", "view.json", "picture",
    "board.csv", "-1", "0", "1", "999999999999999999999", "nan", "1e999", "'", "\"><script>", "../../../etc/passwd",
    "\u202e", "%ff", "💥", "{{7*7}}", "level", "file:///etc/passwd", "a" * 3000,
)  # fmt: skip
NAMES = (
    "colour", "sort_people", "sort_pictures", "reverse", "verdict", "show", "level", "block", "search", "page",
    "participant", "image", "detector", "beside.detector", "eye", "max_gap_ms", "min_fixation_ms",
    "velocity_threshold_deg_s", "from", "to", "window_ms", "step_ms", "seed", "noise_reduction", "off_screen_deg",
)  # fmt: skip
VALUES = (
    *PIECES,
    "ivt",
    "idt",
    "i2mc",
    "adaptive",
    "microsaccades",
    "left",
    "1e308",
    "-0",
    "0.0000001",
    "inf",
    "all",
    "",
)


def hostile_addresses(material: Material, count: int, seed: int) -> Iterator[str]:
    draw = random.Random(seed)
    keys = [facts.key for facts in material.sessions]
    for _ in range(count):
        depth = draw.randint(0, 4)
        path = "/" + "/".join(quote(draw.choice(PIECES), safe="%/\\.:") for _ in range(depth))
        if draw.random() < 0.5:
            end = draw.choice(["", "/view.json", "/picture", ".csv", ".svg", "/../../x"])
            path = f"/trial/{draw.choice([*keys, 'x'])}/{draw.choice(['1', '6', '7', '-1', '1e3'])}{end}"
        elif draw.random() < 0.3:
            path = draw.choice(["/", "/board.json", "/trials", "/board.csv"])
        query = "&".join(f"{draw.choice(NAMES)}={quote(draw.choice(VALUES))}" for _ in range(draw.randint(0, 4)))
        yield f"{path}?{query}"


def attack(client: FlaskClient, material: Material, count: int, seed: int) -> dict[int, int]:
    statuses: dict[int, int] = {}
    for address in hostile_addresses(material, count, seed):
        answer = client.open(
            address, method=random.Random(address).choice(["GET", "GET", "GET", "POST", "PUT", "HEAD"])
        )
        assert answer.status_code < 500, (address, answer.data)
        assert not re.search(rb"root:.*:0:0:", answer.data)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
    return statuses


def test_hostile_requests_read_no_file_and_break_nothing(client: FlaskClient, material: Material) -> None:
    statuses = attack(client, material, 200, seed=1)
    assert set(statuses) <= {200, 304, 308, 400, 403, 404, 405}
    assert statuses[200] > 10


@pytest.mark.benchmark
def test_two_thousand_hostile_requests(client: FlaskClient, material: Material) -> None:
    assert sum(attack(client, material, 2000, seed=2).values()) == 2000


def test_the_command_serves_and_tells_a_new_link_when_one_is_used(material: Material) -> None:
    command = [sys.executable, "-m", "gazekit", "explore", str(material.asked[0]), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            link = re.fullmatch(r"open (http://127\.0\.0\.1:\d+)(/\S*) \(works once\)\n", server.stdout.readline())
            assert link is not None
            with contextlib.closing(http.client.HTTPConnection(link[1].removeprefix("http://"), timeout=600)) as page:
                page.request("GET", link[2])
                answer = page.getresponse()
                cookie = answer.headers["Set-Cookie"].partition(";")[0]
                answer.read()
                assert answer.status == 303
                page.request("GET", "/", headers={"Cookie": cookie})
                answer = page.getresponse()
                assert answer.status == 200
                assert b"P01" in answer.read()
                assert answer.headers.get("Server") is None
            assert link[2] not in server.stdout.readline()
        finally:
            server.terminate()
    assert server.returncode == 0
