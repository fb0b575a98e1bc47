"""Several questions of every picture: buttons with labels, sliders without a start value."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from gazekit.cli import gazekit
from survey.config import read_study
from survey.database import open_store
from survey.rating_export import export_ratings
from survey.web import create_app
from tests.fixtures.survey import (
    PASSWORD,
    SCALES,
    STUDY,
    begin,
    field,
    look,
    operator,
    send,
    store_of,
    write_study,
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    study = write_study(tmp_path, STUDY.replace("[[survey.questions]]", SCALES + "[[survey.questions]]", 1))
    store = open_store(study.with_suffix(".survey.db"), durable=False)
    yield create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client()
    store.close()


def answer(client: FlaskClient, **scores: str) -> int:
    """Answer the page that is due; attention checks as they ask."""
    page = client.get("/rate").get_data(as_text=True)
    look(client, page)
    check = re.search(r"please choose <strong>(\d+)", page)
    data = {name: field(page, name) for name in ("csrf_token", "slot", "shown")}
    return int(client.post("/rate", data=data | ({"score": check.group(1)} if check else scores)).status_code)


def rate_everything(client: FlaskClient) -> None:
    begin(client)
    while client.get("/rate").status_code == 200:
        assert answer(client, score="8", score_natural="3", score_familiar="6") == 303


def test_every_answer_is_a_row_with_its_question(client: FlaskClient) -> None:
    rate_everything(client)
    scales = read_study(Path(str(store_of(client).engine.url.database)).with_name("study.toml")).survey.asked
    table = export_ratings(store_of(client), scales=scales)
    main = table[table["kind"] == "main"]
    assert main.groupby("attribute")["score"].agg(["size", "min", "max"]).to_numpy().tolist() == [
        [6, 8, 8], [6, 6, 6], [6, 3, 3],
    ]  # fmt: skip
    assert main["attribute"].tolist()[:3] == ["beauty", "natural", "familiar"]
    assert main["image"].iloc[:3].nunique() == 1
    assert table[table["kind"] == "check"]["attribute"].tolist() == ["beauty"]
    first = export_ratings(store_of(client))
    assert "attribute" not in first.columns
    assert set(first[first["kind"] == "main"]["score"]) == {8}


def test_every_question_wants_an_answer(client: FlaskClient) -> None:
    begin(client)
    assert answer(client, score="8", score_natural="3") == 400
    assert answer(client, score="8", score_natural="3", score_familiar="11") == 400
    assert answer(client, score_natural="3", score_familiar="1") == 400
    assert export_ratings(store_of(client), practice=True).empty
    assert answer(client, score="8", score_natural="3", score_familiar="1") == 303


def test_answers_are_taken_back_and_deleted_together(client: FlaskClient) -> None:
    begin(client)
    answer(client, score="8", score_natural="3", score_familiar="6")
    send(client, "/undo")
    answer(client, score="1", score_natural="2", score_familiar="3")
    copy = json.loads(client.get("/mine/data.json").get_data())
    assert sorted(row["score"] for row in copy["other_scales"]) == [2, 3]
    send(client, "/mine/delete", sure="yes")
    with store_of(client).read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM more_score").scalar_one() == 0


def test_downloads_and_commands_know_the_questions(client: FlaskClient, tmp_path: Path) -> None:
    rate_everything(client)
    boss = operator(client.application.test_client())
    body = boss.get("/operator/download/ratings.csv").get_data(as_text=True)
    assert pd.read_csv(io.StringIO(body))["attribute"].value_counts()["natural"] == 8
    assert "<strong>6</strong> of 27 ratings" in boss.get("/operator/").get_data(as_text=True)
    ratings, table = tmp_path / "r.csv", tmp_path / "h.csv"
    for arguments in (
        ["export", str(tmp_path / "study.toml"), "--out", str(ratings)],
        ["aggregate", str(ratings), "--attribute", "natural", "--out", str(table)],
    ):
        assert CliRunner().invoke(gazekit, ["survey", *arguments], catch_exceptions=False).exit_code == 0
    assert set(pd.read_csv(table)["mean"]) == {3.0}


def test_simulated_raters_answer_everything(client: FlaskClient, tmp_path: Path) -> None:
    study, database = tmp_path / "study.toml", tmp_path / "rehearsal.db"
    arguments = ["simulate", str(study), "--database-url", str(database), "--raters", "4"]
    assert CliRunner().invoke(gazekit, ["survey", *arguments], catch_exceptions=False).exit_code == 0
    store = open_store(database, create=False)
    table = export_ratings(store, scales=read_study(study).survey.asked)
    store.close()
    counts = table[table["kind"] == "main"]["attribute"].value_counts()
    assert counts["beauty"] == counts["natural"] == counts["familiar"] > 0
