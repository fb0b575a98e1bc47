"""Text tables: rows that are left out, in files of many blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import ConfigError, FormatError
from gazekit.core.tables import read_table
from gazekit.formats import import_recording, text
from gazekit.formats.account import Account
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


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("shift_jis", "サンゴ礁.png"), ("cp1251", "риф.png"), ("gb18030", "珊瑚.png")],
)
def test_letters_are_what_the_option_says(tmp_path: Path, encoding: str, name: str) -> None:
    path = write(tmp_path / "a.tsv", [])
    path.write_bytes("\n".join(["t,x,image", *[f"{n},5,{name}" for n in range(100)], ""]).encode(encoding))
    table = TextTable(Head.of(path, encoding))
    words = {word for batch in table.batches({"t": "number", "image": "text"}) for word in batch.codes("image")[1]}
    assert words == {name}
    account = Account()
    table.describe(account)
    assert ("letters", encoding, "option") in account.facts
    assert not account.doubts
    with pytest.raises(ConfigError, match="unknown encoding 'base64'"):
        Head.of(path, "base64")


def test_a_wrong_encoding_is_a_doubt(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("t,x,image\n1,5,Küste.png\n".encode("cp1252"))
    table = TextTable(Head.of(path, "shift_jis"))
    assert sum(len(batch) for batch in table.batches({"t": "number", "image": "text"})) == 1
    account = Account()
    table.describe(account)
    assert account.doubts == ["bytes that are no letters in shift_jis: is --encoding right?"]


def test_letters_that_are_no_utf8_stay_whole_and_are_said(tmp_path: Path) -> None:
    """The first such letter may stand far behind the beginning that tells the encoding."""
    path = tmp_path / "table.csv"
    rows = ["4,500,400,riff.png"] * 60_000 + ["8,500,400,Schönes Riff.png"]
    path.write_bytes("\n".join(["t,x,y,image", *rows, ""]).encode("cp1252"))
    table = TextTable(Head.of(path))
    words = {word for batch in table.batches({"t": "number", "image": "text"}) for word in batch.codes("image")[1]}
    assert words == {"riff.png", "Schönes Riff.png"}
    account = Account()
    table.describe(account)
    assert ("letters", "only possible") in [(fact.what, fact.source) for fact in account.facts]
    late = tmp_path / "fixations.csv"
    late.write_bytes(b"image,viewer\n" + b"a.png,v\n" * 20_000 + "a.png,Jäger\n".encode("cp1252"))
    assert read_table(late, ["image"], "table")["viewer"].iloc[-1] == "Jäger"


def test_messages_of_eyelink_keep_letters_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "trial.asc"
    samples = "".join(f"{n}\t500.0\t400.0\t900.0\t...\n" for n in range(100, 120))
    text = "MSG 90 GAZE_COORDS 0 0 1919 1079\nSTART\t100\tLEFT\tSAMPLES\nSAMPLES\tGAZE\tLEFT\tRATE\t1000.00\n"
    path.write_bytes(f"{text}MSG 100 SHOW Küste.png\n{samples}END\t120\tSAMPLES\n".encode("cp1252"))
    sizes = {"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
    assert "SHOW Küste.png" in import_recording(path, screen=sizes).messages["text"].tolist()
