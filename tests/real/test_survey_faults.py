"""Exports that went wrong with 0.1.0; what is right stands in the README beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from survey.cli import survey
from survey.errors import RatingsError
from survey.imports import ColumnMap, CountsFromZero, Imported, import_ratings

ARRAYS = ColumnMap(names={"SQ001": "a.jpg", "SQ002": "b.jpg"})


@pytest.fixture
def faults(real_data: Path) -> Path:
    folder = real_data.parent / "faults" / "survey"
    if not folder.is_dir():
        pytest.skip(f"the files are not there: {folder}")
    return folder


def rows(imported: Imported) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in imported.ratings.to_numpy().tolist())


@pytest.mark.parametrize(
    ("name", "pictures", "options", "expected"),
    [
        ("google_grid.csv", ("reef1.jpg",), {}, [
            ("row2", "reef1.jpg", 2, "Naturalness"), ("row2", "reef1.jpg", 7, "Beauty")]),
        ("jspsych.json", ("a.jpg",), {}, [("S1", "a.jpg", 4)]),
        ("jspsych_zero_based.csv", ("a.jpg", "b.jpg"), {"counts_from": 0}, [("S1", "a.jpg", 5), ("S1", "b.jpg", 1)]),
        ("labvanced.csv", ("a.jpg", "b.jpg"), {}, [("9", "a.jpg", 5), ("9", "b.jpg", 6)]),
        ("limesurvey_codes.csv", ("a.jpg", "b.jpg"), {"mapping": ARRAYS}, [("1", "a.jpg", 5), ("1", "b.jpg", 4)]),
        ("limesurvey_two_arrays.csv", ("a.jpg", "b.jpg"), {"mapping": ARRAYS}, [
            ("1", "a.jpg", 2, "natural"), ("1", "a.jpg", 7, "beauty"), ("1", "b.jpg", 1, "natural"),
            ("1", "b.jpg", 6, "beauty"), ("2", "a.jpg", 1, "natural"), ("2", "a.jpg", 5, "beauty"),
            ("2", "b.jpg", 2, "natural"), ("2", "b.jpg", 4, "beauty")]),
        ("long_dup_header.csv", ("a.jpg",), {"mapping": ColumnMap(score="score (2)")}, [("A", "a.jpg", 3)]),
        ("mturk_comment.csv", ("a.jpg",), {}, [("W1", "a.jpg", 5)]),
        ("mturk_radio.csv", ("a.jpg",), {}, [("W1", "a.jpg", 2)]),
        ("mturk_taskanswers.csv", ("a.jpg",), {}, [("W1", "a.jpg", 3)]),
        ("psychopy.csv", ("a.jpg", "b.jpg"), {}, [("P1", "a.jpg", 5), ("P1", "b.jpg", 3)]),
        ("qualtrics_extra_columns.csv", ("pic1.jpg", "pic2.jpg"), {}, [
            ("R_0", "pic1.jpg", 5), ("R_0", "pic2.jpg", 6), ("R_1", "pic1.jpg", 5), ("R_1", "pic2.jpg", 6)]),
        ("qualtrics_loop.csv", ("img1.jpg", "img2.jpg"), {}, [
            ("R_1", "img1.jpg", 5), ("R_1", "img2.jpg", 6), ("R_2", "img1.jpg", 4)]),
        ("qualtrics_status_numbers.csv", ("pic1.jpg", "pic2.jpg"), {}, [
            ("R_0", "pic1.jpg", 5), ("R_0", "pic2.jpg", 6)]),
        ("semicolon_comma_decimal.csv", ("a.jpg",), {}, [("A", "a.jpg", 5), ("B", "a.jpg", 5)]),
    ],
)  # fmt: skip
def test_an_export_gives_its_ratings_and_nothing_else(
    faults: Path, name: str, pictures: tuple[str, ...], options: dict[str, object], expected: list[tuple[object, ...]]
) -> None:
    imported = import_ratings(faults / name, pictures=pictures, scale=7, **options)  # type: ignore[arg-type]
    columns = ["rater", "image", "score", *(["attribute"] if "attribute" in imported.ratings else [])]
    assert sorted(tuple(row) for row in imported.ratings[columns].to_numpy().tolist()) == expected


def test_what_could_be_meant_in_two_ways_is_asked(faults: Path) -> None:
    with pytest.raises(CountsFromZero):
        import_ratings(faults / "jspsych_zero_based.csv", scale=7)
    with pytest.raises(RatingsError, match="the name of two columns"):
        import_ratings(faults / "long_dup_header.csv", scale=7)
    done = CliRunner().invoke(survey, ["import", str(faults / "limesurvey_codes.csv"), "--scale", "7"])
    assert done.exit_code == 1


def test_every_file_is_tested(faults: Path) -> None:
    text = Path(__file__).read_text()
    assert [file.name for file in faults.glob("*.csv") if file.name not in text] == []
