"""Which patches of a picture a multi-patch network sees."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.models.pixels import Picture, resize

Box = tuple[int, int, int, int]


def fixed_patches(picture: Picture, size: int = 224) -> Picture:
    """Cut the four corners and the middle of the original pixels: uint8 (5, size, size, 3)."""
    height, width = picture.shape[:2]
    side = min(size, height, width)
    rows, columns = height - side, width - side
    corners = [(0, 0), (0, columns), (rows, 0), (rows, columns), (rows // 2, columns // 2)]
    return _cut(picture, corners, side, size)


def random_patches(picture: Picture, rng: np.random.Generator, count: int = 5, size: int = 224) -> Picture:
    """Random squares of the original pixels (DMA-Net): uint8 (count, size, size, 3)."""
    side = min(size, *picture.shape[:2])
    corners = [tuple(int(rng.integers(n - side + 1)) for n in picture.shape[:2]) for _ in range(count)]
    return _cut(picture, corners, side, size)


def adaptive_patches(
    picture: Picture, count: int = 5, size: int = 224, salience: npt.NDArray[np.floating] | None = None
) -> Picture:
    """Patches that stand out, differ from each other and hardly overlap (A-Lamp, Ma et al. 2017).

    From a grid of candidates they are taken one after another: the next is the one with the largest sum of its
    salience, its distance in edges and colour to those taken, and its distance in the picture to them, each scaled to
    0-1.

    Parameters
    ----------
    salience : ndarray of floating or None
        (height, width), any scale; else the difference of the picture from its own blur, in colour.

    Returns
    -------
    Picture
        Uint8, (count, size, size, 3).
    """
    side = min(size, *picture.shape[:2])
    corners = _grid(picture.shape[:2], side)
    look = _contrast(picture) if salience is None else np.asarray(salience, dtype=np.float64)
    strength = _scaled(np.array([look[t : t + side, x : x + side].mean() for t, x in corners]))
    pattern = np.array([_pattern(picture[t : t + side, x : x + side]) for t, x in corners])
    place = np.array(corners, dtype=np.float64)
    chosen = [int(np.argmax(strength))]
    while len(chosen) < count:
        different = _scaled(_nearest(pattern, pattern[chosen]))
        apart = _scaled(_nearest(place, place[chosen]))
        gain = strength + different + apart
        if len(chosen) < len(corners):
            gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
    return _cut(picture, [corners[i] for i in chosen], side, size)


def _grid(shape: Sequence[int], side: int, steps: int = 6) -> list[tuple[int, int]]:
    tops = sorted({int(v) for v in np.linspace(0, shape[0] - side, steps).round()})
    lefts = sorted({int(v) for v in np.linspace(0, shape[1] - side, steps).round()})
    return [(top, left) for top in tops for left in lefts]


def _contrast(picture: Picture) -> npt.NDArray[np.float64]:
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float64)
    return np.asarray(np.sqrt(((lab - cv2.GaussianBlur(lab, (0, 0), max(picture.shape[:2]) / 8)) ** 2).sum(2)))


def _pattern(patch: Picture) -> npt.NDArray[np.float64]:
    lab = cv2.cvtColor(patch, cv2.COLOR_RGB2LAB).astype(np.float64)
    edges = np.hypot(cv2.Sobel(lab[..., 0], cv2.CV_64F, 1, 0), cv2.Sobel(lab[..., 0], cv2.CV_64F, 0, 1))
    return np.array([edges.mean(), edges.std(), *lab.mean((0, 1)), *lab.std((0, 1))])


def _nearest(points: npt.NDArray[np.float64], to: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points[:, None] - to[None], axis=2).min(1))


def _scaled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)


def _cut(picture: Picture, corners: Sequence[Sequence[int]], side: int, size: int) -> Picture:
    return np.stack([resize(picture[t : t + side, x : x + side], (size, size)) for t, x in corners])
