"""A server that is killed while somebody draws: how much of the drawing is lost. And: the page goes on by itself."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from gazekit.explore import Material, create_app, load_material
from gazekit.explore.areas_store import AreaStore
from tests.benchmarks.figures import record

pytestmark = pytest.mark.benchmark
MOMENTS = 50
IMAGE = "astronaut.png"


def serve_in_a_process(shown: Material, port: int) -> int:
    """Serve in a process of its own, and return its id."""
    pid = os.fork()
    if pid:
        return pid
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    make_server("127.0.0.1", port, create_app(shown), threaded=True).serve_forever()
    os._exit(0)


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def longest_stroke(folder: Path) -> list[list[float]]:
    area = AreaStore(folder).newest(IMAGE).areas.get("area 1")
    return area["brush"][-1]["points"] if area else []


@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_at_most_the_last_second_is_lost_at_50_moments(tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api")
    shutil.copytree("sample_data/sessions", tmp_path / "sessions", ignore=shutil.ignore_patterns(".explore"))
    material = load_material([tmp_path / "sessions"], pictures=Path("sample_data/pictures.csv").resolve())
    material = replace(material, folder=tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    draw, lost = random.Random(1), []
    server = serve_in_a_process(material, port)
    until(lambda: answers(port), "the server began")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1000, "height": 1000})
        tab.goto(f"http://127.0.0.1:{port}/areas?image={IMAGE}")
        tab.wait_for_selector("#drawing[data-ready]")
        for _ in range(MOMENTS):
            lost.append(_lost_at_a_kill(tab, tmp_path, server, draw))
            server = serve_in_a_process(material, port)
            until(lambda: answers(port), "the server began again")
            tab.mouse.up()
            tab.wait_for_selector("#list li")
            until(lambda: _saved(tab, tmp_path, 1), "the page saved what it had by itself")
            tab.click("#undo")
            until(lambda: _saved(tab, tmp_path, 0), "the stroke was taken back")
        os.kill(server, signal.SIGKILL)  # before the browser ends: it holds the browser's pipes
        os.waitpid(server, 0)
        browser.close()
    late = sum(seconds > 1 for seconds in lost)
    value = f"{1000 * sorted(lost)[len(lost) // 2]:.0f} ms in the median, {1000 * max(lost):.0f} ms at most"
    record(
        "explore",
        "drawing lost when the server is killed",
        value,
        data=f"{MOMENTS} moments of a brush stroke in Chromium; load {os.getloadavg()[0]:.0f}",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_explore_killed.py",
        bar="<= 1 s",
    )
    assert late == 0


def _lost_at_a_kill(tab: Any, folder: Path, server: int, draw: random.Random) -> float:
    """Draw a stroke, kill the server at some moment, and return how old the first point is that was lost, seconds."""
    tab.click('[data-tool="brush"]')
    box = tab.locator("#sheet").bounding_box()
    end, moves = time.monotonic() + draw.uniform(0.1, 2.0), []
    tab.mouse.move(box["x"] + 10, box["y"] + 10)
    tab.mouse.down()
    step = 0
    while time.monotonic() < end:
        step += 1
        tab.mouse.move(box["x"] + 10 + 3 * step % 700, box["y"] + 10 + 40 * (3 * step // 700) + step % 3)
        moves.append(time.monotonic())
        time.sleep(0.01)
    killed = time.monotonic()
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)
    kept = len(longest_stroke(folder))
    return killed - moves[min(kept, len(moves) - 1)]


def _saved(tab: Any, folder: Path, count: int) -> bool:
    tab.wait_for_timeout(50)
    return len(AreaStore(folder).newest(IMAGE).areas) == count
