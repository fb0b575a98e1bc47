"""Patches that do not overlap, and the regions above a threshold."""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.attention import attention_map
from gazekit.core.errors import InputError
from gazekit.shapes.patches import best_patches
from gazekit.shapes.regions import connected_regions, threshold_mask


def test_each_patch_is_the_best_that_is_left(rng: np.random.Generator) -> None:
    for _ in range(30):
        amap = rng.integers(0, 4, rng.integers(4, 10, 2)).astype(float)
        amap.flat[0] += 1
        h, w = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        taken = np.zeros(amap.shape, dtype=bool)
        for top, left, bottom, right in best_patches(amap, 4, (h, w)):
            assert (bottom - top, right - left) == (h, w)
            free = [
                (-amap[t : t + h, le : le + w].sum(), t, le)
                for t in range(amap.shape[0] - h + 1)
                for le in range(amap.shape[1] - w + 1)
                if not taken[t : t + h, le : le + w].any()
            ]
            assert min(free)[1:] == (top, left)
            taken[top:bottom, left:right] = True


def test_patches_end_where_nothing_is_left() -> None:
    amap = np.zeros((6, 6))
    amap[1, 1] = amap[4, 4] = 1
    assert len(best_patches(amap, 9, (2, 2))) == 2
    assert len(best_patches(np.ones((5, 5)), 9, (2, 2))) == 4
    with pytest.raises(InputError, match="fit into the map of 6x6"):
        best_patches(amap, 1, (7, 2))


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 1.0])
def test_a_threshold_region_holds_its_share_with_the_fewest_pixels(share: float, rng: np.random.Generator) -> None:
    amap = rng.gamma(1, 1, (20, 30))
    mask = threshold_mask(amap, mass=share)
    assert amap[mask].sum() >= share * amap.sum() - 1e-9
    assert amap[mask].sum() - amap[mask].min() < share * amap.sum()
    assert mask.all() or amap[mask].min() >= amap[~mask].max()


def test_a_threshold_region_of_an_area_has_it_exactly(rng: np.random.Generator) -> None:
    assert threshold_mask(rng.integers(0, 2, (20, 30)) + 1.0, area=0.25).sum() == 150


def test_regions_are_connected_and_come_by_mass() -> None:
    amap = attention_map([10, 10, 50], [10, 11, 30], size=(40, 60), sigma_px=2)
    mask = threshold_mask(amap, mass=0.8)
    first, second = connected_regions(mask, amap)
    assert first.mass > second.mass
    assert first.mass + second.mass == pytest.approx(float(amap[mask].sum()), abs=1e-6)
    assert first.box[0] <= 10 < first.box[2]
    assert second.box[1] <= 50 < second.box[3]
    assert first.area + second.area == mask.sum()
    assert connected_regions(mask, amap, min_area=10_000) == []


def test_exactly_one_share_is_asked_for() -> None:
    for options in ({}, {"mass": 0.5, "area": 0.5}, {"mass": 0.0}, {"area": 1.5}):
        with pytest.raises(InputError, match="one share"):
            threshold_mask(np.ones((3, 3)), **options)
    with pytest.raises(InputError, match="one size"):
        connected_regions(np.ones((2, 2), dtype=bool), np.ones((3, 3)))
