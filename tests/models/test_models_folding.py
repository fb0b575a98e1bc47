"""Batch normalisation folded into convolutions: fewer layers, the same answers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.models.folding import fold_normalisation
from tests.models.zoo import LIGHT, created, real_inputs, set_statistics

WITH_NORMS = [name for name in models.names() if not any(part in name for part in ("vgg", "alexnet"))][:-5]
FOLDED = {"nima-mobilenet": 27, "nima-narrow": 4, "resnet18": 20, "residual-attention-narrow": 35, "gpf-resnet18": 40}


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(
    "name", [n if n in LIGHT else pytest.param(n, marks=pytest.mark.benchmark) for n in WITH_NORMS]
)
def test_a_folded_model_says_the_same(name: str) -> None:
    model = created(name)
    inputs = real_inputs(name, model)
    set_statistics(model, inputs)
    folded = copy.deepcopy(model)
    count = fold_normalisation(folded, *(x[:1] for x in inputs))
    assert count == FOLDED.get(name, count) > 0
    assert norms(folded) == norms(model) - count
    with torch.no_grad():
        torch.testing.assert_close(folded(*inputs), model(*inputs), atol=1e-5, rtol=0)


class Shared(nn.Module):
    """A convolution that two read, one that is used twice, a normalisation that is used twice, one with two
    normalisations, and one plain pair."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.twice, self.plain, self.end, self.both = (nn.Conv2d(4, 4, 1) for _ in range(5))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(7))

    def forward(self, x: Tensor) -> Tensor:
        x = self.read(x)
        x = x + self.norms[0](x)
        x = self.norms[1](self.twice(x)) + self.norms[2](self.twice(2 * x))
        x = self.norms[3](self.norms[3](self.end(x)))
        both = self.both(x)
        return self.norms[4](self.plain(x)) + self.norms[5](both) - 2 * self.norms[6](both)  # type: ignore[no-any-return]


def test_only_a_normalisation_that_alone_reads_a_convolution_is_folded() -> None:
    torch.manual_seed(0)
    model, x = Shared(), torch.randn(5, 4, 6, 6)
    set_statistics(model, (x,))
    folded = copy.deepcopy(model)
    assert fold_normalisation(folded, x[:1]) == 1
    assert [isinstance(norm, nn.BatchNorm2d) for norm in folded.norms] == [True, True, True, True, False, True, True]
    with torch.no_grad():
        torch.testing.assert_close(folded(x), model(x), atol=1e-5, rtol=1e-5)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in folded.modules())
