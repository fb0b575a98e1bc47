"""Areas over their picture as a drawing, their measures as a table, and the command that makes the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from gazekit.core.files import is_table, picture_format, provenance, whole_file
from gazekit.core.tables import write_table
from gazekit.core.types import Pixels
from gazekit.events.areas import COLOURS, Area
from gazekit.explore.areas_measures import AreaFigures
from gazekit.explore.commands import Recipe, arguments, screen_options, words
from gazekit.explore.material import Material
from gazekit.explore.summaries import SUFFIX

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_areas(rgb: Pixels, areas: Mapping[str, Area], figures: AreaFigures, out: str | Path) -> Path:
    """Write a picture with its areas (.png, .svg, .pdf), or what people did in them (.csv, .tsv, .parquet).

    Raises
    ------
    OutputError
        The file cannot be written, or its suffix is none of these.
    """
    out = Path(out)
    if is_table(out):
        left_out = {"left_out": list(figures.excluded)} if figures.excluded else {}
        return write_table(figures.table, out, provenance("gazekit.explore.areas/1", left_out))
    kind = picture_format(out)
    with whole_file(out) as beside:
        areas_figure(rgb, areas, figures).savefig(beside, format=kind, dpi=120)
    return out


def areas_figure(rgb: Pixels, areas: Mapping[str, Area], figures: AreaFigures) -> Figure:
    """Draw areas over their picture, each with its name and mean dwell."""
    from matplotlib.figure import Figure

    height, width = rgb.shape[:2]
    dwell = {row["area"]: row["fixation_ms"] for row in figures.summary()}
    figure = Figure(figsize=(8, 8 * height / width + 0.4), layout="constrained")
    axes = figure.subplots()
    axes.imshow(drawn_areas(rgb, areas))
    for (name, area), place in zip(
        areas.items(), map(_corner, (a.pixels((height, width)) for a in areas.values())), strict=True
    ):
        label = name if dwell.get(name) is None else f"{name}: {dwell[name]:.0f} ms"
        axes.text(*place, label, color="white", fontsize=8, weight="bold", va="top", clip_on=True,
                  bbox={"facecolor": area.colour or "black", "alpha": 0.75, "pad": 1.5, "linewidth": 0})  # fmt: skip
    axes.set_axis_off()
    axes.set_title("mean dwell of those who saw the picture", fontsize=8, loc="right")
    return figure


def drawn_areas(rgb: Pixels, areas: Mapping[str, Area]) -> Pixels:
    """Return the picture with areas tinted and outlined in their colours."""
    result = np.ascontiguousarray(rgb).copy()
    line = max(1, round(max(rgb.shape[:2]) / 400))
    for n, area in enumerate(areas.values()):
        text = area.colour or COLOURS[n % len(COLOURS)]
        colour = tuple(int(text[k : k + 2], 16) for k in (1, 3, 5))
        mask = area.pixels((rgb.shape[0], rgb.shape[1]))
        result[mask] = np.rint(0.75 * result[mask] + 0.25 * np.array(colour)).astype(np.uint8)
        around, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(result, around, -1, colour, line, cv2.LINE_AA)
    return result


def areas_recipe(material: Material, file: Path, window: str) -> Recipe:
    """Return the commands and the Python lines that measure the same areas."""
    sessions = list(map(str, material.asked))
    study = ["--study", str(material.study.file)] if material.study else []
    named = [*sessions, *study, *screen_options(material)]
    timed = ["--window", window] if window else []
    measures = words(["gazekit", "measures", *named, "--areas", file, *timed, "--out", "measures.csv"])
    fixations = words(["gazekit", "fixations", *named, "--out", "fixations.csv"])
    steps = words(["gazekit", "aoi", "fixations.csv", file, "--out", "aoi.csv", "--transitions", "transitions.csv"])
    section = material.fixations
    sizes = {"screen": dict(material.screen)} if material.screen else {}
    own = all(facts.source.name.endswith(SUFFIX) for facts in material.sessions)
    opened = "gk.open_session(file)" if own else f"gk.import_recording(file{arguments(sizes)})"
    chosen = "".join(f", {name}={value!r}" for name, value in {"cut": section.cut, **section.parameters}.items())
    python = "\n".join(
        [
            "import gazekit as gk",
            "from gazekit.core.time_windows import TimeWindow",
            "from gazekit.events import read_areas",
            "from gazekit.formats.exporting import session_files",
            "from gazekit.measures import MeasureOptions, join_sessions, session_measures",
            "from gazekit.session.excluding import Exclusions",
            f"options = MeasureOptions(TimeWindow.of({window or None!r}), read_areas({str(file)!r}))",
            f"left_out = Exclusions.of({str(file)!r})",
            f"files = session_files({sessions!r})",
            f"sessions = filter(None, (left_out.of_session({opened}) for file in files))",
            f"tables = [session_measures(session, options, {section.detector!r}{chosen}) for session in sessions]",
            "table = join_sessions(tables)",
        ]
    )
    return Recipe(f"{measures}\n{fixations}\n{steps}", python)


def _corner(mask: np.ndarray) -> tuple[int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (int(columns[0]), int(rows[0])) if len(rows) else (0, 0)
