"""Pictures with a planted truth: what people look at decides how they rate.

Each picture is a quiet crop of a real photograph of `skimage.data` with four round details cut from other
photographs. The four are equally striking and each is tinted warm or cool, independently. All simulated viewers
share an interest in one of them, which the pixels do not tell. In the planted study the ratings follow the warmth
of that detail; in the null study the same ratings are dealt to the pictures at random. The people are simulated,
and say so; the pictures are made from real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import skimage

from gazekit.core.files import sha256, whole_file
from gazekit.core.tables import write_table
from gazekit.core.types import Floats, Pixels
from gazekit.pictures import read_picture

PHOTOGRAPHS = (
    "astronaut.png",
    "coffee.png",
    "chelsea.png",
    "rocket.jpg",
    "retina.jpg",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "camera.png",
    "coins.png",
    "moon.png",
    "grass.png",
    "gravel.png",
    "brick.png",
)
WIDTH, HEIGHT, RADIUS, DETAILS = 320, 240, 36, 4
_GREY, _BACKGROUND_SD, _DETAIL_SD, _TINT = 118.0, 10.0, 22.0, 38.0


@dataclass(frozen=True)
class Planted:
    """A made picture and what is true of it.

    Attributes
    ----------
    pixels : ndarray of uint8
        Uint8 RGB (240, 320, 3)
    x, y : float
        Centre of the detail that interests people, picture pixels.
    warmth : float
        Of that detail, -1 (cool) to 1 (warm).
    photograph : str
        The file that the background was cut from.
    """

    pixels: Pixels
    x: float
    y: float
    warmth: float
    photograph: str


def make_picture(rng: np.random.Generator) -> Planted:
    """One picture; the generator decides everything in it."""
    name = str(rng.choice(PHOTOGRAPHS))
    canvas = _GREY + _standardised(_crop(name, WIDTH, HEIGHT, rng), _BACKGROUND_SD)
    centres = _apart(rng)
    warmth = rng.uniform(-1, 1, DETAILS)
    for (x, y), level in zip(centres, warmth, strict=True):
        canvas = _with_detail(canvas, x, y, level, rng)
    x, y = centres[0]
    return Planted(np.clip(canvas, 0, 255).astype(np.uint8), float(x), float(y), float(warmth[0]), name)


def make_study(folder: str | Path, count: int, seed: int, *, null: bool = False) -> pd.DataFrame:
    """Write ``stimuli/*.png``, ``pictures.csv`` with what is true of each, and ``opinions.csv``.

    Columns: image, file, sha256, photograph, interest_x, interest_y, interest_radius (picture pixels), warmth.
    ``opinions.csv`` holds the mean rating of each, 1 to 10, that the simulated raters scatter about. With ``null``,
    the opinions are dealt to the pictures at random.
    """
    folder = Path(folder)
    streams = np.random.default_rng(seed).spawn(count + 1)
    rows = []
    for number, rng in enumerate(streams[:count], 1):
        made = make_picture(rng)
        image = f"{number:04d}.png"
        path = _write_png(made.pixels, folder / "stimuli" / image)
        rows.append((image, f"stimuli/{image}", sha256(path), made.photograph, made.x, made.y, RADIUS, made.warmth))
    columns = ["image", "file", "sha256", "photograph", "interest_x", "interest_y", "interest_radius", "warmth"]
    table = pd.DataFrame(rows, columns=columns)
    write_table(table, folder / "pictures.csv")
    opinion = (5.5 + 3.2 * table["warmth"]).round(4).to_numpy()
    dealt = streams[count].permutation(opinion) if null else opinion
    write_table(pd.DataFrame({"image": table["image"], "opinion": dealt}), folder / "opinions.csv")
    return table


@lru_cache(maxsize=len(PHOTOGRAPHS))
def _photograph(name: str) -> Pixels:
    return read_picture(Path(skimage.__file__).parent / "data" / name)


def _crop(name: str, width: int, height: int, rng: np.random.Generator) -> Floats:
    """Cut a crop of between a third of the photograph and all of it, in the wanted shape."""
    photograph = _photograph(name)
    full_h, full_w = photograph.shape[:2]
    scale = min(full_w / width, full_h / height) * rng.uniform(0.35, 1.0)
    w, h = round(width * scale), round(height * scale)
    left, top = rng.integers(full_w - w + 1), rng.integers(full_h - h + 1)
    crop = photograph[top : top + h, left : left + w]
    return cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA).astype(np.float64)


def _standardised(pixels: Floats, sd: float) -> Floats:
    """Zero mean in every channel, and one standard deviation over all."""
    centred = pixels - pixels.mean(axis=(0, 1))
    return np.asarray(centred * (sd / (centred.std() + 3.0)))


def _apart(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Centres of the details: inside the picture and apart from each other."""
    margin = RADIUS + 4
    centres: list[tuple[float, float]] = []
    while len(centres) < DETAILS:
        x, y = rng.uniform(margin, WIDTH - margin), rng.uniform(margin, HEIGHT - margin)
        if all(np.hypot(x - a, y - b) > 2.15 * RADIUS for a, b in centres):
            centres.append((x, y))
        elif rng.random() < 0.02:
            centres.clear()  # the first ones left no room
    return centres


def _with_detail(canvas: Floats, x: float, y: float, warmth: float, rng: np.random.Generator) -> Floats:
    side = 2 * RADIUS + 8
    grey = _crop(str(rng.choice(PHOTOGRAPHS)), side, side, rng).mean(axis=2, keepdims=True)
    detail = _GREY + _standardised(grey, _DETAIL_SD) + np.array([1.0, 0.0, -1.0]) * warmth * _TINT
    left, top = round(x) - side // 2, round(y) - side // 2
    rows, columns = np.mgrid[top : top + side, left : left + side]
    inside = 1 / (1 + np.exp((np.hypot(columns - x, rows - y) - RADIUS) / 1.5))
    out = canvas.copy()
    region = out[top : top + side, left : left + side]
    region += (detail - region) * inside[..., None]
    return out


def _write_png(pixels: Pixels, path: Path) -> Path:
    _, encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 6])
    with whole_file(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
    return path
