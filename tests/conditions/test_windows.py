"""Conditions of a window of time: people's map of it, cut to the area of the whole viewing's mask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gazekit as gk
from gazekit.conditions import condition, conditions, names_of_gaze, window_of
from gazekit.core.errors import InputError
from gazekit.core.time_windows import TimeWindow
from gazekit.dataset import open_dataset
from gazekit.dataset.detail import detail_table
from gazekit.dataset.export import export_images
from gazekit.shapes.rectangles import rectangle_of_area
from tests.fixtures.dataset_collection import Collection, cut_photographs, made_up_fixations, made_up_ratings

NAMES = ("original", "human", "centre", "human@first2", "human@0-500ms")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    cut = cut_photographs(tmp_path_factory.mktemp("pictures"), 20, side=80)
    table = made_up_fixations(cut)
    place = table.groupby(["image", "participant"]).cumcount()
    return Collection(cut, table.assign(onset_us=300_000 * place), made_up_ratings([p.image for p in cut]))


@pytest.mark.parametrize("kind", ["rectangle", "patches", "region"])
def test_they_are_masks_of_their_time_and_of_one_area(kind: str, collection: Collection, tmp_path: Path) -> None:
    data = open_dataset(collection.build(tmp_path / "d.h5", mask=kind, conditions=NAMES))
    many = open_dataset(collection.build(tmp_path / "s.h5", mask=kind, conditions=NAMES, shard=6, workers=1))
    assert data.conditions == many.conditions == NAMES
    early = TimeWindow(first=2).chosen(collection.fixations)
    looks = gk.viewings(early, {image: data.size(i) for i, image in enumerate(data.ids)}, sigma_px=12.0)
    differ = 0
    for i, image in enumerate(data.ids):
        human, window = data.mask(i, "human"), data.mask(i, "human@first2")
        np.testing.assert_array_equal(window, many.mask(i, "human@first2"))
        np.testing.assert_array_equal(window, data.mask(i, "human@0-500ms"), err_msg="the first two began by then")
        assert abs(int(human.sum()) - int(window.sum())) <= len(data.rectangles(i, "human")) * max(human.shape)
        areas = {int(data.mask_at(i, name, (40, 40)).sum()) for name in NAMES[1:]}
        assert len(areas) == 1
        differ += not np.array_equal(human, window)
        if kind == "rectangle":
            box = rectangle_of_area(looks[image].map(), int(human.sum()))
            np.testing.assert_array_equal(data.rectangles(i, "human@first2")[0], box)
    assert differ > 10


def test_their_words() -> None:
    found = condition("human@0-1000ms")
    assert (found.label, found.keeps) == ("Human attention, 0-1000ms", "what people looked at within 0-1000ms")
    assert "human@after2000ms-first3" in conditions()
    assert window_of("human") is None
    assert "human@first3" not in names_of_gaze()
    assert names_of_gaze(["human@first3"])[-1] == "human@first3"


@pytest.mark.parametrize("name", ["human@", "human@soon", "human@1000-0", "human@0-1000", "human@first", "human@9-3ms"])
def test_what_is_no_window_is_no_condition(name: str, collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown condition"):
        collection.build(tmp_path / "d.h5", conditions=("original", name))


@pytest.mark.parametrize("kind", ["rectangle", "region"])
def test_a_picture_that_nobody_looked_at_in_the_window_is_named_and_left_out(
    kind: str, collection: Collection, tmp_path: Path
) -> None:
    table = collection.fixations
    late = table.groupby(["image", "participant"]).cumcount() >= 2
    lost = str(table["image"].iloc[0])
    few = replace(collection, fixations=table[~(late & (table["image"] == lost))])
    data = open_dataset(few.build(tmp_path / "d.h5", mask=kind, conditions=("original", "human", "human@after600ms")))
    i = data.index(lost)
    assert data.has_mask(i, "human")
    assert not data.has_mask(i, "human@after600ms")
    assert data.codes()[i] == 0
    said = data.remarks[data.remarks["image"] == lost]
    assert said["text"].tolist() == ["nothing to make the mask of human@after600ms of"]
    files = export_images(data, tmp_path / "out", [i], conditions=["human", "human@after600ms"])
    assert [file.parent.name for file in files] == ["human"]
    assert detail_table(data)["pictures"].eq(len(data) - 1).all()
    with pytest.raises(InputError, match="none of 1 pictures has a mask in each of original, human, human@after600ms"):
        detail_table(data, [i])
