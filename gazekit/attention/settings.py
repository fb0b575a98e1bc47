"""Options of maps and masks, and the section of a study file that holds them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gazekit.core.config import Section
from gazekit.shapes.fills import Fill
from gazekit.shapes.mask_spec import Kind, ShareOf

MapKind = Literal["gaussian", "likelihood"]
Weight = Literal["duration", "count"]


class AttentionOptions(Section):
    """From fixations to maps, and what of a map a mask keeps; see `gazekit.shapes.mask_spec.MaskSpec`."""

    sigma_deg: float = Field(default=1.0, gt=0, description="sigma of the maps, degrees of visual angle")
    mask: Kind = Field(
        default="rectangle",
        description="what masks keep: the smallest rectangle, the best patches apart, the highest pixels",
    )
    share: float = Field(default=0.7, gt=0, le=1, description="share of the map in a rectangle or region")
    share_of: ShareOf = Field(default="mass", description="the share is of the map's mass or of the area")
    patches: int = Field(default=3, ge=1, description="how many patches at most")
    patch_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="height and width of a patch, as a share of the picture's; all cover half at most",
    )
    weight: Weight = Field(default="duration", description="what a fixation weighs in a map")
    map: MapKind = Field(
        default="gaussian",
        description="what a map is: Gaussians of sigma at the fixations; likelihood: each picture's own width and "
        "mixture with centre and even density, by which three viewers or more predict each other best",
    )


class AttentionSection(AttentionOptions):
    """``[attention]``: options of maps and masks, and what stands outside a mask."""

    fill: Fill = "black"
