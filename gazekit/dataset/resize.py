"""Pictures at the size that a network takes."""

from __future__ import annotations

import cv2
import numpy as np

from gazekit.pictures import Pixels, decode_plain

_AWKWARD = {"alpha", "cmyk"}


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """A picture at another size: every pixel the mean of what it covers, or cubic where it grows.

    Halved exactly as often as it can be, then averaged over the rest: nearer to an antialiased bilinear resize
    than area averaging at once, and twice as fast.
    """
    while pixels.shape[0] >= 2 * height and pixels.shape[1] >= 2 * width and not _odd(pixels):
        size = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    if pixels.shape[:2] == (height, width):
        return pixels
    smaller = height <= pixels.shape[0] and width <= pixels.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=how), dtype=np.uint8)


def shrink_for(stored: tuple[int, int], wanted: tuple[int, int]) -> int:
    """By how much (1, 2, 4 or 8) a decoder may shrink a stored (height, width) that is wanted at another size."""
    room = min(stored[0] / wanted[0], stored[1] / wanted[1])
    return 8 if room >= 8 else 4 if room >= 4 else 2 if room >= 2 else 1


def decode_resized(encoded: bytes, name: str, stored: tuple[int, int], wanted: tuple[int, int]) -> Pixels:
    """Decode an ordinary picture (no alpha, no CMYK) at another size, shrinking it while it is decoded."""
    pixels = decode_plain(encoded, name, shrink_for(stored, wanted))
    return resized(pixels, *wanted)


def _odd(pixels: Pixels) -> bool:
    return bool(pixels.shape[0] % 2 or pixels.shape[1] % 2)
