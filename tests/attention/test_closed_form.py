"""Maps in closed form: what boxes hold, and masks of them, are those of the map itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gazekit.attention.maps import attention_map, gaussian_sum
from gazekit.attention.viewings import Viewing
from gazekit.shapes.gaussian_sum import GaussianSum
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.shapes.patches import best_patches
from gazekit.shapes.rectangle_search import smallest_rectangle
from gazekit.shapes.rectangles import attended_rectangle


def looks(rng: np.random.Generator, size: tuple[int, int], count: int, sigma: float) -> GaussianSum:
    """Some fixations about a place or two, a few of them on the edge."""
    centre = rng.uniform(0, size, (2, 2))[rng.integers(0, 2, count)]
    y, x = np.clip(rng.normal(centre, np.array(size) / 6), 0, np.array(size) - 1).T
    return gaussian_sum(x, y, rng.uniform(50, 600, count), size, sigma)


def pixels(mass: GaussianSum) -> np.ndarray:
    return mass.cells(*(np.arange(side + 1) for side in mass.size))


def test_pixels_and_boxes_are_those_of_a_blur_of_impulses(rng: np.random.Generator) -> None:
    mass = looks(rng, (70, 110), 30, 7.0)
    impulses = np.zeros(mass.size)
    np.add.at(impulses, (mass.row, mass.column), mass.weight)
    blurred = gaussian_filter(impulses, 7.0, mode="constant", truncate=4.0)
    blurred /= blurred.sum()
    np.testing.assert_allclose(pixels(mass), blurred, atol=1e-15)
    np.testing.assert_allclose(mass.pixels((0, 0, 70, 110)), blurred, rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(mass.pixels((10, 20, 60, 110)), blurred[10:60, 20:110], rtol=1e-4, atol=1e-9)
    squares = mass.pixels((1, 3, 70, 110), 3)
    np.testing.assert_allclose(
        squares[:22, :35], blurred[1:67, 3:108].reshape(22, 3, 35, 3).sum(axis=(1, 3)), rtol=1e-4
    )
    np.testing.assert_allclose(mass.boxes(np.array([5]), np.array([9]), (20, 40))[0, 0], blurred[5:25, 9:49].sum())
    np.testing.assert_allclose(mass.grid((35, 55)), blurred.reshape(35, 2, 55, 2).sum(axis=(1, 3)), atol=1e-15)
    assert mass.grid((17, 23)).sum() == pytest.approx(1)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95, 1.0])
@pytest.mark.parametrize("sigma", [1.5, 6.0, 30.0])
def test_the_rectangle_is_the_one_of_the_walk_over_the_map(
    rng: np.random.Generator, share: float, sigma: float
) -> None:
    for count in (1, 2, 5, 40):
        size = int(rng.integers(20, 150)), int(rng.integers(20, 200))
        mass = looks(rng, size, count, sigma)
        expected = attended_rectangle(pixels(mass), share)
        assert attended_rectangle(mass, share) == expected
        assert smallest_rectangle(mass, share) in (expected, None)  # None: the walk does it


def test_a_rectangle_of_a_large_picture_is_found_without_its_map(rng: np.random.Generator) -> None:
    mass = looks(rng, (480, 640), 120, 20.0)
    box = smallest_rectangle(mass, 0.7)
    assert box == attended_rectangle(pixels(mass), 0.7)


def test_patches_are_those_of_the_map(rng: np.random.Generator) -> None:
    for count, shape in ((1, (20, 30)), (40, (24, 36)), (40, (60, 90)), (12, (1, 1))):
        mass = looks(rng, (121, 183), count, 5.0)
        assert best_patches(mass, 4, shape) == best_patches(pixels(mass), 4, shape)


@pytest.mark.parametrize("size", [(90, 130), (301, 400)])
def test_a_region_holds_its_share_and_little_more(rng: np.random.Generator, size: tuple[int, int]) -> None:
    for sigma in (4.0, 20.0, 60.0):
        mass = looks(rng, size, 25, sigma)
        spec = MaskSpec("region")
        held = pixels(mass)[spec.mask(mass)].sum()
        assert 0.7 <= held <= 0.71
        other = spec.region(pixels(mass))
        assert abs(int(other.sum()) - int(spec.region(mass).sum())) <= max(2, other.sum() // 500)


def test_a_viewing_s_map_is_the_closed_one() -> None:
    x, y, ms = np.array([3.0, 30.5, 31.0]), np.array([2.0, 11.0, 12.9]), np.array([100.0, 200.0, 300.0])
    look = Viewing("a", (20, 40), x, y, ms, np.zeros(3, dtype=np.int32), ["p"], 3.0)
    np.testing.assert_array_equal(look.map(), attention_map(x, y, ms, size=(20, 40), sigma_px=3.0))
    np.testing.assert_allclose(look.map(), pixels(look.closed_map()), rtol=1e-4, atol=1e-8)
