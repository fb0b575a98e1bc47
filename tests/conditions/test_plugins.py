"""A condition and a fill that a plug-in brings, from the build of a dataset to the report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from gazekit.cli import main
from gazekit.conditions import conditions, default_names, references
from gazekit.core.errors import GazekitError, InputError
from gazekit.core.plugins import plugins
from gazekit.dataset import open_dataset
from gazekit.dataset.subset_merge import subset
from gazekit.shapes.fills import fill_names
from gazekit.shapes.masks import apply_mask
from tests.fixtures.dataset_collection import Collection, cut_photographs, made_up_fixations, made_up_ratings
from tests.fixtures.plugins import Install

PLUGIN = """
import numpy as np
from gazekit.conditions import Condition


class Mirrored(Condition):
    name = "mirrored"
    label = "Mirrored attention"
    keeps = "the mirror image of what people looked at"
    sentence = "the mirror image of the attended part is kept, same area"

    def rectangle(self, task):
        top, left, bottom, right = task.boxes[0]
        return top, task.size[1] - right, bottom, task.size[1] - left

    def patches(self, task):
        return [(top, task.size[1] - right, bottom, task.size[1] - left) for top, left, bottom, right in task.boxes]

    def region(self, task):
        return task.people[:, ::-1]


class MirroredRemoved(Mirrored):
    name = "mirrored-removed"
    label = "Mirrored attention removed"
    outside = True
    same_mask = "mirrored"


def green(rgb, mask):
    return np.full_like(rgb, (0, 255, 0))


def wrong(rgb, mask):
    return rgb[:1]
"""
ENTRIES = {
    "gazekit.conditions": {"mirrored": "Mirrored", "mirrored-removed": "MirroredRemoved", "broken": "NoSuch"},
    "gazekit.fills": {"green": "green", "wrong": "wrong"},
}


@pytest.fixture
def plugin(install: Install) -> Iterator[None]:
    install(PLUGIN, ENTRIES)
    with pytest.warns(UserWarning, match=r"broken of gazekit\.conditions .* cannot be loaded"):
        conditions()
    yield
    sys.modules.pop("gazekit_plugin_for_test", None)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    cut = cut_photographs(tmp_path_factory.mktemp("pictures"), 40, side=64)
    return Collection(cut, made_up_fixations(cut), made_up_ratings([picture.image for picture in cut]))


def test_gazekits_own_stand_in_order() -> None:
    gaze = ["original", "human", "human-removed", "centre", "shuffled", "random"]
    assert default_names() == gaze
    networks = ["synthetic", "synthetic-masks", "synthetic-excitation", "synthetic-gradcam"]
    assert list(conditions()) == [*gaze, *networks, "predicted"]
    assert references() == ["human", "original"]
    for kind in ("rectangle", "patches", "region"):
        assert all(one.label and one.keeps and one.meaning(kind) for one in conditions().values())
    assert "shifted" in conditions()["random"].meaning("region")


@pytest.mark.parametrize("kind", ["rectangle", "patches", "region"])
@pytest.mark.usefixtures("plugin")
def test_its_masks_are_in_the_dataset_and_stay_when_it_is_gone(
    kind: str, pictures: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("original", "human", "mirrored", "mirrored-removed")
    built = pictures.build(tmp_path / "d.dataset.h5", mask=kind, conditions=names)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if not place.endswith("plugin")])
    plugins.cache_clear()
    assert "mirrored" not in conditions()
    part = open_dataset(subset(open_dataset(built), range(9), tmp_path / "part.h5"))
    for data in (open_dataset(built), part):
        assert data.conditions == names
        for i in range(9):
            mirror = data.mask(i, "human")[:, ::-1]
            np.testing.assert_array_equal(data.mask(i, "mirrored"), mirror)
            np.testing.assert_array_equal(data.mask(i, "mirrored-removed"), ~mirror)


@pytest.mark.usefixtures("plugin")
def test_it_is_trained_compared_and_reported_in_its_own_words(pictures: Collection, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    names = ("original", "human", "mirrored", "mirrored-removed")
    built = pictures.build(tmp_path / "d.dataset.h5", conditions=names, split=(0.5, 0.25, 0.25))
    arguments = ["train", str(built), "--out", str(tmp_path / "out"), "--model", "nima-narrow", "--seeds", "1"]
    arguments += ["--size", "32", "--epochs", "1", "--threads", "1", "--fill", "green"]
    for name in names[1:]:
        arguments += ["--condition", name]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert not stopped.value.code
    concluded = (tmp_path / "out" / "conclusion.json").read_text()
    assert "between what people looked at (human) and the mirror image of what people looked at (mirrored)" in concluded
    with pytest.raises(SystemExit) as stopped:
        main(["report", str(tmp_path / "out")])
    assert not stopped.value.code
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Mirrored attention" in page
    assert "the mirror image of the attended part is kept, same area" in page
    assert "Mirrored attention removed keeps all the rest of the picture" in page
    assert "keeps the same area of the same picture" in page


@pytest.mark.usefixtures("plugin")
def test_a_fill_of_a_plug_in(rng: np.random.Generator) -> None:
    assert fill_names() == ["black", "blur", "foveated", "green", "mean", "wrong"]
    rgb, mask = rng.integers(0, 255, (20, 30, 3), dtype=np.uint8), np.tri(20, 30, dtype=bool)
    found = apply_mask(rgb, mask, "green")
    assert (found[~mask] == (0, 255, 0)).all()
    np.testing.assert_array_equal(found[mask], rgb[mask])
    with pytest.raises(InputError, match=r"the fill 'wrong' .* uint8 \(20, 30, 3\).* \(1, 30, 3\)"):
        apply_mask(rgb, mask, "wrong")


def test_an_installation_without_entry_points_says_so() -> None:
    with pytest.raises(GazekitError, match=r"gazekit's own gazekit\.no_such are not registered; install it again"):
        plugins("gazekit.no_such")
