"""Makers' exports of measures of areas, after the layouts of Pro Lab's and Studio's manuals, written here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from gazekit.core.errors import FormatError
from gazekit.formats.metrics import METRIC_COLUMNS, read_makers_metrics, wide_metrics
from tests.fixtures.foreign import prolab

KEYS = ["Recording", "Participant", "Timeline", "TOI", "Interval", "Media"]
LONG = [
    [*KEYS, "AOI", "Duration_of_interval", "Total_duration_of_whole_fixations", "Number_of_whole_fixations"],
    ["Recording1", "007", "T", "reef", "1", "reef.jpg", "fish", "5000", "1250", "4"],
    ["Recording1", "007", "T", "reef", "1", "reef.jpg", "coral", "5000", "", "0"],
    ["Recording1", "007", "T", "reef", "2", "reef.jpg", "fish", "4000", "300", "1"],
]
WIDE = [
    [*KEYS[:5], "Total_duration_of_fixations.fish", "Time_to_first_fixation.coral", "Average_pupil_diameter"],
    ["Recording1", "", "T", "reef", "1", "1250,5", "310", "3,25"],
]
STUDIO = [
    [
        "Recordings",
        "Total Fixation Duration_reef.jpg_big_fish_Sum",
        "Fixation Count_coral_Sum",
        "Visit Duration_coral_N",
    ],
    ["P 01", "1.25", "4", "2"],
    ["P 02", "-", "7", "3"],
    ["All Recordings", "1.25", "11", "5"],
]


def write(path: Path, rows: list[list[str]], separator: str = "\t") -> Path:
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(path)
    else:
        path.write_text("\n".join(separator.join(row) for row in rows) + "\n", "utf-8")
    return path


def values(table: pd.DataFrame) -> list[tuple[object, ...]]:
    assert tuple(table.columns) == METRIC_COLUMNS
    return sorted(table.itertuples(index=False, name=None))


@pytest.mark.parametrize("name", ["m.tsv", "m.xlsx"])
def test_prolab_with_a_row_an_area(tmp_path: Path, name: str) -> None:
    table = read_makers_metrics(write(tmp_path / name, LONG))
    durations = table[table["measure"] == "Total_duration_of_whole_fixations"]
    assert values(durations) == [
        ("007", "reef.jpg", 1, "fish", "Total_duration_of_whole_fixations", 1250.0, "ms"),
        ("007", "reef.jpg", 2, "fish", "Total_duration_of_whole_fixations", 300.0, "ms"),
    ]
    counts = table[table["measure"] == "Number_of_whole_fixations"]
    assert counts["unit"].unique().tolist() == ["count"]
    assert sorted(counts["value"]) == [0, 1, 4]


def test_prolab_with_a_column_an_area_and_decimal_commas(tmp_path: Path) -> None:
    assert values(read_makers_metrics(write(tmp_path / "m.csv", WIDE, ";"))) == [
        ("Recording1", "reef", 1, "coral", "Time_to_first_fixation", 310.0, "ms"),
        ("Recording1", "reef", 1, "fish", "Total_duration_of_fixations", 1250.5, "ms"),
        ("Recording1", "reef", 1, "whole", "Average_pupil_diameter", 3.25, "mm"),
    ]


def test_studio(tmp_path: Path) -> None:
    assert values(read_makers_metrics(write(tmp_path / "m.tsv", STUDIO))) == [
        ("P 01", "", 1, "coral", "Fixation Count (Sum)", 4.0, "count"),
        ("P 01", "", 1, "coral", "Visit Duration (N)", 2.0, "count"),
        ("P 01", "reef.jpg", 1, "big_fish", "Total Fixation Duration (Sum)", 1.25, "s"),
        ("P 02", "", 1, "coral", "Fixation Count (Sum)", 7.0, "count"),
        ("P 02", "", 1, "coral", "Visit Duration (N)", 3.0, "count"),
    ]


def report(path: Path, title_above: bool = True) -> Path:
    """Pro Lab's report as a workbook: a sheet a measure, averages beside and below."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for measure, unit in (("Total duration of fixations", " (ms)"), ("Number of fixations", "")):
        sheet = book.create_sheet(measure[:31])
        if title_above:
            sheet.append([measure + unit])
            sheet.append([])
        sheet.append(["", "", "TOI: reef", "", "", "TOI: wreck", ""])
        sheet.append(["Recording", "Participant", "fish", "coral", "Average", "hull", "Average"])
        sheet.append(["Recording1", "007", 1250.5, "", 1250.5, 310, 310])
        sheet.append(["Recording2", "008", 300, 40, 170, "-", ""])
        sheet.append(["Average", "", 775.25, 40, 0, 310, 0])
        sheet.append(["Standard Deviation (n-1)", "", 1, 1, 1, 1, 1])
        sheet.append(["Percentage Fixated (%)", "", 100, 50, 1, 50, 1])
    book.save(path)
    return path


@pytest.mark.parametrize("title_above", [True, False])
def test_prolabs_report_with_a_measure_a_sheet(tmp_path: Path, title_above: bool) -> None:
    table = read_makers_metrics(report(tmp_path / "m.xlsx", title_above))
    name = "Total duration of fixations" + (" (ms)" if title_above else "")
    unit = "ms" if title_above else "not in the file"
    assert values(table[table["measure"] == name]) == [
        ("007", "reef", 1, "fish", name, 1250.5, unit),
        ("007", "wreck", 1, "hull", name, 310.0, unit),
        ("008", "reef", 1, "coral", name, 40.0, unit),
        ("008", "reef", 1, "fish", name, 300.0, unit),
    ]
    assert len(table) == 8
    assert set(table.loc[table["measure"] == "Number of fixations", "unit"]) == {"count"}


def test_several_tables_under_each_other_in_a_sheet(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (
        ["Total duration of fixations (s)"],
        ["reef.jpg"], ["Participants", "fish", "Sum"], ["P1", "1,5", "1,5"], ["Total", "1,5", "1,5"], [],
        ["wreck.jpg"], ["Participants", "hull", "Sum"], ["P1", "0,5", "0,5"], ["P2", "2", "2"],
    ):  # fmt: skip
        book.active.append(row)
    book.save(tmp_path / "m.xlsx")
    measure = "Total duration of fixations (s)"
    assert values(read_makers_metrics(tmp_path / "m.xlsx")) == [
        ("P1", "reef.jpg", 1, "fish", measure, 1.5, "s"),
        ("P1", "wreck.jpg", 1, "hull", measure, 0.5, "s"),
        ("P2", "wreck.jpg", 1, "hull", measure, 2.0, "s"),
    ]


def test_measures_reads_a_report(tmp_path: Path, run) -> None:
    result = run("measures", report(tmp_path / "m.xlsx"), "--out", tmp_path / "out.csv", "--json")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "out.csv", dtype={"participant": str}).set_index(["participant", "area"])
    assert table.loc[("007", "fish"), "Total duration of fixations (ms)"] == 1250.5


def test_wide_table_has_a_row_a_person_picture_showing_and_area(tmp_path: Path) -> None:
    wide = wide_metrics(read_makers_metrics(write(tmp_path / "m.tsv", LONG)))
    assert wide["Duration_of_interval"].tolist() == [5000, 5000, 4000]
    assert wide[["showing", "area"]].to_numpy().tolist() == [[1, "fish"], [1, "coral"], [2, "fish"]]


def test_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no table of metrics that is known"):
        read_makers_metrics(prolab.write(tmp_path / "a.tsv"))


@pytest.mark.parametrize("extra", [[], ["--values"]], ids=["wide", "a value a row"])
def test_measures_reads_them(tmp_path: Path, run, extra: list[str]) -> None:
    path = write(tmp_path / "m.tsv", LONG)
    result = run("measures", path, "--out", tmp_path / "out.csv", *extra, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output.splitlines()[-1])["people"] == 1
    table = pd.read_csv(tmp_path / "out.csv")
    if extra:
        assert {"measure", "value", "unit"} <= set(table.columns)
    else:
        assert table["Total_duration_of_whole_fixations"].dropna().tolist() == [1250, 300]
    book = pd.read_csv(tmp_path / "out.codebook.csv").set_index("column")
    assert book.loc["Number_of_whole_fixations", ["unit", "meaning"]].tolist() == [
        "count",
        "as the maker's program measured it",
    ]


def test_models_run_on_them(tmp_path: Path, run, rng: np.random.Generator) -> None:
    names = ["Recording", "Participant", "TOI", "Media", "Number_of_whole_fixations"]
    people = [(f"P{p}", f"reef{k}.jpg", int(n)) for p in range(8) for k in range(6) for n in [rng.integers(2, 20)]]
    write(tmp_path / "m.tsv", [names, *([f"R{who}", who, picture, picture, str(n)] for who, picture, n in people)])
    answers = pd.DataFrame(people, columns=["participant", "image", "score"]).assign(attribute="beauty")
    answers["score"] += rng.integers(0, 6, len(answers))
    answers.to_csv(tmp_path / "a.csv", index=False)
    model = ["--answers", tmp_path / "a.csv", "--model", "beauty~Number_of_whole_fixations", "--swaps", 200]
    result = run("measures", tmp_path / "m.tsv", "--out", tmp_path / "o.csv", *model)
    assert result.exit_code == 0, result.output
    (row,) = pd.read_csv(tmp_path / "o.models.csv").to_dict("records")
    assert row["p"] < 0.05


def test_measures_refuses_what_only_its_own_measures_have(tmp_path: Path, run) -> None:
    result = run("measures", write(tmp_path / "m.tsv", LONG), "--out", tmp_path / "o.csv", "--window", "0:2000")
    assert result.exit_code == 1
    assert "--window" in str(result.exception)
