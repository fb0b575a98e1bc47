"""Tables between the stages: CSV or Parquet with checked columns and provenance beside them."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazekit.core.errors import FormatError, MissingExtraError
from gazekit.core.files import existing_file, whole_file, write_text
from gazekit.core.workbook import WorkbookText, is_workbook

if TYPE_CHECKING:
    import pandas as pd

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
)


_DECIMAL = re.compile(r"[-+]?\d*([.,])\d+(?:[eE][-+]?\d+)?")


def read_table(path: str | Path, columns: Iterable[str], what: str = "table") -> pd.DataFrame:
    """Read a CSV, TSV, Parquet, Excel (.xlsx) or SPSS (.sav) table that must have certain columns.

    Raises
    ------
    InputError
        No such file, or an empty one.
    FormatError
        Not a table, or columns are missing (all are named).
    """
    import pandas as pd

    path = existing_file(path, what)
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix == ".sav":
            table = _read_spss(path)
        else:
            # a column of ids stays text: '007' must not become 7
            ids = dict.fromkeys(("participant", "image", "rater"), str)
            workbook = is_workbook(path)
            table = pd.read_csv(
                io.BufferedReader(WorkbookText(path)) if workbook else path,
                **({"sep": "\t", "encoding": "utf-8"} if workbook else text_layout(path)),
                dtype=ids,
                keep_default_na=True,
            )
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise FormatError(f"{path} is not a {what} that can be read: {error}") from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise FormatError(
            f"{path}: this {what} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            f"it has {', '.join(map(str, table.columns[:20]))}"
        )
    return table


def _read_spss(path: Path) -> pd.DataFrame:
    """Read a table of SPSS; values come as numbers, ids as text."""
    try:
        import pyreadstat
    except ImportError:
        raise MissingExtraError("pyreadstat", "files") from None
    table: pd.DataFrame = pyreadstat.read_sav(str(path))[0]
    for name in {"participant", "image", "rater"} & set(table.columns):
        table[name] = [str(v).removesuffix(".0") if v == v else v for v in table[name]]
    return table


def text_layout(path: Path) -> dict[str, str]:
    """Find the encoding, the separator and the decimal sign of a text table: Excel's differ from country to country."""
    with open(path, "rb") as file:
        start = file.read(1 << 16)
    encoding = "utf-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError:
        encoding = "cp1252"
        text = start.decode(encoding, "replace")
    header, *rows = text.splitlines()[:200] or [""]
    separator = max(",\t;", key=header.count) if any(sign in header for sign in ",\t;") else ","
    signs = [match[1] for row in rows for cell in row.split(separator) if (match := _DECIMAL.fullmatch(cell.strip()))]
    comma = separator != "," and bool(signs) and set(signs) == {","}
    return {"encoding": encoding, "sep": separator, "decimal": "," if comma else "."}


def write_table(table: pd.DataFrame, path: str | Path, provenance: Mapping[str, Any] | None = None) -> Path:
    """Write a table as CSV or Parquet by its suffix, with its provenance in ``<path>.json`` beside it."""
    path = Path(path)
    with whole_file(path) as temporary:
        if path.suffix == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False, sep="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
    if provenance is not None:
        write_text(f"{path}.json", json.dumps(provenance, indent=1, sort_keys=True) + "\n")
    return path
