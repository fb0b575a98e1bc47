"""Tables between the stages: CSV or Parquet with checked columns and provenance beside them."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, cast, get_args

from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, FormatError, InputError, OutputError, unknown_name
from gazekit.core.files import existing_file, whole_file, write_text
from gazekit.core.numerals import Numerals, as_numbers, doubtful, numerals_of
from gazekit.core.spss import numbers_and_ids
from gazekit.core.workbook import WorkbookText, is_workbook

if TYPE_CHECKING:
    import pandas as pd

Cut = Literal["keep", "drop-start", "drop"]  # what becomes of fixations that a picture or a hole cuts
CUTS: tuple[str, ...] = get_args(Cut)
FIXATION_COLUMNS = (
    "participant",  # pseudonym
    "image",  # id of the picture on screen, empty between pictures
    "onset_us",  # first sample, device clock, int64
    "offset_us",  # end, one sampling interval after the last sample, device clock, int64
    "duration_ms",  # offset - onset
    "x_px",  # centre on the screen, pixels
    "y_px",
    "x_picture",  # centre in the picture's own pixels; NaN off the picture
    "y_picture",
    "x_deg",  # Fick azimuth and elevation of the centre, degrees
    "y_deg",
    "samples",
    "rms_s2s_deg",
    "dispersion_deg",
    "detector",
    "parameters",  # JSON
    "cut_start",  # whether it went on before the picture, or before a hole in the recording, so that it lasted longer
    "cut_end",  # the same of its end
    "since_onset_ms",  # when it began, since its picture came; NaN where there is no picture
)


_OTHER_FORMATS = (".xlsx", ".xls", ".ods", ".sav", ".json", ".feather")
ONLY_WRITTEN = "tables are written as .csv, .tsv or .parquet"
_BLOCK = 1 << 20
_ROWS = 200  # that show how a table is written
# what a column of ids is called, in letters alone
_ID = re.compile(
    r"(?:participant|viewer|subject|observer|rater|judge|worker|respondent|proband|person|image|picture|photo|stimulus"
    r"|media|presentedmedia|presentedstimulus|recording|recordingsession)(?:id|name|label|nr|no|number|code"
    r"|file|filename)?"
)
_COUNT = re.compile(r"c\d+")  # a column of a histogram table


def read_table(
    path: str | Path, columns: Iterable[str], what: str = "table", *, ids: Iterable[str] = ()
) -> pd.DataFrame:
    """Read a CSV, TSV, Parquet, Excel (.xlsx) or SPSS (.sav) table that must have certain columns.

    Ids stay the text that they are: ``007`` does not become 7. Ids are the columns whose names say participant,
    viewer, rater, picture and the like, those in which a number begins with a zero, and those of ``ids``.

    Parameters
    ----------
    path : str or Path
        The table.
    columns : iterable of str
        What it must have.
    what : str
        What to call it in a message.
    ids : iterable of str
        Further columns of ids, by name.

    Raises
    ------
    InputError
        No such file, or an empty one.
    FormatError
        Not a table, or columns are missing or stand twice (all are named).
    """
    import pandas as pd

    path = existing_file(path, what)
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix.lower() in (".sav", ".zsav"):
            table = numbers_and_ids(path, is_id)
        else:
            table = _read_text(path, set(ids))
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise FormatError(f"{path} is not a {what} that can be read: {error}") from error
    for name in table.columns:
        if is_id(name) or name in ids:
            table[name] = _as_ids(table[name])
    columns = list(columns)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise FormatError(
            f"{path}: this {what} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"it has {', '.join(map(str, table.columns[:20]))}"
        )
    columns += [name for name in map(str, table.columns) if _COUNT.fullmatch(name) and name not in columns]
    if twice := [name for name in columns if f"{name}.1" in table.columns]:
        raise FormatError(
            f"{path}: columns of this {what} stand twice: {', '.join(twice)}; name or leave out one of each"
        )
    return table


def column_names(path: str | Path, what: str = "table") -> list[str]:
    """Return the names of the columns of a table that `read_table` reads.

    Raises
    ------
    InputError, FormatError
        No such file, or not a table.
    """
    path = existing_file(path, what)
    if path.suffix.lower() in (".csv", ".tsv", ".txt") and not is_workbook(path):
        layout = _written(path)
        with open(path, encoding=layout["encoding"], errors="replace") as file:
            return _cells(file, layout["sep"])[0]
    return list(map(str, read_table(path, [], what).columns))


def is_id(name: object) -> bool:
    """Tell whether a column of that name holds ids of people or pictures."""
    return _ID.fullmatch(re.sub(r"[^a-z]", "", str(name).lower())) is not None


def _read_text(path: Path, ids: Set[str]) -> pd.DataFrame:
    import pandas as pd

    workbook = is_workbook(path)
    layout: dict[str, Any] = {"sep": "\t", "encoding": "utf-8"} if workbook else dict(_written(path))

    def content() -> IO[bytes]:
        return cast("IO[bytes]", io.BufferedReader(WorkbookText(path)) if workbook else open(path, "rb"))

    with io.TextIOWrapper(content(), layout["encoding"], "replace") as lines:
        names, *rows = _cells(lines, layout["sep"])
    unheaded = _unheaded(path, names, rows)
    if unheaded == "last":
        layout["index_col"] = False  # else pandas takes the first cells for names of the rows
    numerals = Numerals() if workbook else _numerals(rows)  # in a workbook numbers are no text
    layout["decimal"] = numerals.decimal

    def read(**options: Any) -> pd.DataFrame:
        with content() as file:
            return pd.read_csv(file, **layout, keep_default_na=True, **options)

    header = list(read(nrows=0).columns)
    text = {name for name in header if is_id(name) or name in ids}
    pattern = re.compile(rf"(?:^|[\"{layout['sep']}])0\d+(?=[\"{layout['sep']}]|\s*$)", re.MULTILINE)
    with io.TextIOWrapper(content(), layout["encoding"], "replace") as lines:
        zeros = any(pattern.search(block) for block in iter(lambda: "".join(lines.readlines(_BLOCK)), ""))
    if zeros:
        words = read(dtype=str)
        text |= {name for name in header if words[name].str.fullmatch(r"0\d+").any()}
    # pandas takes a point for a decimal sign beside decimal commas too
    table = read(dtype=str if numerals.decimal == "," else dict.fromkeys(text, str))
    table = table.reset_index(drop=True)
    if not workbook:
        places = {name: n for n, name in enumerate(names, unheaded == "first") if name not in text}
        _tell_doubts(path, {name: [row[n] for row in rows if n < len(row)] for name, n in places.items()}, numerals)
    return _without_parted_thousands(table, text, numerals, path)


def _unheaded(path: Path, names: list[str], rows: list[list[str]]) -> Literal["", "first", "last"]:
    """Say which cell of the lines has no head: R numbers its rows, and some programs end every line with a separator.

    Raises
    ------
    FormatError
        Lines have more cells than there are heads, and neither is the case: all cells may belong elsewhere.
    """
    longer = [row for row in rows if len(row) > len(names)]
    if not longer:
        return ""
    if not any(cell.strip() for row in longer for cell in row[len(names) :]):
        print(f"{path}: lines end with a separator more than the first one; nothing stands behind it", file=sys.stderr)
        return "last"
    if longer == rows and [row[0] for row in rows] == [str(n) for n in range(1, len(rows) + 1)]:
        print(f"{path}: the numbers of the rows, which have no head, are left out", file=sys.stderr)
        return "first"
    raise FormatError(
        f"{path}: a line has {counted(len(longer[0]), 'cell')} ({', '.join(longer[0][:3])} ...), and the first line "
        f"has {counted(len(names), 'name')}: give every column a name"
    )


def _tell_doubts(path: Path, columns: Mapping[str, list[str]], numerals: Numerals) -> None:
    for doubt in doubtful(columns, dict.fromkeys(columns, numerals)):
        print(f"{path}: {doubt}", file=sys.stderr)


def _without_parted_thousands(table: pd.DataFrame, text: Set[str], numerals: Numerals, path: Path) -> pd.DataFrame:
    """Turn columns of words that are numbers, some with parted thousands, into numbers; which ones is said."""
    import pandas as pd

    for name in table.columns:
        if name in text or pd.api.types.is_numeric_dtype(table[name]):
            continue
        words = table[name].dropna().astype(str)
        parted = words[words.str.strip().str.fullmatch(numerals.pattern().strip("^$"))]
        if not (len(parted) or numerals.decimal == ","):
            continue
        numbers = as_numbers(words, numerals).dropna()
        if len(words) == len(table) and words.str.fullmatch(r"[-+]?\d{1,18}").all():
            table[name] = words.astype("int64")
        elif len(numbers) == len(words):
            table[name] = numbers.reindex(table.index)
            if len(parted):
                said = f"{counted(len(parted), 'number')} of {name} with parted thousands"
                print(f"{path}: {said}, the first {parted.iloc[0]!r}", file=sys.stderr)
        elif set(words) <= {"True", "False"}:
            table[name] = table[name].eq("True").where(table[name].notna())
    return table


def _as_ids(column: pd.Series) -> pd.Series:
    """Turn a column into text; whole numbers with a decimal point, which missing cells make of them, lose it."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    present = column.notna()
    words = column.where(~present, column.astype(str))
    if present.any() and words[present].str.fullmatch(r"-?\d+\.0").all():
        words = words.where(~present, words.str.removesuffix(".0"))
    forms = {word: in_one_form(word) for word in words[present].unique() if not word.isascii()}
    return words.map(lambda word: forms.get(word, word)).astype(object) if forms else words.astype(object)


def in_one_form(name: str) -> str:
    """Return an id in Unicode's composed form (NFC): macOS writes ``é`` as two signs, and people type one.

    Examples
    --------
    >>> len("re\u0301cif.jpg"), len(in_one_form("re\u0301cif.jpg"))
    (10, 9)
    """
    return unicodedata.normalize("NFC", name)


def text_layout(path: Path) -> dict[str, str]:
    """Find the encoding, the separator and the decimal sign of a text table: Excel's differ from country to country."""
    layout = _written(path)
    with open(path, encoding=layout["encoding"], errors="replace") as file:
        _, *rows = _cells(file, layout["sep"])
    return {**layout, "decimal": _numerals(rows).decimal}


def _numerals(rows: Iterable[list[str]]) -> Numerals:
    """Find how the numbers of a table are written: pandas takes one decimal sign for all columns."""
    return numerals_of({"": [cell for row in rows for cell in row]})[""]


def _written(path: Path) -> dict[str, str]:
    """Find the encoding and the separator of a text table."""
    encoding = guess_encoding(path)
    with open(path, encoding=encoding, errors="replace") as file:
        header = next((line for line in file if line.strip()), "")
    separator = max(",\t;", key=header.count) if any(sign in header for sign in ",\t;") else ","
    return {"encoding": encoding, "sep": separator}


def _cells(lines: Iterable[str], separator: str) -> list[list[str]]:
    """Read the cells of the first lines, the header among them; one empty row where they cannot be told."""
    try:
        return [row for row in csv.reader(itertools.islice(lines, _ROWS), delimiter=separator) if row] or [[]]
    except csv.Error:  # a cell that is too long for it, or a NUL
        return [[]]


def guess_encoding(path: Path) -> str:
    """Guess what the letters of a text are: UTF-16 by its mark or its zeros, UTF-8, else Windows-1252."""
    with open(path, "rb") as file:
        start = file.read(1 << 12)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    for name, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[0::2])):
        if len(start) > 8 and zeros.count(0) > 0.8 * len(zeros):
            return name
    return "utf-8-sig" if _is_utf8(path) else "cp1252"


def known_encoding(name: str) -> str:
    """Check the name of an encoding of text.

    Raises
    ------
    ConfigError
        There is no such encoding.
    """
    try:
        "".encode(name)
    except LookupError:
        raise ConfigError(
            f"unknown encoding {name!r}; for example utf-8, utf-16, cp1252 (western Europe), cp1250 (central Europe), "
            f"cp1251 (Cyrillic), shift_jis or cp932 (Japanese), gb18030 (Chinese), big5, euc-kr"
        ) from None
    return name


def _is_utf8(path: Path) -> bool:
    """Tell whether a whole file is UTF-8: the first letter that is not ASCII may stand in its last row."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def write_table(table: pd.DataFrame, path: str | Path, provenance: Mapping[str, Any] | None = None) -> Path:
    """Write a table as CSV or Parquet by its suffix, with its provenance in ``<path>.json`` beside it.

    Raises
    ------
    OutputError
        A suffix that promises another format, such as .xlsx.
    """
    path = Path(path)
    if path.suffix.lower() in _OTHER_FORMATS:
        raise OutputError(f"{path}: {ONLY_WRITTEN}")
    with whole_file(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False, sep="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
    if provenance is not None:
        write_text(f"{path}.json", json.dumps(provenance, indent=1, sort_keys=True) + "\n")
    return path


def take_out_rows(path: str | Path, gone: Sequence[bool]) -> None:
    """Take rows out of a table; what stays is written as it was, letter by letter, where the table is a text.

    Parameters
    ----------
    path : str or Path
        A table that `read_table` reads: text, or Parquet.
    gone : sequence of bool
        For each of its rows, whether it is taken out.

    Raises
    ------
    OutputError
        A workbook or another format that is not written, or a text whose rows cannot be told apart.
    """
    import pandas as pd

    path = Path(path)
    if not_written(path):
        raise OutputError(f"{path}: {ONLY_WRITTEN}")
    if path.suffix == ".parquet":
        write_table(pd.read_parquet(path)[[not out for out in gone]], path)
        return
    layout = _written(path)
    with open(path, "rb") as file:
        marked = file.read(3) == codecs.BOM_UTF8
    encoding = layout["encoding"] if marked else layout["encoding"].removesuffix("-sig")
    with open(path, encoding=layout["encoding"], errors="surrogateescape", newline="") as text:
        lines = text.readlines()
    kept, place, row = [], 0, -1  # the header is row -1
    try:
        reader = csv.reader(lines, delimiter=layout["sep"])
        for cells in reader:
            there = len(cells) > 1 or any(cell.strip() for cell in cells)  # pandas counts no blank lines
            if not (there and 0 <= row < len(gone) and gone[row]):
                kept += lines[place : reader.line_num]
            place, row = reader.line_num, row + there
    except csv.Error as error:
        raise OutputError(f"{path}: its rows cannot be told apart ({error}); take them out by hand") from error
    if row != len(gone):
        raise OutputError(f"{path}: it has {row} rows, and {len(gone)} were read; take them out by hand")
    with whole_file(path) as temporary:
        temporary.write_bytes("".join(kept).encode(encoding, "surrogateescape"))


def not_written(path: Path) -> bool:
    """Tell whether a table is in a format that is read and never written, whatever it is called."""
    return path.suffix.lower() in (*_OTHER_FORMATS, ".zsav") or (path.suffix != ".parquet" and is_workbook(path))


def without_cut(fixations: pd.DataFrame, cut: Cut) -> pd.DataFrame:
    """Leave out the fixations that a picture's onset or offset, or a hole, cuts.

    Parameters
    ----------
    fixations : DataFrame
        With the columns ``cut_start`` and ``cut_end``, unless all are kept.
    cut : {"keep", "drop-start", "drop"}
        All count alike, those that went on from before are left out, or all that are cut.

    Raises
    ------
    InputError
        Another word, or a table that does not say which are cut.
    """
    if cut not in CUTS:
        raise unknown_name("way to treat cut fixations", cut, CUTS)
    if cut == "keep":
        return fixations
    names = ["cut_start", "cut_end"] if cut == "drop" else ["cut_start"]
    if missing := [name for name in names if name not in fixations]:
        raise InputError(
            f"the fixation table does not say which fixations are cut (no {', '.join(missing)}): make it again with "
            "gazekit fixations, or count all (--cut keep)"
        )
    gone = fixations[names].astype(str).apply(lambda column: column.str.lower().isin(("true", "1", "1.0")))
    return fixations[~gone.any(axis=1)].reset_index(drop=True)
