"""How well areas agree that different people drew, or marked, in the same pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from gazekit.core.types import Bools, Floats

Inside = Callable[[Floats, Floats], Bools]

_GRID = 512  # places along the longer side of a picture at which areas are compared
AGREEMENT_COLUMNS = (
    "image",
    "area",
    "person_1",
    "person_2",
    "overlap",  # shared part of what either drew (intersection over union), 0 to 1
    "dice",  # twice the shared part over both sizes
    "share_1",  # of the picture
    "share_2",
    "centre_distance",  # between the two centres, as a share of the picture's diagonal
)


def area_agreement(
    drawn: Mapping[str, Mapping[str, Mapping[str, Inside]]], sizes: Mapping[str, tuple[int, int]]
) -> pd.DataFrame:
    """Compare the areas of one name that two people drew in a picture.

    Areas are compared at the centres of a grid of 512 places along the picture's longer side.

    Parameters
    ----------
    drawn : mapping
        Person to picture to name to a test for the inside of the area.
    sizes : mapping of str to (int, int)
        Height and width of the pictures.

    Returns
    -------
    DataFrame
        `AGREEMENT_COLUMNS`, a row a picture, area and pair of people who both drew it; an area that only one of two
        people drew in a picture has an overlap of 0 and no centres.

    Examples
    --------
    >>> from gazekit.events.areas import area_of
    >>> ann, bert = ({"a.jpg": {"face": area_of({"rectangle": [left, 0, 50, 100]}).inside}} for left in (0, 25))
    >>> area_agreement({"Ann": ann, "Bert": bert}, {"a.jpg": (100, 100)})["overlap"].round(2).tolist()
    [0.33]
    """
    rows = []
    for image, size in sizes.items():
        here = {person: areas[image] for person, areas in drawn.items() if areas.get(image)}
        names = list(dict.fromkeys(name for areas in here.values() for name in areas))
        for name in names:
            covered = {person: _covered(areas[name], size) if name in areas else None for person, areas in here.items()}
            for one, two in itertools.combinations(here, 2):
                first, second = covered[one], covered[two]
                if first is not None or second is not None:
                    pair = {"image": image, "area": name, "person_1": one, "person_2": two}
                    rows.append(pair | _compared(first, second))
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def _covered(inside: Inside, size: tuple[int, int]) -> Bools:
    step = max(size) / _GRID
    down, across = (max(1, round(side / step)) for side in size)
    y, x = np.mgrid[0:down, 0:across] + 0.5
    where = inside(x.ravel() * size[1] / across, y.ravel() * size[0] / down)
    return np.asarray(where).reshape(down, across)


def _compared(first: Bools | None, second: Bools | None) -> dict[str, float]:
    present = first if first is not None else second
    assert present is not None
    one, two = (np.zeros_like(present) if mask is None else mask for mask in (first, second))
    shared, either, both = int((one & two).sum()), int((one | two).sum()), int(one.sum() + two.sum())
    centres = [np.argwhere(mask).mean(axis=0) if mask.any() else np.full(2, np.nan) for mask in (one, two)]
    return {
        "overlap": shared / either if either else np.nan,
        "dice": 2 * shared / both if both else np.nan,
        "share_1": float(one.mean()),
        "share_2": float(two.mean()),
        "centre_distance": float(np.hypot(*(centres[0] - centres[1])) / np.hypot(*one.shape)),
    }
