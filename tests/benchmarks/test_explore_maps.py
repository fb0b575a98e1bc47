"""How soon a map of the page follows a slider."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gazekit.explore import create_app, load_material
from gazekit.session import write_session
from tests.benchmarks.figures import record
from tests.fixtures.looks import looks

pytestmark = pytest.mark.benchmark
COMMAND = "pytest -n 0 -s -m benchmark tests/benchmarks/test_explore_maps.py"
DATA = (
    "15 simulated viewers, 12 fixations each, picture of 1920x1080, another sigma and share each time; "
    f"load {os.getloadavg()[0]:.0f}"
)
ASKED = {
    "the map in 256 steps": "level.bin?image=a.jpg",
    "numbers, region and its outline": "facts.json?image=a.jpg&mask=region",
    "numbers and rectangle": "facts.json?image=a.jpg",
    "numbers and patches": "facts.json?image=a.jpg&mask=patches",
    "masked picture": "shown.jpg?image=a.jpg&view=masked",
}
ANSWERS = 15


def test_a_map_of_15_viewers_answers_in_100_ms(tmp_path: Path) -> None:
    rng = np.random.default_rng(15)
    for n in range(15):
        x, y, ms = rng.uniform(20, 480, 12), rng.uniform(20, 380, 12), rng.uniform(150, 400, 12)
        session = looks([("a.jpg", list(zip(x, y, ms, strict=True)))], participant=f"P{n:02d}")
        stimuli = session.stimuli.assign(picture_width=1920, picture_height=1080)
        write_session(replace(session, stimuli=stimuli), tmp_path / f"P{n:02d}.gaze.h5")
    client = create_app(load_material([tmp_path])).test_client()
    begin = time.perf_counter()
    assert client.get("/maps/level.bin?image=a.jpg").status_code == 200
    first = time.perf_counter() - begin
    times: dict[str, list[float]] = {name: [] for name in ASKED}
    for k in range(ANSWERS):
        for name, address in ASKED.items():
            begin = time.perf_counter()
            answer = client.get(f"/maps/{address}&sigma_deg={1 + k / 10}&share={0.5 + k / 50}")
            times[name].append(time.perf_counter() - begin)
            assert answer.status_code == 200
    for name, seconds in times.items():
        bar = "<= 100 ms" if name == "the map in 256 steps" else ""
        value = f"{1000 * np.median(seconds):.0f} ms, best {1000 * min(seconds):.0f} ms"
        record("explore", f"a map while sliders move: {name}", value, data=DATA, command=COMMAND, bar=bar)
    record("explore", "a map: the first of a picture", f"{first:.2f} s", data=DATA, command=COMMAND)
    assert min(times["the map in 256 steps"]) <= 0.1
