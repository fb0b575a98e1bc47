"""What may be wrong with ratings that can be counted all the same is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from survey.cli import survey
from survey.doubts import doubts

EVEN = np.full((20, 10), 2)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (np.tile([10, 20, 40, 20, 10], (5, 1)), "each picture has 100 ratings: are these percentages"),
        (np.array([[33, 33, 33], [34, 33, 33], [20, 40, 40]]), "each picture has about 100 ratings"),
        (np.hstack([EVEN[:, :5], 0 * EVEN[:, :5]]), "no score is above 5 on a scale of 1 to 10, in 200 ratings"),
        (EVEN, ""),
        (np.hstack([EVEN[:, :8], 0 * EVEN[:, :2]]), ""),
        (np.array([[60, 40]]), ""),
        (np.array([[12, 3, 0, 0, 0]]), ""),
        (np.zeros((3, 5), dtype=int), ""),
    ],
    ids=["percent", "rounded-percent", "short-scale", "sound", "no-top-two", "one-picture", "few", "none"],
)
def test_histograms_that_may_be_something_else(counts: np.ndarray, words: str) -> None:  # type: ignore[type-arg]
    found = doubts([f"{n}.jpg" for n in range(len(counts))], counts)
    assert len(found) == bool(words)
    assert all(doubt.startswith(words) for doubt in found)


@pytest.mark.parametrize(
    ("names", "apart"),
    [
        (["a.jpg", "A.JPG", "b.jpg"], "A.JPG and a.jpg"),
        (["a.jpg", "a"], "a and a.jpg"),
        (["a.jpg", "a.png"], ""),
        (["re\u0301cif.jpg", "r\u00e9cif.JPG"], "r\u00e9cif.JPG and r\u00e9cif.jpg"),
    ],
    ids=["case", "suffix", "two-files", "unicode"],
)
def test_a_picture_under_two_names(names: list[str], apart: str) -> None:
    found = doubts(names, np.full((len(names), 5), 4))
    assert [doubt.endswith(apart) for doubt in found] == ([True] if apart else [])


def test_aggregate_tells_doubts_and_ratings_given_twice(tmp_path: Path) -> None:
    rows = [f"R{r},{n}.jpg,{1 + (n + r) % 5}" for n in range(6) for r in range(12)] + ["R0,0.jpg,5"]
    (tmp_path / "r.csv").write_text("rater,image,score\n" + "\n".join(rows))
    result = CliRunner().invoke(survey, ["aggregate", str(tmp_path / "r.csv"), "--out", str(tmp_path / "h.csv")])
    assert result.exit_code == 0
    assert "no score is above 5 on a scale of 1 to 10, in 72 ratings" in result.output
    assert "1 picture by one rater, of which counts: first" in result.output


def test_kinds_of_which_none_is_main_are_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("rater,image,score,kind\nA,a.jpg,4,rating\nB,a.jpg,4,check\n")
    result = CliRunner().invoke(survey, ["aggregate", str(tmp_path / "r.csv"), "--out", str(tmp_path / "h.csv")])
    assert "of the column kind, main counts; it holds check, rating" in str(result.exception)


def test_import_says_which_scale_it_took_where_nobody_said_one(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("rater,image,score\nA,a.jpg,4\nB,a.jpg,5\n")
    arguments = ["import", str(tmp_path / "r.csv"), "--out", str(tmp_path / "o.csv")]
    said = "nobody said the scale, and no answer is above 5: 1 to 10 is assumed (--scale 5?)"
    assert said in CliRunner().invoke(survey, arguments).output
    assert said not in CliRunner().invoke(survey, [*arguments, "--scale", "10"]).output


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["A,a.jpg,4", "B,b.jpg,5"], True),
        (["A,a.jpg,4", "B,a.jpg,4"], True),
        (["A,a.jpg,4", "B,a.jpg,5", "A,b.jpg,1", "B,b.jpg,2"], False),
    ],
    ids=["one-rater-each", "all-alike", "measured"],
)
def test_agreement_that_cannot_be_measured_is_told(tmp_path: Path, rows: list[str], told: bool) -> None:
    (tmp_path / "r.csv").write_text("\n".join(["rater,image,score", *rows]))
    result = CliRunner().invoke(survey, ["reliability", str(tmp_path / "r.csv")])
    assert (result.exit_code, "agreement cannot be measured" in result.output) == (0, told)
