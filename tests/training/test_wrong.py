"""Wrong input to train and compare: one clear message each, exit code 1, nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from gazekit import models
from gazekit.cli import main
from gazekit.core.errors import ConfigError
from gazekit.dataset import DatasetSpec, build_dataset
from gazekit.pictures import Picture
from gazekit.training import plan, train
from gazekit.training.grid import Run, _same_folder, _weights, model_faults
from gazekit.training.recipe import make_recipe

COMMON = ["--model", "nima-narrow", "--size", "32", "--epochs", "1", "--seeds", "1", "--threads", "1", "--no-compare"]


Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run a command; its exit code and what it printed on standard error."""

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 20 pictures without gaze, 3 of them in the test split, on a scale of 5."""
    folder = tmp_path_factory.mktemp("few")
    rng = np.random.default_rng(1)
    pictures = []
    for number in range(20):
        path = folder / f"{number:02d}.png"
        cv2.imwrite(str(path), rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
        pictures.append(Picture(path.name, path))
    ratings = pd.DataFrame(rng.multinomial(12, [0.2] * 5, 20), columns=[f"c{k}" for k in range(1, 6)])
    ratings.insert(0, "image", [p.image for p in pictures])
    return build_dataset(
        pictures, None, ratings, folder / "few.dataset.h5", DatasetSpec(split=(0.7, 0.15, 0.15), near_duplicates=None)
    )


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 60 pictures twice as wide as high, rated and not looked at."""
    folder = tmp_path_factory.mktemp("wide")
    rng = np.random.default_rng(2)
    pictures = [Picture(f"{number:02d}.png", folder / f"{number:02d}.png") for number in range(60)]
    for picture in pictures:
        cv2.imwrite(str(picture.file), rng.integers(0, 255, (40, 80, 3), dtype=np.uint8))
    ratings = pd.DataFrame(rng.multinomial(12, [0.2] * 5, 60), columns=[f"c{k}" for k in range(1, 6)])
    ratings.insert(0, "image", [p.image for p in pictures])
    return build_dataset(
        pictures, None, ratings, folder / "wide.dataset.h5", DatasetSpec(split=(0.6, 0.2, 0.2), near_duplicates=None)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "no such dataset", id="absent"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"c1,c2\n1,2\n", "", id="not-hdf5"),
    ],
)
def test_a_dataset_that_is_none(content: bytes | None, message: str, call: Call, tmp_path: Path) -> None:
    path = tmp_path / "x.dataset.h5"
    if content is not None:
        path.write_bytes(content)
    code, error = call("train", path, "--out", tmp_path / "out", *COMMON)
    assert (code, "Traceback" in error) == (1, False)
    assert message in error
    assert str(path) in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("gpf-alexnet", 96, "gives pictures of 1600 x 16 px; take a larger --size, or leave these out"),
        ("timm:cait_xxs24_224", 256, "takes pictures of 224 x 224 px and no others; give --size 224"),
    ],
    ids=["panorama", "one size"],
)
def test_sizes_that_a_network_does_not_take(name: str, size: int, message: str) -> None:
    (fault,) = model_faults(name, 5, make_recipe(size=size), [(100, 120), (16, 1600)])
    assert message in fault


def test_a_folder_that_cannot_be_made(few: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    for out in (tmp_path / "taken", tmp_path / "taken" / "below"):
        code, error = call("train", few, "--out", out, *COMMON, "--condition", "original", "--cross-validate", "3")
        assert (code, "Traceback" in error) == (1, False)
        assert f"{out} cannot be written as a folder" in error
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_file_of_another_schema(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "session.gaze.h5"
    with h5py.File(path, "w") as file:
        file.attrs["schema"] = "gazekit.session/1"
    code, error = call("train", path, "--out", tmp_path / "out", *COMMON)
    assert code == 1
    assert str(path) in error
    assert not (tmp_path / "out").exists()


def test_everything_that_is_wrong_with_a_grid_at_once(few: Path, call: Call, tmp_path: Path) -> None:
    code, error = call(
        "train", few, "--out", tmp_path / "out", *COMMON, "--model", "nima-narow", "--condition", "human",
        "--condition", "sinthetic",
    )  # fmt: skip
    assert code == 1
    assert "did you mean nima-narrow" in error
    assert "lacks the condition 'human'" in error
    assert "'sinthetic'" in error
    assert "the test split" in error
    assert "has 3 pictures; 8 or more are needed" in error
    assert not (tmp_path / "out").exists()


def test_own_attention_needs_people_to_compare_with(few: Path, call: Call, tmp_path: Path) -> None:
    code, error = call("train", few, "--out", tmp_path / "out", *COMMON, "--condition", "synthetic")
    assert code == 1
    assert "lacks the condition 'synthetic'" in error


def test_wrong_options_are_named_together(dataset: Path, call: Call, tmp_path: Path) -> None:
    code, error = call("train", dataset, "--out", tmp_path / "out", *COMMON, "--lr", "-1", "--batch", "0")
    assert code == 1
    assert "lr" in error
    assert "batch" in error
    code, error = call("train", dataset, "--out", tmp_path / "out", *COMMON, "--seeds", "three")
    assert code == 2
    assert "neither a number" in error


def test_pictures_that_are_too_small_for_the_model(dataset: Path, call: Call, tmp_path: Path) -> None:
    code, error = call("train", dataset, "--out", tmp_path / "out", "--model", "nima-vgg16", "--size", "16")
    assert code == 1
    assert "nima-vgg16 needs pictures of" in error


@pytest.mark.parametrize("model", ["pf-alexnet", "alexnet", "pf-resnet18"])
def test_views_that_would_be_too_narrow_for_the_model_are_larger(
    model: str, wide: Path, call: Call, tmp_path: Path
) -> None:
    """PF-CNN keeps the pictures' aspect ratio of 1 : 2, and 32 x 64 would leave AlexNet nothing."""
    arguments = ["--condition", "original", "--seeds", 1, "--size", 64, "--no-compare", "--dry-run"]
    assert call("train", wide, "--out", tmp_path / "out", "--model", model, *arguments)[0] == 0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        pytest.param("--device", "foo", "no device 'foo'", id="no such kind of device"),
        pytest.param("--device", "cuda:99", "no device 'cuda:99'", id="no such device here"),
        pytest.param("--device", "meta", "no device 'meta'", id="a device that computes nothing"),
        pytest.param("--seeds", "-1,-2", "the seed -1 is not one of 0 to 4294967295; the seed -2", id="negative seeds"),
        pytest.param("--seeds", f"{2**64},1", f"the seed {2**64} is not", id="a seed beyond all"),
        pytest.param("--threads", "100000", "threads is 100000; 1 to 1024", id="threads beyond all"),
        pytest.param("--workers", "100000", "workers: should be less than or equal to 1024", id="workers beyond all"),
    ],
)
def test_what_no_machine_has(option: str, value: str, message: str, dataset: Path, call: Call, tmp_path: Path) -> None:
    code, error = call("train", dataset, "--out", tmp_path / "out", *COMMON, f"{option}={value}")
    assert (code, "Traceback" in error) == (1, False)
    assert message in error
    assert not (tmp_path / "out").exists()


def test_devices_of_a_cluster_are_not_looked_for_here(dataset: Path, tmp_path: Path) -> None:
    options = {"models": ["nima-narrow"], "conditions": ["original"], "seeds": 1, "size": 32, "device": "cuda:99"}
    assert len(plan(dataset, tmp_path, scheduler="tcp://10.0.0.1:8786", **options).jobs) == 1  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def grid(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wrong") / "comparison"
    return train(
        dataset, out, models=["nima-narrow"], conditions=["human"], seeds=1, size=32, epochs=1, batch=16, threads=1
    )


def test_a_folder_of_another_grid(grid: Path, dataset: Path, few: Path, call: Call) -> None:
    before = (grid / "config.json").read_bytes()
    code, error = call("train", dataset, "--out", grid, *COMMON, "--condition", "human", "--batch", "8")
    assert code == 1
    assert "batch: 16 there, 8 here" in error
    assert (grid / "config.json").read_bytes() == before


@pytest.mark.parametrize("content", ['{"schema": "gazekit.compar', "[]", "{}"], ids=["cut off", "list", "no schema"])
def test_a_folder_whose_description_is_damaged(content: str, dataset: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    code, error = call("train", dataset, "--out", tmp_path, *COMMON, "--condition", "human")
    assert (code, "Traceback" in error) == (1, False)
    assert f"{tmp_path / 'config.json'} is damaged" in error
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_weights_of_another_number_of_buckets(grid: Path, call: Call, tmp_path: Path, dataset: Path) -> None:
    from gazekit import models
    from gazekit.training.checkpoints import save_checkpoint

    path = tmp_path / "ten.pt"
    save_checkpoint(path, {"state_dict": models.create("nima-narrow", 10).state_dict()})
    code, error = call("train", dataset, "--out", tmp_path / "out", *COMMON, "--weights", path)
    assert (code, "Traceback" in error) == (1, False)
    assert "ten.pt" in error
    assert not (tmp_path / "out").exists()


def test_weights_of_another_model(call: Call, tmp_path: Path, dataset: Path) -> None:
    from gazekit import models
    from gazekit.training.checkpoints import save_checkpoint

    path = tmp_path / "attention.pt"
    save_checkpoint(path, {"state_dict": models.create("residual-attention-narrow", 7).state_dict()})
    code, error = call("train", dataset, "--out", tmp_path / "out", *COMMON, "--weights", path)
    assert (code, "Traceback" in error) == (1, False)
    assert "attention.pt" in error


def test_a_run_of_gazekit_can_be_fine_tuned(grid: Path, dataset: Path, tmp_path: Path) -> None:
    weights = grid / "runs/nima-narrow/human/seed0/best.pt"
    out = train(
        dataset, tmp_path / "tuned", models=["nima-narrow"], conditions=["human"], seeds=1, size=32, epochs=1,
        threads=1, weights=str(weights), lr=1e-7,
    )  # fmt: skip
    first, tuned = (
        pd.read_csv(folder / "runs/nima-narrow/human/seed0/predictions.csv").filter(regex="^p")
        for folder in (grid, out)
    )
    assert np.abs(first.to_numpy() - tuned.to_numpy()).max() < 0.1


# -- compare -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(grid: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(grid, tmp_path / "copy"))


def test_compare_a_folder_of_something_else(call: Call, tmp_path: Path) -> None:
    code, error = call("compare", tmp_path)
    assert code == 1
    assert "is not a comparison folder" in error


def test_compare_before_anything_is_done(folder: Path, call: Call) -> None:
    shutil.rmtree(folder / "runs")
    code, error = call("compare", folder)
    assert code == 1
    assert "no finished run yet" in error


def test_predictions_of_another_number_of_buckets(folder: Path, call: Call) -> None:
    path = folder / "runs/nima-narrow/human/seed0/predictions.csv"
    pd.read_csv(path).assign(p8=0.0).to_csv(path, index=False)
    code, error = call("compare", folder)
    assert code == 1
    assert "of 7 buckets expected" in error
    pd.read_csv(path).drop(columns=["p7", "p8"]).to_csv(path, index=False)
    code, error = call("compare", folder)
    assert code == 1
    assert "lacks the column p7" in error


def test_predictions_of_other_pictures(folder: Path, call: Call) -> None:
    path = folder / "runs/nima-narrow/human/seed0/predictions.csv"
    pd.read_csv(path).iloc[:-2].to_csv(path, index=False)
    code, error = call("compare", folder)
    assert code == 1
    assert "another dataset or split" in error
    assert not (folder / "comparison.csv").exists()


def test_conditions_and_metrics_that_are_not_there(folder: Path, call: Call) -> None:
    assert "did you mean srcc" in call("compare", folder, "--primary", "srrc")[1]
    assert "unknown condition 'humna'; did you mean human" in call("compare", folder, "--pair", "humna", "human")[1]


def test_another_dataset_than_the_one_trained_on(folder: Path, few: Path, call: Call) -> None:
    code, error = call("compare", folder, "--dataset", few)
    assert code == 1
    assert "is not the dataset" in error


def test_categories_without_test_pictures(folder: Path, call: Call, tmp_path: Path) -> None:
    path = tmp_path / "categories.csv"
    path.write_text("image,category\nx.png,animal\n")
    code, error = call("compare", folder, "--categories", path)
    assert code == 1
    assert "none of 1 categories" in error


def test_a_grid_of_one_condition_says_that_nothing_was_compared(folder: Path, call: Call, dataset: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["dataset"]["path"] = str(dataset)
    (folder / "config.json").write_text(json.dumps(config))
    code, _ = call("compare", folder, "--resamples", "100")
    assert code == 0
    words = json.loads((folder / "conclusion.json").read_text())
    assert "one condition only" in words["sentences"][0]
    assert words["claims"] == []


def test_weights_that_changed_since_the_folder_was_begun(dataset: Path, tmp_path: Path, call: Call) -> None:
    """Conditions that start from different weights differ in more than the condition."""
    file, out = tmp_path / "start.pth", tmp_path / "runs"
    first = models.create("nima-narrow", 7).state_dict()
    torch.save(first, file)
    arguments = ["train", dataset, "--out", out, "--weights", file, *COMMON]
    assert call(*arguments, "--condition", "original") == (0, "")
    torch.save({name: value + value for name, value in first.items()}, file)
    code, error = call(*arguments, "--condition", "human")
    assert code == 1
    assert f"the weights of {file} are others than then" in error
    assert not (out / "runs" / "nima-narrow" / "human").exists()


def test_published_weights_are_told_apart_by_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same name may give other weights another day."""
    torchvision_models = pytest.importorskip("torchvision.models")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    kept = tmp_path / "hub" / "checkpoints" / next(iter(torchvision_models.ResNet18_Weights)).url.rsplit("/", 1)[1]
    kept.parent.mkdir(parents=True)
    recipe, runs = make_recipe(weights="torchvision"), [Run("resnet18", "original", 0), Run("resnet18", "human", 0)]
    sums = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        torch.save(torchvision_models.resnet18().state_dict(), kept)
        sums.append(_weights(recipe, runs, 7))
    assert list(sums[0]) == ["torchvision (resnet18)"]
    assert sums[0] == sums[1] != sums[2]
    grid = {"recipe": recipe.result_options(), "dataset": {"sha256": ""}}
    _same_folder({**grid, "weights": sums[0]}, {**grid, "weights": sums[1]}, tmp_path)
    with pytest.raises(ConfigError, match=r"the weights of torchvision \(resnet18\) are others than then"):
        _same_folder({**grid, "weights": sums[0]}, {**grid, "weights": sums[2]}, tmp_path)


def test_pictures_without_a_mask_in_a_condition(tmp_path: Path, rng: np.random.Generator, call: Call) -> None:
    """Of a dataset with pictures that nobody looked at, networks would be shown black ones."""
    pictures, rows = [Picture(f"{n:02d}.png", tmp_path / f"{n:02d}.png") for n in range(40)], []
    for n, picture in enumerate(pictures):
        cv2.imwrite(str(picture.file), rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
        rows += [(picture.image, "a", *rng.uniform(5, 35, 2), 200.0) for _ in range(3)] if n < 25 else []
    looks = pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])
    ratings = pd.DataFrame(rng.multinomial(12, [0.2] * 5, 40), columns=[f"c{k}" for k in range(1, 6)])
    ratings.insert(0, "image", [p.image for p in pictures])
    spec = DatasetSpec(split=(0.5, 0.2, 0.3), near_duplicates=None, sigma_px=4, min_viewers=0)
    mixed = build_dataset(pictures, looks, ratings, tmp_path / "mixed.dataset.h5", spec)
    for condition in ("human", "human-removed", "shuffled", "synthetic"):
        code, error = call("train", mixed, "--out", tmp_path / "out", "--condition", condition, *COMMON, "--dry-run")
        assert code == 1
        assert f"15 of 40 pictures of the splits have no mask in the condition {condition}, as 25.png" in error
    assert call("train", mixed, "--out", tmp_path / "out", "--condition", "original", *COMMON, "--dry-run")[0] == 0
