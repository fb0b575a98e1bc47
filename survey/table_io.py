"""Reading tables of ratings: CSV, TSV and XLSX, and large CSV files in little memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.files import existing_file
from survey.errors import RatingsError

IDS = ("rater", "image")


def read_sheet(path: str | Path) -> pd.DataFrame:
    """Read a table with every cell as text; empty cells are empty strings.

    Raises
    ------
    InputError
        There is no such file, or it is empty.
    RatingsError
        It is not a table.
    """
    path = existing_file(path)
    try:
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            return _excel(path)
        separator = "\t" if path.suffix.lower() in (".tsv", ".tab") else None
        encoding = _encoding(path)
        return pd.read_csv(
            path, sep=separator, engine="python" if separator is None else "c", dtype=str, encoding=encoding
        ).fillna("")
    except (ValueError, UnicodeError, OSError, KeyError) as error:
        raise RatingsError(f"{path} is not a table that can be read: {error}") from error


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
    text_columns = {name: pa.dictionary(pa.int32(), pa.string()) for name in (*IDS, "kind")}
    try:
        table = csv.read_csv(
            path,
            parse_options=csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ","),
            convert_options=csv.ConvertOptions(column_types=text_columns, strings_can_be_null=False),
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowKeyError) as error:
        raise RatingsError(f"{path} is not a CSV table that can be read: {error}") from error
    missing = [name for name in (*IDS, "score") if name not in table.column_names]
    if missing:
        raise RatingsError(
            f"{path}: ratings need the columns rater, image, score; missing: {', '.join(missing)} "
            f"(found {', '.join(table.column_names[:20])}). `gazekit survey import` maps other layouts"
        )
    return table.unify_dictionaries().to_pandas(self_destruct=True, split_blocks=True)


def _encoding(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(4)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    return "utf-8-sig"


def _excel(path: Path) -> pd.DataFrame:
    try:
        import openpyxl  # noqa: F401
    except ImportError:
        raise RatingsError(
            f"{path}: reading XLSX needs openpyxl: pip install openpyxl (or save the sheet as CSV)"
        ) from None
    table: Any = pd.read_excel(path, dtype=str)
    return pd.DataFrame(table).fillna("")
