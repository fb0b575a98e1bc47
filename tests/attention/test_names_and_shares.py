"""Fixation tables of other people: names of pictures without suffix, shares of the picture, Excel's separators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.io import imsave

from gazekit.attention.fixation_io import on_pictures, read_fixations
from gazekit.cli import main
from gazekit.core.errors import InputError
from gazekit.pictures import PicturesSection, list_pictures, match_names


@pytest.fixture
def pictures(tmp_path: Path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("pic.png", "Reef 1.JPG", "reef2.png"):
        imsave(folder / name, np.zeros((80, 100, 3), np.uint8), check_contrast=False)
    return list_pictures(PicturesSection(folder=folder), Path())


@pytest.mark.parametrize(
    ("name", "image"),
    [("pic", "pic.png"), ("PIC.PNG", "pic.png"), (r"C:\stimuli\pic.bmp", "pic.png"), ("img/Reef 1", "Reef 1.JPG"),
     ("pic.png", "pic.png"), ("Reef%201.JPG", "Reef 1.JPG"), ("img%2Fpic", "pic.png"), ("other", None)],
)  # fmt: skip
def test_names_match_by_stem(name: str, image: str | None) -> None:
    assert match_names([name], ["pic.png", "Reef 1.JPG", "reef2.png"]).get(name) == image


def test_stem_of_two_pictures_matches_neither() -> None:
    assert match_names(["pic", "pic.jpg"], ["pic.png", "pic.jpg"]) == {"pic.jpg": "pic.jpg"}


@pytest.mark.parametrize(
    ("names", "images", "matched"),
    [
        (["a.png", "a.jpg"], ["a.png"], {"a.png": "a.png"}),
        (["a.png", "a"], ["a.png"], {"a.png": "a.png", "a": "a.png"}),
        (["a.bmp", "a.jpg"], ["a.png"], {}),
        (["s/a.png", "t/a.png"], ["s/a.png"], {"s/a.png": "s/a.png"}),
        (["a.png", "s/a.png"], ["a.png"], {"a.png": "a.png"}),
        (["s/a.png"], ["a.png"], {"s/a.png": "a.png"}),
        (["s/a.png", "t/a.png"], ["a.png"], {}),
        (["A.png", "a.png"], ["a.png"], {"a.png": "a.png"}),
        (
            [r"C:\x\a.png", "D:/y/a.png", "a.png"],
            ["a.png"],
            dict.fromkeys((r"C:\x\a.png", "D:/y/a.png", "a.png"), "a.png"),
        ),
        (["C:/x/s/a.png", "D:/s/a.png"], ["s/a.png"], {"C:/x/s/a.png": "s/a.png", "D:/s/a.png": "s/a.png"}),
    ],
)
def test_two_files_are_never_taken_for_one_picture(
    names: list[str], images: list[str], matched: dict[str, str]
) -> None:
    assert match_names(names, images) == matched


def test_shares_become_pixels_and_are_said(pictures, capsys) -> None:
    table = pd.DataFrame({"image": ["pic"] * 4, "x_picture": [0.25, 0.5, 1.0, np.nan], "y_picture": [0.5, 0.5, 0, 0.5]})
    placed = on_pictures(table, pictures)
    np.testing.assert_array_equal(placed["x_picture"], [25, 50, 100, np.nan])
    np.testing.assert_array_equal(placed["y_picture"], [40, 40, 0, 40])
    said = capsys.readouterr().err
    assert "matched by stem, such as pic with pic.png" in said
    assert "shares of the picture" in said


@pytest.mark.parametrize("places", [[0.3], [0.3, 0.4]])
def test_few_shares_are_shares_too(pictures, places: list[float]) -> None:
    table = pd.DataFrame({"image": "pic.png", "x_picture": places, "y_picture": 0.5})
    np.testing.assert_allclose(on_pictures(table, pictures)["x_picture"], np.array(places) * 100)


def test_the_corner_pixel_of_a_fixation_is_no_share(pictures) -> None:
    table = pd.DataFrame({"image": ["pic.png"], "x_picture": [1.0], "y_picture": [0.0]})
    pd.testing.assert_frame_equal(on_pictures(table, pictures), table)


@pytest.mark.parametrize("column", ["duration_ms", "viewer"])
def test_columns_that_stand_twice_are_refused(tmp_path: Path, column: str) -> None:
    (tmp_path / "f.csv").write_text(f"image,x,y,duration_ms,viewer,{column}\npic,5,5,250,v,900\n")
    with pytest.raises(InputError, match=f"columns stand twice: {column}"):
        read_fixations(tmp_path / "f.csv")


def test_other_columns_may_stand_twice(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("image,x,y,duration_ms,viewer,note,note\npic,5,5,250,v,a,b\n")
    assert len(read_fixations(tmp_path / "f.csv")) == 1


@pytest.mark.parametrize("duration", ["inf", "-4"])
def test_durations_that_cannot_be_are_named_with_their_row(tmp_path: Path, duration: str) -> None:
    (tmp_path / "f.csv").write_text(
        f"participant,image,x_picture,y_picture,duration_ms\nP,a,1,1,9\nP,a,1,1,{duration}\n"
    )
    with pytest.raises(
        InputError, match=f"1 of 2 values of duration_ms are infinite or below 0: the first is .{duration}"
    ):
        read_fixations(tmp_path / "f.csv")


@pytest.mark.parametrize("column", ["x_picture", "duration_ms"])
def test_words_among_numbers_are_named_with_their_row(tmp_path: Path, column: str) -> None:
    table = pd.DataFrame(
        {
            "image": ["pic.png"] * 2,
            "participant": ["P1"] * 2,
            "x_picture": [5, 6],
            "y_picture": [5, 6],
            "duration_ms": [9, 9],
        }
    )
    table[column] = ["5", "abc"]
    table.to_csv(tmp_path / "fixations.csv", index=False)
    with pytest.raises(InputError, match=f"1 of 2 values of {column} are no numbers: the first is 'abc' in row 2"):
        read_fixations(tmp_path / "fixations.csv")


def test_pixels_stay(pictures, capsys) -> None:
    table = pd.DataFrame({"image": ["pic.png"] * 3, "x_picture": [0.25, 0.5, 30], "y_picture": [0.5, 0.5, 1]})
    pd.testing.assert_frame_equal(on_pictures(table, pictures), table)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("separator", "decimal", "encoding"),
    [(",", ".", "utf-8"), (";", ",", "utf-8-sig"), (";", ".", "utf-8"), ("\t", ",", "utf-16"), (";", ",", "cp1252")],
)
def test_tables_of_excel_in_half_of_europe(tmp_path: Path, separator: str, decimal: str, encoding: str) -> None:
    rows = [["image", "x", "y", "duration", "viewer"], ["rochen ä.png", "10.5", "20.25", "250", "007"]]
    text = "\r\n".join(
        separator.join(cell.replace(".", decimal) if n else cell for n, cell in enumerate(row)) for row in rows
    )
    (tmp_path / "f.csv").write_bytes(text.encode(encoding))
    (row,) = read_fixations(tmp_path / "f.csv").to_dict("records")
    assert row == {
        "image": "rochen ä.png",
        "x_picture": 10.5,
        "y_picture": 20.25,
        "duration_ms": 250,
        "participant": "007",
    }


@pytest.mark.parametrize(
    ("header", "duration"),
    [
        ("Bild;Versuchsperson;Fixations-X;Fixations-Y;Fixationsdauer [s]", "0,25"),
        ("Imagen;Sujeto;Posición X;Y (px);Duración (ms)", "250"),
        ("Image;Participant;X [px];Y [px];Durée_ms", "250"),
        ("图片;被试;X;Y;注视时长(ms)", "250"),
        ("画像;被験者;x;y;持続時間", "250"),
        ("Изображение;Участник;x;y;Длительность (ms)", "250"),
    ],
    ids=["German", "Spanish", "French", "Chinese", "Japanese", "Russian"],
)
def test_headers_in_other_languages_are_taken_and_said(tmp_path: Path, capsys, header: str, duration: str) -> None:
    (tmp_path / "f.csv").write_text(f"{header}\npic.png;7;10,5;20;{duration}\n", "utf-8-sig")
    (row,) = read_fixations(tmp_path / "f.csv").to_dict("records")
    expected = {"image": "pic.png", "participant": "7", "x_picture": 10.5, "y_picture": 20, "duration_ms": 250}
    assert row == expected
    said = capsys.readouterr().err
    assert f"{header.split(';')[1]} as participant" in said or "Participant" in header
    assert ("(times 1000)" in said) == ("[s]" in header)


def test_a_unit_that_is_no_pixel_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("Bild;Versuchsperson;X [mm];Y [mm];Dauer [ms]\npic;1;3;4;250\n")
    with pytest.raises(InputError, match="lacks x_picture, y_picture; it has"):
        read_fixations(tmp_path / "f.csv")


@pytest.mark.parametrize(("y", "row"), [("0.25", 60), ("20", 60)], ids=["shares", "pixels"])
def test_y_that_counts_from_the_bottom(pictures, tmp_path: Path, y: str, row: int) -> None:
    x = "0.5" if y.startswith("0") else "50"
    (tmp_path / "f.csv").write_text("image,x,y,duration,viewer\n" + f"pic,{x},{y},250,v\n" * 3)
    table = on_pictures(read_fixations(tmp_path / "f.csv", rename={"y": "y_from_bottom"}), pictures)
    assert table[["x_picture", "y_picture"]].drop_duplicates().to_numpy().tolist() == [[50, row]]


@pytest.mark.parametrize("image", ["pic.png", "pic"])
def test_attention_of_shares(pictures, tmp_path: Path, image: str, capsys) -> None:
    rows = "".join(f"{image},{x / 10},0.5,250,v1\n" for x in range(3, 9))
    (tmp_path / "f.csv").write_text("image,x,y,duration_ms,viewer\n" + rows)
    folder = str(pictures[0].file.parent)
    with pytest.raises(SystemExit) as end:
        main(
            [
                "attention",
                str(tmp_path / "f.csv"),
                "--pictures",
                folder,
                "--sigma-px",
                "4",
                "--out",
                str(tmp_path / "o"),
            ]
        )
    assert end.value.code in (0, None)
    assert "error" not in capsys.readouterr().err
    box = pd.read_csv(tmp_path / "o" / "attention.csv").iloc[0]
    assert box["left"] > 20
    assert box["top"] > 20


def test_columns_in_other_capitals_and_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f.csv").write_text("Subject;Stimulus;FixX;Fix Y;Dur\n07;ray.jpg;10,5;20,5;250\n")
    (row,) = read_fixations(tmp_path / "f.csv").to_dict("records")
    said = {"participant": "07", "image": "ray.jpg", "x_picture": 10.5, "y_picture": 20.5, "duration_ms": 250}
    assert row == said
    assert "columns taken: Stimulus as image" in capsys.readouterr().err
    (tmp_path / "g.csv").write_text("Image,Participant,X,Y,Duration_ms\na,1,1,2,3\n")
    assert set(read_fixations(tmp_path / "g.csv").columns) == set(said)


def test_per_cent_are_doubted(tmp_path: Path, capsys: pytest.CaptureFixture[str], rng: np.random.Generator) -> None:
    imsave(tmp_path / "large.png", np.zeros((300, 400, 3), np.uint8), check_contrast=False)
    pictures = list_pictures(PicturesSection(folder=tmp_path), Path())
    places = rng.uniform(0, 100, (60, 2))
    table = pd.DataFrame({"image": "large.png", "x_picture": places[:, 0], "y_picture": places[:, 1]})
    on_pictures(table, pictures)
    assert "are they per cent?" in capsys.readouterr().err
    on_pictures(table.assign(x_picture=4 * table["x_picture"]), pictures)
    assert capsys.readouterr().err == ""
