"""What of an attention map a mask keeps: a rectangle, patches or a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import ConfigError, unknown_name
from gazekit.core.types import Mask
from gazekit.shapes.masks import resized_mask
from gazekit.shapes.packed import grid_shape
from gazekit.shapes.patches import best_patches
from gazekit.shapes.rectangles import Box, attended_rectangle, checked_map, rectangle_of_area, rectangles_to_mask
from gazekit.shapes.regions import fewest_holding, highest_pixels

Kind = Literal["rectangle", "patches", "region"]
ShareOf = Literal["mass", "area"]
KINDS = ("rectangle", "patches", "region")
_EQUAL = 1e-9  # shares this close are equal


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

    def mask(self, amap: npt.ArrayLike) -> Mask:
        """Return what a map of a picture keeps of it, True where it is kept: of the map's shape."""
        array = np.asarray(amap)
        if self.kind == "region":
            return resized_mask(self.region(array), (array.shape[0], array.shape[1]))
        return rectangles_to_mask(self.boxes(array), (array.shape[0], array.shape[1]))

    def boxes(self, amap: npt.ArrayLike) -> list[Box]:
        """Return the rectangle or the patches of a map, in its pixels; for a region its rectangle of the same share."""
        array = np.asarray(amap)
        if self.kind == "patches":
            height, width = (max(1, round(self.patch_share * side)) for side in array.shape)
            return best_patches(array, self.patches, (height, width))
        if self.share_of == "area":
            return [rectangle_of_area(array, max(1, round(self.share * array.size)))]
        return [attended_rectangle(array, self.share)]

    def region(self, amap: npt.ArrayLike) -> Mask:
        """Return the highest pixels of a map's grid that are, or hold, at least the share at the map's own size.

        They are the fewest that hold the share of the map on the grid, and a few more until what they become at the
        map's own size (`gazekit.shapes.masks.resized_mask`) holds it too.
        """
        array = checked_map(amap)
        size = (array.shape[0], array.shape[1])
        shape = grid_shape(size, self.grid)
        coarse = array if shape == size else checked_map(cv2.resize(array, shape[::-1], interpolation=cv2.INTER_AREA))
        if self.share_of == "area":
            return highest_pixels(coarse, max(1, int(np.ceil(self.share * coarse.size - _EQUAL))))
        count, needed = fewest_holding(coarse, self.share), (self.share - _EQUAL) * array.sum()
        while True:
            region = highest_pixels(coarse, count)
            missing = needed - array[resized_mask(region, size)].sum()
            if missing <= 0 or count == coarse.size:
                return region
            at_most = float(coarse[region].min()) * array.size / coarse.size  # that one more pixel can bring
            count = min(coarse.size, count + max(1, int(missing / at_most / 2)))
