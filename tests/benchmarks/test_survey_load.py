"""200 raters at once on 500 pictures, on SQLite and on PostgreSQL, the server killed three times on the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from survey.database import open_store
from survey.schema import image, slot
from tests.benchmarks.figures import record
from tests.fixtures.postgresql import binaries, postgres
from tests.fixtures.survey import PASSWORD, write_study
from tests.needs import need

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

STUDY = """
[study]
name = "load"
[pictures]
folder = "pictures"
[survey]
raters_per_picture = 10
pictures_per_rater = 30
practice = 0
repeats = 0
attention_checks = 0
starts_per_hour = 100000
requests_per_minute = 1000
exclude_by = ["straight-lining", "too fast"]
"""
RATERS, PROCESSES, PICTURES = 200, 4, 500


def start(study: Path, database: str, port: int) -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "gazekit", "survey", "serve", str(study), "--port", str(port),
         "--database-url", database],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"GAZEKIT_SURVEY_PASSWORD": PASSWORD},
    )  # fmt: skip
    assert server.stdout is not None
    while not server.stdout.readline().startswith("rating pages:"):
        assert server.poll() is None, "the server ended"
    return server


def stop(server: subprocess.Popen[str]) -> None:
    """kill -9."""
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    assert server.stdout is not None
    server.stdout.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def crowd(port: int) -> list[subprocess.Popen[str]]:
    program = str(Path(__file__).with_name("survey_load.py"))
    return [
        subprocess.Popen(
            [sys.executable, program, "127.0.0.1", str(port), str(RATERS // PROCESSES), str(k), "1", "3"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for k in range(PROCESSES)
    ]


def run(study: Path, database: str, kills: int = 3) -> None:
    port = free_port()
    server = start(study, database, port)
    people = crowd(port)
    down: list[tuple[float, float]] = []
    try:
        for _ in range(kills):
            time.sleep(14)
            before = time.time()
            stop(server)
            server = start(study, database, port)
            down.append((before, time.time() + 2.0))
        outcomes = [json.loads(person.communicate(timeout=600)[0]) for person in people]
    finally:
        stop(server)
        for person in people:
            person.kill()
            person.wait()
            assert person.stdout is not None
            person.stdout.close()
    judge(database, outcomes, down)


def judge(database: str, outcomes: list[dict], down: list[tuple[float, float]]) -> None:  # type: ignore[type-arg]
    assert sum(outcome["away"] for outcome in outcomes) == 0  # no answer says that nothing can be stored
    store = open_store(database)
    with store.read() as connection:
        done = connection.execute(select(image.c.done)).scalars().all()
        rows = connection.execute(select(slot.c.id, slot.c.score, slot.c.image_id, slot.c.rater_id)).all()
        states = set(connection.execute(select(slot.c.state).distinct()).scalars())
    store.close()
    times = [(kind, at, took) for outcome in outcomes for kind, at, took in outcome["times"]]
    calm = [took for _, at, took in times if not any(a <= at <= b for a, b in down)]
    pages = [took for kind, at, took in times if kind == "rate" and not any(a <= at <= b for a, b in down)]
    errors = [error for outcome in outcomes for error in outcome["errors"]]
    scores = {row.id: row.score for row in rows}
    stored = {int(s): score for outcome in outcomes for s, score in outcome["stored"]}
    span = max(at for _, at, _ in times) - min(at for _, at, _ in times)
    name = "PostgreSQL" if "postgres" in database else "SQLite"
    record(
        "survey",
        f"200 raters at once, live screening on, {name}, 500 pictures, target 10, three kill -9",
        f"every picture exactly 10: {list(done) == [10] * PICTURES}; {len(times) / span:.0f} requests/s, "
        f"{sum(o['lost'] for o in outcomes)} tried again while the server was away; every request: median "
        f"{1000 * np.median(calm):.0f} ms, p95 {1000 * np.quantile(calm, 0.95):.0f} ms; rating pages p95 "
        f"{1000 * np.quantile(pages, 0.95):.0f} ms (load {os.getloadavg()[0]:.0f})",
        bar="every picture exactly 10; p95 < 150 ms on a quiet machine",
        data="simulated raters",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_survey_load.py",
    )
    print(timeline(times, down))
    assert errors == []
    assert list(done) == [10] * PICTURES
    assert states == {"done"}
    assert len({(row.image_id, row.rater_id) for row in rows}) == len(rows) == 10 * PICTURES
    assert all(scores[key] == value for key, value in stored.items())
    assert np.quantile(pages, 0.95) < 0.150
    assert np.quantile(calm, 0.95) < 0.150


def timeline(times: list[tuple[str, float, float]], down: list[tuple[float, float]]) -> str:
    """List the seconds in which a request took longest: when, of how many, how long, and what was asked."""
    start = min(at for _, at, _ in times)
    rows = []
    for second in sorted({int(at - start) for _, at, _ in times}):
        here = [(took, kind) for kind, at, took in times if int(at - start) == second]
        took = [seconds for seconds, _ in here]
        rows.append((max(took), f"{second:4d} s: {len(here):4d} requests, median {1000 * np.median(took):5.0f} ms, "
                                f"longest {1000 * max(took):5.0f} ms ({max(here)[1]})"))  # fmt: skip
    worst = sorted(line for _, line in sorted(rows)[-15:])
    away = ", ".join(f"{a - start:.0f} to {b - start:.0f} s" for a, b in down)
    return "\n".join([f"server away: {away}; the slowest seconds:", *worst])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_hundred_raters_at_once(tmp_path_factory: pytest.TempPathFactory, kind: str) -> None:
    folder = tmp_path_factory.mktemp(kind)
    study = write_study(folder / "study", STUDY, pictures=PICTURES)
    if kind == "sqlite":
        run(study, str(folder / "survey.db"))
        return
    need(binaries(), "PostgreSQL (Debian: postgresql)")
    with postgres() as url:
        run(study, url)
