"""The measures of one viewing: one person, one picture, all of it and each of its areas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from gazekit.core.errors import InputError
from gazekit.core.time_windows import TimeWindow
from gazekit.core.types import Bools, Floats
from gazekit.events.angles import angle_between_fick
from gazekit.events.aoi import Inside, areas_by_picture, visits
from gazekit.measures.pupil import Pupil

WHOLE = "whole"  # the area that is the whole picture
MARKED = "marked"  # the areas that the participant marked in the interview, together
FACTOR = "factor_"  # begins the columns of what a participant was assigned, such as a group
KEYS = ("participant", "image", "showing", "area", "window")
MEASURES = (
    "viewing_ms",
    "gaze_share",
    "fixations",
    "fixation_ms",
    "mean_fixation_ms",
    "dwell_share",
    "time_to_first_ms",
    "first_fixation_ms",
    "visits",
    "saccades",
    "saccade_deg",
    "scanpath_deg",
    "scanpath_px",
    "entropy_bits",
    "coverage",
    "pupil_change_mm",
    "pupil_baseline_mm",
)
_GRID = 96  # cells of the longer side, for the covered area


@dataclass(frozen=True)
class MeasureOptions:
    """Say what is measured.

    Attributes
    ----------
    window : TimeWindow, optional
        Only what happened in this part of the viewing; a fixation that began in it counts with all of its duration.
    areas : mapping
        Picture to area to test for its inside, as `gazekit.events.read_areas` gives them.
    baseline_ms : float
        Time before the picture that the pupil is compared with.
    coverage_deg : float
        A fixation covers this far around itself.
    entropy_cells : int
        Square cells along the picture's longer side, over which the entropy is taken.
    least_gaze : float
        Viewings with a smaller share of gaze have no measures of gaze.
    """

    window: TimeWindow | None = None
    areas: Mapping[str, Mapping[str, Inside]] = field(default_factory=dict)
    baseline_ms: float = 200.0
    coverage_deg: float = 1.0
    entropy_cells: int = 8
    least_gaze: float = 0.0

    def __post_init__(self) -> None:
        for name, what in ((WHOLE, "the whole picture"), (MARKED, "what the participant marked")):
            named = [image for image, areas in self.areas.items() if name in areas]
            if named:
                raise InputError(f"{named[0]}: an area cannot be named {name!r}, which is {what}")
        for name, value in (("baseline_ms", self.baseline_ms), ("coverage_deg", self.coverage_deg)):
            if not value > 0:
                raise InputError(f"{name} is {value}; it must be above 0")
        if self.entropy_cells < 2:
            raise InputError(f"entropy_cells is {self.entropy_cells}; 2 or more are needed")

    def of_pictures(self, images: Iterable[str]) -> MeasureOptions:
        """Return the options with the areas by the names that pictures have in a table or a session."""
        return replace(self, areas=areas_by_picture(self.areas, images)) if self.areas else self

    @property
    def window_name(self) -> str:
        """The window as tables name it."""
        return "all" if self.window is None else str(self.window)


@dataclass(frozen=True)
class Look:
    """Hold one person's look at one picture.

    Attributes
    ----------
    image : str
        Id of the picture.
    fixations : DataFrame
        All while it was there, in order of time: ``x_picture``, ``y_picture``, ``duration_ms``, ``since_onset_ms``,
        and ``x_deg``, ``y_deg`` where they are known.
    chosen : ndarray of bool, shape (n,)
        Which of them lie in the window.
    size : (int, int)
        Height and width of the picture; (0, 0) where unknown.
    degree_px : float
        Picture pixels that a degree covers; NaN where unknown.
    viewing_ms, gaze_share : float
        Of the window; NaN where unknown.
    saccades_deg : ndarray, optional
        Amplitudes of the saccades in the window.
    pupil : Pupil, optional
        The pupil in the window.
    own_areas : mapping
        Areas of this person in this picture, beside those of the options.
    """

    image: str
    fixations: pd.DataFrame
    chosen: Bools
    size: tuple[int, int] = (0, 0)
    degree_px: float = float("nan")
    viewing_ms: float = float("nan")
    gaze_share: float = float("nan")
    saccades_deg: Floats | None = None
    pupil: Pupil | None = None
    own_areas: Mapping[str, Inside] = field(default_factory=dict)

    @property
    def on(self) -> Bools:
        """Which fixations lie on the picture, (n,)."""
        x, y = self._place
        height, width = self.size if any(self.size) else (np.inf, np.inf)
        return np.asarray((x >= 0) & (x < width) & (y >= 0) & (y < height))

    def rows(self, options: MeasureOptions) -> list[dict[str, object]]:
        """Return the measures of the whole picture and of its areas."""
        x, y = self._place
        asked = {**options.areas.get(self.image, {}), **self.own_areas}
        areas = {WHOLE: self.on, **{name: self.on & inside(x, y) for name, inside in asked.items()}}
        seen = not (self.gaze_share == 0 or self.gaze_share < options.least_gaze)
        rows = []
        for name, where in areas.items():
            measures = (
                self._of_area(where, name == WHOLE) | (self._of_path(options) if name == WHOLE else {}) if seen else {}
            )
            known = {"viewing_ms": self.viewing_ms, "gaze_share": self.gaze_share}
            rows.append({"image": self.image, "area": name, "window": options.window_name, **known, **measures})
        return rows

    @property
    def _place(self) -> tuple[Floats, Floats]:
        x, y = (self.fixations[name].to_numpy(float) for name in ("x_picture", "y_picture"))
        return x, y

    def _of_area(self, where: Bools, whole: bool) -> dict[str, float]:
        """Measure the fixations in an area, where ``where`` is true of them."""
        duration, since = (self.fixations[name].to_numpy(float) for name in ("duration_ms", "since_onset_ms"))
        inside = where & self.chosen
        total, dwell = float(duration[self.chosen].sum()), float(duration[inside].sum())
        count, first = int(inside.sum()), int(np.argmax(inside)) if inside.any() else None
        measures = {
            "fixations": float(count),
            "fixation_ms": dwell,
            "mean_fixation_ms": dwell / count if count else np.nan,
            "dwell_share": dwell / total if total > 0 else np.nan,
            "time_to_first_ms": np.nan if first is None else float(since[first]),
            "first_fixation_ms": np.nan if first is None else float(duration[first]),
            "visits": float(visits(where[self.chosen])),
        }
        if self.pupil is not None:
            times = None if whole else (since[inside], since[inside] + duration[inside])
            measures |= {"pupil_change_mm": self.pupil.change(times), "pupil_baseline_mm": self.pupil.baseline_mm}
        return measures

    def _of_path(self, options: MeasureOptions) -> dict[str, float]:
        """Measure what only the whole picture has."""
        on = self.on & self.chosen
        x, y = (place[on] for place in self._place)
        path = float(np.hypot(np.diff(x), np.diff(y)).sum())
        measures = {"scanpath_px": path, "scanpath_deg": np.nan}
        if {"x_deg", "y_deg"} <= set(self.fixations):
            azimuth, elevation = (self.fixations[name].to_numpy(float)[on] for name in ("x_deg", "y_deg"))
            steps = angle_between_fick(azimuth[:-1], elevation[:-1], azimuth[1:], elevation[1:])
            measures["scanpath_deg"] = float(steps.sum())
        if self.saccades_deg is not None:
            measures["saccades"] = float(len(self.saccades_deg))
            measures["saccade_deg"] = float(self.saccades_deg.mean()) if len(self.saccades_deg) else np.nan
        if any(self.size):
            measures["entropy_bits"] = entropy_bits(x, y, self.size, options.entropy_cells)
            if np.isfinite(self.degree_px):
                measures["coverage"] = coverage(x, y, self.size, options.coverage_deg * self.degree_px)
        return measures


def entropy_bits(x: Floats, y: Floats, size: tuple[int, int], cells: int = 8) -> float:
    """Compute the entropy of where fixations lie, over square cells of the picture (stationary gaze entropy).

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Places in picture pixels, all on the picture.
    size : (int, int)
        Height and width of the picture.
    cells : int
        Cells along its longer side.

    Returns
    -------
    float
        Bits: 0 where all fixations lie in one cell, at most log2 of their number; NaN without fixations.

    Examples
    --------
    >>> entropy_bits(np.array([1.0, 99.0, 1.0, 99.0]), np.array([1.0, 99.0, 1.0, 99.0]), (100, 100))
    1.0
    """
    if not len(x):
        return float("nan")
    side = max(size) / cells
    _, counts = np.unique(np.floor(x / side) * (cells + 1) + np.floor(y / side), return_counts=True)
    share = counts / counts.sum()
    return float(abs((share * np.log2(share)).sum()))


def coverage(x: Floats, y: Floats, size: tuple[int, int], radius_px: float) -> float:
    """Compute the share of the picture that lies within a radius of any fixation.

    Examples
    --------
    >>> round(coverage(np.array([50.0]), np.array([50.0]), (100, 100), 25.0), 2)
    0.2
    """
    if not len(x):
        return 0.0
    side = max(size) / _GRID
    down, across = (np.arange(max(1, round(length / side))) + 0.5 for length in size)
    down, across = down * size[0] / len(down), across * size[1] / len(across)
    covered = np.zeros((len(down), len(across)), dtype=bool)
    for place_x, place_y in zip(x, y, strict=True):
        covered |= (down[:, None] - place_y) ** 2 + (across - place_x) ** 2 <= radius_px**2
    return float(covered.mean())
