from __future__ import annotations

import random
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gazekit.core.errors import GazekitError
from gazekit.core.messages import catalogue
from gazekit.study import read_study as read_whole_study
from survey.assignment import REPEAT_GAP, make_plan
from survey.config import PicturePlace, Question, SurveySection, read_study
from survey.database import open_store
from survey.picture_files import picture_files, picture_ids
from survey.schema import answer
from survey.web.limits import Limiter
from survey.web.questionnaire import read_answers, store_answers
from tests.fixtures.survey import STUDY, newcomer, section, write_study


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        '[study]\nname = ""\n[survey]\nscale = 1\nratres_per_picture = 3\nreturn_url = "ftp://x"\n'
        '[[survey.questions]]\nname = "Age"\ntext = "?"\nkind = "choice"\n'
    )
    with pytest.raises(GazekitError) as caught:
        read_study(path)
    said = str(caught.value)
    for words in (
        "study.name",
        "survey.scale",
        "did you mean 'raters_per_picture'",
        "survey.return_url",
        "questions.0",
    ):
        assert words in said


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"scale": 5, "anchors": {"7": "x"}}, "anchors \\[7\\] are not on the scale 1 to 5"),
        ({"pictures_per_rater": 3, "repeats": 3}, "must be fewer"),
        ({"questions": [{"name": "a", "text": "?"}, {"name": "a", "text": "!"}]}, "a name of its own"),
        ({"questions": [{"name": "a", "text": "?", "kind": "choice"}]}, "needs choices"),
    ],
    ids=["anchors", "repeats", "twice", "choices"],
)
def test_settings_must_fit_together(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SurveySection.model_validate(values)


def test_the_survey_ignores_other_rooms_and_the_study_file_knows_the_survey(tmp_path: Path) -> None:
    screen = "[screen]\nwidth_px = 1920\nheight_px = 1080\nwidth_mm = 527\nheight_mm = 296\ndistance_mm = 630\n"
    path = write_study(tmp_path, STUDY.replace("[screen]\nwidth_px = 1920\n", screen))
    assert read_study(path).survey.raters_per_picture == 3
    whole = read_whole_study(path)
    assert whole.survey is not None
    assert whole.survey == read_study(path).survey


@pytest.mark.parametrize("seed", range(20))
def test_plans_hold_what_was_asked_for(seed: int) -> None:
    section = SurveySection(pictures_per_rater=12, repeats=3, attention_checks=2, practice=2)
    plan = make_plan(section, random.Random(seed))
    assert {letter: plan.count(letter) for letter in "PMRC"} == {"P": 2, "M": 12, "R": 3, "C": 2}
    assert plan.startswith("PP")
    assert plan[2] == "M"
    assert plan[2:].replace("C", "").index("R") > REPEAT_GAP


def test_pictures_by_folder_or_by_list(tmp_path: Path) -> None:
    write_study(tmp_path, pictures=2)
    (tmp_path / "pictures" / "notes.txt").write_text("x")
    assert list(picture_files(PicturePlace(folder=Path("pictures")), tmp_path)) == ["p000.jpg", "p001.jpg"]
    (tmp_path / "list.csv").write_text("image,file\nb,pictures/p001.jpg\na,skimage:coffee.png\n")
    found = picture_files(PicturePlace(list=Path("list.csv")), tmp_path)
    assert list(found) == ["a", "b"]
    assert found["a"].name == "coffee.png"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a,none.jpg\n", "no such file"),
        ("a,study.toml\n", "browsers do not show .toml"),
        ("a,pictures/p000.jpg\na,pictures/p001.jpg\n", "a stands 2 times"),
        ("", "has no picture in it"),
    ],
    ids=["absent", "not-a-picture", "twice", "empty"],
)
def test_lists_with_faults_are_refused(tmp_path: Path, rows: str, words: str) -> None:
    write_study(tmp_path, pictures=2)
    (tmp_path / "list.csv").write_text("image,file\n" + rows)
    with pytest.raises(GazekitError, match=words):
        picture_files(PicturePlace(list=Path("list.csv")), tmp_path)


def test_pictures_of_skimage_are_found_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image,file\ncat,skimage:chelsea.png\n")
    found = picture_files(PicturePlace(list=Path("list.csv")), tmp_path)
    assert found["cat"].name == "chelsea.png"
    assert found["cat"].stat().st_size > 0


def test_ids_of_pictures_are_listed_without_their_files(tmp_path: Path) -> None:
    """Of a study, a folder, or a list; a picture that is not there has an id all the same."""
    write_study(tmp_path, pictures=2)
    (tmp_path / "pictures" / "notes.txt").touch()
    (tmp_path / "list.csv").write_text("image,file\nb,gone.jpg\na,gone.jpg\n")
    assert picture_ids(PicturePlace(folder=Path("pictures")), tmp_path) == ["p000.jpg", "p001.jpg"]
    assert picture_ids(tmp_path / "pictures", tmp_path) == ["p000.jpg", "p001.jpg"]
    assert picture_ids(tmp_path / "list.csv", tmp_path) == ["b", "a"]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (PicturePlace(folder=Path("none")), "no such folder"),
        (PicturePlace(folder=Path("empty")), "has no picture in it"),
        (Path("empty"), "empty has no picture in it"),
        (Path("list.csv"), "has no picture in it"),
    ],
    ids=["no folder", "study's folder", "folder", "list"],
)
def test_where_no_picture_is_it_is_said(tmp_path: Path, place: PicturePlace | Path, words: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.csv").write_text("image,file\n")
    with pytest.raises(GazekitError, match=words):
        picture_ids(tmp_path / place if isinstance(place, Path) else place, tmp_path)


@pytest.mark.parametrize(
    ("limits", "value", "fault"),
    [
        ({"minimum": -10, "maximum": 0}, "-10", ""),
        ({"minimum": -10, "maximum": 0}, "0", ""),
        ({"minimum": -10, "maximum": 0}, "5", "Please give a number of at least -10 and at most 0."),
        ({"minimum": 18}, "17.9", "Please give a number of at least 18."),
        ({"minimum": 18}, "1e9", ""),
        ({}, "inf", "Please give a number."),
        ({}, "many", "Please give a number."),
        ({}, "", ""),
    ],
)
def test_numbers_have_limits_and_0_is_one(limits: dict[str, float], value: str, fault: str) -> None:
    question = Question(name="q", text="How much?", kind="number", **limits)  # type: ignore[arg-type]
    given, faults = read_answers([question], {"q_q": value}, catalogue("en"))
    assert given == {"q": value}
    assert faults == ({"q": fault} if fault else {})


def test_who_answers_nothing_has_no_answers(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db", durable=False)
    newcomer(store, section())
    for given, stored in (({"age": "30", "comment": ""}, 1), ({"age": ""}, 0)):
        with store.write() as connection:
            store_answers(connection, 1, given)
            assert connection.execute(select(func.count()).select_from(answer)).scalar_one() == stored
    store.close()


def test_a_study_needs_one_place_for_its_pictures(tmp_path: Path) -> None:
    with pytest.raises(GazekitError, match="either folder or list"):
        picture_files(PicturePlace(), tmp_path)


def test_the_limiter_counts_each_key_in_each_window() -> None:
    limiter = Limiter()
    assert [limiter.hit(2, 60, "a", now=0.0) for _ in range(3)] == [True, True, False]
    assert limiter.hit(2, 60, "b", now=1.0)
    assert limiter.hit(2, 3600, "a", now=1.0)
    assert limiter.hit(2, 60, "a", now=60.0)
