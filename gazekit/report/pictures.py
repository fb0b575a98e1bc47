"""Pictures for the page: encoded whole into it, small enough to send by mail."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np

from gazekit.attention.drawing import fit_picture
from gazekit.core.types import Pixels

LONGEST = 460  # longer side of a picture on the page


@dataclass(frozen=True)
class Shown:
    """A picture on the page: its data address, its size, what it shows."""

    source: str
    width: int
    height: int
    alt: str
    caption: str


def shown(rgb: Pixels, alt: str, caption: str = "", longest: int = LONGEST) -> Shown:
    """Return a picture of at most ``longest`` pixels, as a JPEG inside a data address."""
    small = fit_picture(np.asarray(rgb, dtype=np.uint8), longest)
    _, encoded = cv2.imencode(".jpg", np.ascontiguousarray(small[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 84])
    source = "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()
    return Shown(source, small.shape[1], small.shape[0], alt, caption)
