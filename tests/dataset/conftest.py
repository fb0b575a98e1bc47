"""The small collection, and a dataset built of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazekit.dataset import Dataset, open_dataset
from tests.fixtures.dataset_collection import Collection, cut_photographs, made_up_fixations, made_up_ratings


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    pictures = cut_photographs(tmp_path_factory.mktemp("photographs"), 40)
    images = [p.image for p in pictures]
    return Collection(pictures, made_up_fixations(pictures), made_up_ratings(images))


@pytest.fixture(scope="session")
def built(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection.build(tmp_path_factory.mktemp("built") / "d.dataset.h5", cache=96)


@pytest.fixture
def dataset(built: Path) -> Dataset:
    return open_dataset(built)
