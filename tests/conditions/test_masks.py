"""Masks of a picture in every condition, without a dataset: those of the dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gazekit as gk
from gazekit.core.errors import ConfigError, InputError
from gazekit.dataset import open_dataset
from tests.fixtures.dataset_collection import Collection, cut_photographs, made_up_fixations, made_up_ratings


@pytest.mark.parametrize("kind", ["rectangle", "patches", "region"])
def test_they_are_those_of_the_dataset(kind: str, tmp_path: Path) -> None:
    cut = cut_photographs(tmp_path / "pictures", 20, side=96)
    collection = Collection(cut, made_up_fixations(cut), made_up_ratings([picture.image for picture in cut]))
    data = open_dataset(collection.build(tmp_path / "d.h5", mask=kind, seed=4))
    sizes = {image: data.size(i) for i, image in enumerate(data.ids)}
    looks = gk.viewings(collection.fixations, sizes, sigma_px=12.0)
    for i, image in enumerate(data.ids):
        made = gk.masks(looks[image], gk.MaskSpec(kind), seed=4)  # type: ignore[arg-type]
        assert list(made) == ["original", "human", "human-removed", "centre", "random"]
        for name, mask in made.items():
            np.testing.assert_array_equal(mask, data.mask(i, name), err_msg=name)
        borrowed = gk.masks(looks[image], gk.MaskSpec(kind), ["shuffled"], other=looks[data.ids[i - 1]])["shuffled"]  # type: ignore[arg-type]
        assert abs(int(borrowed.sum()) - int(made["human"].sum())) <= max(borrowed.shape)


def test_what_is_not_there_is_said() -> None:
    table = pd.DataFrame({"image": ["a"], "x_picture": [5.0], "y_picture": [5.0], "duration_ms": [100.0]})
    look = gk.viewings(table, {"a": (20, 30)}, sigma_px=3.0)["a"]
    with pytest.raises(ConfigError, match="shuffled, synthetic: a mask of another picture"):
        gk.masks(look, conditions=["human", "shuffled", "synthetic"])
    with pytest.raises(InputError, match="did you mean human"):
        gk.masks(look, conditions=["humans"])


@pytest.mark.parametrize("size", [(1, 1), (1, 80), (80, 1), (4, 5)])
@pytest.mark.parametrize("kind", ["rectangle", "patches", "region"])
def test_tiny_pictures_have_all_controls(size: tuple[int, int], kind: str, rng: np.random.Generator) -> None:
    """A lender's few peaks must not fall between the pixels of a small one."""
    looks = {}
    for name, (height, width) in (("small", size), ("large", (90, 120))):
        table = pd.DataFrame({"image": name, "participant": ["p1", "p2", "p3"], "duration_ms": [200.0, 300.0, 150.0]})
        table = table.assign(x_picture=rng.uniform(0, width, 3), y_picture=rng.uniform(0, height, 3))
        looks |= gk.viewings(table, {name: (height, width)}, sigma_px=0.4)
    made = gk.masks(looks["small"], gk.MaskSpec(kind, patches=1), other=looks["large"])  # type: ignore[arg-type]
    areas = {name: int(made[name].sum()) for name in ("human", "centre", "shuffled", "random")}
    assert min(areas.values()) > 0
    shared = areas if kind == "region" else {name: areas[name] for name in ("human", "random")}
    assert len(set(shared.values())) == 1
