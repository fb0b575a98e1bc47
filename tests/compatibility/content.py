"""Whether two files hold the same, but for the time, the version and the machine they were made on."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import re
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

DATA = Path(__file__).parent / "data"
INPUTS = json.loads((DATA / "inputs.json").read_text())
LIBRARIES = ("numpy", "pandas", "scipy", "scikit-image", "opencv-python", "h5py", "pyarrow")
# What may differ, by name. The sentences are those of the report, the rest says when, on what and by which version.
FIELDS = {
    "gazekit",
    "versions",
    "utc",
    "seconds",
    "python",
    "system",
    "SoftwareVersion",
    "GeneratedBy",
    "sentences",
    # settings that came later: a study that does not name them records as before
    "silence_ms",
    "repeat_below",
    # how a session ended
    "end",
}
# what came with the check of tables when a dataset is opened lazily, and what names the file that now has it
# (ledger: the plan of a session)
ADDED = ("tables_sha256", "digest", "subset_of", "ledger", "across")
COLUMNS = {"rated_utc", "token_hash", "code", "expires"}
SENTENCES = (".html", ".tex")
TOLERANCE = 1e-9
_NUMBER = r"\d+(?:\.\d+)?(?:e[-+]?\d+)?"


def listed(folder: Path) -> list[str]:
    """Return the files of a folder, without those that came later: locks, and which exported file is which picture."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in files if not name.endswith(".lock") and name != "export/folder/pictures.csv"]


def machine() -> dict[str, Any]:
    """Return what decides the last digits of a number: the libraries, and what the processor can do."""
    config: Any = np.show_config(mode="dicts")
    found = {name: version(name) for name in LIBRARIES}
    return found | {"machine": platform.machine(), "simd": config.get("SIMD Extensions", {}).get("found", [])}


def assert_same_file(new: Path, old: Path, *, exact: bool) -> None:
    """Compare two files; without ``exact``, numbers may differ in their last digits and pixels by one step."""
    assert new.is_file(), f"{new.name} was not made"
    if new.read_bytes() == old.read_bytes() or new.suffix in SENTENCES:
        return
    compare = _COMPARISONS.get("".join(new.suffixes[-2:]) if new.suffix == ".gz" else new.suffix, _same_bytes)
    compare(new, old, exact)


def digest(path: Path) -> str:
    """Return a SHA-256 of what a file holds, without what may differ between machines and days."""
    if path.suffix == ".h5":
        text = json.dumps(hdf5_content(path), sort_keys=True).encode()
    elif path.suffix in (".json", ".jsonl"):
        text = json.dumps(_json(path), sort_keys=True).encode()
    elif path.suffix == ".gz":
        text = gzip.decompress(path.read_bytes())
    else:
        text = path.read_bytes()
    return hashlib.sha256(text).hexdigest()[:16]


def hdf5_content(path: Path) -> dict[str, Any]:
    """Return everything in an HDF5 file: attributes, and of each dataset type, shape, chunks, filters and values."""
    content: dict[str, Any] = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if name.split("/")[0] in ADDED:
            return
        content[name] = {key: _attribute(value) for key, value in sorted(item.attrs.items()) if key not in ADDED}
        if isinstance(item, h5py.Dataset):
            content[name] = [*_layout(item), _values(item), content[name]]

    with h5py.File(path, "r") as file:
        visit("/", file)
        file.visititems(visit)
    return content


def sqlite_content(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table of an SQLite file, without the columns that hold a moment or a secret."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.row_factory = sqlite3.Row
        tables = [
            row[0] for row in connection.execute("select name from sqlite_master where type = 'table' order by 1")
        ]
        rows = {name: connection.execute(f'select * from "{name}" order by rowid').fetchall() for name in tables}
    connection.close()
    return {name: [_without_moments(dict(row)) for row in found] for name, found in rows.items()}


def without_fields(value: Any) -> Any:
    """Return what a JSON file holds without the named fields that may differ."""
    if isinstance(value, dict):
        return {key: without_fields(part) for key, part in value.items() if key not in (*FIELDS, *ADDED)}
    return [without_fields(part) for part in value] if isinstance(value, list) else value


def _without_moments(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in COLUMNS and not key.endswith("_at")}


def _attribute(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, str) and value[:1] in "{[" and value:
        return without_fields(json.loads(value))
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _layout(item: h5py.Dataset) -> list[Any]:
    text = h5py.check_string_dtype(item.dtype)
    kind = ["text", text.encoding, text.length] if text else item.dtype.str
    return [kind, list(item.shape), item.chunks and list(item.chunks), item.compression, item.shuffle, item.fletcher32]


def _values(item: h5py.Dataset) -> str:
    values = item[()]
    if isinstance(values, np.ndarray) and values.dtype == object:
        values = json.dumps([_plain(part) for part in values.ravel()])
    raw = values.encode() if isinstance(values, str) else np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(raw).hexdigest()


def _plain(part: Any) -> Any:
    text = part.decode() if isinstance(part, bytes) else part
    return _attribute(text) if isinstance(text, str) else _attribute(np.asarray(text))


def _same_bytes(new: Path, old: Path, exact: bool) -> None:
    assert new.read_bytes() == old.read_bytes(), f"{new.name} has other bytes"


def _json(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    parts = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)
    return without_fields(parts)


def _same_json(new: Path, old: Path, exact: bool) -> None:
    assert_same_values(_json(new), _json(old), exact, new.name)


def assert_same_values(new: Any, old: Any, exact: bool, where: str) -> None:
    """Compare two nested values, with the keys' order; says where they differ."""
    if isinstance(old, dict):
        assert list(new) == list(old), f"{where}: other keys"
        for key in old:
            assert_same_values(new[key], old[key], exact, f"{where}: {key}")
    elif isinstance(old, list):
        assert len(new) == len(old), f"{where}: other length"
        for place, (one, other) in enumerate(zip(new, old, strict=True)):
            assert_same_values(one, other, exact, f"{where}: {place}")
    elif isinstance(old, str) and not exact and re.fullmatch("[0-9a-f]{64}", old):
        assert re.fullmatch("[0-9a-f]{64}", new), f"{where}: {new!r} is no SHA-256"  # of a table with other last digits
    elif isinstance(old, float) and not exact:
        np.testing.assert_allclose(new, old, rtol=TOLERANCE, atol=TOLERANCE, err_msg=where)
    else:
        assert new == old or (new != new and old != old), f"{where}: {new!r} instead of {old!r}"


def _same_table(new: Path, old: Path, exact: bool) -> None:
    one, other = _table_bytes(new), _table_bytes(old)
    tab = ".tsv" in new.suffixes
    head = None if tab and new.suffix == ".gz" else 0
    read = [pd.read_csv(io.BytesIO(part), sep="\t" if tab else ",", header=head, dtype=str) for part in (one, other)]
    assert list(read[0]) == list(read[1]), f"{new.name}: other columns"
    kept = [name for name in read[0] if name not in COLUMNS]
    if exact and len(kept) == len(read[0].columns):
        assert one == other, f"{new.name}: {_first_difference(*read)}"
    elif exact:
        pd.testing.assert_frame_equal(read[0][kept], read[1][kept])
    else:
        _same_columns(read[0][kept], read[1][kept], new.name)


def _same_columns(new: pd.DataFrame, old: pd.DataFrame, where: str) -> None:
    """Compare columns of numbers within the tolerance, and the numbers in texts to three decimals."""
    numbers, before = _numbers(new), _numbers(old)
    for name in old:
        if pd.api.types.is_numeric_dtype(before[name]):
            pd.testing.assert_series_equal(numbers[name], before[name], rtol=TOLERANCE, atol=TOLERANCE)
            continue
        texts = [table[name].fillna("").astype(str) for table in (new, old)]
        words = [text.str.replace(_NUMBER, "0", regex=True).tolist() for text in texts]
        assert words[0] == words[1], f"{where}: {name}"
        parts = [[float(part) for part in re.findall(_NUMBER, " ".join(text))] for text in texts]
        np.testing.assert_allclose(*parts, rtol=TOLERANCE, atol=1.5e-3, err_msg=f"{where}: {name}")


def _first_difference(new: pd.DataFrame, old: pd.DataFrame) -> str:
    if new.shape != old.shape:
        return f"{new.shape} rows and columns instead of {old.shape}"
    unlike = (new.fillna("") != old.fillna("")).to_numpy()
    if not unlike.any():
        return "the same values in other bytes"
    row, column = np.argwhere(unlike)[0]
    return f"row {row}, {new.columns[column]}: {new.iat[row, column]!r} instead of {old.iat[row, column]!r}"


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    columns = {name: pd.to_numeric(table[name], errors="coerce") for name in table}
    return pd.DataFrame(
        {name: found if found.notna().equals(table[name].notna()) else table[name] for name, found in columns.items()}
    )


def _table_bytes(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def _same_hdf5(new: Path, old: Path, exact: bool) -> None:
    one, other = hdf5_content(new), hdf5_content(old)
    assert list(one) == list(other), f"{new.name}: other groups and datasets"
    if exact:
        for name, value in other.items():
            assert one[name] == value, f"{new.name}: {name} is {one[name]} instead of {value}"
        return
    with h5py.File(new, "r") as first, h5py.File(old, "r") as second:
        for name, value in other.items():
            if isinstance(value, list):
                assert one[name][:4] == value[:4], f"{new.name}: {name}"
                _same_array(first[name][()], second[name][()], f"{new.name}: {name}")
            else:
                assert_same_values(one[name], value, False, f"{new.name}: {name}")


def _same_array(new: Any, old: Any, where: str) -> None:
    if np.asarray(old).dtype.kind == "f":
        np.testing.assert_allclose(new, old, rtol=1e-6, atol=TOLERANCE, err_msg=where)
    else:
        np.testing.assert_array_equal(new, old, err_msg=where)


def _same_weights(new: Path, old: Path, exact: bool) -> None:
    import torch

    one, other = (torch.load(path, weights_only=False, map_location="cpu") for path in (new, old))
    assert_same_values(_listed(one), _listed(other), exact, new.name)


def _listed(value: Any) -> Any:
    """Return a checkpoint with its tensors as lists."""
    if isinstance(value, dict):
        return {str(key): _listed(part) for key, part in value.items() if key not in FIELDS}
    if isinstance(value, (list, tuple)):
        return [_listed(part) for part in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _same_sqlite(new: Path, old: Path, exact: bool) -> None:
    assert sqlite_content(new) == sqlite_content(old), new.name


_COMPARISONS = {
    ".json": _same_json,
    ".jsonl": _same_json,
    ".csv": _same_table,
    ".tsv": _same_table,
    ".tsv.gz": _same_table,
    ".h5": _same_hdf5,
    ".db": _same_sqlite,
    ".pt": _same_weights,
}
