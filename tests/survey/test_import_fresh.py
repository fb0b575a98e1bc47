"""What a table says of itself, and an import must not overlook: scales, pictures that never came, previews, people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from survey.errors import RatingsError
from survey.imports import ColumnMap, Imported, import_ratings


def taken(folder: Path, text: str, *, name: str = "ratings.csv", **options: Any) -> Imported:
    (folder / name).write_text(text, encoding="utf-8")
    return import_ratings(folder / name, **({"scale": 7} | options))


def rows(imported: Imported) -> list[tuple[str, str, int]]:
    return [(row.rater, row.image, int(row.score)) for row in imported.ratings.itertuples()]


def on_a_scale(head: str, ends: list[str], answers: str = "4567") -> str:
    body = "".join(f"r{k},a{k}.jpg,{answers[k % 4]},{end}\n" for k, end in enumerate(ends))
    return f"rater,image,score,{head}\n{body}"


@pytest.mark.parametrize(
    ("head", "ends", "answers", "words"),
    [
        ("scale_min,scale_max", ["0,6"] * 4, "4566", "scale 0 to 6, and 1 to 7 was .*--counts-from 0 --scale 7"),
        ("slider_min,slider_max", ["1,10"] * 4, "4567", "scale 1 to 10, and .*--scale 10, or --from-scale 1 10"),
        ("Scale Max", ["9"] * 4, "4567", "scale to 9, and 1 to 7 was said or assumed. Say --scale 9"),
        ("scale", ["7", "10"] * 2, "4567", r"on several scales \(to 7, to 10\)"),
        ("scale_min,scale_max", ["-3,3"] * 4, "1231", "Say --from-scale -3 3, which converts them to 1 to 7; or"),
    ],
)
def test_another_scale_than_was_said_is_refused(
    tmp_path: Path, head: str, ends: list[str], answers: str, words: str
) -> None:
    with pytest.raises(RatingsError, match=words):
        taken(tmp_path, on_a_scale(head, ends, answers))


@pytest.mark.parametrize(
    ("head", "ends", "options"),
    [
        ("scale_min,scale_max", ["1,7"] * 4, {}),
        ("scale_min,scale_max", ["0,6"] * 4, {"counts_from": 0}),
        ("scale_min,scale_max", ["0,100"] * 4, {"from_scale": (0, 100)}),
        ("scale", ["2"] * 4, {}),  # of the picture
        ("scale", ["beauty"] * 4, {}),
        ("scale", ["7", "", "7", ""], {}),
    ],
)
def test_the_scale_that_was_said_is_taken(tmp_path: Path, head: str, ends: list[str], options: dict[str, Any]) -> None:
    assert len(taken(tmp_path, on_a_scale(head, ends, "3456"), **options).ratings) == 4


@pytest.mark.parametrize(
    ("head", "came", "lost"), [("loaded", "true", "false"), ("image_loaded", "1", "0"), ("load_error", "0", "1")]
)
def test_ratings_of_pictures_that_did_not_load_are_left_out(tmp_path: Path, head: str, came: str, lost: str) -> None:
    imported = taken(tmp_path, f"rater,image,score,{head}\nA,a.jpg,5,{came}\nA,b.jpg,1,{lost}\nB,b.jpg,6,{came}\n")
    assert rows(imported) == [("A", "a.jpg", 5), ("B", "b.jpg", 6)]
    assert imported.plan.left_out == {"of pictures that did not load": 1}


@pytest.mark.parametrize("stimulus", ["img/{}.jpg", '<img src="img/{}.jpg" alt="">'])
def test_what_jspsych_could_not_preload_is_left_out(tmp_path: Path, stimulus: str) -> None:
    trials: list[dict[str, Any]] = [{"trial_type": "preload", "failed_images": ["img/b.jpg"], "subject": "S1"}]
    trials += [
        {
            "trial_type": "image-slider-response",
            "stimulus": stimulus.format(name),
            "response": score,
            "subject": who,
            "rt": 9,
        }
        for who, name, score in (("S1", "a", 4), ("S1", "b", 1), ("S2", "b", 6))
    ]
    imported = taken(tmp_path, json.dumps(trials), name="data.json")
    assert rows(imported) == [("S1", "a.jpg", 4), ("S2", "b.jpg", 6)]


def test_where_no_picture_came_there_is_no_rating(tmp_path: Path) -> None:
    with pytest.raises(RatingsError, match=r"do not count \(rows left out: 2 of pictures that did not load\)"):
        taken(tmp_path, "rater,image,score,loaded\nA,a.jpg,5,false\nB,b.jpg,6,false\n")


def qualtrics(texts: list[str], answers: list[str]) -> str:
    names = [f"Q{k}" for k in range(len(texts))]
    ids = ",".join(f'"{{""ImportId"":""QID{k}""}}"' for k in range(len(texts) + 4))
    return "\n".join(
        [
            ",".join(["StartDate", "Status", "ResponseId", "DistributionChannel", *names]),
            ",".join(["Start", "Response Type", "Response ID", "Distribution Channel", *texts]),
            ids,
            *answers,
            "",
        ]
    )


def test_previews_that_only_the_channel_tells_are_left_out(tmp_path: Path) -> None:
    answers = ["2026,IP Address,R_1,anonymous,5", "2026,IP Address,R_2,preview,1", "2026,IP Address,R_3,test,1"]
    imported = taken(tmp_path, qualtrics(["a.jpg"], answers))
    assert rows(imported) == [("R_1", "a.jpg", 5)]
    assert imported.plan.left_out == {"preview": 1, "test": 1}


def test_of_a_question_the_picture_is_taken(tmp_path: Path) -> None:
    texts = [f"Rate {what} - {name}" for what in ("beauty", "nature") for name in ("a.jpg", "my pic.jpg")]
    imported = taken(tmp_path, qualtrics(texts, ["2026,IP Address,R_1,anonymous,1,2,3,4"]))
    found = sorted(map(tuple, imported.ratings[["image", "attribute", "score"]].to_numpy().tolist()))
    assert found == [
        ("a.jpg", "Rate beauty", 1),
        ("a.jpg", "Rate nature", 3),
        ("my pic.jpg", "Rate beauty", 2),
        ("my pic.jpg", "Rate nature", 4),
    ]


@pytest.mark.parametrize(
    ("column", "image"), [("Reef - 1.jpg", "Reef - 1.jpg"), ("Beauty: 1.jpg", "1.jpg"), ("my 1.jpg", "my 1.jpg")]
)
def test_a_name_with_a_dash_is_a_name(tmp_path: Path, column: str, image: str) -> None:
    assert rows(taken(tmp_path, f"rater,{column}\nA,3\n")) == [("A", image, 3)]


def test_raters_that_differ_in_case_alone_are_told(tmp_path: Path) -> None:
    imported = taken(tmp_path, "rater,image,score\n5fa,a.jpg,5\n5FA,a.jpg,6\nb,a.jpg,1\n")
    assert "taken for different raters, though only capitals or blanks differ: 5FA and 5fa" in imported.plan.lines()


def test_a_form_that_was_sent_twice_is_told(tmp_path: Path) -> None:
    text = 'Timestamp,"How? [a.jpg]"\n2026/01/01 10:00:00,5\n2026/01/01 10:00:00,5\n2026/01/01 10:00:01,5\n'
    told = "rows that are the same in every cell as one above: 1 (sent twice? each is a rater)"
    assert told in taken(tmp_path, text).plan.lines()


def test_questions_that_are_called_reversed_are_told(tmp_path: Path) -> None:
    imported = taken(tmp_path, "rater,image,attribute,score\nA,a.jpg,beauty,5\nA,a.jpg,ugly_reversed,1\n")
    assert "called reversed, and nothing is turned round: ugly_reversed" in imported.plan.lines()


@pytest.mark.parametrize(
    "under", [["Average", "StdDev", "N"], ["MW", "SD"], ["Mean", "Std. Dev."], ["Summe", "max"]], ids=" ".join
)
def test_rows_of_sums_under_raters_are_left_out(tmp_path: Path, under: list[str]) -> None:
    text = "rater,a.jpg,b.jpg\nMax,3,4\nB,5,6\n" + "".join(f"{word},2,2\n" for word in under)
    imported = taken(tmp_path, text)
    assert sorted(set(imported.ratings["rater"])) == ["B", "Max"]
    assert imported.plan.left_out == {"of sums": len(under)}


def test_a_rater_whose_name_might_be_a_sum_is_taken(tmp_path: Path) -> None:
    imported = taken(tmp_path, "rater,a.jpg,b.jpg\nB,5,6\nN,1,2\nMax,3,4\nSD3,1,1\n")
    assert sorted(set(imported.ratings["rater"])) == ["B", "Max", "N", "SD3"]


def numbered(rows: list[str], head: str = "") -> str:
    body = "".join(f"p{n}.jpg,{row}\n" for n, row in enumerate(rows))
    return f"image,{','.join(f'{head}{k}' for k in range(1, 4))}\n{body}"


@pytest.mark.parametrize("head", ["", "score_"])
@pytest.mark.parametrize("rows", [["1,2,1", "2,1,1", "1,1,2", "2,1,1"], ["0,3,1"]], ids=["one sum", "nobody"])
def test_counts_of_scores_are_no_raters(tmp_path: Path, head: str, rows: list[str]) -> None:
    with pytest.raises(RatingsError, match=rf"the columns {head}1 to {head}3 are numbered as the scores .* c1 to c3"):
        taken(tmp_path, numbered(rows, head), scale=3)
    if "0" not in rows[0]:
        assert len(taken(tmp_path, numbered(rows, head), scale=3, mapping=ColumnMap(columns=r"\d$")).ratings) == 12


def test_numbered_raters_are_taken_and_asked_about(tmp_path: Path) -> None:
    imported = taken(tmp_path, numbered(["1,2,3", "2,2,1", "1,1,1", "3,3,3"]), scale=3)
    assert len(imported.ratings) == 12
    assert any("They are taken for raters" in line for line in imported.plan.lines())
    assert not any("taken for raters" in line for line in taken(tmp_path, numbered(["1,2,3"]), scale=5).plan.lines())
