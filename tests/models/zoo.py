"""What the tests of the models share: sizes, real pictures, seeds."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.models.attention.interception import Logits
from gazekit.models.inputs import example_inputs, second_input
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
EVERY_TO_TRAIN = [
    name if name in LIGHT[:4] else pytest.param(name, marks=[pytest.mark.benchmark, pytest.mark.timeout(3600)])
    for name in models.names()
]


def small_size(name: str) -> int:
    """A side that the model accepts and a CPU computes fast."""
    return max(64, models.info(name).smallest)


def created(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    if name.startswith(("pf-", "gpf-")):
        options.setdefault("fovea", small_size(name))
    model = models.create(name, **options)
    _calm(model, inputs_for(name, model, 2))
    return model


def _calm(model: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Logits that spread by at most 1: an untrained Inception's are so large that it answers all with one class."""
    with torch.no_grad(), Logits():
        spread = float(model.eval()(*inputs).std())
        for name, module in model.named_modules():
            if isinstance(module, nn.Linear) and name.startswith(("head", "aesthetic.2")):
                module.weight /= max(1.0, spread)
                module.bias /= max(1.0, spread)
    model.train()


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


def real_batch(name: str, size: int | None = None) -> Tensor:
    """Eight real pictures, normalised for the model, at a side that it computes fast or at another one."""
    side, facts = size or small_size(name), models.info(name)
    return normalised(np.stack([resize(p, (side, side)) for p in real_pictures()]), facts.mean, facts.std)


def real_inputs(name: str, model: nn.Module, size: int | None = None) -> tuple[Tensor, ...]:
    """The eight pictures, mirrored as the second input where the model has one."""
    pictures = real_batch(name, size)
    return (pictures, pictures.flip(3)) if second_input(model) is not None else (pictures,)


def set_statistics(model: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
    """Batch normalisation takes the statistics of these inputs; then evaluation mode."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        model(*inputs)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()


def emd(p: Tensor, q: Tensor) -> Tensor:
    return ((p.cumsum(1) - q.cumsum(1)).square().mean(1) + 1e-12).sqrt().mean()


def fit(model: nn.Module, inputs: tuple[Tensor, ...], q: Tensor, rate: float) -> list[float]:
    """Learn by heart; gives the losses."""
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], rate)
    losses: list[float] = []
    for step in range(180):
        optimiser.param_groups[0]["lr"] = rate if step < 90 else rate / 4
        loss = emd(model(*inputs), q)
        losses.append(loss.item())
        if losses[-1] < 0.02:
            break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return losses
