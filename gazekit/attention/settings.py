"""The section of a study file that maps and masks are made by."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from gazekit.core.config import Section


class AttentionSection(Section):
    """``[attention]``: from fixations to maps, and what of them a mask keeps."""

    sigma_deg: PositiveFloat = 1.0
    mask: Literal["rectangle", "patches", "region"] = "rectangle"
    share: float = Field(default=0.7, gt=0, le=1)
    share_of: Literal["mass", "area"] = "mass"
    patches: PositiveInt = 3
    patch_share: float = Field(default=0.2, gt=0, le=1)
    weight: Literal["duration", "count"] = "duration"
    fill: Literal["black", "mean", "blur", "foveated"] = "black"
