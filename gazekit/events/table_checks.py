"""Checks of fixation tables, of gazekit or of others, against the pictures that they lie on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.core.alike import written_alike
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.types import Floats
from gazekit.events.structure import Finding, Severity

Sizes = Mapping[str, tuple[int, int]]
_OFF_PICTURE = (0.2, 0.5)  # of the fixations: a warning, an error
_ALL_SHARES = "all positions lie within one pixel: shares (0 to 1) given as pixels?"
_FEWEST_SHARES = 3  # fixations on a picture
_SPIKE_SHARE, _FEWEST_SPIKE = 0.05, 5
_FEWEST = 50  # fixations that say something about the size of the screen
_SMALLEST_SHARE = 0.6  # of a picture, that gaze on many pictures reaches
_SHORTEST_MS, _LONGEST_MS = 5.0, 20_000.0  # of a median duration


def check_fixations(table: pd.DataFrame, sizes: Sizes | None = None) -> list[Finding]:
    """Check a fixation table.

    Parameters
    ----------
    table : DataFrame
        With image, x_picture, y_picture (pixels of the picture) and duration_ms.
    sizes : mapping of str to (int, int), optional
        Height and width of each picture by its id, for what lies off it.

    Returns
    -------
    list of Finding
        Share off the picture, spikes, a wrong size of screen, a wrong unit of duration, rows that stand twice or name
        nobody; empty where all is well.
    """
    x, y = (table[name].to_numpy(dtype=float) for name in ("x_picture", "y_picture"))
    findings = [*_durations(table["duration_ms"].to_numpy(dtype=float)), *_spikes(x, y), *_rows(table)]
    known = np.isfinite(x) & np.isfinite(y)
    if known.sum() > 1 and min(x[known].min(), y[known].min()) >= 0 and max(x[known].max(), y[known].max()) <= 1.0:
        return [*findings, Finding("screen size", "error", _ALL_SHARES)]
    findings += _shares(table, x, y)
    if sizes is None:
        return findings
    images = table["image"].astype(str)
    unknown = sorted(set(images) - set(sizes) - {""})
    if unknown:
        text = f"{len(unknown)} of {images.nunique()} pictures are not there: {', '.join(unknown[:5])}"
        findings.append(Finding("pictures", "warning", text))
    shown = images.isin(sizes).to_numpy()
    if not shown.any():
        return findings
    size = np.array([sizes[image] for image in images[shown]], dtype=float)
    return [*findings, *_off_picture(x[shown] / size[:, 1], y[shown] / size[:, 0], size)]


def tell_findings(path: str | Path, table: pd.DataFrame, *, pixels: bool = False) -> None:
    """Say on standard error what may be wrong with a fixation table that is about to be used.

    Parameters
    ----------
    path : str or Path
        What to call it.
    table : DataFrame
        As for `check_fixations`.
    pixels : bool
        Positions must be pixels: no picture is at hand whose size turns shares into them.

    Raises
    ------
    InputError
        They must be pixels, and are shares.
    """
    if not ({"x_picture", "y_picture", "duration_ms"} <= set(table.columns) and len(table)):
        return
    for finding in check_fixations(table):
        if finding.text != _ALL_SHARES:
            print(f"{path}: {finding}", file=sys.stderr)
        elif pixels:
            raise InputError(
                f"{path}: {_ALL_SHARES} Give --pictures where a command has it, or multiply x by the width "
                "and y by the height of each picture"
            )


def _shares(table: pd.DataFrame, x: Floats, y: Floats) -> list[Finding]:
    """Find pictures whose positions are shares, while those of others are pixels."""
    if "image" not in table:
        return []
    places = pd.DataFrame({"image": table["image"].to_numpy(), "x": x, "y": y}).dropna()
    inside = places[["x", "y"]].ge(0).all(axis=1) & places[["x", "y"]].le(1).all(axis=1)
    whole = (places[["x", "y"]] % 1 == 0).all(axis=1)
    of = places.assign(inside=inside, whole=whole).groupby("image", observed=True)
    shares = (of.size() >= _FEWEST_SHARES) & of["inside"].all() & ~of["whole"].all()
    if not shares.any():
        return []
    names = ", ".join(map(str, shares.index[shares][:5]))
    text = f"all positions on {counted(int(shares.sum()), 'picture')} ({names}) lie within one pixel, others do not: "
    return [Finding("screen size", "error", text + "shares (0 to 1) among pixels?")]


def _rows(table: pd.DataFrame) -> list[Finding]:
    """Find rows that stand more than once, and rows of nobody."""
    findings = []
    if twice := int(table[table["x_picture"].notna()].duplicated().sum()):
        text = f"{twice} of {len(table)} rows stand more than once, and each counts: was a file joined to itself?"
        findings.append(Finding("rows", "warning", text))
    nobody = int(table["participant"].isna().sum()) if "participant" in table else 0
    if 0 < nobody < len(table):
        text = f"{nobody} of {len(table)} rows name no participant: what is counted by person leaves them out"
        findings.append(Finding("rows", "warning", text))
    for column, what in (("participant", "one person"), ("image", "one picture")):
        if column in table and (alike := written_alike(table[column].dropna().unique())):
            text = f"{counted(len(alike), f'{column} is', f'{column}s are')} written in several ways, which count as "
            text += f"different ones, such as {' and '.join(map(repr, alike[0]))}: {what}?"
            findings.append(Finding("names", "warning", text))
    return findings


def _durations(duration: Floats) -> list[Finding]:
    known = duration[np.isfinite(duration) & (duration > 0)]
    if not len(known):
        return [Finding("durations", "error", "no fixation has a duration above 0 ms")]
    findings = []
    if without := len(duration) - len(known):
        text = f"{without} of {len(duration)} fixations have no duration, or one of 0 ms or less"
        findings.append(Finding("durations", "warning", text))
    middle = float(np.median(known))
    if _SHORTEST_MS <= middle <= _LONGEST_MS:
        return findings
    unit = "seconds" if middle < _SHORTEST_MS else "microseconds" if middle < 1000 * _LONGEST_MS else "nanoseconds"
    side = "under" if middle < _SHORTEST_MS else "over"
    text = f"half of the durations are {side} {middle:.3g} ms: {unit} given as ms?"
    return [*findings, Finding("durations", "error", text)]


def _spikes(x: Floats, y: Floats) -> list[Finding]:
    places = pd.DataFrame({"x": x, "y": y}).dropna().value_counts()
    if not len(places) or places.iloc[0] < max(_FEWEST_SPIKE, _SPIKE_SHARE * places.sum()):
        return []
    (place_x, place_y), count = places.index[0], int(places.iloc[0])
    share = count / places.sum()
    text = f"{counted(count, 'fixation')} ({share:.0%}) lie at exactly ({place_x:g}, {place_y:g}): gaze that was lost?"
    return [Finding("spikes", "warning", text)]


def _off_picture(u: Floats, v: Floats, size: Floats) -> list[Finding]:
    """Judge positions as shares of their pictures, shape (n,); NaN is off the picture too."""
    known = np.isfinite(u) & np.isfinite(v)
    off = ~(known & (u >= 0) & (u < 1) & (v >= 0) & (v < 1))
    findings = []
    if off.mean() >= _OFF_PICTURE[0]:
        severity: Severity = "error" if off.mean() >= _OFF_PICTURE[1] else "warning"
        text = f"{off.mean():.0%} of the fixations lie off their picture: is the size of the screen or its place right?"
        findings.append(Finding("off the picture", severity, text))
    if known.sum() >= _FEWEST:
        reach = max(float(np.quantile(u[known], 0.99)), float(np.quantile(v[known], 0.99)))
        if reach < _SMALLEST_SHARE:
            text = f"gaze stays within {reach:.0%} of the pictures: positions of a smaller screen or picture?"
            findings.append(Finding("screen size", "warning", text))
    return findings
