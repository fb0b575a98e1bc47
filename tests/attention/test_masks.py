"""Masks, fills and the controls of equal area."""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.attention.maps import fixations_to_mask
from gazekit.core.errors import InputError
from gazekit.shapes import masks
from gazekit.shapes.centre import centre_rectangle
from gazekit.shapes.rectangles import random_rectangle, rectangles_to_mask, transfer_rectangle


@pytest.fixture
def picture(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(1, 256, (60, 80, 3), dtype=np.uint8)


def area_of(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def test_a_mask_is_the_union_of_its_boxes() -> None:
    mask = rectangles_to_mask([(0, 0, 2, 3), (1, 2, 4, 5)], (4, 5))
    assert mask.astype(int).tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 1]]
    assert not rectangles_to_mask([], (4, 5)).any()


@pytest.mark.parametrize("box", [(0, 0, 5, 5), (2, 2, 2, 3), (3, 1, 2, 4), (-1, 0, 2, 2)])
def test_a_box_that_leaves_the_picture_is_named(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match="within a picture of 5x4 pixels"):
        rectangles_to_mask([(0, 0, 1, 1), box], (4, 5))


@pytest.mark.parametrize("fill", ["black", "mean", "blur", "foveated"])
@pytest.mark.parametrize("soft_px", [0.0, 7.0])
def test_what_is_kept_is_untouched_and_far_from_it_stands_the_fill(
    fill: str, soft_px: float, picture: np.ndarray
) -> None:
    mask = rectangles_to_mask([(10, 10, 30, 30)], (60, 80))
    before = picture.copy()
    result = masks.apply_mask(picture, mask, fill, soft_px)
    assert (result[mask] == picture[mask]).all()
    assert (picture == before).all()
    far = result[:, 50:].astype(float)
    if fill == "black":
        assert (far == 0).all()
    if fill == "mean":
        assert (far == np.rint(picture.mean(axis=(0, 1)))).all()
    if fill in ("blur", "foveated"):  # noise of sd 74 that is blurred is nearly its mean
        assert far.std() < 25
        assert abs(far.mean() - 128) < 8


def test_sharpness_falls_with_the_distance_from_the_kept_part(rng: np.random.Generator) -> None:
    picture = np.repeat(rng.integers(0, 256, (90, 300, 1), dtype=np.uint8), 3, axis=2)
    mask = rectangles_to_mask([(0, 0, 90, 20)], (90, 300))
    result = masks.apply_mask(picture, mask, "foveated").astype(float)
    contrast = [float(result[:, x : x + 15].std()) for x in (0, 22, 45, 90)]
    assert contrast == sorted(contrast, reverse=True)
    assert contrast[0] > 1.5 * contrast[1]
    assert contrast[1] > 2 * contrast[3]


def test_a_mask_of_fixations_is_discs_about_them() -> None:
    mask = fixations_to_mask([10.5, 40.2, np.nan], [10.5, 5.9, 3], (30, 60), 4)
    y, x = np.mgrid[:30, :60]
    expected = (np.hypot(x - 10, y - 10) <= 4) | (np.hypot(x - 40, y - 5) <= 4)
    assert (mask == expected).all()
    with pytest.raises(InputError, match="positive number of pixels"):
        fixations_to_mask([1], [1], (3, 3), 0)


def test_a_soft_edge_fades_over_its_width_and_no_further() -> None:
    picture = np.full((40, 60, 3), 200, dtype=np.uint8)
    mask = rectangles_to_mask([(0, 0, 40, 20)], (40, 60))
    row = masks.apply_mask(picture, mask, "black", soft_px=10)[20, :, 0].astype(int)
    assert (row[:20] == 200).all()
    assert (np.diff(row[19:31]) < 0)[:9].all()
    assert (row[30:] == 0).all()


def test_removing_is_keeping_the_inverse(picture: np.ndarray) -> None:
    mask = rectangles_to_mask([(10, 10, 30, 30)], (60, 80))
    kept, removed = masks.apply_mask(picture, mask), masks.apply_mask(picture, ~mask)
    assert (kept.astype(int) + removed == picture).all()


@pytest.mark.parametrize(
    ("picture", "mask", "options", "message"),
    [
        (np.zeros((4, 4), np.uint8), np.ones((4, 4), bool), {}, "expected"),
        (np.zeros((4, 4, 3), np.float32), np.ones((4, 4), bool), {}, "float32"),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 5), bool), {}, r"\(4, 5\)"),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), bool), {"fill": "blakc"}, "did you mean black"),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), bool), {"soft_px": -1}, "soft edge"),
    ],
    ids=["grey", "float", "sizes", "fill", "edge"],
)
def test_wrong_input_is_refused(picture: np.ndarray, mask: np.ndarray, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        masks.apply_mask(picture, mask, **options)


def test_controls_lie_in_the_picture_at_equal_area(rng: np.random.Generator) -> None:
    for _ in range(300):
        size = (int(rng.integers(5, 90)), int(rng.integers(5, 90)))
        other = (int(rng.integers(5, 90)), int(rng.integers(5, 90)))
        top, left = int(rng.integers(other[0])), int(rng.integers(other[1]))
        box = (top, left, int(rng.integers(top, other[0])) + 1, int(rng.integers(left, other[1])) + 1)
        area = int(rng.integers(1, size[0] * size[1] + 1))
        for control in (centre_rectangle(size, area), transfer_rectangle(box, other, size, area)):
            assert rectangles_to_mask([control], size).sum() == area_of(control)
            assert abs(area_of(control) - area) <= max(size) / 2, (size, area, control)


def test_a_transferred_box_keeps_its_place_and_shape() -> None:
    assert transfer_rectangle((10, 20, 30, 60), (100, 200), (100, 200), 800) == (10, 20, 30, 60)
    assert transfer_rectangle((10, 20, 30, 60), (100, 200), (50, 100), 200) == (5, 10, 15, 30)
    assert transfer_rectangle((0, 0, 10, 10), (100, 100), (100, 100), 900) == (0, 0, 30, 30)


def test_the_centre_rectangle_is_in_the_middle() -> None:
    assert centre_rectangle((60, 80), 1200) == (15, 20, 45, 60)


def test_a_random_rectangle_reaches_every_place(rng: np.random.Generator) -> None:
    boxes = {random_rectangle((4, 5), (1, 1, 3, 4), rng) for _ in range(300)}
    assert boxes == {(top, left, top + 2, left + 3) for top in range(3) for left in range(3)}
    with pytest.raises(InputError, match="does not fit"):
        random_rectangle((4, 5), (0, 0, 5, 2), rng)
