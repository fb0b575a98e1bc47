"""A study on disk, its application in memory, and a real server for it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from flask.testing import FlaskClient

from survey.config import read_study
from survey.database import open_store
from survey.web import create_app

PASSWORD = "correct horse battery"

STUDY = """
[study]
name = "reef & <b>friends</b>"
seed = 3

[screen]
width_px = 1920

[pictures]
folder = "pictures"

[survey]
title = "How beautiful are these pictures?"
pictures_per_rater = 6
raters_per_picture = 3
practice = 1
repeats = 1
attention_checks = 1
anchors = { 1 = "very ugly", 10 = "very beautiful" }
return_url = "https://example.org/back?code={code}&who={participant}"
contact = "lab@example.org"

[[survey.questions]]
name = "age"
text = "How old are you?"
kind = "number"
required = true

[[survey.questions]]
name = "photographs"
text = "Do you take photographs yourself?"
kind = "choice"
choices = ["Never", "Sometimes", "Often"]

[[survey.questions]]
name = "comment"
text = "Anything you want to tell us?"
"""


def write_study(folder: Path, text: str = STUDY, pictures: int = 9) -> Path:
    """A study file and its pictures: soft coloured gradients, each different."""
    place = folder / "pictures"
    place.mkdir(parents=True)
    y, x = np.mgrid[0:120, 0:160] / 160
    for k in range(pictures):
        waves = [127 + 120 * np.sin((k + 2) * (x * (c + 1) + y) + c) for c in range(3)]
        cv2.imwrite(str(place / f"p{k:03d}.jpg"), np.dstack(waves).astype(np.uint8))
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder / "study.toml"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_study(tmp_path)


@pytest.fixture
def make_client(study: Path) -> Iterator[Callable[[], FlaskClient]]:
    """Browsers without a browser, all at one application."""
    store = open_store(study.with_suffix(".db"), durable=False)
    app = create_app(read_study(study), study.parent, store, password=PASSWORD)
    yield app.test_client
    store.close()


@pytest.fixture
def client(make_client: Callable[[], FlaskClient]) -> FlaskClient:
    return make_client()


def field(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name} in {page[:500]}"
    return found.group(1)


def send(client: FlaskClient, path: str, **data: str) -> Any:
    """Post a form as a browser does, with the page's token."""
    page = client.get("/operator/login").get_data(as_text=True)  # has a form whatever the stage
    return client.post(path, data=data | {"csrf_token": field(page, "csrf_token")})


def begin(client: FlaskClient, query: str = "") -> None:
    """Consent and read the instructions."""
    client.get(f"/{query}")
    assert send(client, "/consent", agree="yes", version="1").status_code == 303
    assert send(client, "/instructions").status_code == 303


def rate_once(client: FlaskClient, score: int = 5, **more: str) -> Any:
    """Answer the page that is due; attention checks as they ask."""
    page = client.get("/rate").get_data(as_text=True)
    asked = re.search(r"please choose <strong>(\d+)", page)
    sent = asked.group(1) if asked else str(score)
    data = {"csrf_token": field(page, "csrf_token"), "slot": field(page, "slot"), "score": sent} | more
    return client.post("/rate", data=data)


def rate_all(client: FlaskClient, score: int = 5) -> None:
    """Rate until the questions or the end."""
    for _ in range(100):
        answer = client.get("/rate")
        if answer.status_code == 303:
            return
        rate_once(client, score)
    raise AssertionError("a hundred pages and no end")


@contextlib.contextmanager
def serving(study: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server of its own process; its address and the process."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "gazekit", "survey", "serve", str(study), "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"GAZEKIT_SURVEY_PASSWORD": PASSWORD},
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("rating pages:"):
                yield line.split()[-1].rstrip("/"), process
                break
        else:
            raise AssertionError("the server did not start")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
