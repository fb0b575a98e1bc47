"""Reading tables of ratings: CSV, TSV, XLSX, SPSS and JSON, and large CSV files in little memory."""

from __future__ import annotations

import io
import itertools
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import pandas as pd

from gazekit.core.files import existing_file
from gazekit.core.spss import read_spss
from gazekit.core.tables import guess_encoding, known_encoding, read_table, text_layout
from gazekit.core.workbook import is_workbook
from survey.errors import RatingsError
from survey.picture_names import tidy

IDS = ("rater", "image")
FORMULA = re.compile(r"((?:^|[;,|\t\r\n])[\s\"]*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])|^(?=[\t\r])")
MOST_ABOVE = 20  # lines that may stand above a table: its title, blank lines, Excel's ``sep=;``


def read_sheet(path: str | Path, encoding: str = "") -> pd.DataFrame:
    """Read a table with every cell as text; empty cells are empty strings.

    ``encoding`` says what the letters of a text are; else they are guessed.

    Raises
    ------
    ConfigError
        There is no such encoding.
    InputError
        There is no such file, or it is empty.
    RatingsError
        It is not a table.
    """
    path = existing_file(path)
    if encoding:
        known_encoding(encoding)
    try:
        if _is_json(path):
            trials = _json(path, encoding or "utf-8-sig")
            trials.attrs["file"] = path.stem
            return trials
        if path.suffix.lower() in (".sav", ".zsav"):
            return read_spss(path)
        body = _excel(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _text(path, encoding)
    except (ValueError, OSError, KeyError, BadZipFile, ParseError, RecursionError) as error:
        raise RatingsError(f"{path} is not a table that can be read: {error}") from error
    notes, above = body.attrs["notes"], body.attrs["above"]
    if above:
        notes.append(f"lines above the table, left out: {above}")
    body = body.fillna("")
    names = [str(name).strip() or f"column {k}" for k, name in enumerate(body.iloc[0], 1)]
    times = [names[: k + 1].count(name) for k, name in enumerate(names)]
    body.columns = [name if n == 1 else f"{name} ({n})" for name, n in zip(names, times, strict=True)]
    sheet = body.iloc[1:].reset_index(drop=True)
    sheet.attrs |= {"file": path.stem, "notes": notes, "above": above}
    return sheet


def _text(path: Path, given_encoding: str = "") -> pd.DataFrame:
    encoding = given_encoding or guess_encoding(path)  # as Excel saves CSV; undefined bytes are still refused
    with open(path, encoding=encoding) as text:
        lines = [re.sub(r'"[^"]*"', "q", line) for line in itertools.islice(text, MOST_ABOVE)]
    above = _lines_above(re.split("[\t;,|]", "" if line.startswith("sep=") else line) for line in lines)
    header = "".join(lines[above : above + 1])
    separator = max("\t;,|", key=header.count) if header.count(",") <= max(map(header.count, "\t;|")) else ","
    body = pd.read_csv(
        path,
        sep=separator,
        header=None,
        skiprows=above,
        dtype=str,
        encoding=encoding,
        skipinitialspace=separator != "\t",
        keep_default_na=False,  # a rater may be called NA, and a rating of nan is a fault
    )
    guessed = encoding == "cp1252" and not given_encoding
    body.attrs["notes"] = ["not UTF-8: read as Windows-1252; --encoding says another"] if guessed else []
    body.attrs["above"] = above
    return body


def _lines_above(lines: Iterable[Sequence[str]]) -> int:
    """Count the lines above a table: those with nothing behind their first cell; 0 where all are so."""
    return next((k for k, cells in enumerate(lines) if any(cell.strip() for cell in cells[1:])), 0)


def _is_json(path: Path) -> bool:
    """Say whether a file holds JSON: by its name, or a text (as JATOS writes it) by its first letter."""
    with open(path, "rb") as file:
        start = file.read(100).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return path.suffix.lower() in (".json", ".jsonl") or (path.suffix.lower() == ".txt" and start in (b"[", b"{"))


def _json(path: Path, encoding: str) -> pd.DataFrame:
    """Read jsPsych's data: a list of trials, lists of them, or one list a line (JATOS)."""
    text = path.read_text(encoding)
    try:
        content = json.loads(text)
    except ValueError:
        content = [json.loads(line) for line in text.splitlines() if line.strip()]
    trials: list[dict[str, Any]] = []
    waiting = [content]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, list):
            waiting = [*part, *waiting]
        elif isinstance(part, dict):
            nested = [value for key, value in part.items() if key in ("trials", "data") and isinstance(value, list)]
            waiting = [*nested, *waiting]
            trials += [] if nested else [part]
        else:
            raise ValueError(f"a list of trials was expected, found {str(part)[:60]!r}")
    if not trials:
        raise ValueError("there is no trial in it")
    return pd.DataFrame([{k: _cell(v) for k, v in trial.items()} for trial in trials], dtype=object).fillna("")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def read_ratings(path: str | Path) -> pd.DataFrame:
    """Read a long table with the columns rater, image, score and what else it has; ids as categories.

    Ten million rows take some 300 MB: pyarrow reads the ids as dictionaries.

    Raises
    ------
    InputError
        There is no such file, or it is empty.
    RatingsError
        It is not CSV, or a column is missing.
    """
    import pyarrow as pa
    from pyarrow import csv

    path = existing_file(path)
    source: Path | io.BytesIO = path
    if path.suffix == ".sav" or is_workbook(path):
        source, layout = io.BytesIO(read_table(path, []).to_csv(index=False).encode()), {"sep": ",", "decimal": "."}
    else:
        layout = text_layout(path)
    text_columns = {name: pa.dictionary(pa.int32(), pa.string()) for name in (*IDS, "kind")}
    try:
        table = csv.read_csv(
            source,
            read_options=csv.ReadOptions(encoding=layout.get("encoding", "utf-8").removesuffix("-sig")),
            parse_options=csv.ParseOptions(delimiter=layout["sep"]),
            convert_options=csv.ConvertOptions(
                column_types=text_columns, strings_can_be_null=False, decimal_point=layout["decimal"]
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowKeyError) as error:
        raise RatingsError(f"{path} is not a CSV table that can be read: {error}") from error
    missing = [name for name in (*IDS, "score") if name not in table.column_names]
    if missing:
        raise RatingsError(
            f"{path}: ratings need the columns rater, image, score; missing: {', '.join(missing)} "
            f"(found {', '.join(table.column_names[:20])}). `gazekit survey import` maps other layouts"
        )
    read = table.unify_dictionaries().to_pandas(self_destruct=True, split_blocks=True)
    return read.assign(**{name: _tidied(read[name]) for name in IDS})


def _tidied(names: pd.Series[Any]) -> pd.Series[Any]:
    """Take blanks at their ends from ids, and write them in one Unicode form, as an import does."""
    if all(name == tidy(name) for name in names.cat.categories):
        return names
    return names.map(tidy, na_action="ignore").astype("category")


def holds_choices(path: Path) -> bool:
    """Say whether a table holds comparisons: its head has the columns picture1 and best."""
    if path.suffix != ".csv":
        return False
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        head = file.readline()
    return {"picture1", "best"} <= {name.strip().strip('"') for name in head.split(",")}


def read_choices(path: str | Path) -> pd.DataFrame:
    """Read a table of choices: rater, picture1, picture2 ..., best, worst; numbers where the survey writes numbers.

    Raises
    ------
    InputError
        There is no such file, or it is empty.
    RatingsError
        It is not a table.
    """
    table = read_sheet(path)
    for name in ("score", "expected", "time_ms", "server_ms"):
        if name in table.columns:
            table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def harmless(cell: object) -> object:
    """Change a text that a spreadsheet would run as a formula, whatever it takes for the separator."""
    return FORMULA.sub(r"\1'", cell) if isinstance(cell, str) else cell


def defused(table: pd.DataFrame) -> pd.DataFrame:
    """Change the texts of a table that a spreadsheet would run as formulas."""
    texts = [name for name in table.columns if not pd.api.types.is_any_real_numeric_dtype(table[name])]
    return table.assign(**{name: table[name].map(harmless) for name in texts})


def _excel(path: Path) -> pd.DataFrame:
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise RatingsError(
            f"{path}: reading XLSX needs openpyxl: pip install openpyxl (or save the sheet as CSV)"
        ) from None
    body = pd.DataFrame(pd.read_excel(path, dtype=str, header=None, keep_default_na=False))
    above = _lines_above(body.head(MOST_ABOVE).astype(str).to_numpy().tolist())
    body = body.iloc[above:]
    body.attrs |= {"notes": [], "above": above}
    return body
