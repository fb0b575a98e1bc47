"""Fixations that another program found, without the samples: read straight to gazekit's table of fixations.

Where a file has places on the screen only, and not where a picture stood, a picture is taken to fill the screen, as in
an import of samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.tables import FIXATION_COLUMNS
from gazekit.formats.account import Account, Fact, short
from gazekit.formats.fixation_layouts import LAYOUTS, TableLayout
from gazekit.formats.session_builder import SCREEN_OPTIONS
from gazekit.formats.text import Head
from gazekit.screen import Screen

_MARGIN = 0.1  # of the screen: people look beside it too


def layout_of(path: str | Path) -> TableLayout | None:
    """Find the layout of a file of fixations; None where it is another file."""
    head = Head.of(path)
    return next((layout for layout in LAYOUTS if layout.looks_like(head)), None)


def read_makers_fixations(path: str | Path, screen: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Read a file of fixations that another program found.

    Parameters
    ----------
    path : str or Path
        The file.
    screen : mapping of str to float
        Sizes of the screen as the fields of `Screen`, where the layout needs them; with all of them the table has
        degrees too.

    Returns
    -------
    DataFrame
        A fixation table (`gazekit.core.tables.FIXATION_COLUMNS`); what the file does not tell is NaN or empty.

    Raises
    ------
    FormatError
        The file is of no known layout, or lacks a column.
    """
    return import_fixations(path, screen)[0]


def import_fixations(path: str | Path, screen: Mapping[str, float] | None = None) -> tuple[pd.DataFrame, Account]:
    """Read a file of fixations as `read_makers_fixations` does, with the account of what was taken and left out."""
    layout, sizes, account = layout_of(path), dict(screen or {}), Account()
    if layout is None:
        known = "; ".join(layout.title for layout in LAYOUTS)
        raise FormatError(f"{path} is no table of fixations that is known: {known}")
    table = pd.DataFrame(layout.columns(Head.of(path), sizes, account)).reset_index(drop=True)
    if not len(table):
        raise FormatError(f"{path} holds no fixation ({layout.title})")
    if len(sizes) == len(SCREEN_OPTIONS):
        whole = Screen(int(sizes["width_px"]), int(sizes["height_px"]), *(sizes[n] for n in list(SCREEN_OPTIONS)[2:]))
        table["x_deg"], table["y_deg"] = whole.to_degrees(table["x_px"], table["y_px"])
    if "x_picture" not in table:
        table["x_picture"], table["y_picture"] = table["x_px"], table["y_px"]
        account.know("placement", "not in the file: each picture is taken to fill the screen", "guess")
    for name in ("onset_us", "offset_us"):
        table[name] = _whole(table[name]) if name in table else 0
    table["image"] = table["image"].fillna("").replace("nan", "")
    if table["image"].eq("").all():
        account.doubts.append("no column names the pictures")
    nowhere = int(table[["x_picture", "y_picture"]].isna().any(axis=1).sum())
    if nowhere:
        account.doubts.append(f"{counted(nowhere, 'fixation has', 'fixations have')} no place")
    account.doubts += _doubts(table, sizes)
    table["detector"], table["parameters"], table["samples"] = layout.title, "{}", 0
    missing = {name: np.nan for name in FIXATION_COLUMNS if name not in table}
    account.samples = len(table)
    return table.assign(**missing)[list(FIXATION_COLUMNS)], account


def _doubts(table: pd.DataFrame, sizes: Mapping[str, float]) -> Iterator[str]:
    """Yield that most places lie off the screen, whose size or unit is then another."""
    if {"width_px", "height_px"} <= set(sizes) and "x_px" in table:
        places = table[["x_px", "y_px"]].dropna().to_numpy(float) / (sizes["width_px"], sizes["height_px"])
        off = ((places < -_MARGIN) | (places > 1 + _MARGIN)).any(axis=1)
        if len(places) and off.mean() > 0.5:
            yield f"{off.mean():.0%} of the fixations lie off the screen: its size, the unit or the origin is another"


def _whole(times: pd.Series) -> pd.Series:
    lost = times.isna()
    if lost.any():
        raise FormatError(
            f"{counted(int(lost.sum()), 'fixation has', 'fixations have')} no time, the first in row "
            f"{int(lost.argmax()) + 1}"
        )
    return np.round(times.astype(float)).astype("int64")


def account_lines(account: Account) -> Iterator[str]:
    """Yield the account of a file of fixations, a line each; a line that begins with ! is in doubt."""
    left_out = "".join(f"; {number} {reason}" for reason, number in account.left_out.items())
    yield f"  {'rows read':<17} {account.rows}, of which fixations {account.samples}{left_out}"
    yield f"  {'columns taken':<17} {short(account.taken)}"
    if account.ignored:
        yield f"  {'columns ignored':<17} {short(account.ignored)}"
    yield from (f"  {fact.what:<17} {fact.value} ({fact.source})" for fact in map(Fact._make, account.facts))
    yield from (f"! {doubt}" for doubt in account.doubts)
