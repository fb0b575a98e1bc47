"""What the page says of areas while they are drawn: the numbers of `gazekit measures` and `gazekit aoi`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.time_windows import TimeWindow
from gazekit.events.aoi import transitions
from gazekit.events.areas import Area, with_groups
from gazekit.explore.picture_looks import PictureLooks
from gazekit.measures import MeasureOptions
from gazekit.measures.viewing import WHOLE

SHOWN = (
    "fixations",
    "fixation_ms",
    "dwell_share",
    "time_to_first_ms",
    "first_fixation_ms",
    "visits",
)
FIGURE_COLUMNS = ("participant", "image", "showing", "area", "window", *SHOWN)


@dataclass(frozen=True)
class AreaFigures:
    """The measures of areas of one picture.

    Attributes
    ----------
    table : DataFrame
        `FIGURE_COLUMNS`, a row a showing and area, as `gazekit measures` has them.
    steps : DataFrame
        Transitions: from, to, count, as `gazekit aoi --transitions` has them.
    excluded : tuple of str
        What was left out, in sentences.
    """

    table: pd.DataFrame
    steps: pd.DataFrame
    excluded: tuple[str, ...] = ()

    def summary(self) -> list[dict[str, Any]]:
        """Return means over showings of each area, and how many people looked into it."""
        rows = []
        for name, part in self.table.groupby("area", sort=False):
            means = {column: _finite(part[column].mean()) for column in SHOWN}
            looked = part.loc[part["fixations"] > 0, "participant"].nunique()
            rows.append({"area": name, **means, "people": looked, "of": part["participant"].nunique()})
        return rows


def area_figures(looks: PictureLooks, areas: Mapping[str, Area], window: TimeWindow | None = None) -> AreaFigures:
    """Measure areas of a picture, and their groups.

    Parameters
    ----------
    looks : PictureLooks
        What people looked at, in the window.
    areas : mapping of str to Area
        By name.
    window : TimeWindow, optional
        The window that ``looks`` are of.
    """
    tests = with_groups(areas)
    options = MeasureOptions(window, {looks.image: tests})
    rows = [
        {"participant": one.participant, "session": one.session, "order": one.order, **row}
        for one in looks.looks
        for row in one.look.rows(options)
    ]
    table = pd.DataFrame(rows).reindex(columns=["participant", "image", "area", "window", "session", "order", *SHOWN])
    table.insert(2, "showing", table.groupby(["participant", "area"], sort=False).cumcount() + 1)
    fixations = pd.concat([one.fixations[one.look.chosen] for one in looks.looks], ignore_index=True)
    steps = transitions(fixations, {looks.image: tests})
    return AreaFigures(table[list(FIGURE_COLUMNS)], steps, looks.excluded)


def by_area(figures: AreaFigures) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each area but the whole picture, a person each: for the page."""
    rows = figures.table[figures.table["area"] != WHOLE]
    return {
        str(name): [
            {key: _finite(value) for key, value in row.items()}
            for row in part.drop(columns=["image", "window"]).to_dict("records")
        ]
        for name, part in rows.groupby("area", sort=False)
    }


def _finite(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
