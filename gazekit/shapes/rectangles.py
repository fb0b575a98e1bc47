"""Rectangles of attention: the smallest with a share of the map, the richest of an area."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.core.types import Floats, Mask
from gazekit.shapes.gaussian_sum import Box as Box
from gazekit.shapes.gaussian_sum import GaussianSum
from gazekit.shapes.rectangle_search import smallest_rectangle

Boxes = npt.NDArray[np.int32]  # (N, k, 4): the boxes of N pictures; unused ones are zero
_CELL = 8  # pixels of a coarse grid by which most places are ruled out
_EQUAL = 1e-12  # masses this close, as a share of the whole, are the same mass


def attended_rectangle(amap: npt.ArrayLike | GaussianSum, share: float = 0.7) -> Box:
    """Return the smallest rectangle that holds a share of a map's mass.

    Of rectangles of the same area the one with the most mass, then the first by (top, left, bottom, right)
    (GPF-CNN Eq. 4, after Chen et al. 2016). Exact: the best mass of a box grows with its height and its width, so
    the narrowest feasible width falls as the height rises, and one walk along that frontier meets every candidate.
    Of a map in closed form it is searched at every pixel too, without making the map.

    Parameters
    ----------
    amap : array_like or GaussianSum
        Shape (height, width), 0 or more; or the map in closed form.
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
    if isinstance(amap, GaussianSum):
        box = smallest_rectangle(amap, share)
        every = [np.arange(side + 1) for side in amap.size]
        return box or _on_the_frontier(_Sums.of(amap.integral(*every)), share)
    return _on_the_frontier(_Sums.of(integral_image(checked_map(amap))), share)


def _on_the_frontier(sums: _Sums, share: float) -> Box:
    """Return the smallest rectangle, by the walk along the frontier of heights and widths."""
    needed = (share - _EQUAL) * sums.total
    shortest, narrowest = _least_window(sums.rows, needed), _least_window(sums.columns, needed)
    height, width = (n - 1 for n in sums.integral.shape)
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
    sums = _Sums.of(integral_image(array))
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
    """Running sums of a map: over both axes, over all columns of its rows, over all rows of its columns."""

    integral: Floats
    coarse: Floats  # every _CELL-th of them, and the last ones again beyond the end
    rows: Floats
    columns: Floats
    total: float
    slack: float

    @classmethod
    def of(cls, integral: Floats) -> _Sums:
        """Return the sums of a map whose mass above and to the left of every corner of pixels is given."""
        total = float(integral[-1, -1])
        down, across = (
            np.minimum(np.arange(0, n + 3 * _CELL, _CELL), n) for n in (side - 1 for side in integral.shape)
        )
        coarse = np.ascontiguousarray(integral[np.ix_(down, across)])
        return cls(integral, coarse, integral[:, -1].copy(), integral[-1].copy(), total, _EQUAL * total)

    def richest(self, h: int, w: int, needed: float) -> tuple[float, Box] | None:
        """Return the largest mass of a box of h x w and the first box that has it; None where none holds enough.

        Only the places are looked at where the cells of a coarse grid about such a box hold enough.
        """
        height, width = self.integral.shape[0] - 1, self.integral.shape[1] - 1
        down, across, cells = (height - h) // _CELL + 1, (width - w) // _CELL + 1, self.coarse
        ch, cw = -(-h // _CELL) + 1, -(-w // _CELL) + 1
        ch, cw = min(ch, len(cells) - down), min(cw, cells.shape[1] - across)
        about = cells[ch : ch + down, cw : cw + across] - cells[:down, cw : cw + across]
        about -= cells[ch : ch + down, :across]
        about += cells[:down, :across]
        enough = about >= needed - self.slack
        tops, lefts = np.flatnonzero(enough.any(axis=1)), np.flatnonzero(enough.any(axis=0))
        if not len(tops):
            return None
        t, b = int(tops[0]) * _CELL, min(int(tops[-1]) * _CELL + _CELL, height - h + 1)
        le, r = int(lefts[0]) * _CELL, min(int(lefts[-1]) * _CELL + _CELL, width - w + 1)
        masses = self.integral[t + h : b + h, le + w : r + w] - self.integral[t:b, le + w : r + w]
        masses -= self.integral[t + h : b + h, le:r]
        masses += self.integral[t:b, le:r]
        mass = float(masses.max())
        if mass < needed:
            return None
        top, left = divmod(int(np.argmax(masses >= mass - self.slack)), r - le)
        return mass, (t + top, le + left, t + top + h, le + left + w)


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


def checked_map(amap: npt.ArrayLike) -> Floats:
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


def integral_image(array: Floats) -> Floats:
    """Return the mass above and to the left of every pixel corner, shape (height + 1, width + 1)."""
    return np.asarray(cv2.integral(np.ascontiguousarray(array), sdepth=cv2.CV_64F))


def _least_window(cumulative: Floats, needed: float) -> int:
    """Return the least length at which some window of a cumulative profile holds what is needed."""
    low, high = 1, len(cumulative) - 1
    while low < high:
        middle = (low + high) // 2
        if float((cumulative[middle:] - cumulative[:-middle]).max()) < needed:
            low = middle + 1
        else:
            high = middle
    return low


def _widest_masses(cumulative: Floats) -> Floats:
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
