"""A training step that reads its pictures, against the same step on tensors that lie in memory.

pytest -m benchmark -s tests/benchmarks/test_training_step.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from gazekit import models
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.models.input_spec import SQUARE, Look
from gazekit.pictures import Picture
from gazekit.training.distributed import Team
from gazekit.training.loading import FromDataset, Images, InMemory, Reader
from gazekit.training.loop import BatchPart, Task, TrainingState, _step, begin_training, emd_criterion
from gazekit.training.one_run import distributions
from gazekit.training.recipe import make_recipe

BATCH, STEPS, ROUNDS = 8, 4, 3
SIZE = 224


@pytest.fixture(scope="module")
def photographs(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 99 photographs of 800x600 pixels with their real fixations, as a dataset of encoded files."""
    fixations = pd.read_csv(real_data / "osie" / "fixations.csv", dtype={"image": str, "viewer": str})
    names = sorted(p.name for p in (real_data / "osie").rglob("*.jpg"))
    files = {p.name: p for p in (real_data / "osie").rglob("*.jpg")}
    fixations["image"] = [name if name in files else f"{name}.jpg" for name in fixations["image"]]
    fixations = fixations.rename(columns={"viewer": "participant"})
    fixations = fixations.assign(x_picture=fixations["x"] - 1, y_picture=fixations["y"] - 1)
    ratings = pd.DataFrame(np.random.default_rng(0).multinomial(12, [0.1] * 10, len(names)))
    ratings.columns = [f"c{k}" for k in range(1, 11)]
    ratings.insert(0, "image", names)
    out = tmp_path_factory.mktemp("photographs") / "osie.dataset.h5"
    return build_dataset([Picture(n, files[n]) for n in names], fixations, ratings, out, DatasetSpec(sigma_px=24.0))


def ready(model: str, path: Path) -> tuple[TrainingState, Reader]:
    data = open_dataset(path)
    reader = Reader(data, "human", Look("view", SIZE))
    network = models.create(model, 10)
    nothing = BatchPart(InMemory({}), np.arange(0))
    truth = distributions(data.counts)
    task = Task(
        nothing, nothing, truth, data.ids, network.mean, network.std, 0, emd_criterion(2), reader.shapes, SQUARE
    )
    network.train()
    return begin_training(task, make_recipe(size=SIZE, batch=BATCH), network, Team()), reader


def seconds(run: TrainingState, plan: list[np.ndarray], stream: Iterator[Images]) -> float:
    start = time.perf_counter()
    for batch, images in zip(plan, stream, strict=True):
        _step(run, images, batch, len(batch))
    return (time.perf_counter() - start) / len(plan)


@pytest.mark.benchmark
@pytest.mark.timeout(900)
@pytest.mark.parametrize("model", ["nima-vgg16", "residual-attention-56"])
def test_reading_costs_a_step_at_most_five_percent(model: str, photographs: Path) -> None:
    torch.set_num_threads(2)
    run, reader = ready(model, photographs)
    rng = np.random.default_rng(0)
    plan = [rng.choice(99, BATCH, replace=False) for _ in range(STEPS)]
    memory = InMemory({i: reader(i) for i in range(99)})
    loader = FromDataset(reader, workers=2)
    seconds(run, plan[:1], memory.stream(plan[:1]))  # warm both
    list(loader.stream(plan[:2]))
    found = np.array(
        [[seconds(run, plan, memory.stream(plan)), seconds(run, plan, loader.stream(plan))] for _ in range(ROUNDS)]
    )
    in_memory, read = found.min(axis=0)  # the least disturbed round of each
    print(f"\n{model}: {in_memory:.3f} s a step in memory, {read:.3f} s read by 2 workers: {read / in_memory:.3f}")
    assert read <= 1.05 * in_memory
