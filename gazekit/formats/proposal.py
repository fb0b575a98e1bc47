"""A mapping file for a table that no format reads, guessed from its names and numbers, each guess with its reason."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError
from gazekit.core.files import whole_file, write_text
from gazekit.core.numerals import Numerals, as_numbers, numerals_of
from gazekit.core.types import Floats
from gazekit.formats.columns import UNITS_US
from gazekit.formats.dates import dates_us
from gazekit.formats.importing import concatenate, open_source
from gazekit.formats.registry import appearance
from gazekit.formats.session_builder import SCREEN_OPTIONS
from gazekit.formats.text import Head, split_line
from gazekit.gaze import LIMITS_HZ, GazeRecording

_ROWS = 20_000
_WIDEST = 2000
_SCREENS: tuple[tuple[int, int], ...] = (
    (1024, 768),
    (1280, 720),
    (1280, 1024),
    (1366, 768),
    (1600, 900),
    (1680, 1050),
    (1920, 1080),
    (1920, 1200),
)
_SCREENS += ((2560, 1440), (3840, 2160))
_UNIT_WORDS = {"ns": "ns", "us": "us", "μs": "us", "µs": "us", "ms": "ms", "msec": "ms", "s": "s", "sec": "s"}
_GAZE_WORDS = {"gaze", "por", "point", "pos", "screen", "display", "eye", "bpog", "lpog", "rpog"}
_OTHER_WORDS = {"pupil", "mouse", "cursor", "origin", "gyro", "acc", "head", "camera", "target", "tar", "stim", "fix"}
_OTHER_WORDS |= {"fixation", "velocity", "vel", "raw", "3d", "z", "media", "click", "size", "width", "height"}
_NO_PLACES = {"gyro", "acc", "acceleration", "accelerometer", "magnetometer"}
_SIDES = {"left": ("links", "gauche", "izquierd", "esquerd", "sinistr", "左"),
          "right": ("rechts", "droit", "derech", "direit", "destr", "右")}  # fmt: skip
_KINDS = {
    "stimulus": ("image", "picture", "stimulus", "stim", "media", "img", "photo", "bild", "imagen", "immagine"),
    "participant": ("participant", "subject", "subj", "viewer", "sub", "person", "teilnehmer"),
    "message": ("message", "msg", "event", "marker", "trigger"),
}


@dataclass
class Proposal:
    """A mapping: for each section its lines, each with the reason for it."""

    sections: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict)

    def add(self, section: str, name: str, value: str, reason: str) -> None:
        """Add a line, whose value is written as TOML."""
        self.sections.setdefault(section, []).append((name, value, reason))

    def text(self) -> Iterator[str]:
        """Yield the lines of the mapping file."""
        for section, lines in self.sections.items():
            yield f"[{section}]"
            yield from (f"{f'{name} = {value}' if value else name:<33} # {reason}" for name, value, reason in lines)
            yield ""


def propose(path: str | Path, out: str | Path, screen: Mapping[str, float] | None = None) -> tuple[Path, Path]:
    """Write a mapping file for a table, and a picture of its gaze over the screen to check it by.

    Parameters
    ----------
    path : str or Path
        The table.
    out : str or Path
        Folder for ``<name>.toml`` and ``<name>.png``.
    screen : mapping of str to float
        What is known of the screen, as the fields of `gazekit.screen.Screen`.

    Returns
    -------
    tuple of (Path, Path)
        The mapping file and the picture.

    Raises
    ------
    FormatError
        No column can be the time, or no two can be the gaze.
    """
    head, known = Head.of(path), dict(screen or {})
    proposal = Proposal()
    table = _read(head, proposal)
    _propose_time(table, head, proposal)
    sizes = _propose_gaze(table, head, proposal, known)
    _propose_texts(table, proposal)
    target = Path(out) / f"{head.path.stem}.toml"
    target.parent.mkdir(parents=True, exist_ok=True)
    introduction = f"# Proposed for {head.path.name}: read every line, look at {head.path.stem}.png, and correct it.\n"
    write_text(target, introduction + "\n".join(proposal.text()), overwrite=False)
    drawable = {name: sizes.get(name, 0.27 * sizes[name.replace("mm", "px")]) for name in ("width_mm", "height_mm")}
    recording = _samples(head.path, sizes | drawable | {"distance_mm": sizes.get("distance_mm", 600.0)}, target)
    picture = target.with_suffix(".png")
    _draw(recording, sizes, picture)
    return target, picture


def _read(head: Head, proposal: Proposal) -> pd.DataFrame:
    """Read the beginning of the table; lines before its header are counted."""
    if not head.text or head.text.lstrip()[:1] in ("{", "["):
        raise FormatError(f"{head.path} is no table of text: it looks like {appearance(head)}")
    lines = head.lines[:_ROWS]
    counts = {sign: float(np.median([line.count(sign) for line in lines[:200]])) for sign in "\t;|, "}
    best = next((sign for sign, count in counts.items() if count >= 2), ",")  # a comma may be a decimal sign
    rows = [_cells(line, best) for line in lines]
    widths = [len(row) for row in rows]
    width = max(set(widths[-200:]), key=widths[-200:].count) if widths else 0
    if not 3 <= width <= _WIDEST or widths.count(width) < 3:
        raise FormatError(f"{head.path} is no table: it has {counted(widths.count(width), 'row')} of {width} columns")
    skip = widths.index(width)
    cells = [row for row in rows[skip:] if len(row) == width]
    if best != head.separator or skip:
        proposal.add("table", "separator", repr(best).replace("'", '"'), "the sign that parts most lines alike")
        proposal.add("table", "skip_rows", str(skip), "lines before the header")
    table = pd.DataFrame(cells[1:], columns=[name or f"unnamed {n}" for n, name in enumerate(cells[0])], dtype=object)
    if all(re.fullmatch(r"[-+\d.,eE]*", name) for name in cells[0]):
        raise FormatError(
            f"{head.path} has no header line: its first line is numbers; write the columns' names above them"
        )
    numerals = numerals_of(table)
    return pd.DataFrame({name: _as_numbers(table[name], numerals[name]) for name in table})


def _cells(line: str, separator: str) -> list[str]:
    """Split a line into cells; a separator between quotes parts none."""
    quotes = line.count('"')
    if not quotes or quotes % 2:
        return list(split_line(line, separator))
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator, skipinitialspace=separator != " "))]


def _as_numbers(column: pd.Series, numerals: Numerals) -> pd.Series:
    """Turn a column into numbers where nearly all of its cells are such; a comma may be its decimal sign."""
    empty = column.str.lower().isin(["", "na", "nan", "n/a", ".", "-", "null", "none"])
    numbers = as_numbers(column.where(~empty, ""), numerals)
    return numbers if (numbers.notna() | empty).mean() > 0.98 and numbers.notna().any() else column


def _words(name: str) -> list[str]:
    """Split a name into words: at signs, and where small letters meet capitals."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return [word for word in re.split(r"[^A-Za-z0-9μµ]+", spaced.lower()) if word]


def _numbers(table: pd.DataFrame) -> list[str]:
    return [str(name) for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]


def _propose_time(table: pd.DataFrame, head: Head, proposal: Proposal) -> None:
    scores, places = {}, {name for pair in _pairs(table) for name in pair}
    for name in _numbers(table):
        steps = np.diff(table[name].to_numpy(np.float64))
        forward = float((steps > 0).mean()) if len(steps) else 0.0
        words = _words(name)
        named = any(word.startswith(("time", "timestamp", "tick")) or word in ("t", "ts") for word in words)
        scores[name] = (named + forward) * (forward > (0.5 if named else 0.95)) * (named or name not in places)
    dates = _dates(table)
    if dates and not (scores and max(scores.values()) > 1):
        proposal.add("time", "column", _toml(dates), "its words are dates or times of day, and go forward")
        proposal.add("time", "unit", _toml("date"), "its words are dates or times of day")
        return
    if not scores or not max(scores.values()):
        raise FormatError(f"{head.path}: no column of numbers goes forward, as a time does")
    name = max(scores, key=lambda key: scores[key])
    steps = np.diff(table[name].to_numpy(np.float64))
    step = float(np.median(steps[steps > 0]))
    named_unit = next((_UNIT_WORDS[word] for word in reversed(_words(name)) if word in _UNIT_WORDS), None)
    rates = {unit: 1e6 / (step * us) for unit, us in UNITS_US.items() if unit in ("s", "ms", "us", "ns")}
    fitting = [unit for unit, hz in rates.items() if LIMITS_HZ[0] <= hz <= LIMITS_HZ[1]]
    unit = named_unit if named_unit in fitting else min(fitting or ["ms"], key=lambda u: abs(np.log(rates[u] / 300)))
    proposal.add(
        "time",
        "column",
        _toml(name),
        "its numbers go forward" + (", and its name says time" if scores[name] > 1 else ""),
    )
    by = "its name says so" if named_unit == unit else f"steps of {step:g} are {rates[unit]:.4g} samples a second"
    proposal.add("time", "unit", _toml(unit), by)


def _dates(table: pd.DataFrame) -> str:
    """Find the column whose words are dates or times of day that go forward; empty for none."""
    for name in map(str, table.columns):
        words = [str(word) for word in table[name].head(200)]
        if name in _numbers(table) or not all(":" in word for word in words):
            continue
        with contextlib.suppress(FormatError):
            if len(words) > 2 and (np.diff(dates_us(words, name)) >= 0).all():
                return name
    return ""


def _pairs(table: pd.DataFrame) -> list[tuple[str, str]]:
    """List the pairs of columns that are an x and a y, the likeliest gaze first."""
    numbers = _numbers(table)
    pairs = []
    for x in numbers:
        for match in re.finditer(r"(?<![a-z])[xX](?![a-z])|(?<=[a-z])X(?![a-z])|(?<=[lrLR])[xX]$|X(?![a-z])", x):
            y = x[: match.start()] + chr(ord(match[0]) + 1) + x[match.end() :]
            if y in numbers and (x, y) not in pairs and not _NO_PLACES & set(_words(x)):
                pairs.append((x, y))

    def score(pair: tuple[str, str]) -> tuple[int, int]:
        words = set(_words(pair[0]))
        return (len(words & _OTHER_WORDS) - len(words & _GAZE_WORDS), numbers.index(pair[0]))

    return sorted(pairs, key=score)


def _side(name: str) -> str:
    words = _words(name)
    for side in ("left", "right"):
        if any(word in (side, side[0], f"{side[0]}x", f"{side[0]}pog", f"{side[0]}pogx") for word in words):
            return side
        if any(word in name.lower() for word in _SIDES[side]):
            return side
    return ""


def _propose_gaze(table: pd.DataFrame, head: Head, proposal: Proposal, known: Mapping[str, float]) -> dict[str, float]:
    pairs = _pairs(table)
    if not pairs:
        raise FormatError(
            f"{head.path}: no two columns are an x and a y of gaze; it has {', '.join(table.columns[:20])}"
        )
    sides = {side: next((p for p in pairs if _side(p[0]) == side), None) for side in ("left", "right")}
    if not all(sides.values()) or pairs.index(sides["left"] or pairs[0]) > 2:
        sides = {"left": pairs[0], "right": None}
    x, y = (np.concatenate([table[pair[k]].to_numpy(np.float64) for pair in sides.values() if pair]) for k in (0, 1))
    missing = _sentinels(x, y)
    lost = np.isnan(x) | np.isnan(y) | np.isin(x, missing) & (x == y)
    x, y = x[~lost], y[~lost]
    if not len(x):
        raise FormatError(f"{head.path}: the columns {', '.join(pairs[0])} hold no gaze")
    unit, origin, upward, reasons = _units(x, y, " ".join(n for p in sides.values() if p for n in p))
    proposal.add("gaze", "unit", _toml(unit), reasons[0])
    if unit in ("px", "mm", "display"):
        proposal.add("gaze", "origin", _toml(origin), reasons[1])
    if upward is None:
        proposal.add("gaze", '# y = "up" or "down"', "", reasons[2])
    else:
        proposal.add("gaze", "y", _toml("up" if upward else "down"), reasons[2])
    if missing:
        proposal.add(
            "gaze",
            "missing",
            f"[{', '.join(f'{v:g}' if v % 1 else f'{v:.1f}' for v in missing)}]",
            "the same number in x and y, again and again",
        )
    for side, pair in sides.items():
        if pair is None:
            continue
        proposal.add(
            side,
            "x",
            _toml(pair[0]),
            "the likeliest gaze by its name" if _side(pair[0]) else "one gaze, kept as the left eye",
        )
        proposal.add(side, "y", _toml(pair[1]), "its partner")
        _propose_eye(table, side, len([p for p in sides.values() if p]) == 1, proposal)
    return _propose_screen(x, y, unit, origin, proposal, known)


def _sentinels(x: Floats, y: Floats) -> list[float]:
    equal = x[(x == y) & np.isfinite(x)]
    values, times = np.unique(equal, return_counts=True)
    return [float(v) for v, n in zip(values, times, strict=True) if n > 1 and (n > 0.002 * len(x) or v in (0, -1))]


def _units(x: Floats, y: Floats, names: str) -> tuple[str, str, bool | None, tuple[str, str, str]]:
    """Guess unit, origin and direction of y from where the numbers lie; None where nothing tells the direction."""
    left, right = np.quantile(x, (0.02, 0.98))
    top, bottom = np.quantile(y, (0.02, 0.98))
    span = f"x from {left:.4g} to {right:.4g}, y from {top:.4g} to {bottom:.4g} (middle 96 %)"
    words = set(_words(names))
    centred = left < 0 < right and abs(left + right) < 0.6 * (right - left)
    psychopy = "PsychoPy counts upward from the centre: look at the picture"
    either = "say which: numbers about 0 cannot tell; PsychoPy counts upward, others downward"
    corner = "nothing says otherwise: look at the picture"
    if "deg" in words or "degrees" in words:
        return "deg", "centre", None, ("the names say degrees", "", either)
    if "mm" in words:
        return (
            "mm",
            "centre" if centred else "top-left",
            None if centred else False,
            ("the names say mm", span, either if centred else corner),
        )
    if max(abs(left), abs(right), abs(top), abs(bottom)) <= 1.3:
        if not centred and left > -0.3:
            return (
                "display",
                "top-left",
                False,
                (f"shares of the screen: {span}", "the left half has numbers below 0.5", corner),
            )
        if max(abs(top), abs(bottom)) <= 0.55:
            unsure = "" if max(abs(left), abs(right)) > 1 else "; norm would look the same where nobody looks far out"
            return "height", "centre", True, (f"y within half a height: {span}{unsure}", "", psychopy)
        return "norm", "centre", True, (f"from -1 to 1: {span}", "", psychopy)
    if centred:
        if max(abs(left), abs(right)) < 45:
            return "deg", "centre", None, (f"small numbers about 0: {span}", "", either)
        return "px", "centre", None, (f"too large for degrees: {span}", "the numbers lie about 0", either)
    return "px", "top-left", False, (f"too large for shares and degrees: {span}", "few numbers are below 0", corner)


def _propose_eye(table: pd.DataFrame, side: str, alone: bool, proposal: Proposal) -> None:
    for name in map(str, table.columns):
        words, values = _words(name), table[name].dropna()
        if not (alone and not _side(name)) and _side(name) != side:
            continue
        if (
            "pupil" in words
            and name in _numbers(table)
            and len(values)
            and values[values > 0].between(1, 10).mean() > 0.9
        ):
            proposal.add(side, "pupil_mm", _toml(name), "its name, and numbers from 1 to 10")
        elif any(word.startswith("valid") for word in words):
            kinds = {str(value).removesuffix(".0") for value in values.unique()}
            good = next(
                (
                    [w for w in good if w in kinds]
                    for good in (["Valid"], ["valid"], ["True"], ["true"])
                    if set(good) & kinds
                ),
                None,
            )
            good = good or _good_codes(table, side, values, proposal)
            proposal.add(side, "valid", _toml(name), "its name")
            proposal.add(
                side,
                "valid_values",
                f"[{', '.join(map(_toml, good))}]",
                f"the column holds {', '.join(sorted(kinds)[:6])}",
            )


def _good_codes(table: pd.DataFrame, side: str, codes: pd.Series, proposal: Proposal) -> list[str]:
    """Find the codes of validity at which most rows have gaze; of Tobii's, from 0 to 4, they are 0 and 1."""
    x = next(value for name, value, _ in proposal.sections[side] if name == "x").strip('"')
    words = codes.astype(str).str.removesuffix(".0")
    if set(words) & {"2", "3", "4"}:
        return ["0", "1"]
    gaze = table[x].reindex(codes.index)
    present = gaze.notna() & ~gaze.isin([0, -1])
    share = present.groupby(words).mean()
    return sorted(share.index[share >= 0.5]) or ["1"]


def _propose_screen(
    x: Floats, y: Floats, unit: str, origin: str, proposal: Proposal, known: Mapping[str, float]
) -> dict[str, float]:
    sizes = dict(known)
    if not {"width_px", "height_px"} <= set(sizes):
        factor = 2 if origin == "centre" else 1
        reach = [factor * float(np.quantile(np.abs(v), 0.98)) if unit == "px" else 0.0 for v in (x, y)]
        fitting = [size for size in _SCREENS if size[0] >= reach[0] and size[1] >= reach[1]] or [_SCREENS[-1]]
        if {"width_mm", "height_mm"} <= set(sizes):  # of the same shape as the lit area, where one is
            shape = sizes["width_mm"] / sizes["height_mm"]
            fitting = [size for size in fitting if abs(size[0] / size[1] / shape - 1) < 0.03] or fitting
        width, height = fitting[0] if unit == "px" else (1920, 1080)
        why = (
            f"the smallest common screen around {reach[0]:.0f} x {reach[1]:.0f}"
            if unit == "px"
            else "nothing says it: correct it"
        )
        sizes |= {"width_px": float(width), "height_px": float(height)}
        proposal.add("screen", "width_px", str(width), why)
        proposal.add("screen", "height_px", str(height), why)
    for name in SCREEN_OPTIONS:
        if name in known:
            proposal.add("screen", name, f"{known[name]:g}", "as was given")
    if not set(SCREEN_OPTIONS) <= set(sizes):
        absent = ", ".join(name for name in SCREEN_OPTIONS if name not in sizes)
        proposal.add("screen", f"# {absent}", "", "no table says these: measure them, or give the options of import")
    return sizes


def _propose_texts(table: pd.DataFrame, proposal: Proposal) -> None:
    for kind, words in _KINDS.items():
        for name in map(str, table.columns):
            if any(word in words for word in _words(name)) and not {"x", "y"} & set(_words(name)):
                distinct = table[name][table[name] != ""].nunique()
                if name in _numbers(table) and kind != "participant":
                    continue
                if 0 < distinct < max(2, len(table) / 3):
                    proposal.add(kind, "column", _toml(name), f"its name, and {distinct} different words")
                    break


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _samples(path: Path, sizes: Mapping[str, float], mapping: Path) -> GazeRecording:
    """Read all samples by the mapping."""
    return concatenate([part.recording for part in open_source(path, screen=sizes, mapping=mapping).parts()])


def _draw(recording: GazeRecording, sizes: Mapping[str, float], target: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    gaze = recording.point() * (sizes["width_px"], sizes["height_px"])
    gaze = gaze[np.isfinite(gaze).all(axis=1)]
    figure = Figure(figsize=(8, 8 * sizes["height_px"] / sizes["width_px"] + 0.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(gaze[:, 0], gaze[:, 1], ",", color="black", alpha=0.3)
    axes.add_patch(Rectangle((0, 0), sizes["width_px"], sizes["height_px"], fill=False))
    inside = ((gaze >= 0) & (gaze <= (sizes["width_px"], sizes["height_px"]))).all(axis=1)
    share = f"{100 * inside.mean():.0f} %" if len(gaze) else "none"
    axes.set(
        title=f"{counted(len(gaze), 'sample')}, {share} of them on the screen; its top is up",
        xlabel="pixels",
        ylabel="pixels",
        aspect="equal",
    )
    axes.invert_yaxis()
    with whole_file(target) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
