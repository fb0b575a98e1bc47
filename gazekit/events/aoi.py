"""Areas of interest: dwell time, first fixation, revisits, transitions."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.time_windows import showings
from gazekit.core.types import Bools, Floats
from gazekit.events.areas import OUTSIDE, checked_corners, in_mask, in_polygon, read_area_file, with_groups
from gazekit.pictures import match_names

Inside = Callable[[Floats, Floats], Bools]
AOI_COLUMNS = (
    "participant",
    "image",
    "aoi",
    "fixations",  # in the area
    "dwell_ms",  # their durations together
    "dwell_share",  # of all fixation time on the picture
    "first_fixation_ms",  # from the first fixation's onset on the picture; NaN if never
    "first_duration_ms",
    "visits",  # unbroken runs of fixations in the area
    "revisits",  # after the first of a showing
)
_NAMED = 5  # pictures, in a message
_FEWEST_PLACES, _OFF_MASK = 20, 0.2  # fixations that tell the size of a picture; the share of them off a mask
_BEYOND = 1.5  # times as far as the farthest fixation


def polygon(points: npt.ArrayLike) -> Inside:
    """Return a test for the inside of a polygon of (x, y) corners in picture pixels; edges that touch count once.

    Raises
    ------
    InputError
        Not a list of three or more finite corners.
    """
    return partial(in_polygon, checked_corners(points))


def mask_area(mask: npt.ArrayLike) -> Inside:
    """Return a test for the true pixels of a mask, shape (h, w); a point belongs to the pixel that covers it."""
    true = np.asarray(mask).astype(bool)
    if true.ndim != 2:
        raise InputError(f"a mask has two dimensions; found shape {true.shape}")
    return partial(in_mask, true)


def read_areas(path: str | Path) -> dict[str, dict[str, Inside]]:
    """Read the areas of pictures, and their groups, from a JSON file as tests for their inside.

    An area is a list of corners, the name of a mask picture beside the file, or an object with one of ``rectangle``,
    ``ellipse``, ``polygon``, ``brush`` and ``mask``, see `gazekit.events.areas.area_of`. A group of areas is an area
    too, behind the others.

    Raises
    ------
    InputError, FormatError
        No such file, not such a JSON file, or an area in it is wrong (it is named).
    """
    return {image: with_groups(areas) for image, areas in read_area_file(path).items()}


def areas_by_picture(
    areas: Mapping[str, Mapping[str, Inside]], images: Iterable[str]
) -> dict[str, Mapping[str, Inside]]:
    """Return areas by the names of pictures elsewhere: folder, case and suffix aside, where that is unambiguous."""
    found: dict[str, Mapping[str, Inside]] = {}
    for name, image in match_names(areas, images).items():  # the closest first
        found.setdefault(image, areas[name])
    return found


def tell_unmatched(areas: Mapping[str, object], images: pd.Series, path: str | Path) -> None:
    """Say on standard error of which pictures the areas were not used, or were by a name that is written otherwise."""
    there = images.dropna().astype(str).unique().tolist()
    matched = match_names(areas, there)
    if others := [(name, image) for name, image in matched.items() if image not in areas]:
        name, image = others[0]
        print(f"{path}: {counted(len(others), 'name')} matched by stem, such as {name} with {image}", file=sys.stderr)
    if unused := [name for name in areas if name not in matched]:
        print(
            f"{path}: no fixation is on {', '.join(unused[:_NAMED])}, of which it holds areas; fixations are on "
            f"{', '.join(there[:_NAMED]) or 'no picture'}",
            file=sys.stderr,
        )


def tell_sizes(path: str | Path, fixations: pd.DataFrame) -> None:
    """Say on standard error which areas are of pictures of another size: gaze lies off a mask, or far from an area."""
    areas = read_area_file(path)
    for name, image in match_names(areas, fixations["image"].dropna().astype(str).unique().tolist()).items():
        on = fixations[fixations["image"].astype(str) == image]
        places = on[["x_picture", "y_picture"]].astype(float).dropna().to_numpy()
        places = places[(places >= 0).all(axis=1)]
        if len(places) < _FEWEST_PLACES:
            continue
        reach = places.max(axis=0)
        for area_name, area in areas[name].items():
            if area.mask is not None:
                width, height = area.mask.shape[::-1]
                off = (places >= (width, height)).any(axis=1).mean()
                text = f"{off:.0%} of the fixations on {image} lie off the mask, of {width} x {height} pixels"
            else:
                corners = area.corners if len(area.corners) else area.box[:2].reshape(-1, 2)
                off = len(corners) > 0 and (corners.min(axis=0) > _BEYOND * reach).any()
                text = f"it lies beyond all gaze on {image}, which reaches to ({reach[0]:.0f}, {reach[1]:.0f})"
            if off > _OFF_MASK:
                print(f"{path}: {area_name}: {text}: was it drawn on a picture of another size?", file=sys.stderr)


def aoi_table(fixations: pd.DataFrame, areas: Mapping[str, Mapping[str, Inside]]) -> pd.DataFrame:
    """Compute the figures of every area: a row a participant, picture and area, columns `AOI_COLUMNS`.

    A fixation in several areas counts in each. Pictures without areas are left out; their names match those of the
    areas as `areas_by_picture` says. Visits are those of each showing of a picture. Without a column ``onset_us``
    fixations are in the order of the table.
    """
    rows: list[dict[str, Any]] = []
    areas = areas_by_picture(areas, fixations["image"].dropna().astype(str).unique())
    for (participant, image), trial in _numbered(fixations).groupby(["participant", "image"], sort=False):
        for name, inside in areas.get(str(image), {}).items():
            rows.append({"participant": participant, "image": image, "aoi": name, **_figures(_ordered(trial), inside)})
    return pd.DataFrame(rows, columns=list(AOI_COLUMNS))


def transitions(fixations: pd.DataFrame, areas: Mapping[str, Mapping[str, Inside]]) -> pd.DataFrame:
    """Count how often gaze went from one area to another: image, from, to, count, over all participants.

    A fixation in several areas counts as in the first of them, one in none as ``outside``; fixations that stay are
    counted too (from equals to).
    """
    counts: dict[tuple[str, str, str], int] = {}
    areas = areas_by_picture(areas, fixations["image"].dropna().astype(str).unique())
    for (_, image, _), trial in _numbered(fixations).groupby(["participant", "image", "showing"], sort=False):
        parts = areas.get(str(image))
        if not parts:
            continue
        names = np.full(len(trial), OUTSIDE, dtype=object)
        ordered = _ordered(trial)
        x, y = ordered["x_picture"].to_numpy(float), ordered["y_picture"].to_numpy(float)
        for name, inside in reversed(list(parts.items())):
            names[inside(x, y)] = name
        for pair in itertools.pairwise(names):
            key = (str(image), str(pair[0]), str(pair[1]))
            counts[key] = counts.get(key, 0) + 1
    return pd.DataFrame([(*key, n) for key, n in counts.items()], columns=["image", "from", "to", "count"])


def visits(where: Bools) -> int:
    """Count the unbroken runs of fixations in an area, where ``where`` is true of those in it, (n,)."""
    return int(where[:1].sum() + (where[1:] & ~where[:-1]).sum())


def _numbered(fixations: pd.DataFrame) -> pd.DataFrame:
    fixations = fixations.reset_index(drop=True)
    return fixations.assign(showing=showings(fixations))


def _ordered(trial: pd.DataFrame) -> pd.DataFrame:
    return trial.sort_values("onset_us", kind="stable") if "onset_us" in trial else trial


def _figures(trial: pd.DataFrame, inside: Inside) -> dict[str, float]:
    where = inside(trial["x_picture"].to_numpy(float), trial["y_picture"].to_numpy(float))
    duration = trial["duration_ms"].to_numpy(float)
    onset = trial["onset_us"].to_numpy(np.float64) if "onset_us" in trial else np.full(len(trial), np.nan)
    first = int(np.argmax(where))
    visited = bool(where.any())
    total = float(duration.sum())
    shown = trial["showing"].to_numpy()
    parts = [visits(where[shown == number]) for number in np.unique(shown)]
    return {
        "fixations": int(where.sum()),
        "dwell_ms": float(duration[where].sum()),
        "dwell_share": float(duration[where].sum()) / total if total > 0 else np.nan,
        "first_fixation_ms": (onset[first] - onset[0]) / 1000 if visited else np.nan,
        "first_duration_ms": float(duration[first]) if visited else np.nan,
        "visits": sum(parts),
        "revisits": sum(max(part - 1, 0) for part in parts),
    }
