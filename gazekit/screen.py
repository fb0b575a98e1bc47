"""The screen: pixels, millimetres and degrees of visual angle.

Pixels are 0-based, x to the right, y down, pixel i covering [i, i + 1). The display area of a tracker runs
from (0, 0) at the top left to (1, 1) at the bottom right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import PositiveFloat, PositiveInt

from gazekit.core.config import Section
from gazekit.core.errors import InputError
from gazekit.core.types import Floats

_SQUARE = 1.5  # pixels of 4:3 that are stretched over 16:9 are 1.33 times as wide as high
_WIDTH_DEG = (7.0, 120.0)  # of a telephone at arm's length, and of a wall near by


@dataclass(frozen=True)
class Screen:
    """Describe a flat screen, seen from straight in front of its centre.

    Parameters
    ----------
    width_px, height_px : int
        Size in pixels.
    width_mm, height_mm : float
        Size of the lit area, millimetres.
    distance_mm : float
        From the eyes to the screen's centre, millimetres.

    Examples
    --------
    >>> screen = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
    >>> azimuth, elevation = screen.to_degrees(1000, 540)
    >>> round(float(azimuth), 2), float(elevation)
    (1.0, 0.0)
    >>> round(screen.pixels_per_degree, 1)
    40.1
    """

    width_px: int
    height_px: int
    width_mm: float
    height_mm: float
    distance_mm: float

    def __post_init__(self) -> None:
        faults = [
            f"{name} is {value!r}"
            for name, value in vars(self).items()
            if not (isinstance(value, (int, float, np.number)) and math.isfinite(value) and value > 0)
        ]
        if faults:
            raise InputError(f"a screen's sizes and distance must be positive numbers: {'; '.join(faults)}")

    def to_mm(self, x_px: npt.ArrayLike, y_px: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Convert screen pixels to millimetres from the screen's centre, x to the right, y down."""
        x, y = np.asarray(x_px, dtype=np.float64) / self.width_px, np.asarray(y_px, dtype=np.float64) / self.height_px
        x -= 0.5
        y -= 0.5
        x *= self.width_mm
        y *= self.height_mm
        return x, y

    def to_degrees(self, x_px: npt.ArrayLike, y_px: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Convert screen pixels to Fick azimuth and elevation, degrees from the screen's centre, y down positive.

        azimuth = atan2(x, d), elevation = atan2(y, sqrt(x^2 + d^2)) with x, y in mm and viewing distance d.
        """
        x, y = self.to_mm(x_px, y_px)
        d = self.distance_mm
        away = x * x
        away += d * d
        y /= np.sqrt(away)
        x /= d
        return np.degrees(np.arctan(x)), np.degrees(np.arctan(y))

    def display_to_degrees(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Convert the display area, 0 to 1 from its top left, to Fick angles as `to_degrees`."""
        return self.to_degrees(u * self.width_px, v * self.height_px)

    def to_pixels(self, azimuth_deg: npt.ArrayLike, elevation_deg: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Convert Fick azimuth and elevation, degrees, to screen pixels: the inverse of `to_degrees`."""
        azimuth = np.radians(np.asarray(azimuth_deg, dtype=np.float64))
        elevation = np.radians(np.asarray(elevation_deg, dtype=np.float64))
        x = self.distance_mm * np.tan(azimuth)
        y = np.hypot(x, self.distance_mm) * np.tan(elevation)
        return (x / self.width_mm + 0.5) * self.width_px, (y / self.height_mm + 0.5) * self.height_px

    def display_to_px(self, gaze: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Convert display-area coordinates, shape (n, 2), to screen pixels."""
        array = np.asarray(gaze, dtype=np.float64)
        return array[..., 0] * self.width_px, array[..., 1] * self.height_px

    def px_to_display(self, x_px: npt.ArrayLike, y_px: npt.ArrayLike) -> Floats:
        """Convert screen pixels to display-area coordinates, shape (..., 2)."""
        x = np.asarray(x_px, dtype=np.float64) / self.width_px
        y = np.asarray(y_px, dtype=np.float64) / self.height_px
        return np.stack(np.broadcast_arrays(x, y), axis=-1)

    def doubts(self) -> list[str]:
        """Tell what no screen is like: sizes in centimetres, width and height exchanged, a wrong distance.

        Examples
        --------
        >>> Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=63).doubts()
        ['the screen would be 153 degrees wide: are its size (527 x 296 mm) and the distance (63 mm) in millimetres?']
        """
        doubts = []
        across, down = self.width_mm / self.width_px, self.height_mm / self.height_px
        if not 1 / _SQUARE <= across / down <= _SQUARE:
            doubts.append(
                f"pixels would be {across:.3f} mm wide and {down:.3f} mm high, and are about square on a display: "
                f"measure the lit area again ({self.width_mm:g} x {self.height_mm:g} mm), or correct the pixels"
            )
        degrees = math.degrees(2 * math.atan(self.width_mm / 2 / self.distance_mm))
        if not _WIDTH_DEG[0] <= degrees <= _WIDTH_DEG[1]:
            doubts.append(
                f"the screen would be {degrees:.3g} degrees wide: are its size ({self.width_mm:g} x "
                f"{self.height_mm:g} mm) and the distance ({self.distance_mm:g} mm) in millimetres?"
            )
        return doubts

    @property
    def pixels_per_degree(self) -> float:
        """Pixels that one degree about the screen's centre covers, mean of both axes."""
        mm = 2 * self.distance_mm * math.tan(math.radians(0.5))
        return mm * (self.width_px / self.width_mm + self.height_px / self.height_mm) / 2


@dataclass(frozen=True)
class Placement:
    """Describe a picture's rectangle on the screen, in screen pixels (corners may fall between pixels).

    Parameters
    ----------
    x, y : float
        Its top left corner.
    width, height : float
        Its size.

    Examples
    --------
    >>> screen = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
    >>> placement = Placement.fit((800, 600), screen)
    >>> placement
    Placement(x=240.0, y=0.0, width=1440.0, height=1080.0)
    >>> x, y = placement.to_picture(960, 540, (800, 600))
    >>> float(x), float(y)
    (400.0, 300.0)
    """

    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in vars(self).values()) or self.width <= 0 or self.height <= 0:
            raise InputError(f"a placement needs finite corners and a positive size; found {self}")

    @classmethod
    def fit(cls, picture: tuple[int, int], screen: Screen, *, enlarge: bool = True) -> Placement:
        """Return the largest centred rectangle for a picture of (width, height) that keeps its aspect ratio."""
        width, height = picture
        scale = min(screen.width_px / width, screen.height_px / height)
        if not enlarge:
            scale = min(scale, 1.0)
        w, h = width * scale, height * scale
        return cls((screen.width_px - w) / 2, (screen.height_px - h) / 2, w, h)

    def to_picture(self, x_px: npt.ArrayLike, y_px: npt.ArrayLike, picture: tuple[int, int]) -> tuple[Floats, Floats]:
        """Convert screen pixels to pixels of a picture of (width, height); NaN for gaze off the picture."""
        u = (np.asarray(x_px, dtype=np.float64) - self.x) / self.width
        v = (np.asarray(y_px, dtype=np.float64) - self.y) / self.height
        with np.errstate(invalid="ignore"):
            on = (u >= 0) & (u < 1) & (v >= 0) & (v < 1)
        return np.where(on, u * picture[0], np.nan), np.where(on, v * picture[1], np.nan)

    def to_screen(self, x: npt.ArrayLike, y: npt.ArrayLike, picture: tuple[int, int]) -> tuple[Floats, Floats]:
        """Convert pixels of a picture of (width, height) to screen pixels."""
        u = np.asarray(x, dtype=np.float64) / picture[0]
        v = np.asarray(y, dtype=np.float64) / picture[1]
        return self.x + u * self.width, self.y + v * self.height


class ScreenSection(Section):
    """Hold ``[screen]``, the sizes that every degree comes from."""

    width_px: PositiveInt
    height_px: PositiveInt
    width_mm: PositiveFloat
    height_mm: PositiveFloat
    distance_mm: PositiveFloat

    def screen(self) -> Screen:
        """Return the screen that this section describes."""
        return Screen(**self.model_dump())
