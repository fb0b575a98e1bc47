"""Measures of areas that a maker's program computed: Tobii Pro Lab's metrics export, Tobii Studio's statistics.

- Pro Lab (user manual, "Metrics export", interval-based): a row an interval, with ``Recording``, ``Participant``,
  ``TOI``, ``Interval``, ``Media``; measures such as ``Total_duration_of_whole_fixations``, with a column ``AOI``, or in
  a column an area: ``Total_duration_of_whole_fixations.ray``. Times are milliseconds.
- Pro Lab's report as a workbook: a sheet a measure, with the measure's name above the table (or as the sheet's name),
  a row a recording or participant, a column an area, under the time of interest or medium; rows and columns of averages
  are left out. Several tables may stand under each other. The unit of times is that of the name, as ``(ms)``.
- Studio 3 (user manual, "Statistics"): a row a recording, a column a measure, picture, area and statistic:
  ``Total Fixation Duration_ray.jpg_eye_Sum``. Times are seconds, a lone dash is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from gazekit.core.errors import FormatError
from gazekit.core.tables import read_table
from gazekit.core.workbook import cells_of, sheets_of
from gazekit.formats.text import Head

METRIC_COLUMNS = ("participant", "image", "showing", "area", "measure", "value", "unit")
WHOLE = "whole"
_KEYS = ["participant", "image", "showing", "area"]
_STUDIO = (
    *("Time to First Fixation", "Fixations Before", "First Fixation Duration", "Fixation Duration"),
    *("Total Fixation Duration", "Fixation Count", "Visit Duration", "Total Visit Duration", "Visit Count"),
    *("Percentage Fixated", "Percentage Clicked", "Time to First Mouse Click", "Mouse Click Count"),
    "Time from First Fixation to Next Mouse Click",
)
_STUDIO_NAME = re.compile(
    rf"({'|'.join(sorted(_STUDIO, key=len, reverse=True))})_(.+)_(N|Mean|Max|Min|Sum|Median|Stdev)"
)
_PICTURE = re.compile(r"(.*?\.(?:jpe?g|png|bmp|gif|tiff?))_(.*)", re.IGNORECASE)
_MARKS = re.compile(
    r"(duration|number|time|average|peak|total|first|last)[A-Za-z_-]*_(fixation|saccade|glance|visit)", re.I
)
_TITLE = re.compile(
    r"(?:total|average|number|minimum|maximum|min|max|time|duration|mean|first|interval|pupil)\b.*"
    r"(?:fixation|visit|glance|saccade|duration|pupil|click|dwell|interval)",
    re.IGNORECASE,
)
_PEOPLE = {"recording", "participant", "gender", "age", "group", "timeline"}
_SUMMARY = re.compile(
    r"(?:all recordings|all participants|average|mean|sum|total|median|variance|stand\w* dev\w*|stdev|sd|min|max"
    r"|minimum|maximum|count|n|share of total time|percentage fixated)\b[\s\w%()\[\]/-]*$",
    re.IGNORECASE,
)
_UNITS = (
    (r"^(number|.*count|fixations before)", "count"),
    (r"percent|share|proportion", "%"),
    (r"pupil|openness", "mm"),
    (r"velocity", "deg/s"),
    (r"amplitude", "deg"),
    (r"direction", "deg"),
    (r"duration|time|start_of|latency", "time"),
)


def is_metrics(head: Head) -> bool:
    """Tell whether a file is a table of measures that a maker's program computed."""
    return _is_prolab(head.columns) or _is_studio(head.columns) or is_report(head)


def is_report(head: Head) -> bool:
    """Tell whether a workbook is Pro Lab's report with a measure a sheet, by the names of measures in it."""
    if not head.workbook or head.has("Recording timestamp") or head.has("RecordingTimestamp"):
        return False
    first = [line.split("\t")[0].strip() for line in head.lines[:8]]
    return any(_TITLE.match(cell) for cell in [*first, *sheets_of(head.path)[0]])


def _is_prolab(names: tuple[str, ...]) -> bool:
    keys = {"TOI", "Interval", "Media"} & set(names)
    return "Recording" in names and bool(keys) and any(_MARKS.search(name) for name in names)


def _is_studio(names: tuple[str, ...]) -> bool:
    return any(_STUDIO_NAME.fullmatch(name) for name in names)


def read_makers_metrics(path: str | Path) -> pd.DataFrame:
    """Read the measures of areas that a maker's program computed, a value a row.

    Parameters
    ----------
    path : str or Path
        Pro Lab's metrics export or Studio's statistics (TSV, CSV or XLSX).

    Returns
    -------
    DataFrame
        `METRIC_COLUMNS`: participant, image (the time of interest where the file names no medium), showing (1 the
        first interval of that person and picture), area ("whole" where the measure has none), measure (the maker's
        name), value and unit. What is missing has no row.

    Raises
    ------
    FormatError
        The file is no such table.
    """
    head = Head.of(path)
    if not is_metrics(head):
        raise FormatError(
            f"{path} is no table of metrics that is known (Pro Lab's metrics export with Recording and TOI or Media, "
            f"Studio's statistics); it has {', '.join(head.columns[:12])}"
        )
    if is_report(head) and not (_is_prolab(head.columns) or _is_studio(head.columns)):
        return _report(head.path)
    ids = ["Recording", "Participant", "TOI", "Interval", "Media", "AOI", "Recordings"]
    table = read_table(head.path, [], "table of metrics", ids=ids)
    table = table.loc[:, [not str(name).startswith("Unnamed") for name in table.columns]]
    long = _prolab(table) if _is_prolab(head.columns) else _studio(table)
    return _with_numbers(long)


def _with_numbers(long: pd.DataFrame) -> pd.DataFrame:
    words = long["value"].astype(str).str.rstrip("% ").str.strip()
    long["value"] = pd.to_numeric(words.str.replace(",", "."), errors="coerce")
    return long.dropna(subset="value").reset_index(drop=True)[list(METRIC_COLUMNS)]


def wide_metrics(metrics: pd.DataFrame) -> pd.DataFrame:
    """Turn a value a row into a column a measure."""
    wide = metrics.pivot_table(index=_KEYS, columns="measure", values="value", sort=False).reset_index()
    wide.columns.name = None
    return wide


def makers_units(book: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Give the maker's measures their units in a codebook of column, unit, meaning and values."""
    units = metrics.drop_duplicates("measure").set_index("measure")["unit"]
    of_maker = book["column"].isin(units.index)
    meaning = book["meaning"].where(~of_maker, "as the maker's program measured it")
    return book.assign(unit=book["column"].map(units).where(of_maker, book["unit"]), meaning=meaning)


def _prolab(table: pd.DataFrame) -> pd.DataFrame:
    empty = pd.Series("", index=table.index)
    person = table.get("Participant", empty).fillna("")
    person = person.where(person != "", table["Recording"].fillna(""))
    media = table.get("Media", empty).fillna("")
    picture = media.where(media != "", table.get("TOI", empty).fillna(""))
    columns = [str(name) for name in table.columns if _MARKS.search(str(name)) or _is_measure(str(name))]
    area = table.get("AOI", empty).fillna("") if "AOI" in table else empty
    keys = pd.DataFrame({"participant": person, "image": picture, "area": area.replace("", WHOLE)})
    interval = table.get("Interval", empty).fillna("")
    keys["showing"] = interval.groupby([keys["participant"], keys["image"]]).transform(lambda g: pd.factorize(g)[0] + 1)
    parts = []
    for name in columns:
        measure, _, suffix = name.partition(".")
        part = keys.assign(measure=measure, value=table[name], unit=_unit(measure, "ms"))
        parts.append(part.assign(area=suffix) if suffix else part)
    return pd.concat(parts, ignore_index=True)


def _report(path: Path) -> pd.DataFrame:
    """Read a workbook with a measure a sheet."""
    rows: list[tuple[object, ...]] = []
    for sheet, cells in cells_of(path).items():
        measure, above = sheet, ""
        for block in _blocks(cells):
            head, body = _parted(block)
            titles = [line[0] for line in head if line[0] and not any(line[1:])]
            measure = next((title for title in titles if _TITLE.match(title)), measure)
            above = next((title for title in reversed(titles) if title != measure), above)
            rows += _cells(measure, above, [line for line in head if any(line[1:])], body)
    if not rows:
        raise FormatError(f"{path}: no sheet holds a table of recordings and areas")
    return _with_numbers(pd.DataFrame(rows, columns=list(METRIC_COLUMNS)))


def _blocks(cells: list[list[str]]) -> Iterator[list[list[str]]]:
    """Part a sheet into tables: a table ends where, after numbers, a line is empty or a line of words begins."""
    block: list[list[str]] = []
    numbers = False
    for line in cells:
        has_number = any(_is_number(cell) for cell in line[1:])
        if numbers and not has_number and (not any(line) or not line[0] or not any(line[1:])):
            yield block
            block, numbers = [], False
        if any(line):
            block.append(line)
            numbers = numbers or has_number
    if numbers:
        yield block


def _parted(block: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Part a table into the lines above the first recording and the recordings."""
    start = next(n for n, line in enumerate(block) if line[0] and any(_is_number(cell) for cell in line[1:]))
    return block[:start], block[start:]


def _cells(measure: str, above: str, head: list[list[str]], body: list[list[str]]) -> Iterator[tuple[object, ...]]:
    """Yield the values of a table, a row each as `METRIC_COLUMNS`."""
    if measure in ("", *(line[0] for line in body)) or not head:
        return
    names = head[-1]
    of_person = [n for n, name in enumerate(names) if n == 0 or name.lower().rstrip("s") in _PEOPLE]
    who = next((n for n in of_person if names[n].lower().startswith("participant")), 0)
    given = re.search(r"[(\[]\s*(ms|s|%|mm)\s*[)\]]", measure)
    unit = given[1] if given else _unit(measure, "not in the file")
    for line in body:
        if _is_summary(line[0]):
            continue
        group = above
        for n, cell in enumerate(line):
            upper = [row[n] for row in head[:-1] if n < len(row) and row[n]]
            group = upper[-1] if upper and n not in of_person else group
            name = names[n] if n < len(names) else ""
            if n in of_person or not cell or _is_summary(name) or _is_summary(group):
                continue
            yield line[who] or line[0], group.partition(":")[2].strip() or group, 1, name or WHOLE, measure, cell, unit


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?\s*%?", cell) is not None


def _is_summary(name: str) -> bool:
    return _SUMMARY.match(name.strip()) is not None


def _is_measure(name: str) -> bool:
    """Tell whether a column of Pro Lab is a measure by its words: Average_pupil_diameter, Duration_of_interval."""
    return "_" in name and any(re.search(pattern, name, re.IGNORECASE) for pattern, _ in _UNITS)


def _studio(table: pd.DataFrame) -> pd.DataFrame:
    first = str(table.columns[0])
    parts = []
    for name in map(str, table.columns):
        if match := _STUDIO_NAME.fullmatch(name):
            measure, where, statistic = match.groups()
            place = _PICTURE.fullmatch(where)
            image, area = place.groups() if place else ("", where)
            part = {"participant": table[first].astype(str), "image": image, "showing": 1, "area": area}
            parts.append(
                pd.DataFrame(
                    {**part, "measure": f"{measure} ({statistic})", "value": table[name]}, index=table.index
                ).assign(unit="count" if statistic == "N" else _unit(measure, "s"))
            )
    long = pd.concat(parts, ignore_index=True)
    return long[~long["participant"].str.lower().isin(["all recordings", "total", "nan"])]


def _unit(measure: str, time: str) -> str:
    """Return the unit of a measure by its name; times are in the maker's unit."""
    unit = next((unit for pattern, unit in _UNITS if re.search(pattern, measure, re.IGNORECASE)), "")
    return time if unit == "time" else unit
