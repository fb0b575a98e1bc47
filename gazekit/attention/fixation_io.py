"""Fixation tables from files: gazekit's own, and other people's."""

from __future__ import annotations

import contextlib
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, GazekitError
from gazekit.core.lasting import advice, lasting
from gazekit.core.tables import read_table
from gazekit.core.time_windows import has_onsets
from gazekit.core.types import Index
from gazekit.pictures import Picture, inspect_picture, match_names

OTHER_NAMES = {
    "viewer": "participant",
    "subject": "participant",
    "x": "x_picture",
    "y": "y_picture",
    "duration": "duration_ms",
}
_LOOSE = {"stimulus": "image", "picture": "image", "fixx": "x_picture", "fixy": "y_picture", "dur": "duration_ms"}
_LOOSE |= {"fixduration": "duration_ms", "fixdur": "duration_ms", "fixationduration": "duration_ms"}
_LOOSE |= {"fixationx": "x_picture", "fixationy": "y_picture", "xposition": "x_picture", "yposition": "y_picture"}
_ELSEWHERE = {  # German, French, Spanish, Portuguese, Italian, Dutch, Russian, Chinese, Japanese
    "image": "bild bildname bilddatei reiz stimulusname imagen estímulo imagem immagine afbeelding stimolo изображение "
    "картинка стимул 图片 图像 刺激 画像 刺激画像",
    "participant": "versuchsperson vp vpn proband probandin teilnehmer teilnehmerin participante sujet sujeto "
    "partecipante soggetto proefpersoon deelnemer участник испытуемый 被试 参与者 受试者 参加者 被験者",
    "x_picture": "fixationsx blickx xposition xkoordinate positionx posx posiciónx posiçãox posizionex",
    "y_picture": "fixationsy blicky yposition ykoordinate positiony posy posicióny posiçãoy posizioney",
    "duration_ms": "dauer fixationsdauer blickdauer durée duréefixation duréedefixation duración duracióndefijación "
    "duração duraçãodafixação durata duratafissazione duur fixatieduur длительность продолжительность 时长 持续时间 "
    "注视时长 注视时间 持続時間 注視時間",
}
_LOOSE |= {word: column for column, words in _ELSEWHERE.items() for word in words.split()}
_PIXELS = dict.fromkeys(("px", "pixel", "pixels"), 1.0)
_MS = {"ms": 1.0, "s": 1000.0, "sec": 1000.0, "us": 0.001, "ns": 1e-6}
_TIMES = {
    "start": "start onset begin starttime onsettime begintime starttimestamp fixationstart fixationonset fixstart "
    "fixonset tstart beginn anfang début debut inicio início inizio начало 开始 開始",
    "end": "end offset stop endtime offsettime stoptime endtimestamp fixationend fixationoffset fixend fixoffset tend "
    "ende fin fim fine einde конец 结束 終了",
}
_ORDER = {
    "index",
    "order",
    "ordinal",
    *(f"{fix}{what}" for fix in ("fix", "fixation") for what in ("", "index", "number", "order", "id", "nr", "no")),
}
_UNITS: dict[str, dict[str, float]] = {"x_picture": _PIXELS, "y_picture": _PIXELS, "duration_ms": _MS}
FROM_BOTTOM = "y_from_bottom"
"""Column of y that counts upwards from the picture's bottom, in its pixels or in shares of its height."""
_FEWEST, _LARGE = 50, 200  # fixations that can be seen to be per cent, on pictures of so many pixels
COLUMNS = ("participant", "x_picture", "y_picture", "duration_ms")


def on_pictures(fixations: pd.DataFrame, pictures: Iterable[Picture]) -> pd.DataFrame:
    """Name the pictures of a fixation table as the list of pictures does, and turn shares of a picture into its pixels.

    Names match by stem, case and folder aside, where that is unambiguous. Numbers that all lie between 0 and 1 are
    shares. A column ``y_from_bottom`` in place of y counts upwards. What is changed is said on standard error.
    """
    files = {picture.image: picture.file for picture in pictures}
    if "image" not in fixations:
        return fixations
    matched = match_names(fixations["image"].dropna().unique(), files)
    renamed = {name: image for name, image in matched.items() if name != image}
    if renamed:
        old, new = next(iter(renamed.items()))
        print(f"{counted(len(renamed), 'name')} of pictures matched by stem, such as {old} with {new}", file=sys.stderr)
        fixations = fixations.assign(image=fixations["image"].replace(renamed))
    upward = FROM_BOTTOM in fixations and "y_picture" not in fixations
    places = ["x_picture", FROM_BOTTOM if upward else "y_picture"]
    if not set(places) <= set(fixations.columns):
        return fixations
    numbers = pd.DataFrame({name: _numbers(fixations[name], "the fixation table") for name in places})
    inside = numbers.dropna()
    shares = len(inside) > 0 and bool(inside.stack().between(0, 1).all())
    shares &= len(inside) >= 3 or bool((inside % 1 != 0).to_numpy().any())
    per_cent = not shares and len(inside) >= _FEWEST and bool(inside.stack().between(0, 100).all())
    if not (shares or upward or per_cent):
        return fixations
    if shares:
        print("x and y lie between 0 and 1: they were taken for shares of the picture", file=sys.stderr)
    sizes = {}
    for image in set(fixations["image"].dropna()) & set(files):
        with contextlib.suppress(GazekitError, OSError):  # a bad picture is named where it is needed
            sizes[image] = inspect_picture(files[image].read_bytes(), image).upright
    if per_cent and sizes and min(min(size) for size in sizes.values()) >= _LARGE:
        print(
            "all x and y lie between 0 and 100, in a corner of the pictures: are they per cent? Divided by 100 they "
            "are taken for shares",
            file=sys.stderr,
        )
    if not (shares or upward):
        return fixations
    height, width = (fixations["image"].map({name: size[axis] for name, size in sizes.items()}) for axis in (0, 1))
    x, y = (
        numbers[name] * size if shares else numbers[name] for name, size in zip(places, (width, height), strict=True)
    )
    return fixations.assign(x_picture=x, y_picture=height - y if upward else y)


_WITH_UNIT = re.compile(r"(.*?)\s*(?:[(\[]([^()\[\]]*)[)\]]|[\s_](?:in[\s_])?(ms|s|us|ns|px))")


def _parted(name: str) -> tuple[str, str]:
    """Part a column's name from the unit behind it: ``Dauer [ms]``, ``duration_ms``."""
    match = _WITH_UNIT.fullmatch(name.strip())
    if match is None:
        return _letters(name), ""
    return _letters(match[1]), (match[2] or match[3] or "").replace(" ", "").replace("µ", "u").lower()


def _letters(name: str) -> str:
    """Return a column's name in small letters without blanks, lines and dots."""
    return re.sub(r"[\s_.-]", "", unicodedata.normalize("NFC", name).casefold())


def known_columns(table: pd.DataFrame, path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """Take columns that are absent from others of other capitals, names, languages or units; return what was taken.

    Where there is no duration, it is the end less the start. Where no time tells their order, a column that numbers the
    fixations of each viewing does.

    Raises
    ------
    FormatError
        Text where a number should be, or an end that is not after its start.
    """
    taken = []
    table = table.rename(columns={old: new for old, new in OTHER_NAMES.items() if new not in table.columns})
    for new in ("image", *COLUMNS):
        if new in table.columns or (new == "y_picture" and FROM_BOTTOM in table.columns):
            continue
        words = [new, *(word for word, column in (OTHER_NAMES | _LOOSE).items() if column == new)]
        known = {_parted(word)[0] for word in words}
        units = {"": 1.0} | _UNITS.get(new, {})
        parted = {str(name): _parted(str(name)) for name in table.columns}
        others = [name for name, (word, unit) in parted.items() if word in known and unit in units]
        if len(others) != 1:
            continue
        factor, old = units[parted[others[0]][1]], others[0]
        table = table.rename(columns={old: new})
        if new == "participant":
            table[new] = table[new].where(table[new].isna(), table[new].astype(str).str.removesuffix(".0"))
        if factor != 1:
            table[new] = _numbers(table[new], "the fixation table") * factor
        taken.append(f"{old} as {new}" + (f" (times {factor:g})" if factor != 1 else ""))
    if "duration_ms" not in table.columns and (ends := _start_and_end(table)):
        names, factor = ends
        start, end = (_numbers(table[name], path).to_numpy(np.float64) for name in names)
        table["duration_ms"] = lasting(start, end, names, path) * factor
        taken.append(f"{names[1]} less {names[0]} as duration_ms" + (f" (times {factor:g})" if factor != 1 else ""))
        for name, times in (("onset_us", start * factor * 1000), ("offset_us", end * factor * 1000)):
            if name not in table.columns:
                table[name] = times if np.isnan(times).any() else np.round(times).astype(np.int64)
    order = [str(name) for name in table.columns if _letters(str(name)) in _ORDER]
    if len(order) == 1 and not has_onsets(table) and (rows := _in_order(table, order[0])) is not None:
        table = table.iloc[rows].reset_index(drop=True)
        taken.append(f"{order[0]} as the order of the rows, which is another in the file")
    return table, taken


def _in_order(table: pd.DataFrame, column: str) -> Index | None:
    """Return the rows, those of each viewing in the order of a column; None where it tells nothing, or they are so."""
    keys = [name for name in ("participant", "image", "showing") if name in table]
    number = pd.to_numeric(table[column], errors="coerce")
    if not keys or number.isna().any():
        return None
    viewing = table.groupby(keys, observed=True, dropna=False).ngroup().to_numpy()
    if pd.DataFrame({"viewing": viewing, "number": number.to_numpy()}).duplicated().any():
        return None
    rows = np.empty(len(table), dtype=np.int64)
    rows[np.argsort(viewing, kind="stable")] = np.lexsort((number.to_numpy(), viewing))
    return None if (rows == np.arange(len(rows))).all() else rows


def _start_and_end(table: pd.DataFrame) -> tuple[tuple[str, str], float] | None:
    """Find the columns of start and end and how many milliseconds their unit has; ms where none is named."""
    parted = {str(name): _parted(str(name)) for name in table.columns}
    found = [
        [(name, unit) for name, (word, unit) in parted.items() if word in words]
        for words in map(str.split, _TIMES.values())
    ]
    if [len(names) for names in found] != [1, 1]:
        return None
    (start, unit), (end, other) = found[0][0], found[1][0]
    return ((start, end), _MS[unit or "ms"]) if unit == other and (unit or "ms") in _MS else None


def _numbers(column: pd.Series, path: str | Path) -> pd.Series:
    """Return a column as numbers, or say which of its values is none, infinite, or a time below 0."""
    numbers = pd.to_numeric(column, errors="coerce")
    impossible = np.isinf(numbers) | ((numbers < 0) & (column.name == "duration_ms"))
    wrong = np.flatnonzero((numbers.isna() & column.notna()) | impossible)
    if len(wrong):
        what = "are infinite or below 0" if impossible.any() else "are no numbers"
        raise FormatError(
            f"{path}: {len(wrong)} of {len(column)} values of {column.name} {what}: the first is "
            f"'{column.iloc[wrong[0]]}' in row {wrong[0] + 1}; leave a cell empty where nothing is known"
        )
    return numbers


def read_fixations(
    path: str | Path,
    *,
    one_based: bool = False,
    rename: Mapping[str, str] | None = None,
    columns: Iterable[str] = COLUMNS,
) -> pd.DataFrame:
    """Read a fixation table: gazekit's own, or one with image, x, y, duration (ms) and viewer, subject or participant.

    The columns may be named in other languages and with a unit behind the name, ``Dauer [s]``. In place of a duration
    there may be start and end, ms where no unit is named.

    Parameters
    ----------
    one_based : bool
        X and y count pixels from 1, as MATLAB does: the centre of the first is 1 there, and 0.5 here.
    rename : mapping, optional
        Other names of columns.
    columns : iterable
        What it must have beside the image.

    Raises
    ------
    InputError, FormatError
        No such file, not a table, columns that are missing (all are named), text where a number should be.
    """
    rename = dict(rename or {})
    raw = read_table(path, rename, "fixation table")
    twice = [str(name) for name in raw.columns if f"{name}.1" in raw.columns]
    table, taken = known_columns(raw.rename(columns=rename), path)
    if taken:
        print(f"columns taken: {', '.join(taken)}", file=sys.stderr)
    missing = [name for name in ("image", *columns) if name not in table.columns]
    if FROM_BOTTOM in table.columns:
        missing = [name for name in missing if name != "y_picture"]
    used = {"image", *COLUMNS, FROM_BOTTOM, "onset_us", "since_onset_ms"}
    if twice := [name for name in twice if name in used or name not in table.columns]:
        raise FormatError(f"{path}: columns stand twice: {', '.join(twice)}; name or leave out one of each")
    if missing:
        raise FormatError(
            f"{path}: this fixation table lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
            f"{advice(missing)}"
        )
    table["image"] = table["image"].astype(str).where(table["image"].notna())
    for name in ("x_picture", "y_picture", FROM_BOTTOM, "duration_ms"):
        if name in table.columns:
            table[name] = _numbers(table[name], path)
            if one_based and name != "duration_ms":
                table[name] = table[name] - 0.5
    return table
