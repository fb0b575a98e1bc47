"""A table that grows row by row on disk and goes on after a kill without a doubled or missing row.

Rows are appended to ``<out>.part``; from time to time its length, the number of rows and a digest of the pictures so
far are synced to ``<out>.part.json``. A run that goes on cuts the file to that length, checks that the first pictures
of the source are those, and appends. At the end the file is renamed to its target.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from gazekit.core.errors import ConfigError, FormatError, InputError, OutputError
from gazekit.core.files import whole_file, write_text

FORMATS = ("csv", "jsonl", "parquet")
_SECONDS = 1.0  # between two syncs
_PARQUET_ROWS = 10_000


@contextlib.contextmanager
def open_rows(
    out: str | Path | None, format: str | None, buckets: int, settings: Mapping[str, Any], *, resume: bool
) -> Iterator[RowFile]:
    """Yield a row file that is whole when the block ends well, and can be gone on with when it does not."""
    kind = _checked_kind(out, format)
    if out is None:
        with _standard_output() as file:
            yield RowFile(file, kind, buckets)
        return
    target, part = Path(out), _part(out)
    settings = {**settings, "format": kind}
    state = _kept_state(part, settings, resume)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        count = state.get("rows", 0)
        try:
            with open(part, "r+b" if part.exists() and state else "w+b") as raw:
                raw.truncate(state.get("bytes", 0))
                raw.seek(0, os.SEEK_END)
                text = io.TextIOWrapper(raw, "utf-8", newline="", write_through=True)
                rows = RowFile(text, kind, buckets, part, state)
                rows.remembered |= settings
                try:
                    yield rows
                    rows.sync()
                finally:
                    count = rows.count
                    with contextlib.suppress(OSError):
                        text.detach()
        except BaseException:
            if not count:  # nothing that a next run could go on from; closed before, or Windows would not remove it
                part.unlink(missing_ok=True)
            raise
        _publish(part, target, kind, buckets)
    except OSError as error:
        raise OutputError(f"{part} cannot be written: {error.strerror or error}; the same command goes on") from error


def rows_done(
    out: str | Path | None, format: str | None, settings: Mapping[str, Any], names: Iterator[str], *, resume: bool
) -> int:
    """Return how many rows an earlier run left, and take their pictures from the names; a dry run of `open_rows`."""
    kind = _checked_kind(out, format)
    state = {} if out is None else _kept_state(_part(out), {**settings, "format": kind}, resume)
    rows = RowFile(io.StringIO(), kind, 0, None if out is None else _part(out), state)
    rows.skip_done(names)
    return rows.count


def _checked_kind(out: str | Path | None, format: str | None) -> str:
    """Return the format of a table that can be written there."""
    kind = format or (Path(out).suffix[1:].lower() if out is not None else "csv")
    if kind not in FORMATS:
        raise ConfigError(f"{out}: the format {kind!r} is not one of {', '.join(FORMATS)}; give --format or a suffix")
    if out is None and kind == "parquet":
        raise ConfigError("Parquet cannot be written to standard output; give --out")
    if out is not None and Path(out).exists() and not Path(out).is_file():
        raise OutputError(f"{out} is a folder or a device; the name of a table was expected")
    return kind


def _part(out: str | Path) -> Path:
    return Path(out).with_name(f"{Path(out).name}.part")


@contextlib.contextmanager
def _standard_output() -> Iterator[IO[str]]:
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has enough
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


class RowFile:
    """Rows on their way to a file."""

    def __init__(
        self, file: IO[str], kind: str, buckets: int, part: Path | None = None, state: dict[str, Any] | None = None
    ) -> None:
        state = state or {}
        self.file, self.kind, self.part = file, kind, part
        self.columns = ["image", "mean", "std", *(f"p{k + 1}" for k in range(buckets)), "error"]
        self.count: int = state.get("rows", 0)
        self.remembered: dict[str, Any] = {k: v for k, v in state.items() if k not in ("bytes", "rows", "digest")}
        self._digest = hashlib.sha256()
        self._expected: str | None = state.get("digest")
        self._writer = csv.writer(file, lineterminator="\n")
        self._synced = time.monotonic()
        if kind != "jsonl" and not state.get("bytes"):
            self._writer.writerow(self.columns)

    def skip_done(self, names: Iterator[str]) -> Iterator[str]:
        """Return the names that are left after those of an earlier run.

        Raises
        ------
        InputError
            The source does not begin with the pictures that the earlier run scored.
        """
        for name in itertools.islice(names, self.count):
            self._add(name)
        if self._expected is not None and self._digest.hexdigest() != self._expected:
            raise InputError(
                f"{self.part} holds {self.count} rows of other pictures than the source begins with; "
                "delete it, or choose --no-resume to begin anew"
            )
        return names

    def remember(self, key: str, default: Any) -> Any:
        """Return what an earlier run chose, or a default."""
        return self.remembered.setdefault(key, default)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row: image with mean, std and histogram, or with an error."""
        texts = {key: _utf8(row[key]) for key in ("image", "error") if key in row}
        self._add(row["image"])
        row = {**row, **texts}
        if self.kind == "jsonl":
            self.file.write(json.dumps(row, ensure_ascii=False) + "\n")
        else:
            shares = row.get("histogram", [""] * (len(self.columns) - 4))
            values = [row["image"], row.get("mean", ""), row.get("std", ""), *shares, row.get("error", "")]
            self._writer.writerow(values)
        self.count += 1

    def offer_sync(self) -> None:
        """Sync, if the last time is long enough ago."""
        if time.monotonic() - self._synced > _SECONDS:
            self.sync()

    def sync(self) -> None:
        """Make what was written so far what a next run goes on from."""
        self.file.flush()
        if self.part is not None:
            os.fsync(self.file.fileno())
            length = os.fstat(self.file.fileno()).st_size
            state = {"bytes": length, "rows": self.count, "digest": self._digest.hexdigest(), **self.remembered}
            write_text(_state_file(self.part), json.dumps(state) + "\n")
        self._synced = time.monotonic()

    def _add(self, name: str) -> None:
        self._digest.update(name.encode("utf-8", "surrogateescape") + b"\n")


def _state_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _utf8(text: str) -> str:
    """Return the text, with what no UTF-8 can say spelt out: names of files may hold any bytes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _kept_state(part: Path, settings: Mapping[str, Any], resume: bool) -> dict[str, Any]:
    path = _state_file(part)
    if not resume or not part.exists() or not path.exists():
        return {}
    state = _read_state(path, part.stat().st_size)
    differ = [key for key, value in settings.items() if state.get(key) != value]
    if differ:
        raise InputError(
            f"{part} was begun with another {', '.join(differ)}; delete it, or choose --no-resume to begin anew"
        )
    return state


def _read_state(path: Path, size: int) -> dict[str, Any]:
    """Return what was synced of a part of ``size`` bytes."""
    try:
        state: dict[str, Any] = json.loads(path.read_text("utf-8"))
        whole = 0 <= state["bytes"] <= size and state["rows"] >= 0 and isinstance(state["digest"], str)
    except (ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise FormatError(f"{path} is damaged, or of another file; delete it, or choose --no-resume to begin anew")
    return state


def _publish(part: Path, target: Path, kind: str, buckets: int) -> None:
    if kind == "parquet":
        _to_parquet(part, target, buckets)
        part.unlink()
    else:
        os.replace(part, target)
    _state_file(part).unlink(missing_ok=True)


def _to_parquet(part: Path, target: Path, buckets: int) -> None:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = ["mean", "std", *(f"p{k + 1}" for k in range(buckets))]
    schema = pa.schema([("image", pa.string()), *((name, pa.float64()) for name in numbers), ("error", pa.string())])
    texts = {"image": str, "error": str}
    with whole_file(target) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for chunk in pd.read_csv(
            part, dtype=texts, chunksize=_PARQUET_ROWS, keep_default_na=False, na_values={n: [""] for n in numbers}
        ):
            writer.write_table(pa.Table.from_pandas(chunk, schema=schema, preserve_index=False))
