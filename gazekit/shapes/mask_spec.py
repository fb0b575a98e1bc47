"""What of an attention map a mask keeps: a rectangle, patches or a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import ConfigError, unknown_name
from gazekit.core.types import Floats, Mask
from gazekit.shapes.gaussian_sum import GaussianSum
from gazekit.shapes.masks import resized_mask
from gazekit.shapes.packed import Size, grid_shape
from gazekit.shapes.patches import best_patches
from gazekit.shapes.rectangles import Box, attended_rectangle, checked_map, rectangle_of_area, rectangles_to_mask
from gazekit.shapes.regions import around, fewest_holding, highest_pixels

Kind = Literal["rectangle", "patches", "region"]
ShareOf = Literal["mass", "area"]
KINDS = ("rectangle", "patches", "region")
_EQUAL = 1e-9  # shares this close are equal
_FINE, _LARGEST = 12, 4  # squares in a sigma, and their largest side, pixels
_DOUBT = 1e-5  # share of a map that cuts through squares may be off


@dataclass(frozen=True)
class MaskSpec:
    """What of an attention map a mask keeps; the same for maps by themselves and for datasets.

    Attributes
    ----------
    kind : {"rectangle", "patches", "region"}
        The smallest rectangle with a share of the map, the best patches of a size that do not overlap, or the region
        of the highest values.
    share : float
        Above 0, at most 1: a rectangle or region holds at least so much.
    share_of : {"mass", "area"}
        Of the map's mass, or of the picture's area: then the rectangle of that area that holds most. Not for patches.
    patches, patch_share : int, float
        How many patches at most, and their height and width as a share of the picture's.
    grid : int
        Longer side of the grid of the picture that regions lie on, pixels.

    Raises
    ------
    InputError, ConfigError
        An unknown kind, a share that is none.

    Examples
    --------
    >>> amap = np.outer(np.hanning(40), np.hanning(60))
    >>> MaskSpec().boxes(amap)
    [(10, 14, 30, 45)]
    >>> mask = MaskSpec("region", share=0.5).mask(amap)
    >>> bool(amap[mask].sum() >= 0.5 * amap.sum())
    True
    """

    kind: Kind = "rectangle"
    share: float = 0.7
    share_of: ShareOf = "mass"
    patches: int = 3
    patch_share: float = 0.2
    grid: int = 128

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("mask", self.kind, KINDS)
        if self.share_of not in ("mass", "area"):
            raise unknown_name("share_of", self.share_of, ("mass", "area"))
        if not 0 < self.share <= 1:
            raise ConfigError(f"share must be above 0 and at most 1; found {self.share}")
        if self.patches < 1 or not 0 < self.patch_share <= 1:
            raise ConfigError(
                "1 or more patches of a share above 0 and at most 1 were expected; "
                f"found {self.patches} of {self.patch_share}"
            )
        if self.kind == "patches" and self.share_of == "area":
            raise ConfigError(
                "share_of = 'area' is for rectangles and regions: the area of patches follows from their number and "
                "size (patches, patch_share)"
            )

    @property
    def count(self) -> int:
        """How many rectangles a picture has at most."""
        return self.patches if self.kind == "patches" else 1

    def parameters(self) -> dict[str, Any]:
        """Return what decides the masks, for the provenance."""
        if self.kind == "patches":
            return {"mask": self.kind, "patches": self.patches, "patch_share": self.patch_share}
        grid = {"grid": self.grid} if self.kind == "region" else {}
        return {"mask": self.kind, "share": self.share, "share_of": self.share_of} | grid

    def mask(self, amap: npt.ArrayLike | GaussianSum) -> Mask:
        """Return what a map of a picture keeps of it, True where it is kept: of the map's size."""
        whole = amap if isinstance(amap, GaussianSum) else checked_map(amap)
        if self.kind == "region":
            return resized_mask(self.region(whole), _size(whole))
        return rectangles_to_mask(self.boxes(whole), _size(whole))

    def boxes(self, amap: npt.ArrayLike | GaussianSum) -> list[Box]:
        """Return the rectangle or the patches of a map, in its pixels; for a region its rectangle of the same share."""
        whole = amap if isinstance(amap, GaussianSum) else checked_map(amap)
        if self.kind == "patches":
            height, width = (max(1, round(self.patch_share * side)) for side in _size(whole))
            return best_patches(whole, self.patches, (height, width))
        if self.share_of == "area":
            array = whole.pixels((0, 0, *whole.size)) if isinstance(whole, GaussianSum) else whole
            return [rectangle_of_area(array, max(1, round(self.share * array.size)))]
        return [attended_rectangle(whole, self.share)]

    def region(self, amap: npt.ArrayLike | GaussianSum) -> Mask:
        """Return the highest pixels of a map's grid that are, or hold, at least the share at the map's own size.

        They are the fewest that hold the share of the map on the grid, and a few more until what they become at the
        map's own size (`gazekit.shapes.masks.resized_mask`) holds it too.
        """
        whole = amap if isinstance(amap, GaussianSum) else checked_map(amap)
        size = _size(whole)
        shape = grid_shape(size, self.grid)
        coarse = _on_grid(whole, shape)
        if self.share_of == "area":
            return highest_pixels(coarse, max(1, int(np.ceil(self.share * coarse.size - _EQUAL))))
        count, total = fewest_holding(coarse, self.share), float(coarse.sum())
        held = _Held(whole)
        while True:
            region = highest_pixels(coarse, count)
            missing = (self.share - _EQUAL) * total - held.by(resized_mask(region, size))
            if missing <= 0 or count == coarse.size:
                return region
            at_most = float(coarse[region].min())  # that one more cell can bring, but for its smoothed edges
            count = min(coarse.size, count + max(1, int(missing / at_most)))


def _size(whole: Floats | GaussianSum) -> Size:
    return whole.size if isinstance(whole, GaussianSum) else (whole.shape[0], whole.shape[1])


def _on_grid(whole: Floats | GaussianSum, shape: Size) -> Floats:
    """Return the mass of the cells of a grid over the map."""
    if isinstance(whole, GaussianSum):
        return whole.grid(shape)
    if whole.shape == shape:
        return whole
    cells = cv2.resize(whole, shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(cells * (whole.size / cells.size))


class _Held:
    """What masks hold of a map. Of one in closed form squares of a few pixels are taken, and a little is left out."""

    def __init__(self, whole: Floats | GaussianSum) -> None:
        self._whole = whole
        self._block, self._box, self._squares = 1, (0, 0, 0, 0), np.zeros((0, 0), dtype=np.float32)
        if isinstance(whole, GaussianSum):
            self._block = min(max(len(whole.kernel) // (8 * _FINE), 1), _LARGEST)

    def by(self, mask: Mask) -> float:
        """Return the mass in a mask."""
        if not isinstance(self._whole, GaussianSum):
            return float(self._whole[mask].sum())
        block, inner = self._block, around(mask)
        if not _within(inner, self._box):
            room = [side // 16 for side in self._whole.size] * 2  # to grow
            low, high = np.array(inner) - room, np.array(inner) + room
            edges = [*(np.maximum(low[:2], 0) // block * block), *np.minimum(high[2:], self._whole.size)]
            self._box = (int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3]))
            self._squares = self._whole.pixels(self._box, block)
        top, left, bottom, right = self._box
        inside = np.zeros(self._squares.shape, dtype=np.uint8)  # pixels of the mask in each square
        for down in range(block):
            for across in range(block):
                part = mask[top + down : bottom : block, left + across : right : block].view(np.uint8)
                inside[: part.shape[0], : part.shape[1]] += part
        return float(self._squares.ravel() @ inside.ravel().astype(np.float32)) / block**2 - _DOUBT


def _within(inner: Box, outer: Box) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]
