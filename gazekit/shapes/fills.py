"""What stands where a picture is masked: black, its mean colour, a blur, or a fading sharpness.

A fill is a function ``fill(rgb, mask) -> Pixels`` of a picture and of what is kept of it; it gives a whole picture. It
is made known by the entry point group ``gazekit.fills``.
"""

from __future__ import annotations

from typing import Annotated

import cv2
import numpy as np
from pydantic import AfterValidator

from gazekit.core.errors import InputError, unknown_name
from gazekit.core.plugins import plugins
from gazekit.core.types import Map, Mask, Pixels

_BLUR = 1 / 20  # sigma of the full blur, as a share of the longer side
_REACH = 1 / 3  # distance from the kept part at which foveated sharpness has fallen to the full blur, same share
_LEVELS = 5


def fill_names() -> list[str]:
    """List the fills that are installed, black (the default) first."""
    return sorted(plugins("gazekit.fills"), key=lambda name: (name != "black", name))


def filled(rgb: Pixels, mask: Mask, fill: str) -> Pixels:
    """Return a whole picture of the fill, uint8 (height, width, 3); InputError where a plug-in gives none."""
    picture: Pixels = plugins("gazekit.fills")[fill](rgb, mask)
    if picture.shape != rgb.shape or picture.dtype != np.uint8:
        raise InputError(
            f"the fill {fill!r} should give a picture, uint8 {rgb.shape}; it gave {picture.dtype} {picture.shape}"
        )
    return picture


def _known(name: str) -> str:
    if name not in fill_names():
        raise ValueError(str(unknown_name("fill", name, fill_names())))
    return name


Fill = Annotated[str, AfterValidator(_known)]  # the name of a fill; pydantic checks it


def black(rgb: Pixels, mask: Mask) -> Pixels:
    """Return a black picture (the GBR/RAN study)."""
    return np.zeros_like(rgb)


def mean_colour(rgb: Pixels, mask: Mask) -> Pixels:
    """Return a picture of one colour, the mean of all pixels."""
    return np.broadcast_to(np.rint(rgb.mean(axis=(0, 1))).astype(np.uint8), rgb.shape)


def blur(rgb: Pixels, mask: Mask) -> Pixels:
    """Return the picture blurred until nothing but coarse shapes is left: sigma is a twentieth of its longer side."""
    return blurred(rgb, _BLUR * max(rgb.shape[:2]))


def foveated(rgb: Pixels, mask: Mask) -> Pixels:
    """Return the picture with a blur that grows with the distance from the mask; sharp inside it.

    Eccentricity is the distance in pixels to the nearest kept pixel; the blur's sigma grows in proportion to it (as
    acuity falls with eccentricity) up to a twentieth of the longer side, at a third of the longer side.
    """
    if not mask.any():
        return blur(rgb, mask)
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    level = np.minimum(distance / (_REACH * max(rgb.shape[:2])), 1) * (_LEVELS - 1)
    result = np.zeros(rgb.shape, dtype=np.float32)
    for k in range(_LEVELS):
        weight = np.maximum(1 - np.abs(level - k), 0)[..., None]
        layer = rgb if k == 0 else blurred(rgb, k / (_LEVELS - 1) * _BLUR * max(rgb.shape[:2]))
        result += weight * layer
    return np.rint(result).astype(np.uint8)


def blurred(rgb: Pixels, sigma: float) -> Pixels:
    """Blur a picture with a Gaussian and mirrored borders, at a smaller size where sigma is large."""
    shrink = max(1, int(sigma / 4))
    height, width = rgb.shape[:2]
    if shrink == 1:
        return np.asarray(cv2.GaussianBlur(rgb, (0, 0), sigma), dtype=np.uint8)
    size = (max(1, width // shrink), max(1, height // shrink))
    small = cv2.GaussianBlur(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), (0, 0), sigma / shrink)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def soft_edge(mask: Mask, width_px: float) -> Map:
    """Return an opacity: 1 inside the mask, falling along a cosine to 0 at ``width_px`` outside it."""
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    if not mask.any():
        return np.zeros(mask.shape, dtype=np.float32)
    fade = 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance / width_px, 1))
    return np.asarray(fade, dtype=np.float32)
