"""How quickly `gazekit explore` shows a board of 30,000 trials, and any of them; a session of an hour at 1200 Hz.

Run by hand: ``pytest -n 0 -s -m benchmark tests/benchmarks/test_explore_bars.py``. ``GAZEKIT_BENCH_PEOPLE=6`` makes it
smaller; with ``GAZEKIT_BENCH_SIMULATED=2`` only two of the people are simulated and summarised, and the others are
copies of them under other names (what is measured of the first start is then of those two). Sessions in a folder
``GAZEKIT_BENCH_FOLDER`` are kept and used again. Bars are compared with the server's processor time, which other work
on the machine does not change; the time on the wall stands beside it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
import pytest

from gazekit.capture.simulation.gaze import Person
from gazekit.capture.simulation.scanpath import PictureScene
from gazekit.core.checksum import SESSION, read_seal
from gazekit.events.settings import QualitySection
from gazekit.explore.summaries import SessionFacts, remember, summaries
from gazekit.gaze import GazeRecording
from gazekit.screen import Placement, Screen
from gazekit.session import Session, open_session, write_session
from gazekit.session.samples import Block
from tests.benchmarks.figures import record

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]
PEOPLE = int(os.environ.get("GAZEKIT_BENCH_PEOPLE", "60"))
SIMULATED = min(PEOPLE, int(os.environ.get("GAZEKIT_BENCH_SIMULATED", "60")))
COMMAND = "pytest -n 0 -s -m benchmark tests/benchmarks/test_explore_bars.py"
SCREEN = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
HOUR: dict[str, Any] = {"pictures": 600, "shown_ms": 5500, "rate_hz": 1200, "distinct": 20}
PLACE = Placement(160, 0, 1600, 1080)


def simulate(
    path: Path, participant: str, seed: int, *, pictures: int, shown_ms: int, rate_hz: int, distinct: int | None = None
) -> None:
    """Write a session of simulated eyes that look at pictures, with 500 ms between them.

    ``distinct`` of the pictures are looked at; the others get the same gaze again.
    """
    person, rng = Person(SCREEN, rate_hz, seed), np.random.default_rng(seed)
    length = round((shown_ms + 500) * rate_hz / 1000)
    each = round(length * 1e6 / rate_hz)
    onsets = 1_000_000 + each * np.arange(pictures)
    stamps = np.round(np.arange(length) * 1e6 / rate_hz).astype(np.int64)
    salience = rng.random((9, 16)) ** 3
    scene = PictureScene(salience / salience.sum(), PLACE)
    drawn: list[Block] = []

    def blocks() -> Iterator[Block]:
        for number, onset in enumerate(onsets.tolist()):
            if number < (distinct or pictures):
                person.watch(onset, scene)
                drawn.append(person.sample(stamps + onset)[0])
            block = drawn[number % len(drawn)]
            block["device_time_us"] = block["system_time_us"] = stamps + onset
            yield block

    order = rng.permutation(pictures)
    stimuli = pd.DataFrame(
        {
            "image": [f"p{number:03d}.png" for number in order],
            "sha256": "",
            "picture_width": 1600,
            "picture_height": 1080,
            "onset_us": onsets,
            "offset_us": onsets + shown_ms * 1000,
            **{"x": PLACE.x, "y": PLACE.y, "width": PLACE.width, "height": PLACE.height},
            "order": np.arange(pictures),
            "response": "",
        }
    )
    session = Session(participant, SCREEN, GazeRecording.empty(), name="simulated", stimuli=stimuli)
    write_session(replace(session, started_utc="2026-01-01T00:00:00Z"), path, blocks=(length * pictures, blocks()))


def copy_people(folder: Path, people: int, simulated: int) -> None:
    """Copy sessions and what is known of them under other names."""
    facts, faults = summaries(sorted(folder.glob("*.gaze.h5")), QualitySection())
    assert not faults
    for number in range(simulated + 1, people + 1):
        source = facts[number % simulated]
        file, name = folder / f"P{number:02d}.gaze.h5", f"P{number:02d}"
        write_session(replace(open_session(source.file), participant=name), file)
        header = replace(source.header, participant=name)
        quality = source.quality.assign(participant=name)
        copied = SessionFacts(read_seal(file, SESSION), file, file, header, quality, source.trials)
        remember(copied, QualitySection())


class Took(NamedTuple):
    """Seconds of the server's processor, and on the wall."""

    processor: float
    wall: float

    def __str__(self) -> str:
        return f"{self.processor:.2f} s of processor, {self.wall:.2f} s on the wall"


class Served:
    """The command as a process, spoken to as a browser does."""

    def __init__(self, folder: Path) -> None:
        began = time.perf_counter()
        command = [sys.executable, "-m", "gazekit", "explore", str(folder), "--no-browser"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.started_s = time.perf_counter() - began
        link = re.match(r"open http://(\S+?)(/\S*)", line)
        assert link is not None, line
        self.page = http.client.HTTPConnection(link[1], timeout=60)
        self.page.request("GET", link[2])
        answer = self.page.getresponse()
        answer.read()
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def get(self, *addresses: str) -> tuple[Took, bytes]:
        """Return what answers took together, and the last of them."""
        began, before = time.perf_counter(), self._processor_s()
        for address in addresses:
            self.page.request("GET", address, headers={"Cookie": self.cookie})
            answer = self.page.getresponse()
            content = answer.read()
            assert answer.status == 200, content
        return Took(self._processor_s() - before, time.perf_counter() - began), content

    def _processor_s(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def most_memory_mb(self) -> float:
        """Return how much memory the process ever held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def end(self) -> None:
        """End it."""
        self.page.close()
        self.process.terminate()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Served]:
    server = Served(folder)
    try:
        yield server
    finally:
        server.end()


def trial_times(server: Served, addresses: list[str]) -> list[Took]:
    """Return what the page of a trial and all that it draws take, each trial for the first time."""
    return [server.get(at, f"{at}/view.json")[0] for at in addresses]


def addresses_of(board: dict[str, Any], count: int) -> list[str]:
    cells = [(p, q) for p in range(len(board["people"])) for q in range(len(board["pictures"]))]
    chosen = random.Random(1).sample(cells, min(count, len(cells)))
    return [f"/trial/{board['sessions'][board['session'][p][q]]}/{board['number'][p][q]}" for p, q in chosen]


def folder_of(name: str, temporary: Path) -> Path:
    """Return where sessions are made, or kept from before."""
    folder = Path(os.environ.get("GAZEKIT_BENCH_FOLDER", temporary)) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_board_of_thirty_thousand_trials(tmp_path: Path) -> None:
    folder = folder_of("board", tmp_path)
    data = f"{PEOPLE} simulated people x 500 pictures, 2 s each at 120 Hz"
    if not (folder / f"P{PEOPLE:02d}.gaze.h5").exists():
        for person in range(1, SIMULATED + 1):
            file = folder / f"P{person:02d}.gaze.h5"
            simulate(file, f"P{person:02d}", person, pictures=500, shown_ms=2000, rate_hz=120)
        with served(folder) as server:
            first = f"{server.started_s:.0f} s for {SIMULATED} people, load {os.getloadavg()[0]:.0f}"
            record("explore", "The first start, which reads every session", first, data=data, command=COMMAND)
        copy_people(folder, PEOPLE, SIMULATED)
    if PEOPLE > SIMULATED:
        data += f"; {PEOPLE - SIMULATED} of the people are copies of the others"
    with served(folder) as server:
        first_board = server.get("/", "/board.json")[0]
        page = min(server.get("/?sort_people=value&colour=precision", "/board.json?colour=precision")[0] for _ in "123")
        _, content = server.get("/board.json")
        longest = max(trial_times(server, addresses_of(json.loads(content), 40)))
        memory = server.most_memory_mb()
    for name, value, bar in (
        ("A later start", f"{server.started_s:.1f} s on the wall", ""),
        ("The board when first asked for, with what it draws", str(first_board), "1 s"),
        ("The board in another order and colour", str(page), "1 s"),
        ("Any trial with what it draws, the longest of 40", str(longest), "0.5 s"),
        ("Memory of the server at most", f"{memory:.0f} MB", "600 MB"),
    ):
        value = value if "MB" in value else f"{value} at load {os.getloadavg()[0]:.0f}"
        record("explore", name, value, data=data, command=COMMAND, bar=bar)
    assert max(first_board, page).processor <= 1.0
    assert longest.processor <= 0.5
    assert memory <= 600


def test_a_session_of_an_hour_opens_its_trials_at_once(tmp_path: Path) -> None:
    folder = folder_of("hour", tmp_path)
    data = "a simulated session of an hour at 1200 Hz, 600 pictures (the gaze on 20 of them, repeated)"
    if not (folder / "P01.gaze.h5").exists():
        simulate(folder / "P01.gaze.h5", "P01", 1, **HOUR)
        with served(folder) as server:
            first = f"{server.started_s:.0f} s, load {os.getloadavg()[0]:.0f}"
            record("explore", "The first start on an hour at 1200 Hz", first, data=data, command=COMMAND)
    with served(folder) as server:
        key = re.search(rb'"sessions":\["(\w+)"', server.get("/board.json")[1])
        assert key is not None
        times = trial_times(server, [f"/trial/{key[1].decode()}/{number}" for number in range(1, 601, 50)])
        memory = server.most_memory_mb()
    for name, value, bar in (
        ("A trial of an hour at 1200 Hz, the longest of 12", f"{max(times)} at load {os.getloadavg()[0]:.0f}", "1 s"),
        ("Memory of the server on an hour at 1200 Hz", f"{memory:.0f} MB", ""),
    ):
        record("explore", name, value, data=data, command=COMMAND, bar=bar)
    assert max(times).processor <= 1.0


def test_a_recording_of_an_hour_without_pictures_opens_at_once(tmp_path: Path) -> None:
    folder = folder_of("one-trial", tmp_path)
    if not (folder / "P01.gaze.h5").exists():
        simulate(folder / "first", "P01", 1, **HOUR)
        session = open_session(folder / "first")
        (folder / "first").unlink()
        write_session(replace(session, stimuli=session.stimuli.iloc[:0]), folder / "P01.gaze.h5")
        del session
        with served(folder):
            pass
    with served(folder) as server:
        key = re.search(rb'"sessions":\["(\w+)"', server.get("/board.json")[1])
        assert key is not None
        at = f"/trial/{key[1].decode()}/1"
        opened = max(trial_times(server, [at]))
        later = server.get(f"{at}/view.json?from=1800000&to=1860000")[0]
        events = server.get(f"{at}/detections.json")[0]
    data = "a simulated recording of an hour at 1200 Hz without pictures: one trial of 4.3 million samples"
    for name, value, bar in (
        ("A trial of one hour at 1200 Hz: its first minute", str(opened), "1 s"),
        ("... another minute of it", str(later), "1 s"),
        ("... the events of all of it, which come later", str(events), ""),
    ):
        record("explore", name, value, data=data, command=COMMAND, bar=bar)
    assert max(opened, later).processor <= 1.0
