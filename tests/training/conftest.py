"""A small learnable task in memory: how bright the middle of a picture is decides how it is rated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gazekit import models
from gazekit.training.cells import distributions
from gazekit.training.examples import InMemory
from gazekit.training.loop import Part, Run, Saver, Task, emd_criterion, make_run
from gazekit.training.recipe import make_recipe
from gazekit.training.team import Team

SIZE = 32


@pytest.fixture
def pixels(rng: np.random.Generator) -> torch.Tensor:
    noise = rng.integers(0, 80, (60, 3, SIZE, SIZE))
    noise[:, :, 8:24, 8:24] += np.linspace(0, 170, 60).astype(int)[:, None, None, None]
    return torch.from_numpy(noise.astype(np.uint8))


@pytest.fixture
def counts(rng: np.random.Generator) -> np.ndarray:
    centre = np.linspace(0, 9, 60)[:, None]
    share = np.exp(-((np.arange(10) - centre) ** 2) / 4)
    return np.stack([rng.multinomial(12, row / row.sum()) for row in share])


@pytest.fixture
def make(pixels: torch.Tensor, counts: np.ndarray, tmp_path: Path) -> Callable[..., tuple[Run, Saver]]:
    """A run and its saver, in the test's folder."""

    def make_one(model: str = "nima-narrow", seed: int = 0, seconds: float = 0.0, **options: Any) -> tuple[Run, Saver]:
        recipe = make_recipe(**{"size": SIZE, "epochs": 3, "batch": 8, "device": "cpu", **options})
        order = np.random.default_rng(5).permutation(60)
        train, validation = np.sort(order[:43]), np.sort(order[43:])
        torch.manual_seed(seed)
        network = models.create(model, 10, **recipe.model_options)
        task = Task(
            Part(InMemory(pixels[train], train), train),
            Part(InMemory(pixels[validation], validation), validation),
            distributions(counts),
            [f"picture{i}" for i in range(60)],
            network.mean,
            network.std,
            seed,
            emd_criterion(2),
        )
        return make_run(task, recipe, network, Team()), Saver(tmp_path, {"cell": model}, seconds=seconds)

    return make_one
