"""The reef protocol, whole: three groups, two languages, self-paced, two scales, an interview; real keys and mouse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.session import open_session
from tests.conftest import ROOT
from tests.needs import need

FASTER = {
    'kind = "tobii"': 'kind = "simulated"',
    "points = 5": "points = 5\ndwell_ms = 100",
    "points = 4\n": "points = 4\ndwell_ms = 300\n",
    "gate_deg = 1.0": "gate_deg = 6.0",
    "drift_check_deg = 1.5": "drift_check_deg = 6.0",
    "cross_ms = 500": "cross_ms = 100\nfullscreen = false",
    "least_ms = 500": "least_ms = 300",
    "break_every = 10": "break_every = 1",
    "pictures = 5 ": "pictures = 1 ",
}


def run(*words: object) -> str:
    result = CliRunner().invoke(gazekit, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def reef(tmp_path: Path) -> Path:
    from skimage import data

    path = tmp_path / "reef.toml"
    run("study", "new", "--kind", "reef", path)
    text = path.read_text("utf-8")
    for word, other in FASTER.items():
        assert word in text
        text = text.replace(word, other)
    path.write_text(text, "utf-8")
    for folder, names in (("pictures", ("astronaut", "coffee")), ("warm-up", ("rocket",))):
        (tmp_path / folder).mkdir()
        for name in names:
            pixels = cv2.resize(getattr(data, name)()[..., ::-1], (300, 220), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(tmp_path / folder / f"{name}.jpg"), pixels)
    run("study", "check", path)
    return path


@pytest.fixture
def screen_of_x() -> Iterator[dict[str, str]]:
    """A real X server without a monitor; yields the environment of a process that shows itself on it."""
    need(shutil.which("Xvfb") and shutil.which("xdotool"), "Xvfb and xdotool")
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    try:
        yield {**os.environ, "DISPLAY": f":{number}", "SDL_VIDEODRIVER": "x11"}
    finally:
        server.terminate()
        server.wait()


def test_the_reef_protocol_from_instructions_to_masks(reef: Path, screen_of_x: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "sessions"
    for participant, group in (("P01", "non_indigenous"), ("P02", "first_peoples")):
        run("record", reef, "-p", participant, "-g", f"group={group}", "--fast", "-o", out)
    command = [sys.executable, "-m", "tests.fixtures.session_by_hand", str(reef), "P03", str(out), "group=chinese"]
    done = subprocess.run(command, env=screen_of_x, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    session = open_session(out / "P03.gaze.h5")
    ledger, shown = session.streams["ledger"], session.stimuli
    assert (ledger["done_us"] >= 0).all()
    assert session.provenance["parameters"]["assigned"] == {
        "levels": {"group": "chinese"}, "language": "zh", "row": {},
    }  # fmt: skip
    assert shown["ended_by"].tolist() == ["key"] * 2
    given = set(shown["answer_beauty"]) | set(shown["answer_expectation"])
    assert "4" in given <= {"4", "7"}  # 4 by the mouse, 7 by the digit
    assert shown["answer_beauty_ms"].between(10, 60_000).all()
    assert "answer reef_visits: once or twice" in session.messages["text"].tolist()
    (region,) = session.streams["regions"].itertuples()
    assert region.word == "coral"
    assert region.width > 10
    assert session.display["driver"] == "x11"

    ratings = tmp_path / "ratings.csv"
    run("ratings", out, "--out", ratings)
    table = pd.read_csv(ratings)
    assert table.groupby(["rater", "attribute"]).size().to_dict() == {
        (rater, name): 2 for rater in ("P01", "P02", "P03") for name in ("beauty", "expectation")
    }
    measures = tmp_path / "measures.csv"
    run("measures", out, "--study", reef, "--out", measures)
    table = pd.read_csv(measures)
    assert set(table["participant"]) == {"P01", "P02", "P03"}
    assert "marked" in set(table.loc[table["participant"] == "P03", "area"])
    run("attention", out, "--study", reef, "--out", tmp_path / "attention", "--no-agreement")
    masks = {file.name for file in (tmp_path / "attention" / "masked").iterdir()}
    assert {name.partition(".")[0] for name in masks} == {"astronaut", "coffee"}
