"""Ids of people and pictures are text wherever a table is read."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from gazekit.core.tables import is_id, read_table
from tests.needs import need

COLUMNS = ["viewer", "Rater ID", "image", "code", "x"]
ROWS = [("007", "01", "0012", "010", 1.5), ("012", "02", "0013", "020", 2.5)]
SEPARATED = [("csv", ",", "utf-8"), ("tsv", "\t", "utf-8"), ("csv", ";", "utf-8-sig"), ("txt", "\t", "utf-16")]


def write(path: Path, separator: str, encoding: str) -> Path:
    text = "\n".join(separator.join(map(str, row)) for row in [COLUMNS, *ROWS]) + "\n"
    path.write_text(text.replace(".", ",") if separator == ";" else text, encoding)
    return path


@pytest.mark.parametrize(("suffix", "separator", "encoding"), SEPARATED)
def test_text_tables(tmp_path: Path, suffix: str, separator: str, encoding: str) -> None:
    table = read_table(write(tmp_path / f"t.{suffix}", separator, encoding), COLUMNS)
    assert list(table.itertuples(index=False, name=None)) == ROWS


def test_quoted_ids(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('"who","n"\n"007","3"\n"011","4"\n')
    table = read_table(tmp_path / "t.csv", ["who"])
    assert table["who"].tolist() == ["007", "011"]
    assert table["n"].tolist() == [3, 4]


def test_workbook(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [COLUMNS, *ROWS, (13, 3, "0014", "030", 3.5)]:
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx", COLUMNS)
    assert table["viewer"].tolist() == ["007", "012", "13"]
    assert table["code"].tolist() == ["010", "020", "030"]
    assert table["x"].tolist() == [1.5, 2.5, 3.5]


def test_parquet_with_numbers(tmp_path: Path) -> None:
    pd.DataFrame({"participant": [7, 8], "image": [1.0, None], "n": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", [])
    assert table["participant"].tolist() == ["7", "8"]
    assert table["image"].tolist()[0] == "1"
    assert table["image"].isna().tolist() == [False, True]
    assert table["n"].tolist() == [1, 2]


def test_whole_numbers_beside_missing_cells(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("viewer,x\n7.0,1\n,2\n12.0,3\n")
    assert read_table(tmp_path / "t.csv", [])["viewer"].fillna("").tolist() == ["7", "", "12"]


def test_spss_with_labels_and_with_zeros_that_are_shown(tmp_path: Path) -> None:
    try:
        import pyreadstat
    except ImportError:
        pyreadstat = None
    need(pyreadstat, "pyreadstat")
    assert pyreadstat is not None
    table = pd.DataFrame({"rater": [7.0, 12.0], "image": [1.0, 2.0], "viewer": [7.0, 8.0], "score": [3.0, 4.0]})
    labels = {"image": {1.0: "reef01.jpg", 2.0: "reef02.jpg"}}
    pyreadstat.write_sav(
        table, str(tmp_path / "t.sav"), variable_value_labels=labels, variable_format={"viewer": "N3", "rater": "F8.0"}
    )
    read = read_table(tmp_path / "t.sav", ["rater", "image", "score"])
    assert read["rater"].tolist() == ["7", "12"]
    assert read["image"].tolist() == ["reef01.jpg", "reef02.jpg"]
    assert read["viewer"].tolist() == ["007", "008"]
    assert read["score"].tolist() == [3.0, 4.0]


@pytest.mark.parametrize("name", ["participant_id", "ParticipantName", "Rater", "image", "picture id", "MediaName"])
def test_names_of_ids(name: str) -> None:
    assert is_id(name)


@pytest.mark.parametrize("name", ["raters", "images", "participants", "score", "n", "image_width", "std", "session"])
def test_names_of_what_is_counted(name: str) -> None:
    assert not is_id(name)


def test_decimal_commas_in_quotes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('image,x,y\n"a","1,5","2,25"\n"b","3,0","4,5"\n')
    table = read_table(tmp_path / "t.csv", ["image", "x", "y"])
    assert table[["x", "y"]].to_numpy().tolist() == [[1.5, 2.25], [3.0, 4.5]]
