"""From a picture's pixels to what a network takes: views, crops, normalised batches.

Pictures are uint8 RGB, (height, width, 3); boxes are (top, left, bottom, right), half open, in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from gazekit.core.errors import InputError

Picture = npt.NDArray[np.uint8]


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """Resize a picture to (height, width), bilinear with antialiasing: no grey level of detail aliases."""
    if picture.shape[:2] == tuple(size):
        return picture
    # the batch of one is made first: only so do its strides say channels last, for which torch has a faster way
    pixels = torch.from_numpy(np.ascontiguousarray(picture))[None].permute(0, 3, 1, 2)
    small = F.interpolate(pixels, size=tuple(size), mode="bilinear", antialias=True, align_corners=False)
    return np.ascontiguousarray(small[0].permute(1, 2, 0).numpy())


def view_size(size: tuple[int, int], long_side: int = 224) -> tuple[int, int]:
    """(height, width) of a picture's peripheral view: its own aspect ratio, the longer side ``long_side``."""
    height, width = size
    scale = long_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def peripheral_view(picture: Picture, long_side: int = 224) -> Picture:
    """Resize a picture as the periphery sees it: small, its aspect ratio kept."""
    return resize(picture, view_size(picture.shape[:2], long_side))


def box_in_picture(box: Sequence[int], view: tuple[int, int], picture: tuple[int, int]) -> tuple[int, int, int, int]:
    """Turn a rectangle of the view into the rectangle of the picture that covers it.

    Parameters
    ----------
    box : Sequence[int]
        (top, left, bottom, right) in pixels of the view.
    view, picture : tuple[int, int]
        (height, width) of both.
    """
    top, left, bottom, right = (int(v) for v in box)
    (vh, vw), (ph, pw) = view, picture
    if not (0 <= top < bottom <= vh and 0 <= left < right <= vw):
        raise InputError(f"box {(top, left, bottom, right)} is not a rectangle inside a view of {vh} x {vw} pixels")
    return top * ph // vh, left * pw // vw, -(-bottom * ph // vh), -(-right * pw // vw)


def foveal_crop(picture: Picture, box: Sequence[int], view: tuple[int, int], size: int = 224) -> Picture:
    """Cut the attended part of the **original** pixels, resized to ``size`` x ``size``.

    Parameters
    ----------
    picture : Picture
        The original, at full resolution.
    box : Sequence[int]
        The attended rectangle in pixels of the view; ``view`` : the view's (height, width).
    """
    top, left, bottom, right = box_in_picture(box, view, (picture.shape[0], picture.shape[1]))
    return resize(picture[top:bottom, left:right], (size, size))


def random_crop(picture: Picture, size: int, rng: np.random.Generator) -> Picture:
    """Cut a random square of the original pixels (the whole shorter side of a picture smaller than ``size``)."""
    height, width = picture.shape[:2]
    side = min(size, height, width)
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    return resize(picture[top : top + side, left : left + side], (size, size))


def normalised(pictures: npt.ArrayLike | Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Normalise a batch as a network takes it.

    Parameters
    ----------
    pictures : array_like or Tensor
        Uint8, (N, height, width, 3) or one picture (height, width, 3).
    mean, std : Sequence[float]
        Of the model (`gazekit.models.info`), a value a channel, for values from 0 to 1.

    Returns
    -------
    Tensor
        Tensor, float32, (N, 3, height, width), laid out channels last.
    """
    pixels = pictures if isinstance(pictures, Tensor) else torch.from_numpy(np.asarray(pictures))
    pixels = pixels[None] if pixels.ndim == 3 else pixels
    if pixels.ndim != 4 or pixels.shape[3] != 3 or pixels.dtype != torch.uint8:
        raise InputError(
            f"uint8 pictures of shape (N, height, width, 3) were expected, not {pixels.dtype} {tuple(pixels.shape)}"
        )
    width = pixels.shape[2]  # whole rows at once: seven times as fast as a pixel at a time
    scale = torch.tensor(std, device=pixels.device).repeat(width) * 255
    shift = torch.tensor(mean, device=pixels.device).repeat(width) * 255
    return pixels.flatten(2).float().sub_(shift).div_(scale).reshape(pixels.shape).permute(0, 3, 1, 2)


def same_size_batches(
    sizes: Sequence[tuple[int, int]], batch: int, rng: np.random.Generator | None = None
) -> list[npt.NDArray[np.int64]]:
    """Batches of pictures whose views have one size, so that aspect ratios need no padding.

    Parameters
    ----------
    sizes : Sequence[tuple[int, int]]
        (height, width) of each view.
    batch : int
        Most pictures in a batch.
    rng : Generator or None
        Shuffles pictures within a size, and the batches; without it the order is fixed.

    Returns
    -------
    list[ndarray of int64]
        List of int64 arrays of indices; each index stands in exactly one.
    """
    groups: dict[Any, list[int]] = {}
    for index, size in enumerate(sizes):
        groups.setdefault(tuple(size), []).append(index)
    batches = []
    for _, members in sorted(groups.items()):
        order = np.asarray(members, dtype=np.int64)
        if rng is not None:
            rng.shuffle(order)
        batches += [order[i : i + batch] for i in range(0, len(order), batch)]
    if rng is not None:
        rng.shuffle(batches)
    return batches
