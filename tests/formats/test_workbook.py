"""Workbooks as programs write them: which sheet is read, sheets that go on, prefixes, the order of attributes."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from gazekit.core.errors import GazekitError
from gazekit.core.tables import read_table
from gazekit.core.workbook import cells_of, sheets_of
from gazekit.formats import import_recording

ROWS: list[list[object]] = [["viewer", "x", "word"], ["007", 1.5, "a & b"], ["008", None, "c"], ["009", 2.5, None]]


def book(path: Path, **sheets: list[list[object]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def rewritten(path: Path, change: Callable[[str], str]) -> Path:
    """The workbook with every piece of XML of it changed."""
    target = path.with_name(f"changed-{path.name}")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            text = source.read(name).decode()
            archive.writestr(name, change(text) if re.search("sheet|Strings|workbook.xml$", name) else text)
    return target


def values(path: Path) -> list[list[object]]:
    table = read_table(path, ["viewer", "x", "word"])
    return table.astype(object).where(table.notna(), None).to_numpy().tolist()


def prefixed(text: str) -> str:
    """As the Open XML SDK writes it: ``<x:row>``."""
    return re.sub(r"<(/?)(?=[a-z])(?!\?xml)", r"<\1x:", text).replace(' xmlns="', ' xmlns:x="')


def types_first(text: str) -> str:
    return re.sub(r'<c r="([A-Z0-9]+)"((?: s="\d+")?) t="(\w+)"', r'<c r="\1" t="\3" s="0"', text)


@pytest.mark.parametrize("change", [str, prefixed, types_first], ids=["plain", "prefixes", "types first"])
def test_dialects(tmp_path: Path, change: Callable[[str], str]) -> None:
    assert values(rewritten(book(tmp_path / "a.xlsx", Data=ROWS), change)) == ROWS[1:]


def test_first_sheet_that_is_a_table(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", Info=[["Exported by a program"]], Empty=[], Data=ROWS, Other=[["a", "b", "c"]])
    assert values(path) == ROWS[1:]
    assert sheets_of(path) == (["Data"], ["Info", "Empty", "Other"])


def test_sheets_that_go_on(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", One=ROWS[:3], Two=[ROWS[0], ROWS[3]])
    assert values(path) == ROWS[1:]
    assert sheets_of(path) == (["One", "Two"], [])


def test_account_says_which_sheets_were_read(foreign, tmp_path: Path) -> None:
    text = foreign.prolab.write(tmp_path / "a.tsv").read_text("utf-8")
    rows: list[list[object]] = [list(line.split("\t")) for line in text.splitlines()]
    path = book(tmp_path / "a.xlsx", Info=[["Exported"]], Data=rows)
    account = import_recording(path, screen=foreign.MM).provenance["account"]
    assert {"what": "sheet", "value": "Data; not read: Info", "source": "file"} in account["facts"]
    assert account["samples"] == 10


def test_pandas_writes_what_is_read(tmp_path: Path) -> None:
    table = pd.DataFrame(ROWS[1:], columns=ROWS[0])
    table.to_excel(tmp_path / "a.xlsx", index=False)
    assert values(tmp_path / "a.xlsx") == ROWS[1:]


@pytest.mark.parametrize(("at", "kind"), [(10, "packing"), (6, "version")])
def test_a_workbook_packed_in_no_known_way_is_refused(foreign, tmp_path: Path, at: int, kind: str) -> None:
    """Found by atheris: the zip archive's own list says of a file how it is packed, and by which version."""
    path = foreign.workbook.write(foreign.prolab.write(tmp_path / "lab.tsv"))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"xl/workbook.xml") - 46
    assert data[entry : entry + 4] == b"PK\x01\x02"
    data[entry + at] = 99
    path.write_bytes(data)
    with pytest.raises(GazekitError):
        import_recording(path, screen={"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0})


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (b"xl/workbook.xml", {46 + 3: 0xB1}),
        (b"xl/_rels/workbook.xml.rels", {46 + 1: 0xF4}),
        (b"xl/workbook.xml", {10: 0, 22: 0xFF, 26: 0xFF}),  # stored, and longer than the file
        (b"xl/workbook.xml", {8: 0x01}),
    ],
    ids=["name of a part", "name of another", "length", "password"],
)
def test_a_damaged_list_of_a_workbook_is_refused(foreign, tmp_path: Path, name: bytes, changes: dict[int, int]) -> None:
    """Found by atheris: names that are no text, parts that end too soon."""
    path = foreign.workbook.write(foreign.prolab.write(tmp_path / "lab.tsv"))
    data = bytearray(path.read_bytes())
    entry = data.rindex(name) - 46
    data[entry + 9] |= 0x08  # names are in UTF-8
    for at, value in changes.items():
        data[entry + at] = value
    path.write_bytes(data)
    with pytest.raises(GazekitError):
        import_recording(path, screen={"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0})
    with pytest.raises(GazekitError, match="the workbook is damaged"):
        cells_of(path)


def with_shared_strings(path: Path) -> Path:
    """The workbook as Excel writes it: each text once, in a table of its own, and cells that name it by number."""
    target, texts = path.with_name(f"shared-{path.name}"), list[str]()

    def number(cell: re.Match[str]) -> str:
        texts.append(cell[2])
        return f'<c r="{cell[1]}" t="s"><v>{len(texts) - 1}</v></c>'

    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            text = source.read(name).decode()
            if name.startswith("xl/worksheets/"):
                cell = r'<c r="([A-Z]+\d+)"[^>]*t="inlineStr"[^>]*><is><t[^>]*>(.*?)</t></is></c>'
                text = re.sub(cell, number, text)
            if name != "xl/sharedStrings.xml":
                archive.writestr(name, text)
        items = "".join(f'<si><t xml:space="preserve">{text}</t></si>' for text in texts)
        archive.writestr("xl/sharedStrings.xml", f'<sst count="{len(texts)}">{items}</sst>')
    assert texts
    return target


def test_texts_that_stand_once_in_a_table_of_their_own_are_those_of_the_cells(tmp_path: Path) -> None:
    plain = book(tmp_path / "b.xlsx", one=ROWS)
    shared = with_shared_strings(plain)
    assert values(shared) == values(plain)
    assert values(rewritten(shared, prefixed)) == values(plain)
    emptied = rewritten(shared, lambda text: text.replace('t="s"><v>2</v>', 't="s"><v></v>'))
    assert "word" not in read_table(emptied, ["viewer", "x"]).columns
