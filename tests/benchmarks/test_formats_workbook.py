"""Speed and memory of workbooks. Run by hand: ``pytest -m benchmark tests/benchmarks/test_formats_workbook.py -s``."""

from __future__ import annotations

import io
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.workbook import WorkbookText

pytestmark = pytest.mark.benchmark
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(path: Path, rows: int, columns: int = 20) -> Path:
    """A sheet of numbers between two columns of words, as Excel writes it."""
    rng = np.random.default_rng(1)
    letters = [chr(65 + n) for n in range(columns)]
    words = [*(f"Column {n}" for n in range(columns)), "Eye Tracker", "P01"]
    relations = f'<Relationships xmlns="{_PACKAGE}">{{}}</Relationships>'
    relation = f'<Relationship Id="{{}}" Type="{_OFFICE}/{{}}" Target="{{}}"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_rels/.rels", relations.format(relation.format("rId1", "officeDocument", "xl/workbook.xml")))
        sheets = relation.format("rId1", "worksheet", "worksheets/sheet1.xml")
        sheets += relation.format("rId2", "sharedStrings", "sharedStrings.xml")
        archive.writestr("xl/_rels/workbook.xml.rels", relations.format(sheets))
        sheet = '<sheets><sheet name="Data" sheetId="1" r:id="rId1"/></sheets>'
        archive.writestr("xl/workbook.xml", f'<workbook xmlns:r="{_OFFICE}">{sheet}</workbook>')
        archive.writestr("xl/sharedStrings.xml", "<sst>" + "".join(f"<si><t>{w}</t></si>" for w in words) + "</sst>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as file:
            cells = "".join(f'<c r="{a}1" t="s"><v>{n}</v></c>' for n, a in enumerate(letters))
            file.write(f'<worksheet><sheetData><row r="1">{cells}</row>'.encode())
            for r in range(2, rows + 2):
                numbers = rng.random(columns - 2)
                cells = f'<c r="A{r}" t="s"><v>{columns}</v></c><c r="B{r}" t="s"><v>{columns + 1}</v></c>'
                cells += "".join(f'<c r="{a}{r}"><v>{v:.6f}</v></c>' for a, v in zip(letters[2:], numbers, strict=True))
                file.write(f'<row r="{r}">{cells}</row>'.encode())
            file.write(b"</sheetData></worksheet>")
    return path


def read(path: Path) -> tuple[float, float]:
    """Seconds of processor, and peak of Python's memory in MB."""
    start = time.process_time()
    text = io.BufferedReader(WorkbookText(path), 1 << 20)
    while text.read(1 << 20):
        pass
    took = time.process_time() - start
    tracemalloc.start()
    text = io.BufferedReader(WorkbookText(path), 1 << 20)
    for _ in range(40):
        text.read(1 << 20)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return took, peak


def test_workbook_in_flat_memory(tmp_path: Path) -> None:
    small, large = workbook(tmp_path / "small.xlsx", 20_000), workbook(tmp_path / "large.xlsx", 80_000)
    (took_small, peak_small), (took_large, peak_large) = read(small), read(large)
    size = large.stat().st_size / 1e6
    print(f"\n{size:.1f} MB: {1.6 / took_large:.2f} million cells a second; peak {peak_large:.0f} MB")
    assert peak_large < 1.3 * peak_small + 5
    assert took_large < 6 * took_small
    try:
        import python_calamine
    except ImportError:
        return
    start = time.process_time()
    for _ in python_calamine.CalamineWorkbook.from_path(str(large)).get_sheet_by_index(0).iter_rows():
        pass
    print(f"python-calamine: {took_large / (time.process_time() - start):.2f} times its time")
    assert took_large < 3 * (time.process_time() - start)
