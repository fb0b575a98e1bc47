"""Text tables: rows that are left out, in files of many blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError
from gazekit.formats import text
from gazekit.formats.text import Head, TextTable

KINDS = {"t": "integer", "x": "number", "name": "text"}


def write(path: Path, rows: list[str], separator: str = "\t", encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join([separator.join(KINDS), *rows, ""]).encode(encoding))
    return path


@pytest.mark.parametrize(
    "bad", [[0], [4999], [2500, 2501, 4000], list(range(0, 5000, 7))], ids=["first", "last", "some", "many"]
)
@pytest.mark.parametrize("decimal", [".", ","])
def test_sound_rows_of_all_blocks_are_kept_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: list[int], decimal: str
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 1 << 12)
    rows = [f"{n}\t{n + 0.5}\tray{n % 3}".replace(".", decimal) for n in range(5000)]
    for n in bad:
        rows[n] = f"{n}\tbad\tray"
    table = TextTable(Head.of(write(tmp_path / "a.tsv", rows)))
    batches = list(table.batches(KINDS))
    assert len(batches) > 10
    expected = [n for n in range(5000) if n not in set(bad)]
    assert np.concatenate([b.integers("t") for b in batches]).tolist() == expected
    assert np.concatenate([b.numbers("x") for b in batches]).tolist() == [n + 0.5 for n in expected]
    assert table.bad_rows == len(bad)
    with pytest.raises(FormatError, match="invalid value 'bad'"):
        list(TextTable(table.head, strict=True).batches(KINDS))


def test_rows_of_another_length(tmp_path: Path) -> None:
    table = TextTable(Head.of(write(tmp_path / "a.tsv", ["1\t2\ta", "3\t4", "5\t6\tb\tc", "7\t8\td"])))
    assert np.concatenate([b.integers("t") for b in table.batches(KINDS)]).tolist() == [1, 7]
    assert table.notes() == ["2 rows were left out: not 3 cells each"]


def test_decimal_commas_that_come_late(tmp_path: Path) -> None:
    rows = [f"{n}\t\t" for n in range(20_000)] + ["20000\t1,5\ta, b"]
    table = TextTable(Head.of(write(tmp_path / "a.tsv", rows)))
    assert list(table.batches(KINDS))[-1].numbers("x")[-1] == 1.5


@pytest.mark.parametrize(
    ("cell", "word"), [('"ray"', '"ray"'), ('5" wide', '5" wide'), ('"open', '"open'), ("it's", "it's")]
)
def test_quotes_in_tab_separated_text_are_letters(tmp_path: Path, cell: str, word: str) -> None:
    table = TextTable(Head.of(write(tmp_path / "a.tsv", [f"1\t2\t{cell}", "3\t4\tnext"])))
    batch = next(table.batches(KINDS))
    assert batch.texts("name", np.array([0, 1])) == [word, "next"]


def test_quoted_names_make_quoted_cells(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('"t"\t"x"\t"name"\n"1"\t"2.5"\t"a\tb"\n')
    batch = next(TextTable(Head.of(path)).batches(KINDS))
    assert (batch.integers("t")[0], batch.numbers("x")[0]) == (1, 2.5)
    assert batch.texts("name", np.array([0])) == ["a\tb"]


@pytest.mark.parametrize("value", ["", "NaN", "nan", "-", "NA", ".", "inf", "1e400"])
def test_cells_that_stand_for_nothing(tmp_path: Path, value: str) -> None:
    batch = next(TextTable(Head.of(write(tmp_path / "a.tsv", [f"1\t{value}\ta"]))).batches(KINDS))
    assert np.isnan(batch.numbers("x")[0])


def test_row_with_bytes_that_are_no_text_is_left_out_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", ["1\t2\ta", "3\t4\tb", "5\t6\tc"])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"3\t4\tb", b"3\t4\t\xe9\xa6\x88\xb8\tb"))
    table = TextTable(Head.of(path))
    assert np.concatenate([b.integers("t") for b in table.batches(KINDS)]).tolist() == [1, 5]
    assert table.bad_rows == 1
