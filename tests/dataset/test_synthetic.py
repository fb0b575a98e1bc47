"""A trained network's own attention as masks: by the rule of people's masks, and of their area."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from gazekit.cli import main
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.dataset import Dataset, open_dataset
from gazekit.dataset.synthetic import open_synthetic, with_attention
from gazekit.pictures import read_picture
from gazekit.shapes.packed import unpacked
from gazekit.shapes.patches import best_patches
from tests.fixtures.command_line import gazekit
from tests.fixtures.dataset_collection import Collection

MODEL = "residual-attention-narrow"
pytestmark = pytest.mark.skipif(find_spec("torch") is None, reason="networks are trained with PyTorch")


@pytest.fixture(scope="module")
def seen(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with a test split that is large enough for training."""
    return collection.build(tmp_path_factory.mktemp("seen") / "d.dataset.h5", split=(0.6, 0.2, 0.2))


@pytest.fixture
def dataset(seen: Path) -> Dataset:
    return open_dataset(seen)


@pytest.fixture(scope="module")
def run(seen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network trained on few pictures for one epoch, and its own attention, by the command line."""
    out = tmp_path_factory.mktemp("trained") / "run"
    options = ["--seeds", "1", "--size", "32", "--epochs", "1", "--batch", "16", "--threads", "1", "--no-compare"]
    with pytest.raises(SystemExit) as stopped:
        main(["train", str(seen), "--out", str(out), "--model", MODEL, "--condition", "synthetic", *options])
    assert not stopped.value.code
    return out


@pytest.fixture(scope="module")
def attention(run: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(run / "synthetic" / MODEL / "seed0.npz") as content:
        return content["rectangles"], content["maps"]


def test_pictures_masked_by_a_networks_attention(
    run: Path, seen: Path, dataset: Dataset, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, sheet = tmp_path / "masked", tmp_path / "figure2.png"
    arguments = ["--condition", "human", "--condition", "synthetic", "--run", run, "--limit", 6, "--sheet", sheet]
    code, said = gazekit(capfd, "export-images", seen, "--out", out, *arguments, "--json")
    assert code == 0, said
    assert json.loads(said) | {"files": 12, "conditions": ["human", "synthetic"]} == json.loads(said)
    view = open_synthetic(dataset, run)
    for i in range(6):
        mask, human = view.mask(i, "synthetic"), dataset.mask(i, "human")
        assert abs(int(mask.sum()) - int(human.sum())) <= max(mask.shape), "of the same area, to a pixel row"
        pixels = read_picture(out / "synthetic" / f"p{i:03d}.png")
        np.testing.assert_array_equal(pixels[mask], dataset.picture(i)[mask])
        assert not pixels[~mask].any()
    masks = [view.mask(i, "synthetic").mean() for i in range(40)]
    assert len(set(masks)) > 1
    assert read_picture(sheet).shape[1] > 3 * 240, "original, human and synthetic side by side"


def test_patches_and_regions_follow_the_rule_of_the_human_masks(
    collection: Collection, attention: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    boxes, maps = attention
    patches = open_dataset(collection.build(tmp_path / "p.h5", mask="patches", patches=3))
    view = with_attention(patches, "synthetic", boxes, maps)
    for i in range(40):
        found, human = view.rectangles(i, "synthetic"), patches.rectangles(i, "human")
        assert len(found) == len(human)
        area = int(view.mask(i, "synthetic").sum())
        assert area == pytest.approx(int(patches.mask(i, "human").sum()), rel=0.1)
        assert area == ((found[:, 2] - found[:, 0]) * (found[:, 3] - found[:, 1])).sum(), "they lie apart"
    best = best_patches(maps[0], 1, (6, 6))[0]
    height, width = patches.size(0)
    first = view.rectangles(0, "synthetic")[0] * np.tile([32 / height, 32 / width], 2)
    assert np.abs(first - best).max() <= 2, "where the small map has its best patch"

    regions = open_dataset(collection.build(tmp_path / "r.h5", mask="region"))
    view = with_attention(regions, "synthetic", boxes, maps)
    for i in range(40):
        for wanted in (regions.size(i), (64, 64)):
            assert view._mask(i, "synthetic", wanted).sum() == regions._mask(i, "human", wanted).sum()
        region = unpacked(view.masks("synthetic").bits[i], regions.size(i))  # type: ignore[union-attr]
        rows, columns = (np.arange(n) * 32 // n for n in region.shape)
        value = maps[i][np.ix_(rows, columns)]
        assert value[region].mean() > value[~region].mean()


def test_what_is_not_there_is_named(run: Path, dataset: Dataset, collection: Collection, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such attention: .*seed7\.npz; there is residual-attention-narrow/seed0"):
        open_synthetic(dataset, run, seed=7)
    with pytest.raises(InputError, match=r"seed0-gradcam\.npz; there is"):
        open_synthetic(dataset, run, condition="synthetic-gradcam")
    with pytest.raises(InputError, match="train with the condition synthetic"):
        open_synthetic(dataset, tmp_path)
    other = open_dataset(collection.build(tmp_path / "other.h5", seed=4))
    with pytest.raises(InputError, match="was trained on another dataset"):
        open_synthetic(other, run)
    copy = tmp_path / "copy"
    shutil.copytree(run / "synthetic" / MODEL, copy / "synthetic" / MODEL)
    shutil.copytree(run / "synthetic" / MODEL, copy / "synthetic" / "nima-narrow")
    with pytest.raises(ConfigError, match="of nima-narrow, residual-attention-narrow: choose a model"):
        open_synthetic(dataset, copy)
    assert "synthetic" in open_synthetic(dataset, copy, model=MODEL).conditions
    file = copy / "synthetic" / MODEL / "seed0.npz"
    for content in (b"", file.read_bytes()[:-300], b"x" * 100):
        file.write_bytes(content)
        with pytest.raises(FormatError, match=r"seed0\.npz does not hold"):
            open_synthetic(dataset, copy, model=MODEL)
    np.savez(file, rectangles=np.zeros((3, 1, 4), int), maps=np.ones((3, 32, 32), np.float32))
    with pytest.raises(FormatError, match="attention to 3 pictures; the dataset has 40"):
        open_synthetic(dataset, copy, model=MODEL)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--condition", "synthetic"], 2, "needs --run FOLDER"),
        (["--run", "."], 2, "name it with --condition synthetic"),
        (["--condition", "synthetic", "--run", "nowhere"], 1, "nowhere has no network's own attention"),
        (["--condition", "human", "--fill", "pink"], 2, "'pink' is not one of"),
        (["--sheet", "a.gif"], 2, "a.gif is not one of .png"),
        (["--split", "tests"], 2, "'tests' is not one of"),
        (["--condition", "humans"], 1, "did you mean human"),
    ],
)
def test_wrong_calls_say_so_and_write_nothing(
    built: Path, tmp_path: Path, arguments: list[str], code: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found, said = gazekit(capfd, "export-images", built, "--out", tmp_path / "o", *arguments)
    assert (found, message in said) == (code, True), said
    assert not (tmp_path / "o").exists()
