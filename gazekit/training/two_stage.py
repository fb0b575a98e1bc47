"""Networks that are trained in one stage, and PF- and GPF-CNN, which are trained in two (Zhang et al. 2019, IV B).

In stage 1 the peripheral subnet learns to tell high from low quality with cross entropy. Then the rectangle that it
attends to is found once for every picture, and in stage 2 the periphery is frozen and the rest learns the histograms
from the view and the attended part of the original.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gazekit.stats.metrics import default_threshold
from gazekit.training.leaks import learnt_from
from gazekit.training.loading import Reader, open_examples
from gazekit.training.loop import (
    BatchPart,
    Criterion,
    Saver,
    Task,
    TrainingState,
    begin_training,
    emd_criterion,
    fit,
    use_weights,
)

if TYPE_CHECKING:
    from gazekit.dataset import Dataset
    from gazekit.models.foveal import PeripheralFoveal
    from gazekit.models.input_spec import Look
    from gazekit.training.distributed import Team
    from gazekit.training.recipe import Recipe
    from gazekit.training.runs import Job

OnEpoch = Callable[[TrainingState, Path], None]
FOVEAL_BUCKETS = 4  # aspect ratios of the peripheral view, which keeps the picture's as well as it can


@dataclasses.dataclass(frozen=True)
class Ground:
    """What a run is trained on, before it is known how its network looks at it."""

    job: Job
    dataset: Dataset
    truth: Tensor  # (N, K)
    team: Team

    def reader(self, network: nn.Module) -> Reader:
        """Return how the network takes a picture."""
        recipe = self.job.recipe
        look = look_for(network, self.dataset.sizes, recipe)
        return Reader(self.dataset, self.job.run.condition, look, recipe.fill, recipe.soft_px)

    def part(self, split: str, reader: Reader) -> BatchPart:
        """Return a split of the dataset."""
        recipe = self.job.recipe
        training = split == "train"
        indices = self.job.indices(self.dataset, split)
        if training and recipe.crop is not None:
            reader = dataclasses.replace(reader, margin=1 / recipe.crop)
        changing = training and reader.look.random
        examples = open_examples(reader, indices, memory_gb=recipe.memory_gb, workers=recipe.workers, changing=changing)
        return BatchPart(examples, indices)

    def task(self, network: nn.Module, reader: Reader, criterion: Criterion) -> Task:
        """Return training and validation with a criterion."""
        return Task(
            train=self.part("train", reader),
            validation=self.part("validation", reader),
            truth=self.truth,
            names=self.dataset.ids,
            mean=tuple(network.mean),  # type: ignore[arg-type]
            std=tuple(network.std),  # type: ignore[arg-type]
            seed=self.job.run.seed,
            criterion=criterion,
            shapes=reader.shapes,
            aspects=reader.look.aspects,
        )

    def saver(self, stage: str = "") -> Saver:
        """Return what keeps the checkpoints, of a stage in a folder of its own."""
        folder = self.job.run.folder(self.job.out) / stage
        identity = self.job.identity(int(self.truth.shape[1]))
        seconds = self.job.recipe.checkpoint_seconds
        return Saver(folder, identity, seconds, self.team.leads, self.hides_scores, learnt_from=self.learnt_from)

    @property
    def learnt_from(self) -> dict[str, Tensor]:
        """Return what a checkpoint keeps of the pictures that the run, or what it starts from, learns from."""
        job = self.job
        learnt = np.concatenate([job.indices(self.dataset, split) for split in ("train", "validation")])
        return learnt_from(self.dataset, learnt, job.recipe.weights_of(job.run.model, job.run.seed))

    @property
    def hides_scores(self) -> bool:
        """Return whether the run's losses on pictures that it is not trained on are sealed."""
        mark = self.job.sealed_by(self.dataset)
        return mark is not None and mark.hides == "scores"


def look_for(network: nn.Module, sizes: npt.ArrayLike, recipe: Recipe) -> Look:
    """Return how a network looks at pictures of these sizes (N, 2) under a recipe."""
    from gazekit.models.input_spec import aspects_of
    from gazekit.models.inputs import look_of

    buckets = recipe.aspect_buckets or (FOVEAL_BUCKETS if getattr(network, "keeps_aspect", False) else 1)
    return look_of(network, recipe.size, aspects_of(sizes, buckets))


def train_network(ground: Ground, network: nn.Module, on_epoch: OnEpoch) -> tuple[TrainingState, Reader]:
    """Train a network in its stages; gives the last one's state, and how pictures were read for it."""
    reader = ground.reader(network)
    if hasattr(network, "set_stage"):
        reader = _attended(ground, network, reader, on_epoch)
    task = ground.task(network, reader, emd_criterion(ground.job.recipe.r))
    saver = ground.saver()
    state = begin_training(task, ground.job.recipe, network, ground.team)
    fit(state, saver, lambda state: on_epoch(state, saver.folder))
    return state, reader


def two_classes(threshold: float) -> Criterion:
    """Return cross entropy of (low, high), where the truth is high when its mean is above the threshold."""

    def criterion(p: Tensor, truth: Tensor) -> Tensor:
        mean = truth @ torch.arange(1, truth.shape[1] + 1, dtype=truth.dtype, device=truth.device)
        chosen = p.gather(1, (mean > threshold).long()[:, None])[:, 0]
        return -torch.log(chosen.clamp_min(1e-12))

    return criterion


def _attended(ground: Ground, network: nn.Module, reader: Reader, on_epoch: OnEpoch) -> Reader:
    """Train stage 1, and return a reader that brings what its periphery attends to."""
    from gazekit.models.boxes import attended_boxes

    foveal: PeripheralFoveal = network  # type: ignore[assignment]
    foveal.set_stage(1)
    criterion = two_classes(default_threshold(int(ground.truth.shape[1])))
    saver = ground.saver("stage1")
    state = begin_training(ground.task(foveal, reader, criterion), ground.job.recipe, foveal, ground.team)
    fit(state, saver, lambda state: on_epoch(state, saver.folder))
    assert state.best is not None
    use_weights(state, state.best)
    foveal.eval()
    ground.team.wait()
    cache = saver.folder / "boxes.npz"
    boxes = attended_boxes(foveal, ground.dataset.ids, reader.original, look=reader.look, cache=cache)
    foveal.set_stage(2)
    return dataclasses.replace(reader, boxes=boxes, crop=foveal.size)
