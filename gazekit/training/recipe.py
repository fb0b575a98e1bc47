"""How a network is trained: one recipe for all runs of a grid, so that conditions differ in nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gazekit.core.config import validated
from gazekit.core.errors import InputError
from gazekit.shapes.fills import Fill

Apply = Literal["mask", "pooling"]
_CAME_LATER = ("resample_viewers", "weights_by_model", "train_last", "adapter_rank")


class Recipe(BaseModel):
    """Options of training. The defaults converge from scratch on a few hundred pictures.

    For the papers' own schedule: ``optimizer="sgd", lr=0.01, schedule="step", patience=10, batch=64``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(224, ge=16, le=2048, description="side of the square input, or the longer one; px")
    epochs: int = Field(30, ge=1, description="times that every training picture is seen, at most")
    batch: int = Field(32, ge=1, description="pictures an optimiser step, over all processes")
    lr: float = Field(1e-3, gt=0, description="learning rate")
    lr_backbone: float | None = Field(None, ge=0, description="a second rate for all but the head; the same if absent")
    optimizer: Literal["adam", "sgd"] = Field("adam", description="which one")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(0.0, ge=0, description="share of the weights that a step takes away, a unit of lr")
    schedule: Literal["constant", "step", "cosine", "plateau"] = Field(
        "cosine", description="how the learning rate falls over the epochs"
    )
    lr_step: int = Field(
        10, ge=1, description="epochs between divisions (step), or without progress before one (plateau)"
    )
    lr_factor: float = Field(0.1, gt=0, lt=1, description="what the learning rate is multiplied by at such a division")
    patience: int = Field(10, ge=1, description="stop after so many epochs without a better validation loss")
    r: float = Field(2.0, ge=1, description="order of the EMD loss")
    flip: bool = Field(True, description="mirror half of the training pictures")
    crop: float | None = Field(
        None, ge=0.3, lt=1, description="train on random crops with so large a share of the sides; NIMA's is 0.875"
    )
    fill: Fill = Field("black", description="what stands outside a mask")
    soft_px: float = Field(0.0, ge=0, description="width of a mask's soft edge, in pixels of what the network sees")
    resample_viewers: bool = Field(
        False,
        description="each seed draws the viewers again, with replacement: masks, and so the comparison's intervals, "
        "carry the sampling error of gaze",
    )
    weights: str | None = Field(None, description="file of weights to start from; timm, torchvision: theirs")
    weights_by_model: dict[str, str] = Field(
        default_factory=dict,
        description="file of weights by model, with {seed} for the seed's number; or a folder of gazekit train",
    )
    new_head: bool = Field(False, description="of weights with another number of buckets take all but the last layer")
    train_last: int | None = Field(
        None, ge=1, description="blocks of the backbone, from the end, that are trained with the head; all if absent"
    )
    adapter_rank: int | None = Field(
        None, ge=1, le=256, description="train low-rank changes of the layers of these blocks, and not the layers"
    )
    apply: Apply = Field(
        "mask",
        description="how a condition reaches a network: its mask over the pixels, or (probes) as weights of the pooling"
        " of what the network computes of the whole picture",
    )
    model_options: dict[str, Any] = Field(default_factory=dict)
    precision: Literal["float32", "bf16"] = Field("float32", description="of the numbers that networks compute with")
    channels_last: bool = Field(False, description="lay pictures out with channels last; often faster")
    accumulate: int = Field(1, ge=1, description="parts that a batch is computed in")
    clip: float | None = Field(None, gt=0, description="largest norm of the gradient")
    ema: float | None = Field(None, gt=0, lt=1, description="decay of an exponential moving average of the weights")
    aspect_buckets: int | None = Field(
        None, ge=1, le=16, description="aspect ratios of views; 1, else 4 for PF- and GPF-CNN; 1 is square"
    )
    workers: int = Field(0, ge=0, le=1024, description="loader processes, where the pictures do not fit in memory")
    memory_gb: float = Field(2.0, ge=0, description="pictures are kept in memory up to this size, GB")
    checkpoint_seconds: float = Field(20.0, ge=0, description="seconds between checkpoints")
    tensorboard: bool = Field(False, description="also write TensorBoard's event files beside each run")
    device: str = Field("auto", description="cpu, cuda, cuda:1, mps; auto: a GPU where there is one")

    @model_validator(mode="after")
    def _parts(self) -> Recipe:
        if self.accumulate > self.batch:
            raise ValueError(f"accumulate ({self.accumulate}) cannot be more than batch ({self.batch})")
        return self

    @model_validator(mode="before")
    @classmethod
    def _pooling(cls, options: Any) -> Any:
        """Let probes read features by place where attention is to weigh these."""
        if isinstance(options, Mapping) and options.get("apply") == "pooling":
            return {**options, "model_options": {**options.get("model_options", {}), "cells": True}}
        return options

    def result_options(self) -> dict[str, Any]:
        """Return the options that results depend on; the rest (workers, memory, checkpoints) only changes the speed."""
        idle = {"workers", "memory_gb", "checkpoint_seconds", "tensorboard"}
        came_later = {name for name in _CAME_LATER if not getattr(self, name)}
        came_later |= {"apply"} if self.apply == "mask" else set()
        return self.model_dump(mode="json", exclude=idle | came_later)

    def weights_of(self, model: str, seed: int) -> str | None:
        """Return the weights that a model starts from with a seed; of a folder of gazekit train, its own best ones.

        Raises
        ------
        InputError
            The folder has no such run.
        """
        named = self.weights_by_model.get(model, self.weights)
        if named is None or model not in self.weights_by_model:
            return named
        file = Path(named.replace("{seed}", str(seed)))
        if not file.is_dir():
            return str(file)
        from gazekit.stats.comparison_folder import Run

        best = Run(model, "original", seed).folder(file) / "best.pt"
        if not best.exists():
            raise InputError(
                f"{file} has no {best.relative_to(file)} for {model} with seed {seed}; train it there first"
            )
        return str(best)


def completed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored options that results depend on, with those that came later at the defaults that they then had."""
    return {**make_recipe().result_options(), **options}


def make_recipe(**options: Any) -> Recipe:
    """Return a recipe from keyword options; all faults in one `ConfigError`."""
    return validated(Recipe, options, "the recipe of training")


def size_of_timm(models: Sequence[str], options: Mapping[str, Any]) -> dict[str, int]:
    """Return the side that networks of timm were trained with, as an option.

    Where all models are such and agree, and none is given; of an unknown name nothing is said here.
    """
    prefix = "timm:"
    if "size" in options or not models or not all(prefix in name for name in models):
        return {}
    from gazekit.models import info

    try:
        sizes = {info(name).size for name in models}
    except InputError:
        return {}
    return {"size": sizes.pop()} if len(sizes) == 1 else {}
