"""Rectangles of attention: the smallest with a share of the map, the richest of an area."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.core.types import Mask

Box = tuple[int, int, int, int]  # top, left, bottom, right; half open
Boxes = npt.NDArray[np.int32]  # (N, k, 4): the boxes of N pictures; unused ones are zero
_EQUAL = 1e-12  # masses this close, as a share of the whole, are the same mass
_MANY, _STEP = 1_000, 4  # from so many places of a box on, every fourth row and column is looked at first


def attended_rectangle(amap: npt.ArrayLike, share: float = 0.7) -> Box:
    """Return the smallest rectangle that holds a share of a map's mass.

    Of rectangles of the same area the one with the most mass, then the first by (top, left, bottom, right)
    (GPF-CNN Eq. 4, after Chen et al. 2016). Exact: the best mass of a box grows with its height and its width, so
    the narrowest feasible width falls as the height rises, and one walk along that frontier meets every candidate.

    Parameters
    ----------
    amap : array_like
        Shape (height, width), 0 or more.
    share : float
        Above 0, at most 1.

    Returns
    -------
    (top, left, bottom, right), half open, in the map's pixels.

    Raises
    ------
    InputError
        Not a map (see `checked_map`), or a share outside (0, 1].

    Examples
    --------
    >>> attended_rectangle([[0, 0, 0], [0, 4, 5], [0, 1, 0]], share=0.9)
    (1, 1, 2, 3)
    """
    if not 0 < share <= 1:
        raise InputError(f"share must be above 0 and at most 1; found {share}")
    array = checked_map(amap)
    height, width = array.shape
    sums = _Sums.of(array)
    needed = (share - _EQUAL) * sums.total
    shortest, narrowest = _least_window(sums.rows, needed), _least_window(sums.columns, needed)
    height, width = array.shape
    best = (sums.total, (0, 0, height, width))
    about = math.isqrt(shortest * height)  # a good guess of the best box's height: its area bounds the rest
    ranges = [(about + 1, height), (shortest, about - 1), (about, about)]
    while ranges:
        low, high = ranges.pop()
        w = min(_area(best[1]) // low, width) if low <= high else 0
        found = sums.richest(high, w, needed) if w >= narrowest else None
        if found is None:  # the tallest of these heights, at a width that is too much for any, holds too little
            continue
        if low < high:
            middle = (low + high) // 2
            halves = [(middle + 1, high), (low, middle)]
            ranges += halves if low > about else halves[::-1]  # what is nearer to the guess comes first
            continue
        found = _narrowed(sums, found, needed, narrowest)
        best = min(best, found, key=lambda one: (_area(one[1]), -round(one[0] / sums.slack), one[1]))
    return best[1]


def rectangle_of_area(amap: npt.ArrayLike, area: int) -> Box:
    """Return the rectangle of an area, within half a pixel row or column, with the largest mass.

    Every height is tried with the width that comes nearest to the area; of equals the first by
    (top, left, bottom, right).

    Raises
    ------
    InputError
        Not a map, or an area that the map does not have.
    """
    array = checked_map(amap)
    height, width = array.shape
    if not 1 <= area <= height * width:
        raise InputError(f"the area must be 1 to {height * width} pixels on a map of {width}x{height}; found {area}")
    sums = _Sums.of(array)
    h = np.arange(1, height + 1)
    w = np.clip((area + h // 2) // h, 1, width)
    fits = 2 * np.abs(h * w - area) <= np.maximum(h, w)
    h, w = h[fits], w[fits]
    rows, columns = _widest_masses(sums.rows), _widest_masses(sums.columns)
    bound = np.minimum(rows[h - 1], columns[w - 1])  # no box of this shape holds more
    best_mass, best = -1.0, (0, 0, height, width)
    for k in np.argsort(-bound, kind="stable"):
        if bound[k] < best_mass - sums.slack:
            break
        found = sums.richest(int(h[k]), int(w[k]), best_mass - sums.slack)
        if found is None:
            continue
        mass, box = found
        if mass > best_mass + sums.slack or (mass > best_mass - sums.slack and box < best):
            best_mass, best = mass, box
    return best


@dataclass(frozen=True)
class _Sums:
    """The running sums of a map: over both axes, over all columns of its rows, over all rows of its columns."""

    integral: npt.NDArray[np.float64]
    rows: npt.NDArray[np.float64]
    columns: npt.NDArray[np.float64]
    total: float
    slack: float
    line: float  # the most that a row and a column hold together: what a box gains at most when it moves a pixel

    @classmethod
    def of(cls, array: npt.NDArray[np.float64]) -> _Sums:
        """Return the sums of a map."""
        integral = integral_image(array)
        total = float(integral[-1, -1])
        rows, columns = integral[:, -1].copy(), integral[-1].copy()
        line = float(np.diff(rows).max() + np.diff(columns).max())
        return cls(integral, rows, columns, total, _EQUAL * total, line)

    def richest(self, h: int, w: int, needed: float) -> tuple[float, Box] | None:
        """Return the largest mass of a box of h x w and the first box that has it; None where none holds enough.

        A box holds at most what its rows hold over the whole width, and its columns over the whole height: only
        the places where both are enough are looked at.
        """
        tops = np.flatnonzero(self.rows[h:] - self.rows[:-h] >= needed)
        lefts = np.flatnonzero(self.columns[w:] - self.columns[:-w] >= needed)
        if not len(tops) or not len(lefts):
            return None
        t, b, le, r = int(tops[0]), int(tops[-1]) + 1, int(lefts[0]), int(lefts[-1]) + 1
        if (b - t) * (r - le) > _MANY:  # most places hold too little, which every fourth tells
            some = self._masses(t, b, le, r, h, w, _STEP)
            near = some >= max(float(some.max()), needed) - self.slack - (_STEP - 1) * self.line
            down, across = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
            if not len(down):
                return None
            t, b = t + _STEP * int(down[0]), min(b, t + _STEP * (int(down[-1]) + 1))
            le, r = le + _STEP * int(across[0]), min(r, le + _STEP * (int(across[-1]) + 1))
        masses = self._masses(t, b, le, r, h, w)
        mass = float(masses.max())
        if mass < needed:
            return None
        top, left = divmod(int(np.argmax(masses >= mass - self.slack)), r - le)
        return mass, (t + top, le + left, t + top + h, le + left + w)

    def _masses(self, t: int, b: int, le: int, r: int, h: int, w: int, step: int = 1) -> npt.NDArray[np.float64]:
        """Return the masses of boxes of h x w, whose tops are t to b - 1 and lefts le to r - 1, in steps."""
        upper, lower = slice(t, b, step), slice(t + h, b + h, step)
        left, right = slice(le, r, step), slice(le + w, r + w, step)
        masses = self.integral[lower, right] - self.integral[upper, right]
        masses -= self.integral[lower, left]
        masses += self.integral[upper, left]
        return masses


def _narrowed(sums: _Sums, found: tuple[float, Box], needed: float, narrowest: int) -> tuple[float, Box]:
    """Return the narrowest box, as tall as the one that was found, that still holds what is needed."""
    h, w = found[1][2] - found[1][0], found[1][3] - found[1][1]
    low, step = narrowest, 1  # strides that grow, then halve: the best is often one pixel narrower
    while low < w:
        trial = max(w - step, low)
        narrower = sums.richest(h, trial, needed)
        if narrower is None:
            low, step = trial + 1, max((w - trial) // 2, 1)
        else:
            w, found, step = trial, narrower, 2 * step
    return found


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def checked_map(amap: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the map as float64.

    Raises
    ------
    InputError
        Not two-dimensional, empty, negative or not finite somewhere, or zero everywhere.
    """
    array = np.asarray(amap, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise InputError(f"an attention map has the shape (height, width); found {array.shape}")
    low, high = array.min(), array.max()  # NaN where any is
    if not (low >= 0 and high < np.inf):
        raise InputError("an attention map must be finite and 0 or more everywhere")
    if high == 0:
        raise InputError("an attention map must have mass somewhere; this one is 0 everywhere")
    return array


def integral_image(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mass above and to the left of every pixel corner, shape (height + 1, width + 1)."""
    return np.asarray(cv2.integral(np.ascontiguousarray(array), sdepth=cv2.CV_64F))


def _least_window(cumulative: npt.NDArray[np.float64], needed: float) -> int:
    """Return the least length at which some window of a cumulative profile holds what is needed."""
    low, high = 1, len(cumulative) - 1
    while low < high:
        middle = (low + high) // 2
        if float((cumulative[middle:] - cumulative[:-middle]).max()) < needed:
            low = middle + 1
        else:
            high = middle
    return low


def _widest_masses(cumulative: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the largest mass of any window of 1, 2, ... n of a cumulative profile of n + 1 values."""
    return np.array([(cumulative[k:] - cumulative[:-k]).max() for k in range(1, len(cumulative))])


def rectangles_to_mask(boxes: npt.ArrayLike, size: tuple[int, int]) -> Mask:
    """Return a mask that is True inside any of the boxes, shape (height, width); boxes (k, 4), or one box, or none.

    Raises
    ------
    InputError
        A box that is empty, inside out, or leaves the picture (all are named).
    """
    array = np.asarray(boxes, dtype=np.int64).reshape(-1, 4)
    height, width = size
    wrong = [
        str(tuple(box))
        for box in array.tolist()
        if not (0 <= box[0] < box[2] <= height and 0 <= box[1] < box[3] <= width)
    ]
    if wrong:
        raise InputError(
            f"boxes are (top, left, bottom, right) within a picture of {width}x{height} pixels; not so: "
            + ", ".join(wrong[:5])
        )
    mask = np.zeros((height, width), dtype=bool)
    for top, left, bottom, right in array:
        mask[top:bottom, left:right] = True
    return mask


def random_rectangle(size: tuple[int, int], box: Box, rng: np.random.Generator) -> Box:
    """Return a rectangle of a box's height and width, anywhere in the picture with equal chance."""
    h, w = box[2] - box[0], box[3] - box[1]
    if not (0 < h <= size[0] and 0 < w <= size[1]):
        raise InputError(f"a box of {w}x{h} pixels does not fit into a picture of {size[1]}x{size[0]}")
    top, left = int(rng.integers(size[0] - h + 1)), int(rng.integers(size[1] - w + 1))
    return top, left, top + h, left + w


def transfer_rectangle(box: Box, from_size: tuple[int, int], to_size: tuple[int, int], area: int) -> Box:
    """Return another picture's rectangle on this picture, at a given area: the shuffled control.

    The box is scaled with the pictures' sizes, then grown or shrunk about its own centre to the area (within half a
    pixel row or column) with its shape kept as far as the picture allows, and moved inside where it would leave.
    """
    height, width = to_size
    down, across = height / from_size[0], width / from_size[1]
    ratio = (box[2] - box[0]) * down / ((box[3] - box[1]) * across)
    h, w = sides_of_area(area, ratio, to_size)
    top = round((box[0] + box[2]) / 2 * down - h / 2)
    left = round((box[1] + box[3]) / 2 * across - w / 2)
    top, left = min(max(top, 0), height - h), min(max(left, 0), width - w)
    return top, left, top + h, left + w


def sides_of_area(area: int, ratio: float, size: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a rectangle of an area and of about a ratio height / width that fits into a size."""
    height, width = size
    if not 1 <= area <= height * width:
        raise InputError(
            f"the area must be 1 to {height * width} pixels in a picture of {width}x{height}; found {area}"
        )
    low = -(-area // width)  # shorter than this, it would be wider than the picture
    h = min(max(round(math.sqrt(area * ratio)), low), height)
    return h, min(max(round(area / h), 1), width)
