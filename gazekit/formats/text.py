"""Text tables of other tools, read as a stream: encodings, separators, decimal commas, damaged rows."""

from __future__ import annotations

import codecs
import csv
import functools
import io
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.files import existing_file
from gazekit.core.numerals import BLANKS, Numerals, as_numbers, decimal_sign, doubtful, numerals_of, undecided
from gazekit.core.tables import known_encoding
from gazekit.core.types import Bools, Floats, Index
from gazekit.core.workbook import WorkbookText, is_workbook, sheets_of

if TYPE_CHECKING:
    import pyarrow as pa

    from gazekit.formats.account import Account

HEAD_BYTES = 1 << 20
BLOCK_BYTES = 4 << 20
LINES = 1 << 16
NULLS = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "None", "-", "."]
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

LETTERS = "gazekit-letters"  # what to do with bytes that are no UTF-8, as the errors of a decoder


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Take bytes that are no UTF-8 for letters of Windows-1252, so that names of pictures stay whole."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if not error.encoding.lower().startswith("utf-8") and error.encoding.lower() != "utf8":
        return "\ufffd", error.end
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(LETTERS, _as_windows)


def separator_of(line: str) -> str:
    """Return the character that parts a line most often: tab, semicolon, comma or bar."""
    return max("\t;,|", key=line.count)


@dataclass(frozen=True)
class Head:
    """The beginning of a file, or the names in a folder: what a format is told by.

    Attributes
    ----------
    path : Path
        The file or folder.
    start : bytes
        Its first bytes (at most 1 MiB); empty for a folder.
    names : frozenset[str]
        Paths of the files in the folder, relative to it, with ``/``; empty for a file.
    workbook : bool
        The file is an Excel workbook, and ``start`` the beginning of its first sheet as text.
    given_encoding : str
        What the letters are, where somebody says it.
    """

    path: Path
    start: bytes = b""
    names: frozenset[str] = frozenset()
    workbook: bool = False
    given_encoding: str = ""

    @classmethod
    def of(cls, path: str | Path, encoding: str = "") -> Head:
        """Look at a file or a folder; ``encoding`` says what its letters are, else they are guessed.

        Raises
        ------
        ConfigError
            There is no such encoding.
        """
        path = Path(path)
        if encoding:
            known_encoding(encoding)
        if path.is_dir():
            return cls(path, names=frozenset(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()))
        with open(existing_file(path, "gaze file"), "rb") as file:
            start = file.read(HEAD_BYTES)
        if not (start.startswith(b"PK") and is_workbook(path)):
            return cls(path, start, given_encoding=encoding)
        try:
            return cls(path, io.BufferedReader(WorkbookText(path)).read(HEAD_BYTES), workbook=True)
        except OSError as error:
            raise FormatError(f"{path} is damaged: {error}") from error

    def content(self) -> str | io.RawIOBase:
        """Return what pyarrow reads the text of: the file, or the first sheet of a workbook."""
        return WorkbookText(self.path) if self.workbook else str(self.path)

    @functools.cached_property
    def encoding(self) -> str:
        """The given one, else utf-8, utf-8-sig, utf-16, utf-16-le, utf-16-be, or cp1252 where it is none of these."""
        if self.given_encoding:
            return self.given_encoding
        for bom, name in _BOMS:
            if self.start.startswith(bom):
                return name
        sample = self.start[:4096]
        for name, zeros in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[0::2])):
            if len(sample) > 8 and zeros.count(0) > 0.8 * len(zeros):
                return name
        try:
            codecs.getincrementaldecoder("utf-8")().decode(self.start)
        except UnicodeDecodeError:
            return "cp1252"
        return "utf-8"

    @functools.cached_property
    def text(self) -> str:
        """The beginning as text; empty where it is not text."""
        if self.encoding == "cp1252" and b"\0" in self.start and not self.given_encoding:
            return ""
        return codecs.getincrementaldecoder(self.encoding)("replace").decode(self.start).removeprefix("\ufeff")

    @functools.cached_property
    def lines(self) -> list[str]:
        """The whole lines of the beginning."""
        lines = self.text.splitlines()
        cut = len(self.start) == HEAD_BYTES and len(lines) > 1 and not self.text.endswith(("\n", "\r"))
        return lines[:-1] if cut else lines

    @functools.cached_property
    def separator(self) -> str:
        """The character that parts the first line most often: tab, semicolon, comma or bar."""
        first = self.lines[0] if self.lines else ""
        return separator_of(first)

    @functools.cached_property
    def columns(self) -> tuple[str, ...]:
        """The names in the first line, unquoted."""
        return split_line(self.lines[0], self.separator) if self.lines else ()

    def has(self, *names: str) -> bool:
        """Tell whether the first line has all these columns."""
        return set(names) <= set(self.columns)


def split_line(line: str, separator: str) -> tuple[str, ...]:
    """Split one line into its fields, without quotes and surrounding blanks."""
    return tuple(field.strip().strip('"').strip() for field in line.split(separator))


def split_cells(line: str, separator: str) -> tuple[str, ...]:
    """Split one line into its fields as `split_line` does; a separator between quotes parts none."""
    if separator == "\t" or line.count('"') < 2:
        return split_line(line, separator)
    return tuple(cell.strip() for cell in next(csv.reader([line], delimiter=separator), []))


@dataclass
class TextTable:
    """A text table with one header line, read in batches; ``bad_rows`` counts what had to be left out."""

    head: Head
    skip_rows: int = 0
    separator: str | None = None
    strict: bool = False
    rows: int = 0
    bad_rows: int = 0
    first_fault: str = ""
    taken: tuple[str, ...] = ()
    numerals: dict[str, Numerals] = field(default_factory=dict)
    thousands: dict[str, tuple[int, str]] = field(default_factory=dict)  # a column's count, and its first
    sign_doubts: list[str] = field(default_factory=list)
    undecided: dict[str, str] = field(default_factory=dict)  # columns whose sign may be either, and their first number
    _last_bad: str = ""
    _no_utf8: bool = False
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        if len(self.head.lines) <= self.skip_rows:
            raise FormatError(f"{self.head.path} ends before its header line")
        header = self.head.lines[self.skip_rows]
        self.separator = self.separator or (separator_of(header) if self.skip_rows else self.head.separator)
        self.names = split_line(header, self.separator)
        twice = {name for name in self.names if name and self.names.count(name) > 1}
        if twice:
            raise FormatError(f"{self.head.path}: columns stand twice: {', '.join(sorted(twice))}")

    def batches(self, types: Mapping[str, str]) -> Iterator[Batch]:
        """Read these columns, each as ``number``, ``integer`` or ``text``; columns the file lacks are left out.

        A row with too few or too many cells, or with a word where a number should be, is left out and counted.

        Raises
        ------
        FormatError
            A row had to be left out (``strict``), or all of them.
        """
        import pyarrow as pa

        if not any(name in self.names for name in types):
            wanted = ", ".join(list(types)[:12]) or "of this format"
            raise FormatError(f"{self.head.path} has none of the columns {wanted}; it has {', '.join(self.names[:12])}")
        self.taken = tuple(name for name in self.names if name in types)
        self._find_numerals(types)
        decimals = {numerals.decimal for numerals in self.numerals.values()} or {"."}
        decimal = min(decimals)
        rows = 0
        for lenient in (False, True) if len(decimals) == 1 else (True,):
            to_skip = rows  # what the strict reading handed on before it met a fault
            try:
                for batch in self._read(types, decimal, lenient):
                    fresh = batch.slice(to_skip)
                    to_skip -= batch.num_rows - fresh.num_rows
                    rows += fresh.num_rows
                    if fresh.num_rows:
                        yield Batch(fresh)
                break
            except (pa.ArrowInvalid, UnicodeError) as error:
                if "Empty CSV" in str(error):
                    break
                if lenient or (self.strict and not re.search(_GOES_ON, str(error))):
                    raise FormatError(f"{self.head.path} cannot be read as {self._kind()}: {error}") from error
                self._no_utf8 |= "utf8" in str(error).lower()
                self.first_fault = str(error) if "CSV conversion error" in str(error) else ""
        self.rows = rows
        if self.bad_rows and (self.strict or not rows):
            raise FormatError(f"{self.head.path}: {'; '.join(self.notes())}")

    def _read(self, types: Mapping[str, str], decimal: str, lenient: bool) -> Iterator[pa.RecordBatch]:
        """Read the file as it is; ``lenient`` leaves out rows of another length or with words for numbers."""
        import pyarrow as pa
        from pyarrow import csv as arrow_csv

        kinds = {"number": pa.float64(), "integer": pa.int64(), "text": pa.dictionary(pa.int32(), pa.string())}
        wanted = {name: kinds[kind] for name, kind in types.items() if name in self.names}
        as_words = {name: pa.string() for name, kind in types.items() if name in wanted and kind != "text"}
        options = {
            "read_options": arrow_csv.ReadOptions(
                block_size=BLOCK_BYTES,
                column_names=[name or f"unnamed {n}" for n, name in enumerate(self.names)],
                skip_rows=self.skip_rows + 1,
                encoding="utf-8" if lenient or self.head.encoding.startswith("utf-8") else self.head.encoding,
            ),
            "parse_options": arrow_csv.ParseOptions(
                delimiter=self.separator,
                invalid_row_handler=self._bad_row if lenient else None,
                # a tab-separated table has quotes around its names too, or a quote in it is a letter
                quote_char='"' if self.separator != "\t" or '"' in self.head.lines[self.skip_rows] else False,
            ),
            "convert_options": arrow_csv.ConvertOptions(
                column_types={**wanted, **(as_words if lenient else {})},
                include_columns=list(wanted),
                null_values=NULLS,
                strings_can_be_null=True,
                decimal_point=decimal,
            ),
        }
        source = _AsUtf8(self.head) if lenient and not self.head.workbook else self.head.content()
        for batch in arrow_csv.open_csv(source, **options):
            yield self._without_words(batch, {name: wanted[name] for name in as_words}) if lenient else batch

    def _without_words(self, batch: pa.RecordBatch, kinds: Mapping[str, pa.DataType]) -> pa.RecordBatch:
        """Turn the words of a batch into numbers; rows in which a word is no number are left out."""
        import pyarrow as pa
        from pyarrow import compute

        columns = {name: batch.column(n) for n, name in enumerate(batch.schema.names)}
        good = np.ones(batch.num_rows, dtype=bool)
        for name, kind in kinds.items():
            decimal = self.numerals[name].decimal
            words = self._whole_thousands(name, compute.utf8_trim_whitespace(columns[name]))
            pattern = _WHOLE if kind == pa.int64() else _NUMBER.replace(r"\.", f"[{decimal}]")
            fits = compute.fill_null(compute.match_substring_regex(words, pattern), True)
            words = compute.replace_substring(words, decimal, ".")
            columns[name] = compute.if_else(fits, words, pa.scalar(None, pa.string())).cast(kind)
            good &= np.asarray(fits.to_numpy(zero_copy_only=False), dtype=bool)
        self.bad_rows += int((~good).sum())
        return pa.RecordBatch.from_pydict(columns).filter(pa.array(good))

    def _whole_thousands(self, name: str, words: pa.Array) -> pa.Array:
        """Take the signs that part thousands out of the words of a column, and note how many had them."""
        from pyarrow import compute

        numerals = self.numerals[name]
        parted = compute.fill_null(compute.match_substring_regex(words, numerals.pattern()), False)
        if not (number := int(np.count_nonzero(parted.to_numpy(zero_copy_only=False)))):
            return words
        before, first = self.thousands.get(name, (0, words.filter(parted)[0].as_py()))
        self.thousands[name] = before + number, first
        return compute.if_else(parted, compute.replace_substring_regex(words, f"[{numerals.parting}]", ""), words)

    def _find_numerals(self, types: Mapping[str, str]) -> None:
        """Find how the numbers are written, by the first of them that tell."""
        wanted = [(n, name) for n, name in enumerate(self.names) if types.get(name) in ("number", "integer")]
        columns: dict[str, list[str]] = {name: [] for _, name in wanted}
        lines, most = 0, _UNTOLD
        for cells in self._cells_with_signs(self.skip_rows + 1):
            signs = {name: (cells[n], *decimal_sign(cells[n])) for n, name in wanted if n < len(cells)}
            found = {name: (word, certain) for name, (word, sign, certain) in signs.items() if sign}
            for name, (word, _) in found.items():
                columns[name].append(word)
            lines += bool(found)
            most = min(most, lines + _TOLD) if any(certain for _, certain in found.values()) else most
            if lines >= most:
                break
        self.numerals = numerals_of(columns)
        if self.head.workbook or all(numerals.sure for numerals in self.numerals.values()):
            return
        rows = [split_cells(line, str(self.separator)) for line in self.head.lines[self.skip_rows + 1 :][:_UNTOLD]]
        columns = {name: [row[n] for row in rows if n < len(row)] for n, name in wanted}
        self.sign_doubts = doubtful(columns, self.numerals)
        self.undecided = undecided(columns, self.numerals)

    def _cells_with_signs(self, first: int) -> Iterator[tuple[str, ...]]:
        """Yield the cells of the lines that may have a decimal sign; a workbook's numbers have points."""
        if self.head.workbook:
            return
        with open(self.head.path, encoding=self.head.encoding, errors="replace", newline=None) as file:
            for line in itertools.islice(file, first, None):
                if _MAYBE_DECIMAL.search(line) is not None:
                    yield split_cells(line, str(self.separator))

    def describe(self, account: Account) -> None:
        """Note columns and rows in an account; rows are counted there already where a file has several recordings."""
        account.rows = account.rows or self.rows
        account.taken, account.ignored = list(self.taken), [n for n in self.names if n and n not in self.taken]
        account.damaged |= self._damage()
        for name, (number, first) in self.thousands.items():
            said = f"{counted(number, 'number')} of {name} with parted thousands, the first {first!r}"
            account.know("thousands", said, "only possible")
        account.doubts += [doubt for doubt in self.sign_doubts if doubt not in account.doubts]
        account.undecided |= self.undecided
        if self.head.given_encoding:
            account.know("letters", self.head.given_encoding, "option")
            if "\ufffd" in self.head.text:
                account.doubts.append(f"bytes that are no letters in {self.head.given_encoding}: is --encoding right?")
        elif self.head.encoding == "cp1252" or self._no_utf8:
            odd = "\ufffd" in self.head.text  # bytes that stand for no letter there
            account.know(
                "letters", "Windows-1252, for they are no UTF-8 (--encoding: else)", "guess" if odd else "only possible"
            )
        if self.head.workbook:
            read, passed = sheets_of(self.head.path)
            if passed or len(read) > 1:
                more = f"; not read: {', '.join(passed)}" if passed else ""
                account.know("sheet", f"{', '.join(read)}{more}", "file")

    def _damage(self) -> dict[str, int]:
        """Count the lines that were left out; the last of the file may have been cut off."""
        if not self.bad_rows or self.head.workbook:
            return {"rows that cannot be read": self.bad_rows} if self.bad_rows else {}
        with open(self.head.path, "rb") as file:
            file.seek(max(0, self.head.path.stat().st_size - (1 << 16)))
            tail = file.read()
        last = tail.decode(self.head.encoding, "replace").splitlines()[-1] if tail else ""
        cut = bool(self._last_bad) and not tail.endswith((b"\n", b"\r", b"\n\0", b"\r\0")) and last == self._last_bad
        reasons = {"last line that was cut off": int(cut), "rows that cannot be read": self.bad_rows - cut}
        return {reason: number for reason, number in reasons.items() if number}

    def notes(self) -> list[str]:
        """Say what had to be left out."""
        if not self.bad_rows:
            return []
        why = f"not {len(self.names)} cells each" + (
            f", or words for numbers ({self.first_fault})" if self.first_fault else ""
        )
        return [f"{counted(self.bad_rows, 'row was', 'rows were')} left out: {why}"]

    def _bad_row(self, row: Any) -> str:
        self.bad_rows += 1
        self._last_bad = row.text
        return "skip"

    def _kind(self) -> str:
        return {"\t": "tab-separated", ",": "comma-separated", ";": "semicolon-separated"}.get(
            str(self.separator), "separated"
        ) + " text"


class _AsUtf8(io.RawIOBase):
    """A text file as UTF-8, whatever its encoding; bytes that make no sense are replaced."""

    def __init__(self, head: Head) -> None:
        self._file = open(head.path, encoding=head.encoding, errors=LETTERS, newline="")  # noqa: SIM115
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._rest = self._rest or self._file.read(1 << 20).encode("utf-8", "replace")
        size = min(len(self._rest), len(buffer))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()


class LineNumbers:
    """Lines of samples among others, gathered and read as numbers many at a time."""

    def __init__(self, names: Sequence[str], wanted: Sequence[str], texts: Sequence[str] = ()) -> None:
        self.names, self._wanted, self._texts = list(names), list(wanted), list(texts)
        self._rows: list[list[str]] = []
        self._numerals: dict[str, Numerals] = {}
        self.bad = 0
        self.cut = 0
        self.untimed = 0  # messages

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, line: str) -> bool:
        """Add a line; tell whether so many wait that they should be taken."""
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) < len(self.names):
            self.cut += not line.endswith(("\n", "\r"))
            self.bad += line.endswith(("\n", "\r"))
        else:
            self._rows.append(cells)
        return len(self._rows) >= LINES

    def words(self, name: str) -> list[str]:
        """Return a column of the lines that wait, as text."""
        at = self.names.index(name)
        return [row[at] for row in self._rows]

    def take(self) -> dict[str, Floats]:
        """Return the columns of the lines that wait; what is no number is NaN."""
        import pandas as pd

        table = pd.DataFrame({name: self.words(name) for name in self._wanted})
        self._rows = []
        self._numerals = self._numerals or numerals_of(table)
        return {name: as_numbers(table[name], self._numerals[name]).to_numpy(np.float64) for name in self._wanted}

    def describe(self, account: Account) -> None:
        """Note the columns and the lines that were left out in an account."""
        account.taken = [*self._wanted, *self._texts]
        account.ignored = [name for name in self.names if name not in account.taken]
        reasons = {
            "last line that was cut off": self.cut,
            "lines of another length": self.bad,
            "messages without a time": self.untimed,
        }
        account.damaged |= {reason: number for reason, number in reasons.items() if number}


_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_WHOLE = r"^[-+]?\d+$"
_MAYBE_DECIMAL = re.compile(r"[.,]\d")
_GOES_ON = rf"CSV parse error|invalid value '[-+]?\d{{1,3}}[.,{BLANKS}]\d{{3}}"  # perhaps thousands
_UNTOLD, _TOLD = 5000, 1000  # lines after which no number will tell how they are written; after one told


class Batch:
    """Some rows of a table, by column."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch
        self._index = {name: n for n, name in enumerate(batch.schema.names)}

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def where(self, keep: Bools) -> Batch:
        """Return the rows where ``keep`` is true; the batch itself where it is true throughout."""
        import pyarrow as pa

        return self if keep.all() else Batch(self._batch.filter(pa.array(keep)))

    def numbers(self, name: str) -> Floats:
        """Return a column of numbers, shape (n,); NaN where a cell is empty, infinite, or the column absent."""
        if name not in self._index:
            return np.full(len(self), np.nan)
        values = np.array(self._batch.column(self._index[name]).to_numpy(zero_copy_only=False), dtype=np.float64)
        values[np.isinf(values)] = np.nan
        return values

    def integers(self, name: str) -> Index:
        """Return a column of whole numbers, shape (n,)."""
        if name not in self._index:
            raise FormatError(f"the table lacks the column {name}")
        column = self._batch.column(self._index[name])
        if column.null_count:
            raise FormatError(f"the column {name} has {column.null_count} empty cells where whole numbers should be")
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)

    def stamps(self, name: str) -> Index | Floats:
        """Return a column of time stamps, whole numbers where it was read as such."""
        whole = name in self._index and str(self._batch.schema.field(self._index[name]).type) == "int64"
        return self.integers(name) if whole else self.numbers(name)

    def codes(self, name: str) -> tuple[npt.NDArray[np.int32], list[str]]:
        """Return a column of text as codes, shape (n,), into the list beside them; -1 where a cell is empty."""
        if name not in self._index:
            return np.full(len(self), -1, dtype=np.int32), []
        column = self._batch.column(self._index[name])
        codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.asarray(codes, dtype=np.int32), [str(word) for word in column.dictionary.to_pylist()]

    def equal(self, name: str, *words: str) -> Bools:
        """Find where a column of text is one of these words."""
        codes, dictionary = self.codes(name)
        return np.array([*(word in words for word in dictionary), False], dtype=bool)[codes]  # the last: -1, empty

    def texts(self, name: str, rows: Index) -> list[str]:
        """Return the text of some rows; empty where a cell is."""
        codes, dictionary = self.codes(name)
        return ["" if code < 0 else dictionary[code] for code in codes[rows]]
