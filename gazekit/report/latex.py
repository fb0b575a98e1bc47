"""Tables as LaTeX that fits on the page of an article, with no package but booktabs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gazekit.report.comparison_tables import Cell, Table

_COLUMNS = 3  # of figures beside the row heads: more do not fit
_LINES = 48  # of a float
_HEADS = 0.4  # of the width of a page, for the row heads
_LETTERS = 80  # of a page's width
_WHOLE = 12  # letters that a line holds in any row head
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "−": "$-$", "–": "--",
}  # fmt: skip


def latex(table: Table) -> str:
    """Write a table as one or more floats (package booktabs).

    A table of many columns is cut into blocks of three under each other, one of many rows into several floats. An
    interval stands under its value.
    """
    width = len(table.heads) - table.row_heads
    starts = range(table.row_heads, table.row_heads + width, _COLUMNS)
    blocks = [range(start, min(start + _COLUMNS, len(table.heads))) for start in starts]
    parts = _parts(table, len(blocks))
    floats = [_float(table, part, blocks, number) for number, part in enumerate(parts)]
    return "\n".join(chain.from_iterable(floats)) + "\n"


def _parts(table: Table, blocks: int) -> list[Sequence[Sequence[Cell]]]:
    """Cut the rows into parts that fit a float, by the lines that their heads and intervals take."""
    letters = max(_WHOLE, int(_LETTERS * _HEADS / max(1, table.row_heads)) - 2)
    heads = 3 * (blocks - 1)
    starts, filled = [0], heads
    for place, row in enumerate(table.rows):
        lines = max((-(-len(cell.text) // letters) for cell in row[: table.row_heads]), default=1)
        lines = blocks * (lines + any(cell.interval for cell in row))
        if filled + lines > _LINES and place - starts[-1] >= 2:
            starts.append(place)
            filled = heads
        filled += lines
    return [table.rows[start:end] for start, end in itertools.pairwise([*starts, len(table.rows)])]


def _breakable(text: str) -> str:
    """Return text whose long words may be broken anywhere: a model's name is no word that LaTeX knows."""
    words = []
    for word in text.split(" "):
        short = len(word) <= _WHOLE
        words.append(escaped(word) if short else r"\hspace{0pt}".join(map(escaped, word)))
    return " ".join(words)


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it stands."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _float(table: Table, rows: Sequence[Sequence[Cell]], blocks: Sequence[range], number: int) -> Iterator[str]:
    heads = range(table.row_heads)
    share = _HEADS / max(1, len(heads))
    again = " (continued)" if number else ""
    yield r"\clearpage" if number and number % 8 == 0 else "%"  # LaTeX holds few floats that wait for a page
    yield r"\begin{table}[htbp]" + "\n" + r"\centering\footnotesize\setlength{\tabcolsep}{3pt}"
    yield rf"\caption{{{escaped(table.caption)}{again}}}"
    if not number:
        yield rf"\label{{tab:{table.name}}}"
    for block in blocks:
        layout = rf"p{{{share:.3f}\linewidth}}" * len(heads) + "r" * len(block)
        yield rf"\begin{{tabular}}{{{layout}}}" + "\n" + r"\toprule"
        names = [table.heads[place][0].replace("↑", "").replace("↓", "").strip() for place in (*heads, *block)]
        yield " & ".join(map(escaped, names)) + r" \\" + "\n" + r"\midrule"
        for row in rows:
            yield (
                " & ".join(
                    [*(rf"\raggedright {_breakable(row[k].text)}" for k in heads), *(_value(row[k]) for k in block)]
                )
                + r" \\"
            )
            if any(row[place].interval for place in block):
                under = [rf"{{\tiny {escaped(row[place].interval)}}}" for place in block]
                yield " & ".join([*("" for _ in heads), *under]) + r" \\"
        yield r"\bottomrule" + "\n" + r"\end{tabular}" + ("" if block is blocks[-1] else "\n\n" + r"\medskip" + "\n")
    yield r"\end{table}"


def _value(cell: Cell) -> str:
    return rf"\textbf{{{escaped(cell.text)}}}" if cell.strong else escaped(cell.text)
