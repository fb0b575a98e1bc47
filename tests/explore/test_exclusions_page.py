"""The page on which something is left out with a reason; the commands then leave it out."""

from __future__ import annotations

import runpy
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from gazekit.cli import gazekit
from gazekit.explore import Material, create_app
from gazekit.explore.exclude_pages import exclude_recipe
from gazekit.session.exclusions import EXCLUSIONS, read_exclusions

IMAGE = "astronaut.png"
ORIGIN = {"Origin": "http://localhost"}
TRIAL = {"participant": "P02", "image": IMAGE, "reason": 'head moved, <b>"twice"</b>', "by": "Ann"}


@pytest.fixture
def own(material: Material, tmp_path: Path) -> FlaskClient:
    return create_app(replace(material, folder=tmp_path)).test_client()


def test_a_trial_is_excluded_seen_everywhere_and_taken_back(
    own: FlaskClient, material: Material, tmp_path: Path
) -> None:
    assert own.get(f"/maps/facts.json?image={IMAGE}").get_json()["viewers"] == 2
    assert own.post("/exclude", data=TRIAL, headers=ORIGIN).status_code == 303
    page = own.get("/exclude").get_data(as_text=True)
    assert "P02 on astronaut.png" in page
    assert "head moved, &lt;b&gt;" in page
    key = next(facts.key for facts in material.sessions if facts.participant == "P02")
    numbers = material.by_key[key].trials.set_index("image")["number"]
    trial = own.get(f"/trial/{key}/{numbers[IMAGE]}").get_data(as_text=True)
    assert "excluded: P02 on astronaut.png: head moved" in trial
    assert "excluded: " not in own.get(f"/trial/{key}/{numbers[numbers.index != IMAGE].iloc[0]}").get_data(as_text=True)
    facts = own.get(f"/maps/facts.json?image={IMAGE}").get_json()
    assert facts["viewers"] == 1
    assert facts["excluded"] == [f"1 trial of P02 excluded: {TRIAL['reason']}"]
    options = ["--out", str(tmp_path / "f.csv"), "--exclusions", str(tmp_path / EXCLUSIONS)]
    done = CliRunner().invoke(gazekit, ["fixations", *map(str, material.asked), *options])
    assert done.exit_code == 0, done.output
    assert "1 trial of P02 excluded: head moved" in done.stderr
    assert own.post("/exclude/undo", data={"number": 1, "reason": ""}, headers=ORIGIN).status_code == 400
    assert own.post("/exclude/undo", data={"number": 1, "reason": "no"}, headers=ORIGIN).status_code == 303
    assert own.get(f"/maps/facts.json?image={IMAGE}").get_json()["viewers"] == 2
    entry = read_exclusions(tmp_path / EXCLUSIONS)[0]
    assert (entry.by, entry.undone_reason) == ("Ann", "no")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reason": " "}, "a reason is needed"),
        ({"participant": "P99"}, "unknown participant"),
        ({"participant": "", "image": ""}, "a participant, an image or both are needed"),
        ({"participant": "", "eye": "left"}, "name whose it is"),
        ({"eye": "third"}, "eye"),
        ({"shown_as": "-4"}, "a number from 1"),
        ({"shown_as": "99"}, "was not shown"),
        ({"reason": "x" * 501}, "up to 500 letters"),
    ],
)
def test_what_says_too_little_is_asked_again(
    own: FlaskClient, tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    answer = own.post("/exclude", data=TRIAL | changes, headers=ORIGIN)
    assert answer.status_code == 400
    assert words in answer.get_data(as_text=True)
    assert not (tmp_path / EXCLUSIONS).exists()


def test_another_page_cannot_exclude(own: FlaskClient, tmp_path: Path) -> None:
    assert own.post("/exclude", data=TRIAL, headers={"Origin": "http://evil.example"}).status_code == 403
    assert not (tmp_path / EXCLUSIONS).exists()


def test_the_recipe_excludes_the_same(material: Material, tmp_path: Path) -> None:
    shown = replace(material, folder=tmp_path)
    made = exclude_recipe(shown, TRIAL)
    (tmp_path / "made.py").write_text(made.python)
    runpy.run_path(str(tmp_path / "made.py"))
    assert read_exclusions(tmp_path / EXCLUSIONS)[0].key == ("P02", IMAGE, "", -1, "")
    words = shlex.split(made.command)
    assert words[:3] == ["gazekit", "exclude", str(material.asked[0])]
    assert words[3:] == ["--person", "P02", "--picture", IMAGE, "--by", "Ann", "--reason", TRIAL["reason"]]


def test_the_recipe_names_the_session_the_showing_and_the_eye(material: Material, tmp_path: Path) -> None:
    made = exclude_recipe(
        replace(material, folder=tmp_path), TRIAL | {"session": "sample", "shown_as": "3", "eye": "left"}
    )
    (tmp_path / "made.py").write_text(made.python)
    runpy.run_path(str(tmp_path / "made.py"))
    entry = read_exclusions(tmp_path / EXCLUSIONS)[0]
    assert entry.key == ("P02", IMAGE, "sample", 2, "left")
    assert (entry.reason, entry.by) == (TRIAL["reason"], "Ann")
