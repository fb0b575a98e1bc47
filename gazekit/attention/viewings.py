"""Fixation tables taken apart by picture, and the maps of everyone, of groups, and of all but one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention.maps import attention_map, gaussian_sum, summed_gaussians
from gazekit.attention.settings import Weight
from gazekit.core.errors import ConfigError, InputError, unknown_name
from gazekit.core.lasting import advice
from gazekit.core.types import Bools, Floats, Index, Map
from gazekit.shapes.gaussian_sum import GaussianSum

By = Literal["everyone", "participant", "leave-one-out"] | Mapping[str, str]
EVERYONE = "everyone"


@dataclass(frozen=True)
class Viewing:
    """The fixations of one person, or of several, on one picture.

    Attributes
    ----------
    image : str
        Id of the picture.
    size : (int, int)
        Height and width of the picture, pixels; (0, 0) until they are known.
    x, y : ndarray, shape (n,)
        Places in pixels of the picture, in order of time for each participant; NaN off the picture.
    duration_ms : ndarray, shape (n,)
        Durations, milliseconds.
    viewer : ndarray of int32, shape (n,)
        Who looked: places in ``people``.
    people : list of str
        Names of all participants of the table that the fixations come from.
    sigma_px : float
        Sigma of the Gaussian of its maps, pixels of the picture.
    weight : {"duration", "count"}
        What a fixation weighs in the map.
    alike : bool
        Whether every person counts alike: a fixation weighs its share of all that the person looked at in the picture.
    """

    image: str
    size: tuple[int, int]
    x: npt.NDArray[np.floating[Any]]
    y: npt.NDArray[np.floating[Any]]
    duration_ms: npt.NDArray[np.floating[Any]]
    viewer: npt.NDArray[np.int32]
    people: list[str]
    sigma_px: float
    weight: Weight = "duration"
    alike: bool = False

    @property
    def weights(self) -> Floats:
        """What each fixation weighs in the map, (n,)."""
        weights = self.duration_ms.astype(np.float64) if self.weight == "duration" else np.ones(len(self.x))
        if not self.alike:
            return weights
        on = self.inside & (weights > 0)
        totals = np.bincount(self.viewer[on], weights[on], minlength=len(self.people))[self.viewer]
        return np.divide(weights, totals, out=np.zeros_like(weights), where=totals > 0)

    @property
    def participants(self) -> list[str]:
        """Names of those who looked at the picture, sorted: who have a fixation with a weight on it."""
        return sorted(self.people[code] for code in np.unique(self.viewer[self.counted]))

    @property
    def names(self) -> list[str]:
        """Who made each fixation, (n,)."""
        return [self.people[code] for code in self.viewer]

    @property
    def inside(self) -> Bools:
        """Which fixations lie on the picture, (n,)."""
        height, width = self.size
        return np.asarray((self.x >= 0) & (self.x < width) & (self.y >= 0) & (self.y < height))

    @property
    def counted(self) -> Bools:
        """Which fixations count in the map: those on the picture that have a weight, (n,)."""
        return np.asarray(self.inside & (self.weights > 0))

    def of(self, *participants: str) -> Viewing:
        """Return the fixations of some participants only."""
        return self.take(self._made_by(participants))

    def without(self, *participants: str) -> Viewing:
        """Return the fixations of everyone else."""
        return self.take(~self._made_by(participants))

    def map(self) -> Map:
        """Return the attention map, float32 (height, width), sum 1."""
        return attention_map(self.x, self.y, self.weights, size=self.size, sigma_px=self.sigma_px)

    def closed_map(self) -> GaussianSum | Map:
        """Return the attention map for masks (`gazekit.shapes.mask_spec.MaskSpec`), in closed form where it has one."""
        return gaussian_sum(self.x, self.y, self.weights, self.size, self.sigma_px)

    def unscaled_map(self) -> Floats:
        """Return the sum of its weighted Gaussians, (height, width): maps of people add up to everybody's."""
        return summed_gaussians(self.x, self.y, self.weights, self.size, self.sigma_px)

    def scaled(self, longest: int) -> Viewing:
        """Return the fixations on the picture made smaller until its longer side has ``longest`` pixels."""
        factor = min(1.0, longest / max(self.size))
        height, width = (max(1, round(side * factor)) for side in self.size)
        across, down = width / self.size[1], height / self.size[0]
        sigma = self.sigma_px * factor
        x, y = self.x.astype(np.float64) * across, self.y.astype(np.float64) * down
        return replace(self, size=(height, width), x=x, y=y, sigma_px=sigma)

    def leave_one_out(self) -> Iterator[tuple[Viewing, Viewing]]:
        """Yield every participant and all the others, where there are any."""
        for name in self.participants:
            others = self.without(name)
            if others.participants:
                yield self.of(name), others

    def take(self, index: Bools | Index) -> Viewing:
        """Return some of the fixations, chosen or by number."""
        columns = {name: getattr(self, name)[index] for name in ("x", "y", "duration_ms", "viewer")}
        return replace(self, **columns)

    def _made_by(self, participants: Sequence[str]) -> Bools:
        return np.isin(self.viewer, [code for code, name in enumerate(self.people) if name in participants])


def viewings(
    fixations: pd.DataFrame,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    *,
    sigma_deg: float = 1.0,
    sigma_px: float | None = None,
    weight: Weight = "duration",
    alike: bool = False,
) -> dict[str, Viewing]:
    """Return what people looked at on every picture, by image id.

    Parameters
    ----------
    fixations : DataFrame
        A fixation table with ``image``, ``x_picture``, ``y_picture``; ``participant`` and ``duration_ms`` where it
        has them; ``x_deg`` where sigma is in degrees.
    sizes : mapping, optional
        Image id to height and width in pixels; fixations on other images are left out. Without it all images are
        taken, and their size is set later.
    sigma_deg : float
        Sigma of the maps in degrees of visual angle, through the pictures' placement on the screen.
    sigma_px : float, optional
        Sigma in picture pixels instead, the same for all pictures.
    weight : {"duration", "count"}
        What a fixation weighs.
    alike : bool
        Whether every person counts alike, however long or often they looked.

    Returns
    -------
    dict
        Image id to `Viewing`, for every picture that has at least one fixation.

    Raises
    ------
    InputError
        A column is missing, or no fixation lies on any of the pictures.
    ConfigError
        Sigma is in degrees, and the table does not tell how large a degree is.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"image": ["a", "a"], "participant": ["p1", "p2"], "x_picture": [9.0, 30.0],
    ...                       "y_picture": [9.0, 20.0], "duration_ms": [200.0, 300.0]})
    >>> looks = viewings(table, {"a": (40, 60)}, sigma_px=4)
    >>> looks["a"].participants, looks["a"].of("p1").map().shape
    (['p1', 'p2'], (40, 60))
    """
    if weight not in ("duration", "count"):
        raise unknown_name("weight", weight, ("duration", "count"))
    needed = ["image", "x_picture", "y_picture", *(["duration_ms"] if weight == "duration" else [])]
    missing = [name for name in needed if name not in fixations]
    if missing:
        has = ", ".join(map(str, fixations))
        raise InputError(f"the fixation table lacks {', '.join(missing)}; it has {has}{advice(missing)}")
    table = fixations[fixations["image"].notna() if sizes is None else fixations["image"].isin(list(sizes))]
    table = table[table.groupby("image", observed=True)["x_picture"].transform("count") > 0]
    if not len(table):
        among = "a picture" if sizes is None else f"any of the {len(sizes)} pictures"
        raise InputError(f"none of {len(fixations)} fixations lies on {among}")
    sigma = picture_sigmas(table, sigma_deg, sigma_px)
    who = table["participant"].astype(str) if "participant" in table else pd.Series(EVERYONE, index=table.index)
    codes, names = pd.factorize(who, sort=True)
    which, images = pd.factorize(table["image"].astype(str), sort=True)
    order = np.argsort(which, kind="stable")
    ends = np.searchsorted(which[order], np.arange(len(images) + 1))
    # 32 bits, as a dataset keeps them, so that its masks are those of maps made here
    x, y = (table[name].to_numpy(np.float32)[order] for name in ("x_picture", "y_picture"))
    lasted = table["duration_ms"] if "duration_ms" in table else pd.Series(1.0, index=table.index)
    duration = lasted.to_numpy(np.float32)[order]
    viewer, people = codes[order].astype(np.int32), [str(name) for name in names]
    looks = {}
    for image, start, end in zip(map(str, images), ends, ends[1:], strict=False):
        size, rows = (0, 0) if sizes is None else (int(sizes[image][0]), int(sizes[image][1])), slice(start, end)
        looks[image] = Viewing(
            image,
            size,
            x[rows],
            y[rows],
            duration[rows],
            viewer[rows],
            people,
            float(np.float32(sigma[image])),
            weight,
            alike,
        )
    return looks


def members(viewing: Viewing, by: By) -> dict[str, list[str]]:
    """Return whose fixations each map of a picture is made of: who -> participants.

    Parameters
    ----------
    viewing : Viewing
        The fixations on the picture.
    by : str or mapping
        ``everyone`` together, each ``participant``, all but one (``leave-one-out``), or the group of each participant
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


def maps_by_picture(looks: Mapping[str, Viewing], by: By = "everyone") -> dict[tuple[str, str], Map]:
    """Return attention maps by (image, who); ``looks`` is what `viewings` gives, ``by`` is as for `members`."""
    return {
        (image, who): viewing.of(*people).map()
        for image, viewing in looks.items()
        for who, people in members(viewing, by).items()
    }


def pixels_per_degree(fixations: pd.DataFrame) -> pd.Series:
    """Return how many picture pixels one degree about the screen's centre covers, by image.

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
    """Return sigma in picture pixels by image; pictures with a single fixation take the median of the others.

    Raises
    ------
    ConfigError
        Sigma is in degrees, and the table does not tell how large a degree is.
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
