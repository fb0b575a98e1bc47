"""Hostile requests against the whole application; the full ten thousand run as a benchmark."""

from __future__ import annotations

import random
from collections.abc import Callable

from flask.testing import FlaskClient
from sqlalchemy import func, select

from survey.schema import rater, slot
from tests.survey.conftest import begin, field

NASTY = [
    "", "0", "-1", "1", "2", "7", "10", "11", "99999999999999999999", "1e5", "NaN", "½", "٣", "\x00", "a\x00b",
    "\ud7ff", "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "....//",
    "C:\\windows\\win.ini", "/etc/passwd", "file:///etc/passwd",
    "' OR 1=1 --", "1; DROP TABLE rater", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}",
    "${7*7}", "%s%s%n", "A" * 5000, "\u202e\u0000", "yes", "on", "null", "[]", "{}", "\r\nSet-Cookie: x=1", "𝒳" * 50,
]  # fmt: skip
PATHS = [
    "/", "/consent", "/instructions", "/rate", "/questions", "/end", "/mine", "/mine/data.json", "/mine/delete",
    "/resume/{x}", "/picture/{x}", "/picture/{n}", "/operator/", "/operator/live", "/operator/login",
    "/operator/logout", "/operator/download/{x}.csv", "/operator/download/ratings.csv",
    "/static/{x}", "/static/../{x}", "/{x}", "/%2f{x}",
    "/operator/?page={x}", "/?PROLIFIC_PID={x}&STUDY_ID={x}", "/picture/../{x}",
]  # fmt: skip
FIELDS = ["slot", "score", "agree", "version", "sure", "q_age", "q_photographs", "q_comment", "password", "time_ms",
          "viewport_w", "viewport_h", "blurs", "entered", "shown", "csrf_token"]  # fmt: skip
SECRETS = ("root:", "secret", "Traceback", "<script>alert(1)", "onerror=alert(1)>", "passwd:")


def attack(client: FlaskClient, count: int, seed: int) -> dict[int, int]:
    """Send hostile requests, half of the forms with a good token; the answers by status."""
    rng = random.Random(seed)
    token = field(client.get("/operator/login").get_data(as_text=True), "csrf_token")
    statuses: dict[int, int] = {}
    for _ in range(count):
        path = rng.choice(PATHS).replace("{n}", str(rng.randint(0, 40))).replace("{x}", rng.choice(NASTY))
        method = rng.choice(["GET", "GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
        data = {name: rng.choice(NASTY) for name in rng.sample(FIELDS, rng.randint(0, 6))}
        if rng.random() < 0.5:
            data["csrf_token"] = token
        headers = {"X-Forwarded-For": rng.choice(NASTY[:8]), "Accept-Language": "xx"}
        headers = {k: v for k, v in headers.items() if "\x00" not in v and v.isascii()}
        answer = client.open(path, method=method, data=data if method != "GET" else None, headers=headers)
        body = answer.get_data().decode("latin-1")
        assert answer.status_code < 500, (method, path, data)
        assert not any(secret in body for secret in SECRETS), (method, path, data)
        answer.close()
        assert "\n" not in answer.headers.get("Location", "")
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
    return statuses


def unlimited(client: FlaskClient) -> None:
    """Take the rate limits away: they would hide everything behind 429."""
    here = client.application.extensions["survey"]
    object.__setattr__(here, "limiter", AlwaysAllowed())


class AlwaysAllowed:
    """A limiter that counts nothing."""

    def hit(self, *_: object) -> bool:
        return True


def test_hostile_strangers_leave_no_trace_without_consent(client: FlaskClient) -> None:
    unlimited(client)
    real = client.application.extensions["survey"].study.survey.consent_version
    assert real == "1"
    statuses = attack_without_consent(client, 400, seed=1)
    assert set(statuses) <= {200, 303, 308, 400, 403, 404, 405, 413}
    with client.application.extensions["survey"].store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(slot)) == 0


def attack_without_consent(client: FlaskClient, count: int, seed: int) -> dict[int, int]:
    """As `attack`, but nobody ever agrees: then no rater may come to be."""
    agreed = NASTY.index("yes")
    word = NASTY.pop(agreed)
    try:
        statuses = attack(client, count, seed)
    finally:
        NASTY.insert(agreed, word)
    with client.application.extensions["survey"].store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(rater)) == 0
    return statuses


def test_a_hostile_rater_touches_nobody_else(make_client: Callable[[], FlaskClient]) -> None:
    victim, enemy = make_client(), make_client()
    unlimited(victim)
    begin(victim)
    store = victim.application.extensions["survey"].store
    with store.read() as connection:
        before = connection.execute(select(slot).order_by(slot.c.id)).all()
        secrets = connection.execute(select(rater.c.code, rater.c.name)).one()
    begin(enemy)
    attack(enemy, 400, seed=2)
    assert secrets.code not in enemy.get("/mine").get_data(as_text=True)
    with store.read() as connection:
        after = connection.execute(select(slot).where(slot.c.rater_id == before[0].rater_id).order_by(slot.c.id)).all()
    assert after == before
