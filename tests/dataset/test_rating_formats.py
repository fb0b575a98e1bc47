"""Ratings as people have them: every list says what it is, or is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.dataset import open_dataset
from gazekit.dataset.rating_formats import LAYOUTS, read_json, read_list, read_ratings
from gazekit.histograms import read_histograms
from tests.fixtures.command_line import gazekit
from tests.fixtures.dataset_collection import cut_photographs

COUNTS = np.array([[1, 2, 4, 8, 12, 10, 6, 3, 2, 1], [0, 0, 3, 9, 20, 8, 4, 2, 1, 0], [5, 1, 1, 1, 1, 1, 1, 1, 1, 9]])


def ava_lines(counts: np.ndarray = COUNTS) -> list[str]:
    return [f"{n + 1} {1000 + n} {' '.join(map(str, row))} 1 14 0" for n, row in enumerate(counts)]


def dpchallenge_lines(counts: np.ndarray = COUNTS, digits: int = 4) -> list[str]:
    means = (counts * np.arange(1, 11)).sum(axis=1) / counts.sum(axis=1)
    rows = zip(counts, means, strict=True)
    return [
        f"{n + 1} {1000 + n} {row.sum()} {mean:.{digits}f} {' '.join(map(str, row))}"
        for n, (row, mean) in enumerate(rows)
    ]


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def build(folder: Path) -> list[object]:
    """The command that builds a dataset of the photographs and the ratings of a folder."""
    return ["build-dataset", "--pictures", folder / "p", "--ratings", folder / "r.csv", "--out", folder / "d.h5"]


def counts_of(table: pd.DataFrame) -> np.ndarray:
    return table[[f"c{k}" for k in range(1, 11)]].to_numpy()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_letter_is_refused(tmp_path: Path, layout: str) -> None:
    write(tmp_path / "x.txt", ["this is a letter", "not a list"])
    with pytest.raises(FormatError, match=r"x\.txt.*counts"):
        read_list(tmp_path / "x.txt", layout)


@pytest.mark.parametrize(
    ("layout", "lines"),
    [("ava", ava_lines), ("dpchallenge", dpchallenge_lines)],
    ids=["ava", "dpchallenge"],
)
def test_public_lists_are_read(tmp_path: Path, layout: str, lines: Callable[[], list[str]]) -> None:
    _, table, remarks = read_list(write(tmp_path / "l.txt", lines()), layout)
    np.testing.assert_array_equal(counts_of(table), COUNTS)
    assert table["image"].tolist() == ["1000", "1001", "1002"]
    assert remarks == []


@pytest.mark.parametrize(
    ("lines", "layout"),
    [
        (dpchallenge_lines(), "ava"),
        ([f"{line} 7" for line in dpchallenge_lines()], "ava"),
        (ava_lines(), "dpchallenge"),
        ([line.rsplit(" ", 1)[0] for line in ava_lines()], "dpchallenge"),
        ([line.rsplit(" ", 1)[0] for line in ava_lines()], "ava"),
    ],
    ids=["another list", "with one more field", "the other way", "a field short", "short of its own"],
)
def test_a_list_of_another_layout_is_refused(tmp_path: Path, lines: list[str], layout: str) -> None:
    with pytest.raises(FormatError, match="is not a list of index, image"):
        read_list(write(tmp_path / "AVA.txt", lines), layout)


def test_the_layout_that_fits_is_offered(tmp_path: Path) -> None:
    path = write(tmp_path / "AVA.txt", dpchallenge_lines())
    with pytest.raises(FormatError, match="--ratings-format dpchallenge"):
        read_list(path, "ava")
    with pytest.raises(FormatError, match=r"14 fields a row.*--ratings-format dpchallenge"):
        read_ratings(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda line: line + " 3", "line 2 of l.txt has 15 fields; 14 were expected"),
        (lambda line: line.replace(" 47 ", " 46 "), "states 46 ratings .* its counts are 47"),
        (lambda line: line.replace(line.split()[3], "9.0"), "a mean of 9.0"),
        (lambda line: line.replace(" 20 ", " x "), "no whole numbers"),
        (lambda line: " ".join([*line.split()[:4], *["-1"] * 10]), "has no counts that can be used"),
        (lambda line: line.replace("1001", "1000"), "stands in line 1 too"),
    ],
    ids=["fields", "n", "mean", "letters", "none", "twice"],
)
def test_a_bad_row_is_named_and_left_out(tmp_path: Path, change: Callable[[str], str], reason: str) -> None:
    lines = dpchallenge_lines()
    lines[1] = change(lines[1])
    _, table, remarks = read_list(write(tmp_path / "l.txt", lines), "dpchallenge")
    assert table["image"].tolist() == ["1000", "1002"]
    assert len(remarks) == 1
    assert pd.Series([remarks[0][2]]).str.contains(reason).all()


def test_a_rounded_mean_fits(tmp_path: Path) -> None:
    _, table, remarks = read_list(write(tmp_path / "l.txt", dpchallenge_lines(digits=1)), "dpchallenge")
    assert (len(table), remarks) == (3, [])


@pytest.mark.parametrize("kind", ["list", "mapping", "shares with n", "shares", "short shares"])
def test_json_is_read(tmp_path: Path, kind: str) -> None:
    sums = COUNTS.sum(axis=1, keepdims=True)
    label = COUNTS if kind in ("list", "mapping") else np.round(COUNTS / sums, 5) if "short" in kind else COUNTS / sums
    entries = [{"image_id": 1000 + n, "label": row.tolist()} for n, row in enumerate(label)]
    content: object = entries
    if kind == "mapping":
        content = {entry["image_id"]: entry["label"] for entry in entries}
    elif kind == "shares with n":
        content = [entry | {"n": 2 * int(n[0])} for entry, n in zip(entries, sums, strict=True)]
    (tmp_path / "a.json").write_text(json.dumps(content))
    table, remarks = read_ratings(tmp_path / "a.json")
    np.testing.assert_array_equal(counts_of(table), COUNTS * (2 if kind == "shares with n" else 1))
    assert table["image"].tolist() == ["1000", "1001", "1002"]
    assert [word for _, word, _ in remarks] == (["shares"] * 3 if kind in ("shares", "short shares") else [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{]", "is not JSON"),
        ("[]", "has no ratings"),
        ('[{"image_id": 1}]', "entry 1 has not"),
        ('[{"image_id": 1, "label": [1, "a"]}]', "entry 1 has not"),
        ('[{"image_id": 1, "label": [1, 2]}, {"image_id": 2, "label": [1, 2, 3]}]', "2 has 3 numbers; 1 has 2"),
        ('[{"image_id": 1, "label": [1, 2]}, {"image_id": 1, "label": [1, 2]}]', "stand twice: 1"),
        ('[{"image_id": 1, "label": [1, -2]}]', "0 or more"),
        ('[{"image_id": 1, "label": [1, 2], "n": 4}]', "states 4.0 ratings; its counts are 3"),
        ('[{"image_id": 1, "label": [0.3, 0.7], "n": 8}]', "no whole counts of 8 ratings"),
        ('[{"image_id": 1, "label": [0.3, 0.9]}]', "neither counts"),
    ],
)
def test_json_that_is_wrong_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FormatError, match=message):
        read_json(tmp_path / "a.json")


def test_ratings_one_by_one_are_counted(tmp_path: Path) -> None:
    rows = [f"r{n},a.jpg,{1 + n % 5}" for n in range(10)] + [f"r{n},b.jpg,5" for n in range(4)]
    write(tmp_path / "r.csv", ["rater,image,score", *rows])
    table = read_ratings(tmp_path / "r.csv", scale=5)[0].set_index("image")
    assert table.loc["a.jpg", ["c1", "c2", "c3", "c4", "c5"]].tolist() == [2, 2, 2, 2, 2]
    assert table.loc["b.jpg", "n"] == 4
    with pytest.raises(ConfigError, match="how many scores"):
        read_ratings(tmp_path / "r.csv")
    write(tmp_path / "r.csv", ["rater,image,score", "r1,a.jpg,9"])
    with pytest.raises(InputError, match="9"):
        read_ratings(tmp_path / "r.csv", scale=5)


def test_proportions_with_a_total_become_counts(tmp_path: Path) -> None:
    write(tmp_path / "k.csv", ["image_name,c1,c2,c3,c_total", "a.jpg,0.25,0.5,0.25,8"])
    assert read_ratings(tmp_path / "k.csv")[0][["c1", "c2", "c3"]].to_numpy().tolist() == [[2, 4, 2]]
    write(tmp_path / "k.csv", ["image_name,c1,c2,c_total", "a.jpg,0.5,0.5,2", "nobody.jpg,0,0,0"])
    assert read_ratings(tmp_path / "k.csv")[0][["c1", "c2"]].to_numpy().tolist() == [[1, 1], [0, 0]]
    for row in ("a.jpg,0.3,0.7,8", "a.jpg,0.5,half,8", "a.jpg,0.5,0.5,"):  # found by atheris: words
        write(tmp_path / "k.csv", ["image_name,c1,c2,c_total", "b.jpg,0.5,0.5,4", row])
        with pytest.raises(FormatError, match=r"whole numbers of ratings; row 2 holds a\.jpg, 0\."):
            read_ratings(tmp_path / "k.csv")
    write(tmp_path / "k.csv", ["image_name,c1,c2,c3,c_total", "a.jpg,25,50,25,8"])
    with pytest.raises(FormatError, match=r"must sum to 1; those of a\.jpg sum to 100 \(percentages\?"):
        read_ratings(tmp_path / "k.csv")
    write(tmp_path / "k.csv", ["image_name,c1,c2,c_total", "a.jpg,0.5,0.5,8", ",0.5,0.5,8"])
    with pytest.raises(FormatError, match=r"1 row without a picture's name \(counted from 1\): 2"):
        read_ratings(tmp_path / "k.csv")
    write(tmp_path / "k.csv", ["image_name,c_total", "a.jpg,8"])
    with pytest.raises(FormatError, match="no columns of proportions"):
        read_ratings(tmp_path / "k.csv")


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("image,n,c1,c2", "a,4,1,2", r"stated n of 1 picture does not fit the counts: a \(4, not 3\)"),
        ("image,c1,c2,mean", "a,1,2,1.4", "stated mean of 1 picture"),
        ("image,c0,c1,c2", "a,1,1,2", "column c0: say whether"),
        ("image,c1,c2,c2", "a,1,1,2", "stand twice: c2"),
    ],
)
def test_a_table_that_does_not_fit_itself_is_refused(tmp_path: Path, header: str, row: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_ratings(write(tmp_path / "t.csv", [header, row]))


def test_a_column_c0_is_what_it_is_said_to_be(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", ["image,n,c0,c1,c2,mean", "a,6,1,2,3,1.33"])
    table, _ = read_ratings(path, c0="score")
    assert table[["c1", "c2", "c3", "n"]].to_numpy().tolist() == [[1, 2, 3, 6]]
    write(path, ["image,c0,c1,c2", "a,1,2,3"])
    assert read_ratings(path, c0="drop")[0][["c1", "c2", "n"]].to_numpy().tolist() == [[2, 3, 5]]


def test_lists_of_ids_without_suffix_are_built(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for n, picture in enumerate(cut_photographs(tmp_path / "p", 4)):
        picture.file.rename(tmp_path / "p" / f"{1000 + n}.jpg")
    options = ["build-dataset", "--pictures", tmp_path / "p", "--out", tmp_path / "d.h5", "--min-ratings", 1]
    write(tmp_path / "dp.txt", dpchallenge_lines())
    code, said = gazekit(capfd, *options, "--ratings", tmp_path / "dp.txt", "--ratings-format", "dpchallenge")
    assert code == 0, said
    assert "3 rated pictures matched by name without suffix, such as 1000 with 1000.jpg" in said
    assert "1003.jpg | few ratings | 0 ratings" in said
    dataset = open_dataset(tmp_path / "d.h5")
    assert dataset.ids == [f"{n}.jpg" for n in range(1000, 1004)]
    np.testing.assert_array_equal(dataset.counts[:3], COUNTS)
    code, said = gazekit(capfd, *options, "--ratings", tmp_path / "dp.txt")
    assert (code, "--ratings-format dpchallenge" in said) == (1, True), said
    write(tmp_path / "c.csv", ["image,c0,c1", "1000,1,2", "1001,3,4"])
    code, said = gazekit(capfd, *options, "--ratings", tmp_path / "c.csv", "--c0", "score")
    assert (code, "scale of 2" in said) == (0, True), said


def test_groups_categories_and_lists_without_suffix_are_matched_too(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cut_photographs(tmp_path / "p", 12)
    ids = [f"p{n:03d}" for n in range(12)]
    write(tmp_path / "r.csv", ["image,c1,c2", *(f"{i},5,6" for i in ids)])
    write(tmp_path / "g.csv", ["image,group", *(f"{i},{n // 3}" for n, i in enumerate(ids))])
    write(tmp_path / "c.csv", ["image,category", *(f"{i},reef" for i in ids[:4])])
    write(tmp_path / "l.csv", ["image,split", *(f"{i},test" for i in ids[:3]), *(f"{i},train" for i in ids[3:])])
    options = [
        "--groups",
        tmp_path / "g.csv",
        "--categories",
        tmp_path / "c.csv",
        "--list",
        f"mine={tmp_path / 'l.csv'}",
    ]
    options += ["--pictures", tmp_path / "p", "--ratings", tmp_path / "r.csv", "--out", tmp_path / "d.h5"]
    code, said = gazekit(capfd, "build-dataset", *options)
    assert code == 0, said
    dataset = open_dataset(tmp_path / "d.h5")
    assert len(np.unique(dataset.groups)) == 4
    assert dataset.category("reef").tolist() == [0, 1, 2, 3]
    assert dataset.indices("test", "mine").tolist() == [0, 1, 2]


@pytest.mark.parametrize("strict", [False, True], ids=["named", "strict"])
def test_what_has_no_counterpart_is_named_and_left_out(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], strict: bool
) -> None:
    cut_photographs(tmp_path / "p", 12)
    rows = [f"p{n:03d}.jpg,5,6" for n in range(11)]
    options = [
        "build-dataset",
        "--pictures",
        tmp_path / "p",
        "--out",
        tmp_path / "d.h5",
        *(["--strict"] if strict else []),
    ]
    for more, named in (([], "p011.jpg"), (["p011.jpg,5,6", "gone.jpg,4,7"], "gone.jpg")):
        write(tmp_path / "r.csv", ["image,c1,c2", *rows, *more])
        code, said = gazekit(capfd, *options, "--ratings", tmp_path / "r.csv")
        assert (code, named in said) == (int(strict), True), said
        if not strict:
            dataset = open_dataset(tmp_path / "d.h5")
            used = np.flatnonzero(dataset.codes())
            assert len(used) == (12 if more else 11)
            assert dataset.counts[used].any(axis=1).all()


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_dangling_links_and_folders_with_a_pictures_name_are_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cut_photographs(tmp_path / "p", 4)
    (tmp_path / "p" / "a.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "p" / "b.jpg").mkdir()
    write(tmp_path / "r.csv", ["image,c1,c2", *(f"{n}.jpg,5,6" for n in ("p000", "p001", "p002", "p003", "a", "b"))])
    options = build(tmp_path)
    code, said = gazekit(capfd, *options)
    assert code == 0, said
    assert "a.jpg | missing | no such file: a.jpg" in said
    assert "b.jpg | unreadable | Is a directory" in said
    assert len(open_dataset(tmp_path / "d.h5")) == 4
    code, said = gazekit(capfd, *options, "--strict")
    assert (code, "2 pictures cannot be used: a.jpg" in said) == (1, True), said
    fixations = ["image,viewer,x,y,duration_ms", *(f"{n}.jpg,v{k},30,30,200" for n in ("p000", "a", "b") for k in "12")]
    out = tmp_path / "attention"
    code, said = gazekit(
        capfd,
        "attention",
        write(tmp_path / "f.csv", fixations),
        "--pictures",
        tmp_path / "p",
        "--sigma-px",
        9,
        "--out",
        out,
    )
    assert code == 0, said
    assert set(pd.read_csv(out / "left-out.csv")["image"]) == {"a.jpg", "b.jpg", "p001.jpg", "p002.jpg", "p003.jpg"}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["image,c1,c2", "a,0.5,0.5", "b,0.2,0.8"], r"They sum to 1: of shares say how many"),
        (["image,c1,c2", "a,50.5,49.5", "b,20,80"], r"They sum to 100: of percentages say how many"),
        (["image,c1,c3", "a,1,2"], r"t\.csv: a histogram table needs"),
        (["image,mean", "a,1.5"], r"neither counts .* nor ratings one by one .* has image, mean"),
        (["participant,image,rating", "A,a,1"], r"gazekit survey import reads ratings with other heads"),
        (["rater,image,score,kind", "A,a,1,rating"], r"t\.csv: .* of the column kind, main counts; it holds rating"),
        (["rater,image,score,attribute", "A,a,1,x", "A,a,1,y"], r"\(x, y\): take one with gazekit survey aggregate"),
    ],
    ids=["shares", "percentages", "gap", "means", "other-heads", "kinds", "questions"],
)
def test_a_table_of_something_else_says_what_it_is(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises((FormatError, InputError), match=words):
        read_ratings(write(tmp_path / "t.csv", lines), scale=2)


def test_what_may_be_wrong_is_told_and_what_is_empty_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cut_photographs(tmp_path / "p", 4)
    ids = [f"p{n:03d}" for n in range(4)]
    options = ["build-dataset", "--pictures", tmp_path / "p", "--out", tmp_path / "d.h5"]
    twice = [f"r{k % 14},{i},{1 + k % 3}" for i in ids for k in range(15)]
    cases = {
        "rater,image,score": (twice, 0, ["4 pictures rated twice by one rater", "no score is above 3 on a scale of 1"]),
        "image,c1,c2,c3,c4,c5": ([f"{i},10,20,40,20,10" for i in ids], 0, ["are these percentages, and not counts?"]),
        "image,c1,c2": ([f"{i},0,0" for i in ids], 1, ["there is not one rating"]),
    }
    for head, (rows, expected, words) in cases.items():
        write(tmp_path / "r.csv", [head, *rows])
        scale = ["--scale", 5] if "score" in head else []
        code, said = gazekit(capfd, *options, *scale, "--ratings", tmp_path / "r.csv")
        assert code == expected, said
        assert [word for word in words if word not in said] == [], said


def test_lists_that_contradict_themselves_are_refused_and_empty_cells_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cut_photographs(tmp_path / "p", 4)
    ids = [f"p{n:03d}" for n in range(4)]
    write(tmp_path / "r.csv", ["image,c1,c2", *(f"{i},5,6" for i in ids)])
    options = build(tmp_path)
    parts = [f"{ids[0]},train", f"{ids[1]},validation", f"{ids[2]},test"]
    for last, expected in ((f"{ids[0]},test", 1), (f"{ids[0]},train", 0)):
        write(tmp_path / "l.csv", ["image,split", *parts, last])
        code, said = gazekit(capfd, *options, "--list", f"mine={tmp_path / 'l.csv'}")
        assert (code, "a picture has one split; with several stand p000" in said) == (expected, bool(expected)), said
    write(tmp_path / "c.csv", ["image,category", f"{ids[0]},reef", f"{ids[0]},fish", f"{ids[1]},"])
    code, said = gazekit(capfd, *options, "--categories", tmp_path / "c.csv")
    assert (code, "1 row has no category, left out" in said) == (0, True), said
    assert sorted(open_dataset(tmp_path / "d.h5").categories) == ["fish", "reef"]
    code, said = gazekit(capfd, *options, "--split", "0.8,0.1,0.2")
    assert (code, "sum to 1.1, and not to 1" in said) == (1, True), said


@pytest.mark.parametrize("name", ["indoor/outdoor", "group", ".", "..", "x%2Fy", "<i>50 %</i>"])
def test_a_category_and_a_list_may_be_called_anything(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    cut_photographs(tmp_path / "p", 4)
    ids = [f"p{n:03d}.jpg" for n in range(4)]
    write(tmp_path / "r.csv", ["image,c1,c2", *(f"{i},5,6" for i in ids)])
    write(tmp_path / "c.csv", ["image,category", f"{ids[1]},{name}", f"{ids[2]},plain"])
    write(tmp_path / "l.csv", ["image,split", f"{ids[0]},train", f"{ids[1]},validation", f"{ids[2]},test"])
    options = ["--pictures", tmp_path / "p", "--ratings", tmp_path / "r.csv", "--categories", tmp_path / "c.csv"]
    code, said = gazekit(
        capfd, "build-dataset", *options, "--list", f"{name}={tmp_path / 'l.csv'}", "--out", tmp_path / "d.h5"
    )
    assert code == 0, said
    subset = tmp_path / "s.h5"
    code, said = gazekit(capfd, "dataset", "subset", tmp_path / "d.h5", "--category", name, "--out", subset)
    assert code == 0, said
    whole, part = open_dataset(tmp_path / "d.h5"), open_dataset(subset)
    assert sorted(whole.categories) == sorted(part.categories) == sorted([name, "plain"])
    assert whole.category(name).tolist() == [1]
    assert whole.codes(name).tolist() == [1, 2, 3, 0]
    assert (part.ids, part.codes(name).tolist()) == ([ids[1]], [2])


def test_a_dataset_of_which_nothing_can_be_trained_on_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cut_photographs(tmp_path / "p", 4)
    write(tmp_path / "r.csv", ["image,c1,c2", *(f"p{n:03d}.jpg,2,1" for n in range(4))])
    options = build(tmp_path)
    for least, told in ((10, True), (3, False)):
        code, said = gazekit(capfd, *options, "--min-ratings", least)
        assert (code, "no picture can be trained on" in said) == (0, told), said


def test_names_of_rows_that_r_writes_are_no_counts(tmp_path: Path) -> None:
    """R's write.table puts them before each row, under no head of their own."""
    path = tmp_path / "r.csv"
    path.write_text('"image","c1","c2","n"\n"1","a.jpg",1,2,3\n"2","b.jpg",4,5,9\n')
    table = read_histograms(path)
    assert table[["image", "c1", "c2", "n"]].to_numpy().tolist() == [["a.jpg", 1, 2, 3], ["b.jpg", 4, 5, 9]]


def test_a_last_count_that_sums_the_others_is_refused(tmp_path: Path) -> None:
    rows = [f"{n}.jpg,{n},{2 * n},{n % 3}" for n in range(6)]
    assert len(read_histograms(write(tmp_path / "h.csv", ["image,c1,c2,c3", *rows]))) == 6
    rows = [f"{row},{3 * n + n % 3}" for n, row in enumerate(rows)]
    with pytest.raises(FormatError, match="c4 is the sum of the counts before it in every row"):
        read_histograms(write(tmp_path / "h.csv", ["image,c1,c2,c3,c4", *rows]))
    assert len(read_histograms(write(tmp_path / "h.csv", ["image,c1,c2,c3,n", *rows]))) == 6


def test_counts_without_a_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"1 row without a picture's name \(counted from 1\): 2"):
        read_histograms(write(tmp_path / "h.csv", ["image,c1,c2", "a.jpg,1,2", ",3,4"]))
    write(tmp_path / "h.json", ['[{"image_id": "", "label": [1, 2]}]'])
    with pytest.raises(FormatError, match="entry 1 has not an image_id"):
        read_json(tmp_path / "h.json")
