"""Patches and regions: the best rectangles of a size, and the pixels above a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.core.types import Bools, Index
from gazekit.shapes.gaussian_sum import Box, GaussianSum
from gazekit.shapes.rectangles import checked_map, integral_image

_TRIES = 50
_CELL = 8  # places along either axis that one bound is for
_EQUAL = 1e-12  # masses this close, as a share of the whole, are the same mass


def best_patches(amap: npt.ArrayLike | GaussianSum, count: int, size: tuple[int, int]) -> list[Box]:
    """Return the k best patches of a size that do not overlap, richest first.

    The richest patch, then the richest of those that do not touch what was taken, and so on (of equals the first by
    (top, left)): each is the best that is left. Fewer are given where no more fit, or nothing is left to hold.

    Parameters
    ----------
    amap : array_like or GaussianSum
        Shape (height, width); or the map in closed form, which is not made then.
    count : int
        How many at most.
    size : (int, int)
        Height and width of a patch.

    Raises
    ------
    InputError
        Not a map, or a patch that does not fit into it.
    """
    array = amap if isinstance(amap, GaussianSum) else checked_map(amap)
    height, width = array.size if isinstance(array, GaussianSum) else array.shape
    h, w = size
    if not (0 < h <= height and 0 < w <= width) or count < 1:
        raise InputError(
            f"1 or more patches that fit into the map of {width}x{height} pixels were expected; "
            f"found {count} of {w}x{h}"
        )
    if isinstance(array, GaussianSum):
        return _best_of_sum(array, count, size)
    integral = integral_image(array)
    masses = integral[h:, w:] - integral[:-h, w:] - integral[h:, :-w] + integral[:-h, :-w]
    slack = _EQUAL * integral[-1, -1]
    boxes: list[Box] = []
    while len(boxes) < count and (best := float(masses.max())) > slack:
        top, left = divmod(int(np.argmax(masses >= best - slack)), masses.shape[1])
        boxes.append((top, left, top + h, left + w))
        masses[max(top - h + 1, 0) : top + h, max(left - w + 1, 0) : left + w] = -1.0
    return boxes


def _best_of_sum(mass: GaussianSum, count: int, shape: tuple[int, int]) -> list[Box]:
    """Return the best patches of a map in closed form: bounds of cells of places first, then every place of the best.

    No patch of a cell holds more than the box around all of them.
    """
    places = [side - part + 1 for side, part in zip(mass.size, shape, strict=True)]
    rows, columns = (np.arange(0, n, _CELL) for n in places)
    bound = mass.boxes(rows, columns, (shape[0] + _CELL - 1, shape[1] + _CELL - 1))
    first = mass.boxes(rows, columns, shape)
    boxes: list[Box] = []
    while len(boxes) < count:
        free = _free(rows, columns, boxes, shape)
        sure = float(np.where(free, first, -1.0).max())
        cells = (bound >= max(sure, 0.0) - _EQUAL) & _free(rows, columns, boxes, shape, _CELL)
        down, across = (
            _places(edges[cells.any(axis=axis)], n)
            for edges, axis, n in ((rows, 1, places[0]), (columns, 0, places[1]))
        )
        if not len(down):
            break
        held = np.where(_free(down, across, boxes, shape), mass.boxes(down, across, shape), -1.0)
        best = float(held.max())
        if best <= _EQUAL:
            break
        i, j = divmod(int(np.argmax(held >= best - _EQUAL)), len(across))
        top, left = int(down[i]), int(across[j])
        boxes.append((top, left, top + shape[0], left + shape[1]))
    return boxes


def _places(first: Index, n: int) -> Index:
    """Return all places of cells that begin here, of n places."""
    every = (first[:, None] + np.arange(_CELL)).ravel()
    return np.asarray(every[every < n])


def _free(rows: Index, columns: Index, boxes: Sequence[Box], shape: tuple[int, int], cell: int = 1) -> Bools:
    """Return in which cells of places a patch of a shape would somewhere lie over none of some boxes."""
    free = np.ones((len(rows), len(columns)), dtype=bool)
    for top, left, bottom, right in boxes:
        over = (
            (rows > top - shape[0]) & (rows + cell <= bottom),
            (columns > left - shape[1]) & (columns + cell <= right),
        )
        free[np.ix_(*over)] = False
    return free


def random_patches(
    size: tuple[int, int], boxes: Sequence[Box], rng: np.random.Generator, taken: Sequence[Box] = ()
) -> list[Box]:
    """Return boxes of the same heights and widths at random places of a picture, none over another or over ``taken``.

    One after the other, each anywhere that is left with equal chance. Where that leaves no room for the last ones in
    50 tries, the boxes themselves are turned by 180 degrees about the picture's centre (then ``taken`` does not count).
    """
    for _ in range(_TRIES):
        placed = list(taken)
        for box in boxes:
            place = _free_place(size, (box[2] - box[0], box[3] - box[1]), placed, rng)
            if place is None:
                break
            placed.append(place)
        else:
            return placed[len(taken) :]
    return [(size[0] - bottom, size[1] - right, size[0] - top, size[1] - left) for top, left, bottom, right in boxes]


def _free_place(
    size: tuple[int, int], shape: tuple[int, int], placed: Sequence[Box], rng: np.random.Generator
) -> Box | None:
    (height, width), (h, w) = size, shape
    if not (0 < h <= height and 0 < w <= width):
        raise InputError(f"a box of {w}x{h} pixels does not fit into a picture of {width}x{height}")
    free = np.ones((height - h + 1, width - w + 1), dtype=bool)
    for top, left, bottom, right in placed:
        free[max(top - h + 1, 0) : bottom, max(left - w + 1, 0) : right] = False
    rows = free.sum(axis=1)
    total = int(rows.sum())
    if not total:
        return None
    chosen = int(rng.integers(total))
    top = int(np.searchsorted(np.cumsum(rows), chosen, side="right"))
    left = int(np.flatnonzero(free[top])[chosen - int(rows[:top].sum())])
    return top, left, top + h, left + w


def transfer_patches(
    boxes: Sequence[Box],
    lent: Sequence[Box],
    from_size: tuple[int, int],
    to_size: tuple[int, int],
    rng: np.random.Generator,
) -> list[Box]:
    """Return boxes of a picture, moved to where another picture (of ``from_size``) has its own: the shuffled control.

    Places scale with the pictures' sizes; heights and widths stay those of ``boxes``. Where the other picture has
    fewer, the rest lie at random, over none of them.
    """
    down, across = to_size[0] / from_size[0], to_size[1] / from_size[1]
    moved: list[Box] = []
    for box, other in zip(boxes, lent, strict=False):
        h, w = box[2] - box[0], box[3] - box[1]
        top = min(max(round(other[0] * down), 0), to_size[0] - h)
        left = min(max(round(other[1] * across), 0), to_size[1] - w)
        moved.append((top, left, top + h, left + w))
    rest = boxes[len(moved) :]
    return moved + (random_patches(to_size, rest, rng, moved) if rest else [])
