"""Speed and memory of workbooks. Run by hand: ``pytest -m benchmark tests/benchmarks/test_formats_workbook.py -s``."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.figures import record
from tests.benchmarks.test_formats_speed import SCREEN, alternated, imported

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]
ROWS = int(os.environ.get("GAZEKIT_BENCH_ROWS", "1000000"))  # a million are 140 MB
GAZE = [f"Gaze point {side} {axis} [DACS px]" for side in ("left", "right") for axis in "XY"]
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(path: Path, rows: int, columns: int = 20) -> Path:
    """A sheet of Pro Lab's columns, words and numbers, as Excel writes it."""
    rng = np.random.default_rng(1)
    letters = [chr(65 + n) for n in range(columns)]
    names = ["Sensor", "Participant name", "Recording timestamp [ms]", *GAZE]
    words = [*names, *(f"Column {n}" for n in range(columns - len(names))), "Eye Tracker", "P01"]
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
                numbers = 900 + 100 * rng.random(columns - 2)
                numbers[0] = 8 * r
                cells = f'<c r="A{r}" t="s"><v>{columns}</v></c><c r="B{r}" t="s"><v>{columns + 1}</v></c>'
                cells += "".join(f'<c r="{a}{r}"><v>{v:.6f}</v></c>' for a, v in zip(letters[2:], numbers, strict=True))
                file.write(f'<row r="{r}">{cells}</row>'.encode())
            file.write(b"</sheetData></worksheet>")
    return path


def bare(path: Path) -> None:
    import python_calamine

    for _ in python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).iter_rows():
        pass


def peak_mb(path: Path) -> float:
    """Peak memory of a process that imports a file."""
    script = "import sys, resource; from gazekit.formats.importing import open_source; "
    script += "from gazekit.formats.writing import import_to; "
    script += f"import_to(open_source(sys.argv[1], screen={SCREEN}), sys.argv[2], 'big'); "
    script += "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    command = [sys.executable, "-c", script, str(path), str(path.with_suffix(".out"))]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_import_of_a_workbook(tmp_path: Path) -> None:
    """200 MB under 1 GB of memory and within 3 times of python-calamine's bare reading, the session file included."""
    small, large = workbook(tmp_path / "small.xlsx", ROWS // 5), workbook(tmp_path / "large.xlsx", ROWS)
    small_mb, large_mb = peak_mb(small), peak_mb(large)
    size = large.stat().st_size / 1e6
    print(f"\n{size:.0f} MB: peak memory {large_mb:.0f} MB, of a fifth of the file {small_mb:.0f} MB")
    assert large_mb < 1000
    assert large_mb < 1.3 * small_mb
    pytest.importorskip("python_calamine", reason="a peer, by hand: pip install python-calamine")
    ratio = alternated(imported(large, tmp_path / "out", **SCREEN), lambda: bare(large), times=3)
    record(
        "formats",
        "import of a Pro Lab workbook to a session file, against python-calamine's bare reading",
        f"{ratio['wall']:.2f} times in wall time, {ratio['cpu']:.2f} in processor time; peak {large_mb:.0f} MB, flat",
        data=f"{size:.0f} MB XLSX, {ROWS} rows of 20 cells, simulated",
        bar="3 times, under 1 GB",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_formats_workbook.py",
        developed_on=False,
    )
    assert ratio["wall"] <= 3
