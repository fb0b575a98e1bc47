"""Attention maps: equal to blurring the impulses, whatever lies at the borders."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from gazekit.attention import attention_map
from gazekit.core.errors import InputError


@pytest.mark.parametrize("size", [(90, 120), (1, 50), (200, 7), (65, 64)], ids=str)
@pytest.mark.parametrize("sigma", [0.7, 6.0, 40.0])
def test_a_map_is_the_blurred_impulses(size: tuple[int, int], sigma: float, rng: np.random.Generator) -> None:
    x, y, weight = rng.uniform(0, size[1], 60), rng.uniform(0, size[0], 60), rng.gamma(3, 80, 60)
    impulses = np.zeros(size)
    np.add.at(impulses, (y.astype(int), x.astype(int)), weight)
    expected = gaussian_filter(impulses, sigma, mode="constant")
    amap = attention_map(x, y, weight, size=size, sigma_px=sigma)
    assert amap.dtype == np.float32
    assert amap.sum(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(amap, expected / expected.sum(), atol=1e-6 * amap.max())


def test_weights_are_durations_and_counts_without_them() -> None:
    x, y = [10.5, 30.5], [5.5, 5.5]
    even = attention_map(x, y, size=(11, 41), sigma_px=2)
    assert even[5, 10] == pytest.approx(even[5, 30])
    longer = attention_map(x, y, [100, 300], size=(11, 41), sigma_px=2)
    assert longer[5, 30] / longer[5, 10] == pytest.approx(3, rel=1e-5)


def test_lost_and_off_picture_fixations_count_nothing() -> None:
    only = attention_map([4.0], [4.0], size=(9, 9), sigma_px=1)
    more = attention_map([4.0, np.nan, -1, 9, 4], [4.0, 4, 4, 4, np.nan], size=(9, 9), sigma_px=1)
    np.testing.assert_array_equal(only, more)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], None, (5, 5), 1.0), "none of 0 fixations"),
        (([9.0], [9.0], None, (5, 5), 1.0), "none of 1 fixations"),
        (([1.0], [1.0], [0.0], (5, 5), 1.0), "none of 1 fixations"),
        (([1.0, 2.0], [1.0], None, (5, 5), 1.0), "one length"),
        (([1.0], [1.0], [-5.0], (5, 5), 1.0), "the smallest is -5"),
        (([1.0], [1.0], None, (0, 5), 1.0), "positive size"),
        (([1.0], [1.0], None, (5, 5), 0.0), "sigma 0.0"),
    ],
    ids=["empty", "off", "weightless", "lengths", "negative", "size", "sigma"],
)
def test_wrong_input_is_refused(arguments: tuple, message: str) -> None:
    x, y, weight, size, sigma = arguments
    with pytest.raises(InputError, match=message):
        attention_map(x, y, weight, size=size, sigma_px=sigma)
