"""What of an attention map a mask keeps: a rectangle, patches or a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import ConfigError, unknown_name
from gazekit.core.types import Mask
from gazekit.shapes.patches import best_patches
from gazekit.shapes.rectangles import Box, attended_rectangle, rectangle_of_area
from gazekit.shapes.regions import threshold_mask

Kind = Literal["rectangle", "patches", "region"]
ShareOf = Literal["mass", "area"]
KINDS = ("rectangle", "patches", "region")


@dataclass(frozen=True)
class MaskSpec:
    """What of an attention map a mask keeps.

    Attributes
    ----------
    kind : the smallest ``rectangle`` with a share of the map, the best ``patches`` of a size that do not overlap, or
        the ``region`` of the highest pixels.
    share, share_of : of the map's ``mass``, or of the picture's ``area``: then the rectangle of that area that holds
        most. Not for patches.
    patches, patch_share : how many at most, and their height and width as a share of the picture's.

    Raises
    ------
    InputError, ConfigError : an unknown kind, a share that is none.
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
        """What decides the masks, for the provenance."""
        if self.kind == "patches":
            return {"mask": self.kind, "patches": self.patches, "patch_share": self.patch_share}
        return {"mask": self.kind, "share": self.share, "share_of": self.share_of}

    def boxes(self, amap: npt.NDArray[np.floating[Any]]) -> list[Box]:
        """The rectangle or the patches of a map, in its pixels; for a region its rectangle of the same share."""
        if self.kind == "patches":
            height, width = (max(1, round(self.patch_share * side)) for side in amap.shape)
            return best_patches(amap, self.patches, (height, width))
        if self.share_of == "area":
            return [rectangle_of_area(amap, max(1, round(self.share * amap.size)))]
        return [attended_rectangle(amap, self.share)]

    def region(self, amap: npt.NDArray[np.floating[Any]]) -> Mask:
        """The highest pixels of a map that hold the share, or are the share."""
        if self.share_of == "area":
            return threshold_mask(amap, area=self.share)
        return threshold_mask(amap, mass=self.share)
