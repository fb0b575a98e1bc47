"""How a model looks at a picture: the small pictures that it takes of one, in training and afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import InputError
from gazekit.models.baselines.patches import adaptive_patches, fixed_patches, random_patches
from gazekit.models.pixels import Picture, random_crop, resize, view_size
from gazekit.pictures import decode_picture, examine_picture

Kind = Literal["view", "attended", "crop", "patches", "adaptive patches"]
Item = tuple[Picture, ...]
SQUARE = (1.0,)
LARGER = 4


@dataclass(frozen=True)
class Look:
    """What a kind of model sees of a picture.

    Attributes
    ----------
    kind : Kind
        ``view``, the whole picture; ``attended``, the view, and the original from which PF- and GPF-CNN cut what they
        attend to; ``crop``, the view and a square of the original pixels; ``patches`` and ``adaptive patches``, five
        squares of the original pixels and no view.
    size : int
        Longer side of the view, side of the squares; pixels.
    aspects : tuple[float, ...]
        Heights over widths that a view may have, each picture taking the nearest; with none it keeps its own.
    narrowest : int
        The shorter side that the network needs at least: a long picture's view is larger for it, up to `LARGER` times.
    """

    kind: Kind
    size: int
    aspects: tuple[float, ...] = SQUARE
    narrowest: int = 1

    @property
    def random(self) -> bool:
        """Whether training sees other parts of a picture every time."""
        return self.kind in ("crop", "patches")

    def shape(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the view of a picture of (height, width)."""
        view = self._shape(size, self.size)
        larger = self.size * self.narrowest / min(view)
        if self.size < larger <= self.size * LARGER:
            height, width = self._shape(size, round(larger))
            return max(height, self.narrowest), max(width, self.narrowest)
        return view

    def check(self, size: tuple[int, int], name: str) -> None:
        """Refuse a picture of (height, width) that is too long for the network; the `InputError` names it."""
        if self.kind in ("view", "attended", "crop") and min(self.shape(size)) < self.narrowest:
            height, width = size
            raise InputError(
                f"{name} is {width} x {height} pixels: too long for this network, whose views have"
                f" {self.narrowest} pixels or more on the shorter side and {self.size * LARGER} or fewer on the longer"
            )

    def _shape(self, size: tuple[int, int], longer: int) -> tuple[int, int]:
        if not self.aspects:
            return view_size(size, longer)
        ratio = min(self.aspects, key=lambda aspect: abs(np.log(aspect * size[1] / size[0])))
        return max(1, round(min(ratio, 1.0) * longer)), max(1, round(min(1 / ratio, 1.0) * longer))

    def view(self, picture: Picture) -> Picture:
        """Resize the whole picture to the model's size."""
        return resize(picture, self.shape((picture.shape[0], picture.shape[1])))

    def part(self, picture: Picture, rng: np.random.Generator | None = None) -> Picture:
        """Cut what is seen of the original pixels: a square (size, size, 3), or five (5, size, size, 3).

        At random places with a generator, as in training; else always in the same ones.
        """
        if self.kind == "crop":
            return middle_crop(picture, self.size) if rng is None else random_crop(picture, self.size, rng)
        if self.kind == "adaptive patches":
            return adaptive_patches(picture, size=self.size)
        return fixed_patches(picture, self.size) if rng is None else random_patches(picture, rng, size=self.size)

    def __call__(self, picture: Picture) -> Item:
        """Return what the model takes of a picture (uint8 RGB, any size) outside training."""
        if self.kind == "view":
            return (self.view(picture),)
        if self.kind == "attended":
            return self.view(picture), picture
        return (self.view(picture), self.part(picture)) if self.kind == "crop" else (self.part(picture),)

    def decoded(self, encoded: bytes, name: str) -> Item:
        """Decode a picture to what the model takes; a large JPEG is decoded small where original pixels do not count.

        Raises
        ------
        FormatError
            As `gazekit.pictures.decode_picture`.
        InputError
            As `check`.
        """
        if self.kind != "view":
            picture = decode_picture(encoded, name)
            self.check((picture.shape[0], picture.shape[1]), name)
            return self(picture)
        info, pixels = examine_picture(encoded, name, self.shape)
        self.check(info.upright, name)
        return (resize(pixels, self.shape(info.upright)),)


def aspects_of(sizes: npt.ArrayLike, count: int) -> tuple[float, ...]:
    """At most ``count`` heights over widths for pictures of sizes (N, 2): quantiles of their own; one is the square.

    Pictures in batches of one shape each are then hardly distorted, and few batches are small.
    """
    if count == 1:
        return SQUARE
    height, width = np.asarray(sizes, dtype=np.float64).T
    quantiles = np.quantile(np.log(height / width), (np.arange(count) + 0.5) / count)
    return tuple(float(ratio) for ratio in np.unique(np.exp(quantiles).round(6)))


def middle_crop(picture: Picture, size: int) -> Picture:
    """Cut the middle square of the original pixels (the whole shorter side of a picture smaller than ``size``)."""
    height, width = picture.shape[:2]
    side = min(size, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(picture[top : top + side, left : left + side], (size, size))
