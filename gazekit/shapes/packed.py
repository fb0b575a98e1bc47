"""What a dataset's masks are made of: rectangles in picture pixels, or regions on a small grid of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gazekit.core.types import Bits, Floats, Index, Mask
from gazekit.shapes.masks import resized_mask
from gazekit.shapes.rectangles import Box, Boxes, rectangles_to_mask
from gazekit.shapes.regions import connected_regions, region_of_area

Size = tuple[int, int]


def grid_shape(size: Size, side: int) -> Size:
    """Return height and width of the grid: of a picture's shape, at most ``side`` pixels long; never finer than it."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def scaled_box(box: Box, grid: Size, size: Size) -> Box:
    """Return a box of a grid in pixels of the picture."""
    down, across = size[0] / grid[0], size[1] / grid[1]
    return round(box[0] * down), round(box[1] * across), round(box[2] * down), round(box[3] * across)


def packed(mask: Mask, side: int) -> Bits:
    """Return a region in the upper left corner of a square grid, eight pixels a byte: (side, ceil(side / 8))."""
    square = np.zeros((side, side), dtype=bool)
    square[: mask.shape[0], : mask.shape[1]] = mask
    return np.packbits(square, axis=1)


def unpacked(bits: Bits, size: Size) -> Mask:
    """Return the region of a picture of a size, on its grid."""
    height, width = grid_shape(size, len(bits))
    return np.unpackbits(bits[:height], axis=1, count=width).astype(bool)


@dataclass(frozen=True)
class Rectangles:
    """The masks of a condition, as rectangles.

    Attributes
    ----------
    boxes : ndarray, shape (N, k, 4)
        In pixels of the pictures; unused ones are zero.
    removed : bool
        What lies outside is kept.
    people : ndarray, shape (N, k, 4), optional
        People's rectangles. Masks of their area, to a row or column of pixels of each, have exactly as many pixels at
        any smaller size as people's there, so that conditions agree in what a network is shown.
    """

    boxes: Boxes
    removed: bool = False
    people: Boxes | None = None

    def __contains__(self, i: int) -> bool:
        """Tell whether a picture has a mask."""
        return bool(self.boxes[i].any())

    def rectangles(self, i: int, size: Size) -> npt.NDArray[np.int64]:
        """Return the rectangles of a picture, (k, 4)."""
        return _used(self.boxes[i])

    def mask(self, i: int, size: Size, wanted: Size) -> Mask:
        """Return the mask of a picture of ``size``, at the wanted size."""
        boxes = self.rectangles(i, size)
        mask = _rounded(boxes, size, wanted)
        if self.people is not None and wanted != size and not np.array_equal(self.boxes[i], self.people[i]):
            people = _used(self.people[i])
            areas = [int((box[:, 2:] - box[:, :2]).prod(axis=1).sum()) for box in (boxes, people)]
            if abs(areas[0] - areas[1]) <= max(len(boxes), len(people)) * max(size):
                between = boxes.astype(np.float64) * np.tile(np.array(wanted) / size, 2)
                mask = _of_area(mask, between, _rounded(people, size, wanted))
        return ~mask if self.removed else mask


@dataclass(frozen=True)
class Regions:
    """The masks of a condition, as regions: packed bits (N, side, ceil(side / 8)), an array or an HDF5 dataset."""

    bits: Any
    removed: bool = False

    def __contains__(self, i: int) -> bool:
        """Tell whether a picture has a mask."""
        return bool(self.bits[i].any())

    def rectangles(self, i: int, size: Size) -> npt.NDArray[np.int64]:
        """Return the rectangles around the connected regions of a picture, the largest region first, (k, 4)."""
        mask = resized_mask(unpacked(self.bits[i], size), size)
        if not mask.any():
            return np.zeros((0, 4), dtype=np.int64)
        return np.array([region.box for region in connected_regions(mask, mask)], dtype=np.int64)

    def mask(self, i: int, size: Size, wanted: Size) -> Mask:
        """Return the mask of a picture of ``size``, at the wanted size."""
        mask = resized_mask(unpacked(self.bits[i], size), wanted)
        return ~mask if self.removed else mask


def _used(row: npt.NDArray[np.int32]) -> Index:
    boxes: Index = row.astype(np.int64)
    return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]


def _rounded(boxes: Index, size: Size, wanted: Size) -> Mask:
    """Return boxes of a picture of ``size`` at the wanted size, each rounded to whole pixels and never empty."""
    scaled = np.rint(boxes * np.tile(np.array(wanted) / size, 2)).astype(np.int64)
    scaled[:, :2] = np.minimum(scaled[:, :2], np.array(wanted) - 1)
    scaled[:, 2:] = np.maximum(scaled[:, 2:], scaled[:, :2] + 1)
    return rectangles_to_mask(scaled, wanted)


def _of_area(mask: Mask, boxes: Floats, people: Mask) -> Mask:
    """Return a mask of boxes that lie between pixels, of exactly as many pixels as people's."""
    count = int(people.sum())
    if int(mask.sum()) == count:
        return mask
    size = (mask.shape[0], mask.shape[1])
    return _filled_box(boxes[0], size, count) if len(boxes) == 1 else _most_covered(boxes, size, count)


def _filled_box(box: Floats, size: Size, count: int) -> Mask:
    """Return a rectangle about a box between pixels, of exactly so many pixels: its last row may be a part of one."""
    top, left, bottom, right = box.tolist()
    width = min(max(round(right - left), -(-count // size[0])), size[1])
    rows, rest = divmod(count, width)
    start = min(max(round(left), 0), size[1] - width)
    above = min(max(round((top + bottom - count / width) / 2), 0), size[0] - rows - bool(rest))
    mask = np.zeros(size, dtype=bool)
    mask[above : above + rows, start : start + width] = True
    mask[above + rows : above + rows + 1, start : start + rest] = True
    return mask


def _most_covered(boxes: Floats, size: Size, count: int) -> Mask:
    """Return so many pixels that boxes between pixels cover most, or where too few are touched, that are nearest."""
    covered = np.zeros(size)
    for top, left, bottom, right in boxes.tolist():
        down, across = (
            np.clip(np.minimum(high, np.arange(n) + 1) - np.maximum(low, np.arange(n)), 0, 1)
            for low, high, n in ((top, bottom, size[0]), (left, right, size[1]))
        )
        covered += np.outer(down, across)
    return region_of_area(covered, count)
