"""What the tests of the models share: sizes, real pictures, seeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.models.inputs import example_inputs
from gazekit.models.pixels import normalised, resize

LIGHT = [
    "nima-narrow",
    "residual-attention-narrow",
    "nima-mobilenet",
    "resnet18",
    "gpf-resnet18",
    "dma-net",
]
EVERY = [
    name if name in LIGHT else pytest.param(name, marks=[pytest.mark.benchmark, pytest.mark.timeout(900)])
    for name in models.names()
]


def small_size(name: str) -> int:
    """A side that the model accepts and a CPU computes fast."""
    return max(64, models.info(name).smallest)


def created(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    if name.startswith(("pf-", "gpf-")):
        options.setdefault("fovea", small_size(name))
    return models.create(name, **options)


def inputs_for(name: str, model: nn.Module, count: int) -> tuple[Tensor, ...]:
    return example_inputs(model, small_size(name), count)


def real_pictures() -> list[npt.NDArray[np.uint8]]:
    """Eight parts of photographs that scikit-image carries."""
    found = []
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        picture = getattr(skimage.data, name)()
        half = picture.shape[1] // 2
        found += [picture[:, :half], picture[:, half:]]
    return found


def real_batch(name: str) -> Tensor:
    size, facts = small_size(name), models.info(name)
    return normalised(np.stack([resize(p, (size, size)) for p in real_pictures()]), facts.mean, facts.std)
