"""Pictures of many shapes: what a network is trained on, is tested on, and sees when it scores files is one thing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from gazekit.core.errors import ConfigError
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.models.input_spec import Look
from gazekit.pictures import Picture
from gazekit.training import plan, train
from gazekit.training.distributed import Team
from gazekit.training.loading import Draw, Reader, cropped, epoch_plan, open_examples
from gazekit.training.one_run import with_own_attention
from gazekit.training.scoring import score

SHAPES = [(80, 120), (120, 80), (96, 96), (64, 160)]
OPTIONS: dict[str, Any] = {
    "conditions": ["original"], "seeds": 1, "size": 32, "epochs": 2, "batch": 16, "threads": 1, "lr": 1e-3,
}  # fmt: skip


@pytest.fixture(scope="module")
def shaped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 pictures of four shapes, dark to the left and bright to the right, with stripes; K = 5."""
    folder, rng = tmp_path_factory.mktemp("shaped"), np.random.default_rng(3)
    pictures, ratings = [], []
    for number in range(80):
        image, (height, width) = f"p{number:02d}.png", SHAPES[number % 4]
        slope, level = rng.uniform(-60, 60), rng.uniform(60, 190)
        rows, columns = np.mgrid[:height, :width]
        grey = level + slope * (columns / width - 0.5) + 25 * np.sin(rows / rng.uniform(1.5, 6))
        tint = rng.uniform(-30, 30, 3)
        cv2.imwrite(str(folder / image), np.clip(grey[..., None] + tint, 0, 255).astype(np.uint8))
        pictures.append(Picture(image, folder / image))
        share = np.exp(-((np.arange(5) - 4 * (level - 60) / 130) ** 2) / 2)
        ratings.append((image, *rng.multinomial(12, share / share.sum())))
    table = pd.DataFrame(ratings, columns=["image", *(f"c{k}" for k in range(1, 6))])
    return build_dataset(
        pictures, None, table, folder / "shaped.dataset.h5", DatasetSpec(split=(0.7, 0.1, 0.2), near_duplicates=None)
    )


@pytest.mark.parametrize(
    ("model", "options"),
    [
        pytest.param("nima-narrow", {"aspect_buckets": 3}, id="aspect-buckets"),
        pytest.param("nima-narrow", {"crop": 0.875}, id="cropped"),
        pytest.param("random-crop-resnet18", {}, id="view-and-crop"),
        pytest.param("dma-net", {"size": 64}, id="patches"),
        pytest.param("gpf-resnet18", {"model_options": {"fovea": 40}}, id="attended"),
    ],
)
def test_files_are_scored_as_the_test_split_was(
    model: str, options: dict[str, Any], shaped: Path, tmp_path: Path
) -> None:
    run = train(shaped, tmp_path / "out", models=[model], **{**OPTIONS, **options}) / "runs" / model / "original/seed0"
    predicted = pd.read_csv(run / "predictions.csv").set_index("image")
    files = [str(shaped.parent / image) for image in predicted.index]
    score(run, files, tmp_path / "s.csv", precision="float32")
    scored = pd.read_csv(tmp_path / "s.csv").filter(regex="^p").to_numpy()
    assert np.abs(scored - predicted.to_numpy()).max() < 0.01
    assert predicted.to_numpy().std(axis=0).max() > 0.02  # or any pictures would give these


def test_a_file_is_seen_as_the_dataset_shows_it(tmp_path: Path) -> None:
    """Large pictures of every kind, of which a JPEG is decoded small: the same to a grey level, and nothing aliases."""
    photograph = Image.fromarray(np.tile(astronaut(), (2, 3, 1))[:, :1400])
    turned = photograph.getexif()
    turned[0x0112] = 6
    stripes = Image.fromarray(np.tile(np.uint8([[0, 0, 0, 255]]), (1024, 350))).convert("RGB")
    for name, picture in {"a.jpg": photograph, "b.png": photograph, "c.webp": photograph, "e.png": stripes}.items():
        picture.save(tmp_path / name)
    for kind in ("jpg", "png", "tif", "webp"):
        photograph.save(tmp_path / f"turned.{kind}", exif=turned)
    photograph.convert("CMYK").save(tmp_path / "cmyk.jpg")
    pictures = [Picture(path.name, path) for path in sorted(tmp_path.iterdir())]
    table = pd.DataFrame([(p.image, 3, 4, 5) for p in pictures], columns=["image", "c1", "c2", "c3"])
    data = open_dataset(
        build_dataset(pictures, None, table, tmp_path / "d.dataset.h5", DatasetSpec(near_duplicates=None))
    )
    for i, picture in enumerate(pictures):
        encoded = picture.file.read_bytes()
        (view,) = Look("view", 96).decoded(encoded, picture.image)
        assert np.abs(view.astype(int) - data.read(i, size=96)).max() <= 1
        (own,) = Look("view", 96, ()).decoded(encoded, picture.image)
        assert own.shape[:2] == ((96, 70) if picture.image.startswith("turned") else (70, 96))
        assert data.size(i) == ((1400, 1024) if picture.image.startswith("turned") else (1024, 1400))
        if picture.image == "e.png":
            assert np.abs(view.astype(int) - 64).max() < 8


def test_random_parts_change_from_epoch_to_epoch_and_come_again(shaped: Path) -> None:
    data = open_dataset(shaped)
    indices = data.indices("train")
    plan = epoch_plan(indices, 8, 0, 0)
    for kind, shape, processes in (("crop", (3, 32, 32), 2), ("patches", (5, 3, 32, 32), 1)):
        reader = Reader(data, "original", Look(kind, 32))  # type: ignore[arg-type]
        here, there = (
            open_examples(reader, indices, memory_gb=1, workers=workers, changing=True) for workers in (0, processes)
        )
        first, again, next_one = (
            torch.cat([images[-1] for images in examples.stream(plan, Draw(7, epoch))])
            for examples, epoch in ((here, 1), (there, 1), (here, 2))
        )
        assert first.shape[1:] == shape
        assert torch.equal(first, again)
        assert (first != next_one).flatten(1).any(1).float().mean() > 0.9
        fixed = [reader(int(indices[0]))[-1] for _ in range(2)]
        assert torch.equal(*fixed)


def test_crops_are_parts_of_the_view_and_depend_on_the_picture_alone(rng: np.random.Generator) -> None:
    images = torch.from_numpy(rng.integers(0, 255, (40, 3, 12, 14), dtype=np.uint8))
    (whole,) = cropped((images,), np.arange(40), Draw(0, 3), (10, 11))
    assert whole.shape == (40, 3, 10, 11)
    assert torch.equal(cropped((images[30:],), np.arange(30, 40), Draw(0, 3), (10, 11))[0], whole[30:])
    windows = images.unfold(2, 10, 1).unfold(3, 11, 1)  # (40, 3, 3, 4, 10, 11)
    same = (windows == whole[:, :, None, None]).all(dim=(1, 4, 5)).flatten(1)
    assert same.any(1).all()
    assert len(set(same.int().argmax(1).tolist())) > 6


@pytest.mark.parametrize("kind", ["patches", "region"])
def test_own_attention_is_masked_by_the_rule_and_area_of_peoples(kind: str, dataset: Path, tmp_path: Path) -> None:
    spots, rng = open_dataset(dataset), np.random.default_rng(1)
    pictures = [Picture(image, dataset.parent / image) for image in spots.ids[:60]]
    seen = spots.fixations[spots.fixations["image"].isin(spots.ids[:60])]
    table = pd.DataFrame(rng.multinomial(12, [0.2] * 5, 60), columns=[f"c{k}" for k in range(1, 6)])
    table.insert(0, "image", [picture.image for picture in pictures])
    rule: dict[str, Any] = {"mask": kind, "sigma_px": 4.0, "split": (0.6, 0.2, 0.2), "near_duplicates": None}
    masked = open_dataset(build_dataset(pictures, seen, table, tmp_path / "d.dataset.h5", DatasetSpec(**rule)))
    options = {**OPTIONS, "conditions": ["human", "synthetic"], "epochs": 1, "fill": "mean", "soft_px": 2.0}
    out = train(masked.path, tmp_path / "out", models=["nima-narrow"], **options)
    assert (out / "runs/nima-narrow/synthetic/seed0/done.json").exists()
    jobs = plan(masked.path, out, models=["nima-narrow"], **options).jobs
    view = with_own_attention(masked, next(job for job in jobs if job.run.condition == "synthetic"), Team())
    areas = np.array([[view.mask(i, name).sum() for name in ("human", "synthetic")] for i in range(60)])
    assert np.abs(areas[:, 0] - areas[:, 1]).max() <= 0.1 * areas[:, 0].mean()
    assert any((view.mask(i, "human") != view.mask(i, "synthetic")).any() for i in range(60))


def test_what_stands_outside_a_mask_and_its_edge_are_options(dataset: Path) -> None:
    data = open_dataset(dataset)
    hard, soft, mean = (
        Reader(data, "human", Look("view", 32), **how)(3)[0].numpy() for how in ({}, {"soft_px": 3.0}, {"fill": "mean"})
    )
    np.testing.assert_array_equal(soft, data.read(3, "human", 32, "black", 3.0).transpose(2, 0, 1))
    assert (hard == 0).mean() > (soft == 0).mean() > (mean == 0).mean()


def test_a_network_with_parts_of_its_own_is_not_cropped(shaped: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gpf-resnet18 chooses its own parts of pictures"):
        train(shaped, tmp_path / "out", models=["gpf-resnet18"], **OPTIONS, crop=0.9)
    assert not (tmp_path / "out").exists()
