"""Figures that benchmarks measured: kept as JSON a room, shown as one Markdown table.

``python -m tests.benchmarks`` writes ``docs/figures.md`` from ``docs/figures/*.json``. A benchmark calls `record`; the
files change only where ``GAZEKIT_FIGURES=1`` is set, so that an ordinary run leaves the tree as it is.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "figures"
PAGE = ROOT / "docs" / "figures.md"
ROOMS = {
    "capture": "Recording",
    "formats": "Import and export",
    "events": "Fixations and quality",
    "attention": "Attention",
    "survey": "Survey",
    "dataset": "Datasets",
    "models": "Models",
    "training": "Training and scoring",
    "stats": "Comparison",
    "explore": "Explore",
    "studies": "Whole studies",
}
_INTRODUCTION = """\
# Figures

Every figure that gazekit claims, with the command that measures it again, the machine, the date and the data that it
stands on. "Developed on" says that the method was tuned on these data, so that the figure flatters it. Made by
`python -m tests.benchmarks` from `docs/figures/*.json`; do not edit this page by hand.
"""


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes
    ----------
    name : str
        What was measured.
    value : str
        The figure, with its unit and spread.
    bar : str
        What was asked for; empty where nothing was.
    data : str
        The data that it stands on.
    developed_on : bool
        Whether the method was tuned on these data.
    command : str
        The command that measures it again.
    machine, date : str
        Where and when it was measured.
    """

    name: str
    value: str
    bar: str
    data: str
    developed_on: bool
    command: str
    machine: str
    date: str


def record(
    room: str, name: str, value: str, *, data: str, command: str, bar: str = "", developed_on: bool = False
) -> None:
    """Print a figure, and keep it in its room's file if ``GAZEKIT_FIGURES`` is set.

    A figure of the same name takes the place of the earlier one.
    """
    print(f"{name}: {value}" + (f" (asked for: {bar})" if bar else ""))
    if not os.environ.get("GAZEKIT_FIGURES"):
        return
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}"
    figure = Figure(name, value, bar, data, developed_on, command, machine, today)
    others = [other for other in read_figures(room) if other.name != name]
    text = json.dumps([asdict(each) for each in (*others, figure)], indent=1, ensure_ascii=False)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{room}.json").write_text(text + "\n", encoding="utf-8")


def read_figures(room: str) -> list[Figure]:
    """Return the figures of a room, in the order in which they were first recorded."""
    if room not in ROOMS:
        raise ValueError(f"no room {room!r}; known: {', '.join(ROOMS)}")
    file = FOLDER / f"{room}.json"
    return [Figure(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []


def page() -> str:
    """Return the page of all figures as Markdown."""
    sections = [section for room, title in ROOMS.items() if (section := _section(room, title))]
    return "\n".join([_INTRODUCTION, *sections])


def _section(room: str, title: str) -> str:
    figures = read_figures(room)
    if not figures:
        return ""
    rows = [
        f"| {f.name} | {f.value} | {f.bar or '-'} | {f.data}{' (**developed on**)' if f.developed_on else ''} "
        f"| `{f.command}` | {f.machine}; {f.date} |"
        for f in figures
    ]
    head = "| figure | measured | asked for | data | command | machine, date |\n|---|---|---|---|---|---|"
    return "\n".join([f"## {title}\n", head, *rows, ""])
