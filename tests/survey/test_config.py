from __future__ import annotations

import random
from pathlib import Path

import pytest

from gazekit.core.errors import GazekitError
from gazekit.study import read_study as read_whole_study
from survey.assignment import REPEAT_GAP, make_plan
from survey.config import PicturePlace, SurveySection, read_study
from survey.picture_files import picture_files
from survey.web.limits import Limiter
from tests.fixtures.survey import STUDY, write_study


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


def test_a_study_needs_one_place_for_its_pictures(tmp_path: Path) -> None:
    with pytest.raises(GazekitError, match="either folder or list"):
        picture_files(PicturePlace(), tmp_path)


def test_the_limiter_counts_each_key_in_each_window() -> None:
    limiter = Limiter()
    assert [limiter.hit(2, 60, "a", now=0.0) for _ in range(3)] == [True, True, False]
    assert limiter.hit(2, 60, "b", now=1.0)
    assert limiter.hit(2, 3600, "a", now=1.0)
    assert limiter.hit(2, 60, "a", now=60.0)
