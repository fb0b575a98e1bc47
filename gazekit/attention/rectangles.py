"""Rectangles of attention: the smallest with a share of the map, the richest of an area."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gazekit.errors import InputError

Box = tuple[int, int, int, int]  # top, left, bottom, right; half open
_EQUAL = 1e-12  # masses this close, as a share of the whole, are the same mass


def attended_rectangle(amap: npt.ArrayLike, share: float = 0.7) -> Box:
    """The smallest rectangle that holds a share of a map's mass.

    Of rectangles of the same area the one with the most mass, then the first by (top, left, bottom, right)
    (GPF-CNN Eq. 4, after Chen et al. 2016). Exact: the best mass of a box grows with its height and its width, so
    the narrowest feasible width falls as the height rises, and one walk along that frontier meets every candidate.

    Parameters
    ----------
    amap : shape (height, width), 0 or more.
    share : above 0, at most 1.

    Returns
    -------
    (top, left, bottom, right), half open, in the map's pixels.

    Raises
    ------
    InputError : not a map (see `checked_map`), or a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise InputError(f"share must be above 0 and at most 1; found {share}")
    array = checked_map(amap)
    height, width = array.shape
    integral = integral_image(array)
    needed, slack = (share - _EQUAL) * integral[-1, -1], _EQUAL * integral[-1, -1]
    shortest, narrowest = _least_window(integral[:, -1], needed), _least_window(integral[-1], needed)
    height, width = array.shape
    good = min(shortest + shortest // 8, height)  # about where the best box is: its area bounds the walk
    best_area, best_mass, best = height * width, -1.0, (0, 0, height, width)
    for h in (good, *range(shortest, height + 1)):
        w = min(best_area // h, width)
        found = _richest(integral, h, w, needed, slack) if w >= narrowest else None
        if found is None:
            continue
        low = narrowest
        while low < w:  # the least width at which some box of this height holds enough
            middle = (low + w) // 2
            narrower = _richest(integral, h, middle, needed, slack)
            if narrower is None:
                low = middle + 1
            else:
                w, found = middle, narrower
        mass, box = found
        if h * w < best_area or mass > best_mass + slack or (mass > best_mass - slack and box < best):
            best_area, best_mass, best = h * w, mass, box
    return best


def rectangle_of_area(amap: npt.ArrayLike, area: int) -> Box:
    """The rectangle of an area, within half a pixel row or column, with the largest mass.

    Every height is tried with the width that comes nearest to the area; of equals the first by
    (top, left, bottom, right).

    Raises
    ------
    InputError : not a map, or an area that the map does not have.
    """
    array = checked_map(amap)
    height, width = array.shape
    if not 1 <= area <= height * width:
        raise InputError(f"the area must be 1 to {height * width} pixels on a map of {width}x{height}; found {area}")
    integral = integral_image(array)
    slack = _EQUAL * integral[-1, -1]
    h = np.arange(1, height + 1)
    w = np.clip((area + h // 2) // h, 1, width)
    fits = 2 * np.abs(h * w - area) <= np.maximum(h, w)
    h, w = h[fits], w[fits]
    rows, columns = _widest_masses(integral[:, -1]), _widest_masses(integral[-1])
    bound = np.minimum(rows[h - 1], columns[w - 1])  # no box of this shape holds more
    best_mass, best = -1.0, (0, 0, height, width)
    for k in np.argsort(-bound, kind="stable"):
        if bound[k] < best_mass - slack:
            break
        found = _richest(integral, int(h[k]), int(w[k]), best_mass - slack, slack)
        if found is None:
            continue
        mass, box = found
        if mass > best_mass + slack or (mass > best_mass - slack and box < best):
            best_mass, best = mass, box
    return best


def _richest(
    integral: npt.NDArray[np.float64], h: int, w: int, needed: float, slack: float
) -> tuple[float, Box] | None:
    """The largest mass of a box of h x w and the first box that has it; None where none holds what is needed.

    A box holds at most what its rows hold over the whole width, and its columns over the whole height: only the
    places where both are enough are looked at.
    """
    tops = np.flatnonzero(integral[h:, -1] - integral[:-h, -1] >= needed)
    lefts = np.flatnonzero(integral[-1, w:] - integral[-1, :-w] >= needed)
    if not len(tops) or not len(lefts):
        return None
    t, b, le, r = int(tops[0]), int(tops[-1]) + 1, int(lefts[0]), int(lefts[-1]) + 1
    masses = integral[t + h : b + h, le + w : r + w] - integral[t:b, le + w : r + w]
    masses -= integral[t + h : b + h, le:r]
    masses += integral[t:b, le:r]
    mass = float(masses.max())
    if mass < needed:
        return None
    top, left = divmod(int(np.argmax(masses >= mass - slack)), r - le)
    return mass, (t + top, le + left, t + top + h, le + left + w)


def checked_map(amap: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The map as float64.

    Raises
    ------
    InputError : not two-dimensional, empty, negative or not finite somewhere, or zero everywhere.
    """
    array = np.asarray(amap, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise InputError(f"an attention map has the shape (height, width); found {array.shape}")
    if not np.isfinite(array).all() or array.min() < 0:
        raise InputError("an attention map must be finite and 0 or more everywhere")
    if not array.any():
        raise InputError("an attention map must have mass somewhere; this one is 0 everywhere")
    return array


def integral_image(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mass above and to the left of every pixel corner, shape (height + 1, width + 1)."""
    result = np.zeros((array.shape[0] + 1, array.shape[1] + 1))
    np.cumsum(array, axis=0, out=result[1:, 1:])
    np.cumsum(result[1:, 1:], axis=1, out=result[1:, 1:])
    return result


def _least_window(cumulative: npt.NDArray[np.float64], needed: float) -> int:
    """The least length at which some window of a cumulative profile holds what is needed."""
    low, high = 1, len(cumulative) - 1
    while low < high:
        middle = (low + high) // 2
        if float((cumulative[middle:] - cumulative[:-middle]).max()) < needed:
            low = middle + 1
        else:
            high = middle
    return low


def _widest_masses(cumulative: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The largest mass of any window of 1, 2, ... n of a cumulative profile of n + 1 values."""
    return np.array([(cumulative[k:] - cumulative[:-k]).max() for k in range(1, len(cumulative))])
