"""The smallest rectangle with a share, and the richest of an area, against brute force."""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.attention import attended_rectangle, attention_map, rectangle_of_area
from gazekit.core.errors import InputError
from tests.fixtures.rectangles import brute_force, every_box


@pytest.mark.parametrize("kind", ["few-values", "sparse", "smooth", "flat"])
def test_the_smallest_rectangle_equals_brute_force_on_maps_with_ties(kind: str, rng: np.random.Generator) -> None:
    for _ in range(75):
        size = tuple(rng.integers(1, 10, 2))
        amap = {
            "few-values": lambda size=size: rng.integers(0, 4, size),
            "sparse": lambda size=size: rng.integers(0, 9, size) // 7,
            "smooth": lambda size=size: rng.random(size),
            "flat": lambda size=size: np.ones(size, dtype=np.int64),
        }[kind]().astype(np.float64)
        amap.flat[rng.integers(amap.size)] += 1
        share = float(rng.choice([0.1, 0.5, 0.7, 0.9, 1.0]))
        assert attended_rectangle(amap, share) == brute_force(amap, share), (amap, share)


def test_ties_do_not_depend_on_the_maps_scale() -> None:
    amap = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 1]], dtype=np.float64)
    for scale in (1.0, 1 / 3, 1e-9, 7e6):
        assert attended_rectangle(amap * scale, 0.25) == (0, 0, 1, 1)
        assert attended_rectangle(amap * scale, 0.5) == (0, 0, 3, 1)


def test_the_rectangle_of_an_area_is_the_richest_of_its_shapes(rng: np.random.Generator) -> None:
    for _ in range(40):
        size = tuple(rng.integers(2, 9, 2))
        amap = rng.integers(0, 5, size).astype(np.float64)
        amap.flat[0] += 1
        area = int(rng.integers(1, amap.size + 1))
        shapes = {
            (h, w)
            for h in range(1, size[0] + 1)
            for w in [min(max((area + h // 2) // h, 1), int(size[1]))]
            if 2 * abs(h * w - area) <= max(h, w)
        }
        boxes = [b for b in every_box(amap) if (b[2][2] - b[2][0], b[2][3] - b[2][1]) in shapes]
        assert rectangle_of_area(amap, area) == min(boxes, key=lambda b: (-b[1], b[2]))[2]


def test_both_rectangles_agree_on_a_map_of_fixations(rng: np.random.Generator) -> None:
    amap = attention_map(rng.normal(60, 9, 40), rng.normal(40, 6, 40), size=(90, 120), sigma_px=6)
    top, left, bottom, right = attended_rectangle(amap, 0.7)
    mass = amap[top:bottom, left:right].sum()
    assert mass >= 0.7 - 1e-6
    other = rectangle_of_area(amap, (bottom - top) * (right - left))
    assert amap[other[0] : other[2], other[1] : other[3]].sum() >= mass - 1e-6


@pytest.mark.parametrize(
    ("amap", "message"),
    [
        (np.zeros((3, 3)), "0 everywhere"),
        (np.full((3, 3), np.nan), "finite"),
        (-np.ones((3, 3)), "0 or more"),
        (np.ones(3), r"shape \(height, width\)"),
        (np.empty((0, 3)), "shape"),
    ],
    ids=["zero", "nan", "negative", "one-dimensional", "empty"],
)
def test_what_is_not_a_map_is_refused(amap: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attended_rectangle(amap)


def test_impossible_shares_and_areas_are_refused() -> None:
    with pytest.raises(InputError, match="share must be above 0"):
        attended_rectangle(np.ones((2, 2)), 0)
    with pytest.raises(InputError, match="1 to 4 pixels"):
        rectangle_of_area(np.ones((2, 2)), 5)
