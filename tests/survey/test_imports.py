from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from gazekit.core.errors import GazekitError
from survey.errors import RatingsError
from survey.imports import ColumnMap, import_ratings, prolific_approved, read_names

LONG = "participant,picture,rating\np1,a.jpg,3\np1,b.jpg,9\np2,a.jpg,4\n"
WIDE = "subject,a.jpg,b.jpg\np1,3,9\np2,4,\n"
QUALTRICS = (
    "StartDate,Status,ResponseId,Q1_1,Q1_2\n"
    "Start Date,Response Type,Response ID,How beautiful? - a.jpg,How beautiful? - b.jpg\n"
    '"{""ImportId"":""startDate""}","{""ImportId"":""status""}","{""ImportId"":""_recordId""}","{""ImportId"":""QID1_1""}","{""ImportId"":""QID1_2""}"\n'
    "2026-01-01,Survey Preview,R_0,1,1\n"
    "2026-01-01,IP Address,p1,3,9 - very beautiful\n"
    "2026-01-01,IP Address,p2,4,\n"
)
GOOGLE = 'Timestamp,Email Address,"Rate [a.jpg]","Rate [b.jpg]"\n1/1/2026,p1,3,9\n1/1/2026,p2,4,\n'
LIME = 'id,submitdate,lastpage,startlanguage,"G1[a.jpg]","G1[b.jpg]"\np1,2026,3,en,3,9\np2,2026,3,en,4,\n'
MTURK = (
    "HITId,AssignmentId,WorkerId,AssignmentStatus,Input.image_url,Answer.rating\n"
    "h1,a1,p1,Approved,a.jpg,3\nh2,a2,p1,Approved,b.jpg,9\nh3,a3,p2,Submitted,a.jpg,4\nh4,a4,p3,Rejected,a.jpg,1\n"
)
MTURK_PAIRS = (
    "HITId,WorkerId,Input.url1,Input.url2,Answer.score1,Answer.score2\nh1,p1,a.jpg,b.jpg,3,9\nh2,p2,a.jpg,b.jpg,4,\n"
)
NAMES = ColumnMap(names={"Q1_1": "a.jpg", "Q1_2": "b.jpg"})


@pytest.mark.parametrize(
    ("text", "layout", "mapping"),
    [
        (LONG, "long", ColumnMap()),
        (WIDE, "wide", ColumnMap()),
        (QUALTRICS, "qualtrics", NAMES),
        (GOOGLE, "google-forms", ColumnMap()),
        (LIME, "limesurvey", ColumnMap()),
        (MTURK, "mturk", ColumnMap()),
        (MTURK_PAIRS, "mturk", ColumnMap()),
    ],
    ids=["long", "wide", "qualtrics", "google-forms", "limesurvey", "mturk", "mturk-pairs"],
)
@pytest.mark.parametrize("how", ["named", "auto", "utf-16"])
def test_every_layout_gives_the_same_ratings(
    tmp_path: Path, text: str, layout: str, mapping: ColumnMap, how: str
) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(text, encoding="utf-16" if how == "utf-16" else "utf-8-sig")
    ratings, faults = import_ratings(path, layout="auto" if how == "auto" else layout, mapping=mapping)
    assert sorted(map(tuple, ratings.to_numpy().tolist())) == [
        ("p1", "a.jpg", 3),
        ("p1", "b.jpg", 9),
        ("p2", "a.jpg", 4),
    ]
    assert faults.empty


def test_xlsx_is_read_as_csv_is(tmp_path: Path) -> None:
    path = tmp_path / "ratings.xlsx"
    pd.DataFrame({"rater": ["007", "8"], "image": ["a", "b"], "score": [3, 4]}).to_excel(path, index=False)
    ratings, _ = import_ratings(path)
    assert ratings.to_numpy().tolist() == [["007", "a", 3], ["8", "b", 4]]


def test_scores_that_cannot_be_used_are_named_by_row(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text('rater,image,score\na,x,3\na,y,3.5\na,z,"4,5"\nb,x,11\nb,y,good\nb,,2\n,x,2\nc,x,7\nc,y,\n')
    ratings, faults = import_ratings(path)
    assert ratings["score"].tolist() == [3, 7]
    assert faults["row"].tolist() == [3, 4, 5, 6, 7, 8, 10]
    assert faults["why"].tolist() == [
        "not a whole number",
        "not a whole number",
        "not on the scale 1 to 10",
        "not a number",
        "no image",
        "no rater",
        "not a number",
    ]
    with pytest.raises(RatingsError, match="7 scores cannot be used"):
        import_ratings(path, strict=True)


def test_scales_are_converted_on_request_and_marked(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("rater,image,score\na,x,0\na,y,50\nb,x,100\nb,y,101\n")
    ratings, faults = import_ratings(path, from_scale=(0, 100))
    assert ratings["score"].tolist() == [1, 6, 10]
    assert ratings["original"].tolist() == [0, 50, 100]
    assert faults["why"].tolist() == ["not a number from 0 to 100"]


def test_columns_by_name_and_by_pattern(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("who,age,q_a,q_b\nx,30,3,4\n")
    ratings, _ = import_ratings(path, layout="wide", mapping=ColumnMap(rater="who", columns="^q_"))
    assert ratings["image"].tolist() == ["q_a", "q_b"]
    with pytest.raises(RatingsError, match="no column 'nobody'; there are who, age"):
        import_ratings(path, layout="wide", mapping=ColumnMap(rater="nobody"))
    with pytest.raises(RatingsError, match="no column looks like the rater"):
        import_ratings(path, layout="wide")


def test_a_map_names_the_picture_of_each_column(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("column,image\nQ1_1,a.jpg\nQ1_2,b.jpg\n")
    assert read_names(path) == {"Q1_1": "a.jpg", "Q1_2": "b.jpg"}


def test_prolific_says_whose_submission_counts(tmp_path: Path) -> None:
    path = tmp_path / "prolific.csv"
    path.write_text("Submission id,Participant id,Status\ns1,p1,APPROVED\ns2,p2,RETURNED\ns3,p3,AWAITING REVIEW\n")
    assert prolific_approved(path) == {"p1", "p3"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", b"", "is empty"),
        ("binary.csv", b"\xff\x00\x81\x92" * 50, "not a table"),
        ("fake.xlsx", b"not a workbook", "not a table"),
    ],
    ids=["absent", "empty", "binary", "fake-xlsx"],
)
def test_what_is_not_a_table_is_refused(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(GazekitError, match=words):
        import_ratings(tmp_path / name)
