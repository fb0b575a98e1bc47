"""What a dataset's masks are made of: rectangles in picture pixels, or regions on a small grid of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gazekit.attention.masks import Mask, rectangles_to_mask, resized_mask
from gazekit.attention.patches import best_patches, connected_regions, threshold_mask
from gazekit.attention.rectangles import Box, attended_rectangle, rectangle_of_area
from gazekit.dataset.layout import Boxes
from gazekit.errors import ConfigError, unknown_name

Kind = Literal["rectangle", "patches", "region"]
ShareOf = Literal["mass", "area"]
Size = tuple[int, int]
Bits = npt.NDArray[np.uint8]  # (N, side, ceil(side / 8)): regions, a bit a pixel of the grid
KINDS = ("rectangle", "patches", "region")
REMOVED = ("human-removed",)  # conditions that keep what lies outside their mask
FINER = 2  # the side of a region's grid, in sides of the map's
_MOST = 0.5  # of the picture that patches may cover, so that there is an elsewhere


@dataclass(frozen=True)
class MaskRule:
    """What of an attention map a mask keeps.

    Attributes
    ----------
    kind : the smallest ``rectangle`` with a share of the map, the best ``patches`` of a size that do not overlap, or
        the ``region`` of the highest pixels.
    share, share_of : of the map's mass, or of the picture's area: then the rectangle of that area that holds most.
        Not for patches.
    patches, patch_share : how many at most, and their height and width as a share of the picture's.

    Raises
    ------
    ConfigError : an unknown kind, a share that is none, patches that cover more than half of the picture.
    """

    kind: Kind = "rectangle"
    share: float = 0.7
    share_of: ShareOf = "mass"
    patches: int = 3
    patch_share: float = 0.2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("mask", self.kind, KINDS)
        if self.share_of not in ("mass", "area"):
            raise unknown_name("share_of", self.share_of, ("mass", "area"))
        if not 0 < self.share <= 1:
            raise ConfigError(f"share must be above 0 and at most 1; found {self.share}")
        if self.kind == "patches" and self.share_of == "area":
            raise ConfigError("the area of patches is given by their number and size (patches, patch_share)")
        if self.patches < 1 or not 0 < self.patch_share <= 1:
            raise ConfigError(
                f"1 or more patches of a share above 0 and at most 1 were expected; found {self.patches} "
                f"of {self.patch_share}"
            )
        covered = self.patches * self.patch_share**2
        if self.kind == "patches" and covered > _MOST + 1e-9:
            raise ConfigError(
                f"{self.patches} patches of {self.patch_share:g} of height and width cover {covered:.0%} of the "
                f"picture; at most {_MOST:.0%} leaves room for controls"
            )

    @property
    def count(self) -> int:
        """How many rectangles a picture has at most."""
        return self.patches if self.kind == "patches" else 1

    def parameters(self) -> dict[str, Any]:
        """What decides the masks, for the provenance."""
        if self.kind == "patches":
            return {"mask": self.kind, "patches": self.patches, "patch_share": self.patch_share}
        return {"mask": self.kind, "share": self.share, "share_of": self.share_of}

    def boxes(self, amap: npt.NDArray[np.floating[Any]]) -> list[Box]:
        """The rectangles of a map, in its pixels (not for a region)."""
        if self.kind == "patches":
            height, width = (max(1, round(self.patch_share * side)) for side in amap.shape)
            return best_patches(amap, self.patches, (height, width))
        if self.share_of == "area":
            return [rectangle_of_area(amap, max(1, round(self.share * amap.size)))]
        return [attended_rectangle(amap, self.share)]

    def region(self, amap: npt.NDArray[np.floating[Any]]) -> Mask:
        """The region of a map, on its grid."""
        if self.share_of == "area":
            return threshold_mask(amap, area=self.share)
        return threshold_mask(amap, mass=self.share)


def around(mask: Mask) -> Box:
    """The smallest box around a mask that is true somewhere."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


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
