"""Masks of viewers drawn again: they differ from seed to seed, controls go with them, one viewer changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import InputError
from gazekit.dataset import Dataset, open_dataset
from gazekit.dataset.resampled import with_resampled_viewers
from tests.fixtures.dataset_collection import Collection


def test_masks_of_other_viewers_and_controls_of_their_area(dataset: Dataset) -> None:
    first, again, second = (with_resampled_viewers(dataset, seed) for seed in (0, 0, 1))
    assert first.conditions == dataset.conditions
    differ = 0
    for i in range(len(dataset)):
        np.testing.assert_array_equal(first.rectangles(i, "human"), again.rectangles(i, "human"))
        differ += not np.array_equal(first.rectangles(i, "human"), second.rectangles(i, "human"))
        sizes = {name: int(first.mask(i, name).sum()) for name in ("human", "centre", "shuffled", "random")}
        height, width = dataset.size(i)
        assert max(sizes.values()) - min(sizes.values()) <= max(height, width)
        assert sizes["human"] + int(first.mask(i, "human-removed").sum()) == height * width
        at_64 = {int(first.mask_at(i, name, (64, 64)).sum()) for name in ("human", "centre", "shuffled", "random")}
        assert len(at_64) == 1
    assert differ > len(dataset) / 2
    overlap = [
        (first.mask(i, "human") & dataset.mask(i, "human")).sum() / dataset.mask(i, "human").sum() for i in range(9)
    ]
    assert np.mean(overlap) > 0.5


def test_regions(collection: Collection, tmp_path: Path) -> None:
    dataset = open_dataset(collection.build(tmp_path / "r.h5", mask="region"))
    drawn = with_resampled_viewers(dataset, 3)
    areas = {
        name: [int(drawn.mask(i, name).sum()) for i in range(5)] for name in ("human", "centre", "random", "shuffled")
    }
    assert areas["human"] == areas["centre"] == areas["random"] == areas["shuffled"]
    assert any(not np.array_equal(drawn.mask(i, "human"), dataset.mask(i, "human")) for i in range(5))


def test_one_viewer_is_always_the_same(collection: Collection, tmp_path: Path) -> None:
    alone = collection.fixations.assign(participant="p")
    dataset = open_dataset(Collection(collection.pictures, alone, collection.histograms).build(tmp_path / "d.h5"))
    drawn = with_resampled_viewers(dataset, 5)
    for i in range(len(dataset)):
        np.testing.assert_array_equal(drawn.rectangles(i, "human"), dataset.rectangles(i, "human"))


def test_without_fixations_it_is_refused(collection: Collection, tmp_path: Path) -> None:
    dataset = open_dataset(Collection(collection.pictures, None, collection.histograms).build(tmp_path / "d.h5"))
    with pytest.raises(InputError, match="nobody looked"):
        with_resampled_viewers(dataset, 0)
