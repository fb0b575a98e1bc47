"""Answers: read from sessions whatever columns they are in, as ratings, and beside measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli.ratings_ import command
from gazekit.core.errors import InputError
from gazekit.measures import (
    MeasureOptions,
    answers_of,
    fixation_measures,
    join_sessions,
    people_answers,
    ratings_of,
    session_measures,
    with_answers,
)
from gazekit.session import Session, write_session
from survey.ratings import of_attribute
from survey.table_io import read_ratings
from tests.fixtures.looks import CLOCKS_US, Place, looks

PLACES: list[Place] = [(100, 100, 300), (300, 100, 200)]
TRIALS = [("a.jpg", PLACES), ("b.jpg", PLACES)]
FIRST_US = CLOCKS_US + 400_000


def rated(participant: str = "P1") -> Session:
    """A session with one scale, a question, and a picture that was not rated."""
    ledger = [
        (0, "picture", "a.jpg", "", FIRST_US + 500_000, ""),
        (1, "rating", "a.jpg", "", FIRST_US + 1_700_000, "7"),
        (2, "picture", "b.jpg", "", FIRST_US + 3_000_000, ""),
        (3, "rating", "b.jpg", "", -1, ""),
        (4, "question", "lenses", "", FIRST_US + 9_000_000, "yes"),
    ]
    return looks(TRIALS, participant=participant, ledger=ledger, stimuli={"response": ["7", ""]})


def several(participant: str = "P1") -> Session:
    """A session with two scales, words, and the time of one of them, in columns of their own."""
    columns = {"beauty": [7, 3], "beauty_ms": [1200, 900], "expectation": [2.0, np.nan], "why": ["blue", ""]}
    return looks(TRIALS, participant=participant, stimuli=columns)


def test_one_scale_and_its_time() -> None:
    given = answers_of(rated())
    assert given[["image", "attribute", "score", "time_ms"]].values.tolist() == [["a.jpg", "rating", 7, 1200]]
    assert people_answers(rated()).values.tolist() == [["P1", "lenses", "yes"]]


def test_every_column_that_is_no_fact_of_the_picture_is_an_answer() -> None:
    given = answers_of(several())
    assert given[["image", "attribute", "answer"]].values.tolist() == [
        ["a.jpg", "beauty", "7"],
        ["a.jpg", "expectation", "2"],
        ["a.jpg", "why", "blue"],
        ["b.jpg", "beauty", "3"],
    ]
    table = session_measures(several())
    assert table[["beauty", "beauty_ms", "expectation"]].fillna(-1).values.tolist() == [[7, 1200, 2], [3, 900, -1]]
    assert table["why"].fillna("none").tolist() == ["blue", "none"]


def test_answers_of_a_protocol_have_names_and_facts_are_none() -> None:
    """Columns as a session of several scales has them, and the second showing asked in the next part."""
    columns = {
        "presentation": [1, 1],
        "block": ["sea", "sea"],
        "ended_by": ["key", "time"],
        "answer_beauty": ["7", ""],
        "answer_beauty_ms": [1200.0, np.nan],
        "answer_rating": ["4", "5"],
        "answer_rating_ms": [900.0, 800.0],
        "response": ["4", "5"],
    }
    session = looks(TRIALS, stimuli=columns, ledger=[(7, "answer beauty", "c.jpg (2)", "", 5, "9")])
    given = answers_of(session)
    assert given[["image", "order", "attribute", "score"]].values.tolist() == [
        ["a.jpg", 0, "beauty", 7], ["a.jpg", 0, "rating", 4], ["b.jpg", 1, "rating", 5], ["c.jpg", -1, "beauty", 9],
    ]  # fmt: skip
    table = session_measures(session)
    assert table["ended_by"].tolist() == ["key", "time"]
    assert table["beauty_ms"].tolist()[0] == 1200
    assert "presentation" not in table


def test_ratings_are_read_by_the_survey(tmp_path: Path) -> None:
    for name in ("P1", "P2"):
        write_session(several(name), tmp_path / "s" / f"{name}.gaze.h5")
    out, words = tmp_path / "ratings.csv", tmp_path / "words.csv"
    run = CliRunner().invoke(
        command, [str(tmp_path / "s"), "--out", str(out), "--words", str(words), "--json"], catch_exceptions=False
    )
    assert json.loads(run.stdout)["ratings"] == {"beauty": 4, "expectation": 2}
    beauty = of_attribute(read_ratings(out), "beauty")
    assert beauty[["rater", "image", "score"]].values.tolist() == [
        ["P1", "a.jpg", 7], ["P1", "b.jpg", 3], ["P2", "a.jpg", 7], ["P2", "b.jpg", 3],
    ]  # fmt: skip
    assert pd.read_csv(words)["answer"].tolist() == ["blue", "blue"]
    assert "excluded" not in run.stderr
    (tmp_path / "s" / "exclusions.toml").write_text('[[exclude]]\nparticipant = "P2"\nreason = "ill"\n')
    run = CliRunner().invoke(command, [str(tmp_path / "s"), "--out", str(tmp_path / "more.csv")])
    assert "excluded, all or some of their trials, and written all the same: P2" in run.stderr


def test_sessions_without_any_answer_are_an_error(tmp_path: Path) -> None:
    write_session(looks(TRIALS), tmp_path / "P1.gaze.h5")
    run = CliRunner().invoke(command, [str(tmp_path), "--out", str(tmp_path / "r.csv")])
    assert isinstance(run.exception, InputError)
    assert "no picture was rated in 1 session" in str(run.exception)


def test_scores_are_whole_where_all_are_and_each_person_has_repeats_of_their_own() -> None:
    given = pd.DataFrame(
        {
            "participant": ["P1", "P2", "P1", "P1", "P1"],
            "image": ["a", "a", "a", "b", "a"],
            "attribute": ["beauty", "beauty", "age", "beauty", "beauty"],
            "answer": ["7", "6", "5", "4", "3"],
            "score": [7.0, 6.0, 5.0, 4.0, 3.0],
            "time_ms": [1200.6, np.nan, 5.0, 6.0, 7.0],
        }
    )
    ratings, words = ratings_of([given[:3], given[3:]])
    assert ratings["kind"].tolist() == ["main"] * 4 + ["repeat"]
    assert ratings["score"].dtype == np.int64
    assert ratings["time_ms"].fillna(-1).tolist() == [1201, -1, 5, 6, 7]
    assert ratings.index.tolist() == [*range(5)]
    assert words.empty
    halves, words = ratings_of([given.assign(score=[7.5, np.nan, 5, np.nan, 3])])
    assert halves["score"].tolist() == [7.5, 5.0, 3.0]
    assert words.values.tolist() == [["P2", "a", "beauty", "6"], ["P1", "b", "beauty", "4"]]
    assert (halves.index.tolist(), words.index.tolist()) == ([0, 1, 2], [0, 1])


def test_a_picture_rated_twice_is_a_repeat() -> None:
    twice = looks([("a.jpg", PLACES), ("a.jpg", PLACES)], stimuli={"response": ["7", "8"]})
    ratings, words = ratings_of([answers_of(twice)])
    assert ratings[["score", "kind"]].values.tolist() == [[7, "main"], [8, "repeat"]]
    assert not len(words)


def test_an_answer_of_the_next_part_stands_beside_the_picture() -> None:
    """The first part ended before the rating; the second asked again, without the picture."""
    first = rated()
    ledger = [(3, "rating", "b.jpg", "", FIRST_US + 20_000_000, "5")]
    second = looks([("c.jpg", PLACES)], ledger=ledger, stimuli={"response": ["1"]})
    late = pd.concat([answers_of(first), answers_of(second)])
    table = join_sessions([session_measures(first), session_measures(second)], late).set_index("image")
    assert table["rating"].to_dict() == {"a.jpg": 7, "b.jpg": 5, "c.jpg": 1}
    assert len(ratings_of([late])[0]) == 3


def test_an_answer_with_the_name_of_a_measure_keeps_both() -> None:
    table = session_measures(looks(TRIALS, stimuli={"fixations": [1, 2]}))
    assert table["answer_fixations"].tolist() == [1, 2]
    assert table["fixations"].tolist() == [2, 2]


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        (who, image, 300_000 * n, 250.0, 20.0 + 30 * n, 40.0, 0.5 * n, 0.0)
        for who in ("p1", "p2")
        for image in ("a.png", "b.png")
        for n in range(4)
    ]
    names = ["participant", "image", "onset_us", "duration_ms", "x_picture", "y_picture", "x_deg", "y_deg"]
    return pd.DataFrame(rows, columns=names)


def test_a_fixation_table_has_the_same_columns(table: pd.DataFrame) -> None:
    measures = fixation_measures(table, sizes={"a.png": (80, 200), "b.png": (80, 200)})
    assert list(measures) == [name for name in session_measures(rated()) if name in measures]
    row = measures.iloc[0]
    assert row[["fixations", "fixation_ms", "scanpath_px"]].tolist() == [4, 1000, 90]
    assert row["scanpath_deg"] == pytest.approx(1.5)
    assert row["entropy_bits"] == 2
    assert row["coverage"] > 0.5
    assert np.isnan(row["viewing_ms"])


def test_answers_of_other_files_in_either_form(table: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    measures = fixation_measures(table)
    long = pd.DataFrame(
        [("p1", "a", 7, "beauty"), ("p1", "a", 4, "calm"), ("p2", "B.PNG", 2, "beauty"), ("p9", "a", 1, "beauty")],
        columns=["rater", "image", "score", "attribute"],
    )
    joined = with_answers(measures, long)
    assert joined["beauty"].fillna(-1).tolist() == [7, -1, -1, 2]
    assert joined["calm"].fillna(-1).tolist() == [4, -1, -1, -1]
    assert "2 of 4 viewings have answers; 1 answer matches none" in capsys.readouterr().err
    wide = pd.DataFrame({"participant": ["p1", "p2"], "image": ["a.png", "a.png"], "beauty": [7, 5]})
    assert with_answers(measures, wide)["beauty"].fillna(-1).tolist() == [7, -1, 5, -1]


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (pd.DataFrame({"rater": ["x"], "image": ["a"], "score": [1]}), "no answer is of a person and picture"),
        (pd.DataFrame({"who": ["x"], "image": ["a"]}), "need the columns rater"),
        (pd.DataFrame({"rater": ["p1"] * 2, "image": ["a"] * 2, "score": [1, 2]}), "there twice and differ"),
        (pd.DataFrame({"rater": ["p1"] * 2, "image": ["a"] * 2, "beauty": [1, 1]}), "two rows of one person"),
    ],
    ids=["nobody in both", "no rater", "two answers", "two rows"],
)
def test_answers_that_cannot_be_joined(table: pd.DataFrame, answers: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_answers(fixation_measures(table), answers)


def test_a_table_without_times_takes_the_first_only(table: pd.DataFrame) -> None:
    from gazekit.core.time_windows import TimeWindow
    from gazekit.measures import MeasureOptions

    untimed = table.drop(columns="onset_us")
    row = fixation_measures(untimed, MeasureOptions(TimeWindow.of(first=2))).iloc[0]
    assert row["fixations"] == 2
    assert np.isnan(row["time_to_first_ms"])
    with pytest.raises(InputError, match="does not say when fixations began"):
        fixation_measures(untimed, MeasureOptions(TimeWindow.of("0:500")))


def test_fixations_without_a_place_or_a_duration_are_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.DataFrame(
        {"participant": "P1", "image": "a", "x_picture": [5.0, np.nan, 6.0, 7.0], "y_picture": 5.0,
         "duration_ms": [200.0, 100.0, np.nan, 0.0]}
    )  # fmt: skip
    row = fixation_measures(table).iloc[0]
    assert (row["fixations"], row["fixation_ms"]) == (1, 200)
    assert "3 of 4 fixations left out: no place or no duration" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "fault"),
    [({"baseline_ms": 0.0}, "baseline_ms is 0.0; it must be above 0"), ({"entropy_cells": 1}, "entropy_cells is 1; 2")],
    ids=["baseline", "cells"],
)
def test_options_that_measure_nothing_are_refused(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(InputError, match=fault):
        MeasureOptions(**options)


def test_tables_without_a_column_or_without_any_fixation_are_refused(table: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="the fixation table lacks x_picture; it has "):
        fixation_measures(table.drop(columns="x_picture"))
    with pytest.raises(InputError, match=f"none of {len(table)} fixations lies on a picture, with a place"):
        fixation_measures(table.assign(image=""))


def test_repeats_of_a_survey_are_no_answers(table: pd.DataFrame) -> None:
    measures = fixation_measures(table)
    who, image = measures.iloc[0][["participant", "image"]]
    answers = pd.DataFrame({"rater": who, "image": image, "score": [3, 9], "kind": ["main", "repeat"]})
    joined = with_answers(measures, answers)
    assert joined.iloc[0].filter(like="rating").tolist() == [3]
