"""Fixation tables taken apart by picture, and the maps of everyone, of groups, and of all but one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention.maps import attention_map
from gazekit.core.errors import ConfigError, InputError, unknown_name
from gazekit.core.types import Map

Weight = Literal["duration", "count"]
By = Literal["everyone", "participant", "leave-one-out"] | Mapping[str, str]
EVERYONE = "everyone"


@dataclass(frozen=True)
class Viewing:
    """What n fixations on one picture were, in its own pixels.

    Attributes
    ----------
    image : id of the picture.
    size : its height and width.
    x, y : (n,) picture pixels, in order of time for each participant; NaN off the picture.
    weight : (n,) durations in milliseconds, or ones.
    participant : (n,) who looked.
    sigma_px : the Gaussian of its maps, in picture pixels.
    """

    image: str
    size: tuple[int, int]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float64]
    participant: npt.NDArray[Any]
    sigma_px: float

    @property
    def participants(self) -> list[str]:
        """Who has a fixation on the picture, sorted."""
        return sorted(set(self.participant[np.isfinite(self.x)].tolist()))

    def of(self, *participants: str) -> Viewing:
        """The fixations of some participants only."""
        return self._take(np.isin(self.participant, participants))

    def without(self, *participants: str) -> Viewing:
        """The fixations of everyone else."""
        return self._take(~np.isin(self.participant, participants))

    def map(self) -> Map:
        """The attention map, float32 (height, width), sum 1."""
        return attention_map(self.x, self.y, self.weight, size=self.size, sigma_px=self.sigma_px)

    def scaled(self, longest: int) -> Viewing:
        """The same fixations on the picture made smaller until its longer side has ``longest`` pixels."""
        factor = min(1.0, longest / max(self.size))
        height, width = (max(1, round(side * factor)) for side in self.size)
        across, down = width / self.size[1], height / self.size[0]
        sigma = self.sigma_px * factor
        return replace(self, size=(height, width), x=self.x * across, y=self.y * down, sigma_px=sigma)

    def leave_one_out(self) -> Iterator[tuple[Viewing, Viewing]]:
        """Every participant and all the others, where there are any."""
        for name in self.participants:
            others = self.without(name)
            if others.participants:
                yield self.of(name), others

    def _take(self, index: npt.NDArray[np.bool_]) -> Viewing:
        return replace(
            self,
            x=self.x[index],
            y=self.y[index],
            weight=self.weight[index],
            participant=self.participant[index],
        )


def viewings(
    fixations: pd.DataFrame,
    sizes: Mapping[str, tuple[int, int]],
    *,
    sigma_deg: float = 1.0,
    sigma_px: float | None = None,
    weight: Weight = "duration",
) -> dict[str, Viewing]:
    """The viewings of every picture that has a size and at least one fixation on it, by image id.

    Parameters
    ----------
    fixations : a fixation table with ``image``, ``x_picture``, ``y_picture``; ``participant`` and ``duration_ms``
        where it has them; ``x_deg`` where sigma is in degrees.
    sizes : height and width of the pictures, by image id; fixations on other images are left out.
    sigma_deg : sigma of the maps in degrees of visual angle, through the pictures' placement on the screen.
    sigma_px : sigma in picture pixels instead, the same for all pictures.
    weight : ``duration`` or ``count``.

    Raises
    ------
    InputError : a column is missing, or no fixation lies on any of the pictures.
    ConfigError : sigma is in degrees, and the table does not tell how large a degree is.
    """
    if weight not in ("duration", "count"):
        raise unknown_name("weight", weight, ("duration", "count"))
    needed = ["image", "x_picture", "y_picture", *(["duration_ms"] if weight == "duration" else [])]
    missing = [name for name in needed if name not in fixations]
    if missing:
        raise InputError(f"the fixation table lacks {', '.join(missing)}; it has {', '.join(map(str, fixations))}")
    table = fixations[fixations["image"].isin(list(sizes))]
    table = table[table.groupby("image")["x_picture"].transform("count") > 0]
    if not len(table):
        raise InputError(f"none of {len(fixations)} fixations lies on any of the {len(sizes)} pictures")
    sigma = picture_sigmas(table, sigma_deg, sigma_px)
    return {str(image): _viewing(str(image), own, sizes, sigma, weight) for image, own in table.groupby("image")}


def members(viewing: Viewing, by: By) -> dict[str, list[str]]:
    """Whose fixations each map of a picture is made of: who -> participants.

    Parameters
    ----------
    by : ``everyone`` together, each ``participant``, all but one (``leave-one-out``), or the group of each participant
        by name; participants without a group are left out.
    """
    people = viewing.participants
    if isinstance(by, str) and by not in ("everyone", "participant", "leave-one-out"):
        raise unknown_name("kind of map", by, ("everyone", "participant", "leave-one-out"))
    if by == "everyone":
        return {EVERYONE: people}
    if by == "participant":
        return {name: [name] for name in people}
    if by == "leave-one-out":
        return {f"all but {name}": [p for p in people if p != name] for name in people if len(people) > 1}
    groups = sorted({by[p] for p in people if p in by})
    return {name: [p for p in people if by.get(p) == name] for name in groups}


def maps_by_picture(seen: Mapping[str, Viewing], by: By = "everyone") -> dict[tuple[str, str], Map]:
    """Attention maps by (image, who), where ``seen`` is what `viewings` gives and ``by`` is as for `members`."""
    return {
        (image, who): viewing.of(*people).map()
        for image, viewing in seen.items()
        for who, people in members(viewing, by).items()
    }


def pixels_per_degree(fixations: pd.DataFrame) -> pd.Series:
    """How many picture pixels one degree about the screen's centre covers, by image.

    A placement is linear and Fick azimuths are atan(x / distance), so that the tangent of ``x_deg`` is a straight
    line over ``x_picture``; its slope tells the size of a degree. NaN where fewer than two fixations lie apart.
    """
    table = fixations.dropna(subset=["x_picture", "x_deg"])
    tangent = np.tan(np.radians(table["x_deg"].astype(float)))
    parts = pd.DataFrame({"image": table["image"], "x": table["x_picture"].astype(float), "t": tangent})
    centred = parts[["x", "t"]] - parts.groupby("image", observed=True)[["x", "t"]].transform("mean")
    sums = (
        pd.DataFrame({"xt": centred["x"] * centred["t"], "xx": centred["x"] ** 2})
        .groupby(parts["image"], observed=True)
        .sum()
    )
    slope = (sums["xt"] / sums["xx"]).where(sums["xx"] > 0.5)
    return pd.Series(2 * math.tan(math.radians(0.5)) / slope, name="pixels_per_degree")


def picture_sigmas(table: pd.DataFrame, sigma_deg: float = 1.0, sigma_px: float | None = None) -> dict[str, float]:
    """Sigma in picture pixels by image; pictures with a single fixation take the median of the others.

    Raises
    ------
    ConfigError : sigma is in degrees, and the table does not tell how large a degree is.
    """
    images = table["image"].unique()
    if sigma_px is not None:
        return dict.fromkeys(map(str, images), float(sigma_px))
    if "x_deg" not in table:
        raise ConfigError(
            "the fixation table has no x_deg, so that sigma cannot be in degrees: give sigma in picture pixels "
            "(sigma_px; 1 degree is about 24 px in many free-viewing sets)"
        )
    scale = pixels_per_degree(table).reindex(images)
    if not scale.notna().any():
        raise ConfigError("no picture has two fixations apart, so the size of a degree is unknown: give sigma_px")
    return {str(image): float(sigma_deg * value) for image, value in scale.fillna(scale.median()).items()}


def _viewing(
    image: str, own: pd.DataFrame, sizes: Mapping[str, tuple[int, int]], sigma: Mapping[str, float], weight: Weight
) -> Viewing:
    people = own["participant"].astype(str) if "participant" in own else pd.Series(EVERYONE, index=own.index)
    ones = np.ones(len(own))
    return Viewing(
        image=image,
        size=(int(sizes[image][0]), int(sizes[image][1])),
        x=own["x_picture"].to_numpy(np.float64),
        y=own["y_picture"].to_numpy(np.float64),
        weight=own["duration_ms"].to_numpy(np.float64) if weight == "duration" else ones,
        participant=people.to_numpy(object),
        sigma_px=sigma[image],
    )
