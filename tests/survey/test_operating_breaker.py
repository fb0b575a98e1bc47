"""Raters merged and left out in every state, and databases that are not the study's."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from gazekit.core.errors import GazekitError
from survey import raters
from survey import serve as serving
from survey.assignment import advance, finish, slot_at, submit
from survey.cli import survey
from survey.config import read_study
from survey.database import Store, open_store
from survey.operations import exclude, merge, readmit
from survey.payment import payments
from survey.schema import image, slot
from survey.web import create_app
from tests.fixtures.survey import PASSWORD, STUDY, counters_agree, section, write_study

SECTION = section()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "survey.db", durable=False)
    opened.add_images(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], 3)
    yield opened
    opened.close()


def come(store: Store, participant: str = "") -> str:
    ids = raters.PlatformIds("prolific", participant, "study", f"session of {participant}") if participant else None
    with store.write() as connection:
        return raters.join(connection, SECTION, ids)


def rate(store: Store, token: str, showings: int, now: float) -> None:
    for k in range(showings):
        with store.write() as connection:
            person = raters.find(connection, token)
            assert person is not None
            person = advance(connection, person, SECTION, now + k)
            current = slot_at(connection, person.id, person.place)
            assert current is not None
            assert submit(connection, person, current.id, 5, SECTION, now=now + k) is not None


def come_to_the_end(store: Store, token: str) -> None:
    rate(store, token, 4, 1000.0)
    with store.write() as connection:
        person = raters.find(connection, token)
        assert person is not None
        finish(connection, person)


def given(store: Store) -> dict[int, tuple[int, str, float]]:
    """What is stored of each picture: rater, state, time."""
    with store.read() as connection:
        rows = connection.execute(select(slot).where(slot.c.score.is_not(None))).all()
    return {row.image_id: (row.rater_id, row.state, row.rated_at) for row in rows}


def test_what_one_rater_only_looked_at_takes_no_rating_from_the_other(store: Store) -> None:
    keep, other = come(store), come(store)
    with store.write() as connection:
        person = raters.find(connection, keep)
        assert person is not None
        advance(connection, person, SECTION, 1000.0)  # holds two pictures
    rate(store, other, 4, 1100.0)
    with store.write() as connection:
        assert merge(connection, "r00001", "r00002") == 4
    assert {number: row[:2] for number, row in given(store).items()} == dict.fromkeys(range(1, 5), (1, "done"))
    counters_agree(store)


def test_the_rating_that_came_first_stays(store: Store) -> None:
    keep, other = come(store), come(store)
    rate(store, other, 4, 900.0)
    rate(store, keep, 4, 1000.0)
    with store.write() as connection:
        assert merge(connection, "r00001", "r00002") == 4
    assert all(rater_id == 1 and at < 1000 for rater_id, _, at in given(store).values())
    counters_agree(store)


def test_who_is_left_out_or_gone_is_not_merged_with_who_counts(store: Store) -> None:
    rate(store, come(store), 2, 1000.0)
    rate(store, come(store), 4, 900.0)
    with store.write() as connection:
        exclude(connection, "r00001", "same answer to all")
    with pytest.raises(GazekitError, match="r00001 is left out and the other is not"), store.write() as connection:
        merge(connection, "r00001", "r00002")
    with store.write() as connection:
        exclude(connection, "r00002", "same answer to all")
        merge(connection, "r00001", "r00002")  # what they gave stays, excluded
    assert {row[:2] for row in given(store).values()} == {(1, "excluded")}
    with pytest.raises(GazekitError, match="r00002 cannot be merged: these data"), store.write() as connection:
        merge(connection, "r00001", "r00002")
    counters_agree(store)


def test_a_second_platform_id_of_one_person_is_for_the_operator_to_decide(store: Store) -> None:
    tokens = [come(store, participant) for participant in ("", "P1", "P2", "P3", "P4")]
    for token in tokens[2:4]:
        come_to_the_end(store, token)
    with store.write() as connection:
        exclude(connection, "r00004", "same answer to all")
        exclude(connection, "r00001", "too fast")
        merge(connection, "r00001", "r00004")  # was left out before: that is the evidence
        readmit(connection, "r00001")
        merge(connection, "r00001", "r00002")  # without an id of its own, P3 is its id
        merge(connection, "r00001", "r00003")
        merge(connection, "r00001", "r00005")
    rows = {row.participant: (row.action, row.evidence) for row in payments(store, SECTION)}
    nothing = "left out before the end: the same person as r00001; 0 of 0 answers are counted there"
    assert rows["P1"] == ("wait", nothing)
    assert rows["P2"][0] == "review"
    assert re.fullmatch(r"the same person as r00001; \d of 4 answers are counted there", rows["P2"][1])
    assert rows["P4"] == ("wait", nothing)
    for policy in ("approve", "reject", "review"):
        decided = {row.participant: row.action for row in payments(store, SECTION, second_ids=policy)}
        assert (decided["P2"], decided["P1"], decided["P4"]) == (policy, "wait", "wait")


def test_nobody_is_rejected_without_evidence(store: Store) -> None:
    tokens = [come(store, participant) for participant in ("P1", "P2", "P3")]
    for token in tokens[:2]:
        come_to_the_end(store, token)
    with store.write() as connection:
        exclude(connection, "r00001", "by the operator")
        exclude(connection, "r00002", "straight-lining 1.00 (limit 0.90)")
        exclude(connection, "r00003", "straight-lining 1.00 (limit 0.90)")
    rows = [(row.action, row.evidence) for row in payments(store, SECTION, bonus=1.0)]
    assert rows == [
        ("review", "left out by the operator, who gave no reason"),
        ("reject", "straight-lining 1.00 (limit 0.90)"),
        ("wait", "left out before the end: straight-lining 1.00 (limit 0.90)"),
    ]


def test_what_a_rater_gives_after_being_left_out_fills_no_picture(store: Store) -> None:
    token = come(store)
    rate(store, token, 2, 1000.0)
    with store.write() as connection:
        assert exclude(connection, "r00001", "same answer to all") == 2
    rate(store, token, 2, 1100.0)
    assert {row[:2] for row in given(store).values()} == {(1, "excluded")}
    counters_agree(store)
    with store.write() as connection:
        assert connection.execute(select(image.c.taken)).scalars().all() == [0, 0, 0, 0]
        assert readmit(connection, "r00001") == 4
    counters_agree(store)


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A study whose database was served once."""
    study = write_study(tmp_path / "study", STUDY)
    opened = open_store(study.with_suffix(".survey.db"))
    create_app(read_study(study), study.parent, opened, password=PASSWORD)
    opened.close()
    return study


@pytest.mark.parametrize("command", ["export", "pay", "operate", "simulate"])
def test_every_command_refuses_the_database_of_another_study(served: Path, command: str) -> None:
    arguments = {"operate": ["--pause"], "simulate": ["--raters", "1"]}.get(command, ["--out", str(served) + ".csv"])
    served.write_text(STUDY.replace("reef &", "wreck &"))
    ended = CliRunner().invoke(survey, [command, str(served), *arguments])
    assert isinstance(ended.exception, GazekitError)
    assert "this database belongs to another study (name: " in str(ended.exception)
    with closing(sqlite3.connect(served.with_suffix(".survey.db"))) as connection, connection:
        assert connection.execute("SELECT count(*) FROM rater").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM meta WHERE key = 'opening'").fetchone() == (0,)


def test_the_database_of_another_program_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "places.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (address)")
    for create in (True, False):
        with pytest.raises(GazekitError, match=r"it holds the tables of something else \(bookmarks\)"):
            open_store(path, create=create)
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]
        connection.execute("ALTER TABLE bookmarks RENAME TO meta")
    with pytest.raises(GazekitError, match=r"it holds the tables of something else \(meta\)"):
        open_store(path)


@pytest.mark.parametrize("command", ["export", "pay", "operate", "backup"])
def test_an_empty_file_is_no_database(served: Path, tmp_path: Path, command: str) -> None:
    empty = tmp_path / "copy.db"
    empty.touch()
    arguments = [] if command == "operate" else ["--out", str(tmp_path / "out")]
    ended = CliRunner().invoke(survey, [command, str(served), "--database-url", str(empty), *arguments])
    assert isinstance(ended.exception, GazekitError)
    assert "a copy of a database that was in use is empty" in str(ended.exception)
    assert not (tmp_path / "out").exists()


def test_a_server_hands_the_interpreter_on_soon_and_puts_that_back(
    served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import waitress

    turns = []

    def stop(*_: object, **__: object) -> None:
        turns.append(sys.getswitchinterval())
        raise KeyboardInterrupt

    monkeypatch.setattr(waitress, "create_server", stop)
    before = sys.getswitchinterval()
    with pytest.raises(KeyboardInterrupt):
        serving.serve(served, database=served.with_suffix(".survey.db"), password=PASSWORD)
    assert turns == [pytest.approx(serving.TURN_SECONDS)]
    assert sys.getswitchinterval() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "r.csv", "--out", "r.csv"],
        ["aggregate", "r.csv", "--out", "r.csv"],
        ["screen", "r.csv", "--out", "../FOLDER/r.csv"],
        ["scores", "r.csv", "--out", "r.csv"],
        ["export", "study.toml", "--out", "study.survey.db"],
        ["pay", "study.toml", "--out", "study.toml"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_command_writes_over_what_it_reads(
    served: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(served.parent)
    Path("r.csv").write_text("rater,image,score\nA,a.jpg,5\n")
    words = [word.replace("FOLDER", served.parent.name) for word in arguments]
    before = Path(words[-1]).read_bytes()
    ended = CliRunner().invoke(survey, words)
    assert "is read by this command and would be lost" in str(ended.exception)
    assert Path(words[-1]).read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["pay", "--bonus", "inf"],
        ["pay", "--bonus", "nan"],
        ["simulate", "--careful", "nan"],
        ["simulate", "--biased", "-1"],
        ["simulate", "--careful", "0", "--biased", "0", "--random", "0", "--straight-lining", "0"],
    ],
)
def test_bonus_and_shares_are_numbers(served: Path, arguments: list[str]) -> None:
    command, *options = arguments
    ended = CliRunner().invoke(survey, [command, str(served), *options])
    assert ended.exit_code == 2 or "one of the shares must be above 0" in str(ended.exception)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('question = {en = "How calm?"}', "question: is missing in 'de'"),
        ('gold = [["a.jpg", "a.jpg"]]', "gold pairs have one order"),
        ('gold = [["a.jpg", "b.jpg"], ["b.jpg", "a.jpg"]]', "gold pairs have one order"),
    ],
)
def test_check_finds_what_serving_would_refuse(tmp_path: Path, line: str, words: str) -> None:
    head = '[study]\nname = "x"\nlanguages = ["en", "de"]\n[pictures]\nfolder = "pictures"\n'
    study = write_study(tmp_path / "study", f"{head}[survey]\n{line}\n")
    ended = CliRunner().invoke(survey, ["serve", str(study), "--check"])
    assert words in str(ended.exception)


def test_a_plan_without_a_number_is_json_too(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("rater,image,score\nA,a.jpg,x\n")
    ended = CliRunner().invoke(survey, ["import", str(path), "--plan", "--json"])
    assert "NaN" not in ended.output
    assert json.loads(ended.output)["lowest"] is None
