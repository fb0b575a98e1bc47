"""What a dataset's masks are made of: rectangles in picture pixels, or regions on a small grid of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gazekit.core.types import Bits, Mask
from gazekit.shapes.masks import resized_mask
from gazekit.shapes.rectangles import Box, Boxes, rectangles_to_mask
from gazekit.shapes.regions import connected_regions

Size = tuple[int, int]
FINER = 2  # the side of a region's grid, in sides of the map's


def grid_shape(size: Size, side: int) -> Size:
    """Height and width of the grid, of a picture's shape and at most ``side`` pixels long; never finer than it."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def scaled_box(box: Box, grid: Size, size: Size) -> Box:
    """A box of a grid in pixels of the picture."""
    down, across = size[0] / grid[0], size[1] / grid[1]
    return round(box[0] * down), round(box[1] * across), round(box[2] * down), round(box[3] * across)


def packed(mask: Mask, side: int) -> Bits:
    """A region in the upper left corner of a square grid, eight pixels a byte: (side, ceil(side / 8))."""
    square = np.zeros((side, side), dtype=bool)
    square[: mask.shape[0], : mask.shape[1]] = mask
    return np.packbits(square, axis=1)


def unpacked(bits: Bits, size: Size) -> Mask:
    """The region of a picture of a size, on its grid."""
    height, width = grid_shape(size, len(bits))
    return np.unpackbits(bits[:height], axis=1, count=width).astype(bool)


@dataclass(frozen=True)
class Rectangles:
    """The masks of a condition, as rectangles: (N, k, 4) in picture pixels; unused ones are zero."""

    boxes: Boxes
    removed: bool = False  # what lies outside is kept

    def rectangles(self, i: int, size: Size) -> npt.NDArray[np.int64]:
        """The rectangles of a picture, (k, 4)."""
        boxes: npt.NDArray[np.int64] = self.boxes[i].astype(np.int64)
        return boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]

    def mask(self, i: int, size: Size, wanted: Size) -> Mask:
        """The mask of a picture of ``size``, at the wanted size."""
        scaled = np.rint(self.rectangles(i, size) * np.tile(np.array(wanted) / size, 2)).astype(np.int64)
        scaled[:, :2] = np.minimum(scaled[:, :2], np.array(wanted) - 1)
        scaled[:, 2:] = np.maximum(scaled[:, 2:], scaled[:, :2] + 1)
        mask = rectangles_to_mask(scaled, wanted)
        return ~mask if self.removed else mask


@dataclass(frozen=True)
class Regions:
    """The masks of a condition, as regions: packed bits (N, side, ceil(side / 8)), an array or an HDF5 dataset."""

    bits: Any
    removed: bool = False

    def rectangles(self, i: int, size: Size) -> npt.NDArray[np.int64]:
        """The rectangles around the connected regions of a picture, the largest region first, (k, 4)."""
        mask = resized_mask(unpacked(self.bits[i], size), size)
        if not mask.any():
            return np.zeros((0, 4), dtype=np.int64)
        return np.array([region.box for region in connected_regions(mask, mask)], dtype=np.int64)

    def mask(self, i: int, size: Size, wanted: Size) -> Mask:
        """The mask of a picture of ``size``, at the wanted size."""
        mask = resized_mask(unpacked(self.bits[i], size), wanted)
        return ~mask if self.removed else mask
