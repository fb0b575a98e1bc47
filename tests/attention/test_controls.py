"""Controls of patches and regions: as much of the picture, elsewhere."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gazekit.core.errors import ConfigError, GazekitError, InputError
from gazekit.shapes.centre import centre_region
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.shapes.masks import resized_mask
from gazekit.shapes.patches import random_patches, transfer_patches
from gazekit.shapes.rectangles import Box, rectangles_to_mask
from gazekit.shapes.regions import region_of_area, shifted_region, threshold_mask


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def sides(boxes: list[Box]) -> list[tuple[int, int]]:
    return [(bottom - top, right - left) for top, left, bottom, right in boxes]


def test_random_patches_keep_their_sizes_and_lie_apart(rng: np.random.Generator) -> None:
    boxes = [(0, 0, 10, 20), (10, 0, 30, 9), (40, 40, 50, 70)]
    taken = [(20, 20, 40, 40)]
    places = set()
    for _ in range(200):
        found = random_patches((60, 80), boxes, rng, taken)
        assert sides(found) == sides(boxes)
        assert not any(overlap(a, b) for a, b in combinations([*found, *taken], 2))
        assert rectangles_to_mask(found, (60, 80)).sum() == 200 + 180 + 300
        places.add(found[0])
    assert len(places) > 150


def test_every_place_has_equal_chance(rng: np.random.Generator) -> None:
    tops = [random_patches((1, 6), [(0, 0, 1, 2)], rng, [(0, 3, 1, 4)])[0][1] for _ in range(3000)]
    counts = np.bincount(tops, minlength=5)
    assert counts[[2, 3]].tolist() == [0, 0]
    assert counts[[0, 1, 4]].min() > 900


def test_patches_that_leave_no_room_are_turned_about_the_centre(rng: np.random.Generator) -> None:
    boxes = [(0, 0, 10, 6), (0, 6, 10, 10)]  # the whole picture
    for _ in range(5):
        found = random_patches((10, 10), boxes, rng)
        assert rectangles_to_mask(found, (10, 10)).all()
    tight = [(0, 1, 10, 7)]
    assert random_patches((10, 10), [(0, 0, 10, 9)], rng, tight) == [(0, 1, 10, 10)]
    with pytest.raises(InputError, match="11x4 pixels does not fit into a picture of 10x10"):
        random_patches((10, 10), [(0, 0, 4, 11)], rng)


def test_another_pictures_places_and_the_own_sizes(rng: np.random.Generator) -> None:
    own = [(0, 0, 10, 20), (10, 0, 20, 20), (20, 0, 30, 20)]
    lent = [(30, 10, 45, 40), (0, 90, 15, 120)]
    for _ in range(20):
        first, second, third = transfer_patches(own, lent, (60, 120), (40, 80), rng)
        assert (first, second) == ((20, 7, 30, 27), (0, 60, 10, 80))
        assert sides([third]) == [(10, 20)]
        assert not overlap(third, first)
        assert not overlap(third, second)


def test_regions_have_as_many_pixels(rng: np.random.Generator) -> None:
    amap = rng.random((30, 40))
    for count in (1, 7, 600, 1200):
        region = region_of_area(amap, count)
        assert region.sum() == count
        assert amap[region].min() >= amap[~region].max(initial=0)
        centre = centre_region((30, 40), count)
        assert centre.sum() == count
    rows, columns = np.nonzero(centre_region((30, 40), 301))
    np.testing.assert_allclose([rows.mean(), columns.mean()], [14.5, 19.5], atol=0.1)
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(4 / 3, abs=0.1)
    with pytest.raises(InputError, match="1 to 1200 pixels was expected; found 1201"):
        region_of_area(amap, 1201)


def test_a_region_grows_about_itself_where_the_map_is_empty() -> None:
    amap = np.zeros((21, 21))
    amap[10, 10] = 1
    rows, columns = np.nonzero(region_of_area(amap, 49))
    assert np.hypot(rows - 10, columns - 10).max() <= 4


def test_a_shifted_region_is_the_same_one_elsewhere(rng: np.random.Generator) -> None:
    mask = threshold_mask(rng.random((12, 16)), area=0.2)
    moved = [shifted_region(mask, rng) for _ in range(40)]
    assert {int(one.sum()) for one in moved} == {int(mask.sum())}
    assert len({one.tobytes() for one in moved}) > 30
    shifts = [np.roll(mask, (down, across), (0, 1)).tobytes() for down in range(12) for across in range(16)]
    assert all(one.tobytes() in shifts for one in moved)


@pytest.mark.parametrize("size", [(7, 9), (24, 32), (60, 80), (61, 47), (240, 320)], ids=str)
def test_a_resized_mask_keeps_its_share_of_the_area(rng: np.random.Generator, size: tuple[int, int]) -> None:
    for area in (0.01, 0.2, 0.7):
        mask = threshold_mask(np.outer(np.hanning(24), np.hanning(32)) + 0.05 * rng.random((24, 32)), area=area)
        large = resized_mask(mask, size)
        assert large.shape == size
        assert large.sum() == max(1, round(mask.sum() / mask.size * large.size))
    box = rectangles_to_mask([(6, 8, 18, 24)], (24, 32))
    large = resized_mask(box, (240, 320))
    assert large[75:165, 95:225].all(), "what lies well inside stays inside"
    assert not large[:50].any()
    assert not large[190:].any()
    for nothing_or_all in (np.zeros((24, 32), bool), np.ones((24, 32), bool)):
        assert set(np.unique(resized_mask(nothing_or_all, size))) == {nothing_or_all[0, 0]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "patch"}, "unknown mask 'patch'; did you mean patches"),
        ({"share": 0.0}, "share must be above 0 and at most 1; found 0"),
        ({"share_of": "pixels"}, "unknown share_of 'pixels'"),
        ({"kind": "patches", "patches": 0}, "1 or more patches"),
        ({"kind": "patches", "patch_share": 1.5}, "found 3 of 1.5"),
        ({"kind": "patches", "share_of": "area"}, "follows from their number and size"),
    ],
)
def test_rules_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(GazekitError, match=message):
        MaskSpec(**options)  # type: ignore[arg-type]
    assert issubclass(ConfigError, GazekitError)


def test_a_rule_by_mass_and_by_area(rng: np.random.Generator) -> None:
    amap = rng.random((20, 30)) ** 4
    for kind in ("rectangle", "region"):
        mass, area = MaskSpec(kind, 0.4), MaskSpec(kind, 0.25, "area")
        if kind == "region":
            masks = [rule.region(amap) for rule in (mass, area)]
        else:
            masks = [rectangles_to_mask(rule.boxes(amap), (20, 30)) for rule in (mass, area)]
        assert amap[masks[0]].sum() / amap.sum() >= 0.4
        assert masks[1].mean() == pytest.approx(0.25, abs=0.02)
    patches = MaskSpec("patches", patches=4, patch_share=0.25).boxes(amap)
    assert sides(patches) == [(5, 8)] * 4
