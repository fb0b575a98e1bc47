"""Pictures at the size that a network takes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gazekit.core.types import Pixels
from gazekit.pictures import Size, decode_plain, shrink_for


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resize a picture, bilinear with antialiasing.

    The same to a grey level as `gazekit.models.pixels.resize`, which scores picture files, and as most people's loops.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    small = Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.uint8)


def decode_resized(encoded: bytes, name: str, stored: Size, wanted: Size) -> Pixels:
    """Decode an ordinary picture (no alpha, no CMYK) at another size; a JPEG is shrunk while it is decoded."""
    return resized(decode_plain(encoded, name, shrink_for(stored, wanted)), *wanted)
