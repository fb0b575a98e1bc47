"""Thousands that a sign parts: points beside decimal commas, commas in English files, apostrophes and blanks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.attention.fixation_io import read_fixations
from gazekit.core.errors import FormatError
from gazekit.core.tables import read_table
from gazekit.formats import import_recording
from gazekit.screen import Screen
from gazekit.session.model import Session

SCREEN = Screen(1920, 1080, 527.0, 296.0, 630.0)
MAPPING = '[time]\ncolumn = "t"\nunit = "ms"\n[gaze]\nunit = "px"\n[left]\nx = "x"\ny = "y"\n'
PARTED = {  # separator, time, x, y of a row
    "points beside commas": ("\t", "{t:,}|{x},5|500,5", "."),
    "points and commas": (";", "{t:,}#000|{x},5|500,5", "."),
    "commas beside points": ("\t", "{t:,}|{x}.5|500.5", ","),
    "commas in quotes": (",", '"{t:,}"|{x}.5|500.5', ","),
    "apostrophes": (",", "{t:,}|{x}.5|500.5", "'"),
    "typographer's apostrophes": ("\t", "{t:,}|{x},5|500,5", "\u2019"),
    "no-break spaces": ("\t", "{t:,}|{x},5|500,5", "\u00a0"),
    "thin spaces": (";", "{t:,}#0|{x},5|500,5", "\u2009"),
    "narrow no-break spaces": ("\t", "{t:,}|{x}.5|500.5", "\u202f"),
    "spaces": (";", "{t:,}|{x},5|500,5", " "),
}


def imported(folder: Path, rows: list[str], separator: str = "\t", **options: Any) -> Session:
    (folder / "m.toml").write_text(MAPPING)
    lines = [row.replace("|", separator) for row in ["t|x|y", *rows]]
    (folder / "a.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return import_recording(folder / "a.txt", screen=SCREEN, mapping=folder / "m.toml", **options)


def facts(session: Session) -> dict[str, str]:
    return {fact["what"]: fact["value"] for fact in session.provenance["account"]["facts"]}


@pytest.mark.parametrize(("separator", "row", "sign"), PARTED.values(), ids=list(PARTED))
def test_thousands_beside_numbers_that_tell(tmp_path: Path, separator: str, row: str, sign: str) -> None:
    rows = []
    for n in range(300):
        parts = row.split("|")
        parts[0] = parts[0].format(t=8 * n).replace(",", sign).replace("#", ",")
        rows.append("|".join(parts).format(x=900 + n))
    session = imported(tmp_path, rows, separator, strict=True)
    assert session.recording.system_time_us.tolist() == [8000 * n for n in range(300)]
    np.testing.assert_allclose(session.recording.left.gaze[:, 0] * 1920, 900.5 + np.arange(300))
    assert facts(session)["thousands"].startswith("175 numbers of t with parted thousands, the first ")


def test_columns_of_either_decimal_sign(tmp_path: Path) -> None:
    session = imported(tmp_path, [f"{8 * n}.5|{900 + n},5|500,25" for n in range(20)])
    assert session.recording.system_time_us[:2].tolist() == [500, 8500]
    np.testing.assert_allclose(session.recording.left.gaze[0] * (1920, 1080), [900.5, 500.25])
    assert "thousands" not in facts(session)


def test_a_point_that_parts_no_thousands_beside_decimal_commas_is_no_number(tmp_path: Path) -> None:
    rows = [f"{8 * n}|{900 + n},5|500,5" for n in range(4000)]
    rows[3000] = "24000|2.46|500,5"
    session = imported(tmp_path, rows)
    assert len(session.recording) == 3999
    assert session.provenance["account"]["damaged"] == {"rows that cannot be read": 1}


@pytest.mark.parametrize("sign", ".,")
def test_times_that_only_make_sense_with_thousands_are_refused_with_that(tmp_path: Path, sign: str) -> None:
    with pytest.raises(FormatError, match=r"or does a sign part thousands, as in 2\.46\? Then write"):
        imported(tmp_path, [f"{2460 + 8 * n:,}|900|500".replace(",", sign) for n in range(60)])
    header = ["Recording timestamp [ms]", "Gaze point left X [DACS px]", "Gaze point left Y [DACS px]"]
    rows = [f"{2460 + 8 * n:,}".replace(",", sign) + f"\t{900 + n}\t500" for n in range(60)]
    (tmp_path / "lab.tsv").write_text("\n".join(["\t".join(header), *rows]) + "\n")
    with pytest.raises(FormatError, match=rf"perhaps a sign parts thousands \(2[{sign}]460 in Recording timestamp"):
        import_recording(tmp_path / "lab.tsv", screen=SCREEN)


def test_pixels_that_only_make_sense_with_thousands_are_doubted(tmp_path: Path) -> None:
    doubts = imported(tmp_path, [f"{8 * n}|1.{200 + n}|500" for n in range(60)]).provenance["account"]["doubts"]
    assert any("one edge of the screen; perhaps a sign parts thousands (1.200 in x)" in text for text in doubts)
    doubts = imported(tmp_path, [f"{8 * n}|{990 + n:,}|500" for n in range(60)]).provenance["account"]["doubts"]
    assert "x has 999 and 1,000: the comma was taken for the decimal sign" in doubts[0]


@pytest.mark.parametrize("places", ["960.512", "12.346", "0.460", "960.500"])
def test_decimals_of_three_digits_are_no_doubt(tmp_path: Path, places: str) -> None:
    session = imported(tmp_path, [f"{8 * n}|{places}|{places[:-1]}{n % 10}" for n in range(60)])
    np.testing.assert_allclose(session.recording.left.gaze[0, 0] * 1920, float(places))
    assert not any("thousands" in text for text in session.provenance["account"]["doubts"])


TABLES = {
    "points": ("image;viewer;x;y;duration", "a.jpg;P1;1.200;500,5;1.230", [1200, 500.5, 1230]),
    "commas": ("image;viewer;x;y;duration", "a.jpg;P1;1200.5;500;1,230", [1200.5, 500, 1230]),
    "commas in quotes": ("image,viewer,x,y,duration", 'a.jpg,P1,"1,200",500.5,230', [1200, 500.5, 230]),
    "decimal commas in quotes": ("image,viewer,x,y,duration", 'a.jpg,P1,"1.200","500,5",230', [1200, 500.5, 230]),
    "spaces": ("image;viewer;x;y;duration", "a.jpg;P1;1 200,5;500,5;1\u00a0230", [1200.5, 500.5, 1230]),
}


@pytest.mark.parametrize(("header", "row", "numbers"), TABLES.values(), ids=list(TABLES))
def test_thousands_in_tables_of_fixations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, row: str, numbers: list[float]
) -> None:
    (tmp_path / "f.csv").write_text(f"{header}\n{row}\n{row}\n", encoding="utf-8")
    table = read_fixations(tmp_path / "f.csv")
    assert table[["x_picture", "y_picture", "duration_ms"]].to_numpy().tolist() == [numbers, numbers]
    assert re.search(r"2 numbers of \w+ with parted thousands", capsys.readouterr().err)


def test_what_else_a_table_with_decimal_commas_has(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image;n;x;cut;word;none\n007;1;1,5;True;ray;\n008;2;;False;1,5m;\n")
    table = read_table(tmp_path / "t.csv", ["image"])
    assert (str(table["n"].dtype), table["n"].tolist()) == ("int64", [1, 2])
    assert table[["image", "word"]].to_numpy().tolist() == [["007", "ray"], ["008", "1,5m"]]
    np.testing.assert_array_equal(table[["x", "none"]], [[1.5, np.nan], [np.nan, np.nan]])
    assert table["cut"].tolist() == [True, False]
