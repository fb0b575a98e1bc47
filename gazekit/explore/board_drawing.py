"""The board as a drawing and as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gazekit.core.files import is_table, picture_format, provenance, whole_file
from gazekit.core.tables import write_table
from gazekit.explore.board import PALETTE, Board
from gazekit.explore.commands import Recipe, arguments, changed, load_line, options, what_was_named, words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NAMES = 80
BOARD_COLUMNS = (
    "participant",
    "session",
    "number",
    "image",
    "order",
    "samples",
    "delivered_percent",
    "loss_percent",
    "accuracy_deg",
    "rms_s2s_deg",
    "onset_error_ms",
    "shown_error_ms",
    "frames_missed",
    "timing",
    "leave_out",
    "excluded",
    "verdict",
    "block",
)


def write_board(board: Board, out: str | Path) -> Path:
    """Write the board as a drawing (.png, .svg, .pdf) or as a table of its trials (.csv, .tsv, .parquet).

    Raises
    ------
    OutputError
        The file cannot be written, or its suffix is none of these.
    """
    out = Path(out)
    if is_table(out):
        files = {str(facts.source): facts.file for facts in board.material.sessions}
        made = provenance("gazekit.explore.board/1", changed(board.choice), files)
        write_table(board.trials[list(BOARD_COLUMNS)], out, made)
        return out
    kind = picture_format(out)
    with whole_file(out) as beside:
        board_figure(board).savefig(beside, format=kind, dpi=100)
    return out


def board_figure(board: Board) -> Figure:
    """Draw the board: a cell a person and picture, a cross where the trial is better left out."""
    from matplotlib.figure import Figure

    p, q = board.values.shape
    figure = Figure(figsize=(min(3.0 + 0.16 * q, 24.0), min(2.2 + 0.2 * p, 18.0)), layout="constrained")
    axes = figure.subplots()
    scale = board.scale
    axes.set_facecolor("#e9e9e9")
    low, high = sorted((scale.good, scale.bad))
    palette = PALETTE if scale.good == high else f"{PALETTE}_r"
    values = np.atleast_2d(board.values) if board.values.size else np.full((1, 1), np.nan)  # none was chosen
    shown = axes.imshow(values, cmap=palette, vmin=low, vmax=high, aspect="auto")
    marks = (("x", "#d55e00", board.left_out, "better left out"), ("o", "#009e73", board.excluded, "excluded"))
    for mark, colour, where, name in marks:
        rows, columns = np.nonzero(where)
        if len(rows):
            axes.plot(columns, rows, mark, color=colour, markersize=5, fillstyle="none", linestyle="none", label=name)
    for names, axis in ((board.people, axes.yaxis), (board.pictures, axes.xaxis)):
        step = max(1, -(-len(names) // _MOST_NAMES))
        axis.set_ticks(range(0, len(names), step), names[::step], fontsize=6)
    axes.tick_params(axis="x", rotation=90)
    if board.left_out.any() or board.excluded.any():
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=7, ncols=2)
    axes.set_title(f"{scale.words}, {scale.unit} (limit {scale.limit:g})", fontsize=9, loc="right")
    figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.01)
    return figure


def board_recipe(board: Board, out: str = "board.csv") -> Recipe:
    """Return the command and the Python lines that write the same board."""
    values = changed(board.choice)
    line = words(["gazekit", "explore", *what_was_named(board.material), *options(values), "--out", out])
    python = "\n".join(
        [
            "from gazekit.explore import BoardChoice, load_material, make_board, write_board",
            load_line(board.material),
            f"write_board(make_board(material, BoardChoice({arguments(values).removeprefix(', ')})), {out!r})",
        ]
    )
    return Recipe(line, python)
