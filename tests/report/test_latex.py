"""The report's tables compile on the page of an article, and nothing stands beside it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from gazekit.report.comparison_tables import Cell, Table
from gazekit.report.latex import escaped, latex
from tests.needs import need

pytestmark = pytest.mark.once
PAGE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""


def compiled(folder: Path, source: str) -> tuple[str, str]:
    """The log of pdflatex, and the text of the pages."""
    need(shutil.which("pdflatex"), "pdflatex (texlive-latex-base, texlive-latex-recommended)")
    need(shutil.which("pdftotext"), "pdftotext (poppler-utils)")
    (folder / "page.tex").write_text(PAGE % source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    text = subprocess.run(["pdftotext", "-layout", "page.pdf", "-"], cwd=folder, capture_output=True, text=True)
    return (folder / "page.log").read_text(errors="replace"), text.stdout


def too_wide(log: str) -> float:
    """By how many points the widest line stands out of the text."""
    return max(
        (float(points) for points in re.findall(r"Overfull \\hbox \((\d+\.?\d*)pt too wide\)", log)), default=0.0
    )


def test_every_table_of_a_report_fits_on_the_page(whole: Path, tmp_path: Path) -> None:
    files = sorted((whole / "report-tables").glob("*.tex"))
    assert len(files) > 4
    log, text = compiled(tmp_path, "\n".join(file.read_text(encoding="utf-8") for file in files))
    assert too_wide(log) < 3
    assert "Too many unprocessed floats" not in log
    assert "¡" not in text
    assert "¿" not in text
    results = pd.read_csv(whole / "report-tables" / "results.csv")
    for value in results["SRCC"]:
        assert f"{value:.3f}" in text


def test_signs_are_printed_as_they_stand(tmp_path: Path) -> None:
    text = "a_b & 50 % #1 {x} ~ ^ \\ $5 < 0.001 > 2 −3"
    assert "<" not in escaped(text).replace("$<$", "")
    _, printed = compiled(tmp_path, escaped(text))
    printed = " ".join(printed.split())
    for part in ("b & 50 %", "#1 {x}", "$5", "< 0.001", "> 2"):
        assert part in printed, printed


def test_many_models_and_many_rows_fit(tmp_path: Path) -> None:
    rows = [
        [
            Cell(f"residual-attention-network-{m}"),
            Cell("Network's own excitation − Another picture's mask"),
            Cell("SRCC"),
        ]
        + [Cell("−0.123", "[−0.456, +0.789]", -0.123, strong=m % 2 == 0) for _ in range(8)]
        for m in range(60)
    ]
    heads = [("Model", ""), ("Difference", ""), ("Metric", ""), *((f"Metric {k} ↑", "") for k in range(8))]
    log, text = compiled(tmp_path, latex(Table("wide", "p < 0.05 & 95 % of it", heads, rows, row_heads=3)))
    assert too_wide(log) < 3
    assert text.count("network-59") >= 1 or "59" in text
    assert "(continued)" in text
    assert "Overfull \\vbox" not in log


def test_names_that_know_no_end_stay_in_their_column_and_tables_on_their_page(tmp_path: Path) -> None:
    names = ["nima-narrow@" + "x" * 80, "m@residual_attention_network_of_2017", "short"]
    differences = ["Another picture's mask − Whole picture", "a<b&c%d#e_f" * 4]
    rows = [
        [Cell(names[m % 3]), Cell(differences[m % 2])] + [Cell("−0.123", "[−0.456, +0.789]", -0.123) for _ in range(6)]
        for m in range(24)
    ]
    heads = [("Model", ""), ("Difference", ""), *((f"Metric {k} ↑", "") for k in range(6))]
    log, text = compiled(tmp_path, latex(Table("names", "names", heads, rows, row_heads=2)))
    assert too_wide(log) < 3
    assert "Float too large" not in log
    assert sum(line.count("x") for line in text.splitlines()) >= 80 * 8 * 2  # every letter is printed
