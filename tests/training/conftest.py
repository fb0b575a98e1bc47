"""Small learnable tasks, in memory and as a dataset: how bright a spot is decides how a picture is rated."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.dataset import DatasetSpec, build_dataset
from gazekit.pictures import Picture

if TYPE_CHECKING:
    import torch

    from gazekit.training.loop import Saver, TrainingState

if find_spec("torch") is None:
    collect_ignore_glob = ["test_*.py"]

SIZE = 32


@pytest.fixture
def pixels(rng: np.random.Generator) -> torch.Tensor:
    import torch

    noise = rng.integers(0, 80, (60, 3, SIZE, SIZE))
    noise[:, :, 8:24, 8:24] += np.linspace(0, 170, 60).astype(int)[:, None, None, None]
    return torch.from_numpy(noise.astype(np.uint8))


@pytest.fixture
def counts(rng: np.random.Generator) -> np.ndarray:
    centre = np.linspace(0, 9, 60)[:, None]
    share = np.exp(-((np.arange(10) - centre) ** 2) / 4)
    return np.stack([rng.multinomial(12, row / row.sum()) for row in share])


@pytest.fixture
def make(pixels: torch.Tensor, counts: np.ndarray, tmp_path: Path) -> Callable[..., tuple[TrainingState, Saver]]:
    """A run and its saver, in the test's folder."""
    import torch

    from gazekit import models
    from gazekit.models.input_spec import SQUARE
    from gazekit.training.distributed import Team
    from gazekit.training.loading import InMemory
    from gazekit.training.loop import BatchPart, Saver, Task, begin_training, emd_criterion
    from gazekit.training.one_run import distributions
    from gazekit.training.recipe import make_recipe

    def make_one(
        model: str = "nima-narrow", seed: int = 0, seconds: float = 0.0, **options: Any
    ) -> tuple[TrainingState, Saver]:
        recipe = make_recipe(**{"size": SIZE, "epochs": 3, "batch": 8, "device": "cpu", **options})
        order = np.random.default_rng(5).permutation(60)
        train, validation = np.sort(order[:43]), np.sort(order[43:])
        torch.manual_seed(seed)
        network = models.create(model, 10, **recipe.model_options)
        task = Task(
            BatchPart(InMemory({int(i): (pixels[i],) for i in train}), train),
            BatchPart(InMemory({int(i): (pixels[i],) for i in validation}), validation),
            distributions(counts),
            [f"picture{i}" for i in range(60)],
            network.mean,
            network.std,
            seed,
            emd_criterion(2),
            np.full((60, 2), SIZE),
            SQUARE,
        )
        return begin_training(task, recipe, network, Team()), Saver(tmp_path, {"cell": model}, seconds=seconds)

    return make_one


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 pictures of 48 px with a spot that people look at and whose brightness they rate; K = 7."""
    folder = tmp_path_factory.mktemp("dataset")
    rng = np.random.default_rng(7)
    pictures, fixations, ratings = [], [], []
    for number in range(100):
        image = f"p{number:03d}.png"
        y, x = rng.integers(0, 28, 2)
        bright = rng.random()
        pixels = rng.integers(0, 90, (48, 48, 3))
        pixels[y : y + 20, x : x + 20] = 90 + bright * 165
        cv2.imwrite(str(folder / image), pixels.astype(np.uint8))
        pictures.append(Picture(image, folder / image))
        for viewer in "abc":
            place = np.array([x, y]) + 10 + rng.normal(0, 3, (4, 2))
            fixations += [(viewer, image, *p, 200.0) for p in place]
        share = np.exp(-((np.arange(7) - 6 * bright) ** 2) / 3)
        ratings.append((image, *rng.multinomial(12, share / share.sum())))
    return build_dataset(
        pictures,
        pd.DataFrame(fixations, columns=["participant", "image", "x_picture", "y_picture", "duration_ms"]),
        pd.DataFrame(ratings, columns=["image", *(f"c{k}" for k in range(1, 8))]),
        folder / "spots.dataset.h5",
        DatasetSpec(sigma_px=4.0, split=(0.7, 0.1, 0.2), near_duplicates=None),
    )


@pytest.fixture(scope="session")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run's folder."""
    from gazekit.training import train

    out = tmp_path_factory.mktemp("score") / "comparison"
    train(dataset, out, models=["nima-narrow"], conditions=["original"], seeds=1, size=32, epochs=2, threads=1)
    return out / "runs" / "nima-narrow" / "original" / "seed0"


@pytest.fixture
def pictures(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A folder of twenty pictures, some of them deeper, a broken one and something else."""
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for number in range(20):
        place = folder / "deep" if number % 3 == 0 else folder
        cv2.imwrite(str(place / f"{number:02d}, a.png"), rng.integers(0, 255, (40, 50, 3), dtype=np.uint8))
    (folder / "99.jpg").write_bytes(b"not a picture")
    (folder / "notes.txt").write_text("not to be scored")
    return folder
