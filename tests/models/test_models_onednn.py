"""Convolutions by oneDNN with their activations: fewer layers, the same answers."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.models.folding import fold_normalisation
from gazekit.models.onednn import Convolution, use_onednn
from tests.models.zoo import LIGHT, created, real_inputs, set_statistics

PLAIN = [name for name in models.names() if not name.startswith(("pf-", "gpf-", "gist", "sift"))]
FUSED = {"nima-mobilenet": (27, 27), "nima-narrow": (4, 4)}  # convolutions, activations


def ready(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    model = created(name)
    inputs = real_inputs(name, model)
    set_statistics(model, inputs)
    fold_normalisation(model, *(x[:1] for x in inputs))
    return model, inputs


@pytest.mark.parametrize("name", [n if n in LIGHT else pytest.param(n, marks=pytest.mark.benchmark) for n in PLAIN])
def test_the_model_says_the_same(name: str) -> None:
    model, inputs = ready(name)
    convolutions = sum(type(module) is nn.Conv2d for module in model.modules())
    other = copy.deepcopy(model)
    count = use_onednn(other, *(x[:1] for x in inputs))
    found = [module for module in other.modules() if isinstance(module, Convolution)]
    assert count == len(found) == convolutions > 0
    fused = sum(module.activation != "none" for module in found)
    assert (count, fused) == FUSED.get(name, (count, fused))
    with torch.no_grad():
        expected = model(*inputs)
        torch.testing.assert_close(other(*inputs), expected, atol=1e-5, rtol=0)
        laid_out = [x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs]
        torch.testing.assert_close(other.to(memory_format=torch.channels_last)(*laid_out), expected, atol=1e-5, rtol=0)


class Mixed(nn.Module):
    """Activations in place and not; one that two share, one beside another reader; a convolution with other padding."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(6))
        self.reflecting = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
        self.named = nn.ModuleList(nn.Conv2d(4, 4, 1, padding=name) for name in ("valid", "same"))
        self.inplace, self.six, self.shared, self.beside = (
            nn.ReLU(inplace=True), nn.ReLU6(), nn.ReLU(), nn.ReLU(inplace=True)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.inplace(self.layers[0](x))
        x = x + 7 * self.six(self.layers[1](x))
        x = self.shared(self.layers[2](x)) - self.shared(self.layers[3](x))
        both = self.layers[4](x)
        x = both.mean() + self.beside(both)
        return self.layers[5](x) + self.reflecting(x) + sum(layer(x) for layer in self.named)  # type: ignore[no-any-return]


def test_only_an_activation_that_alone_reads_a_convolution_is_fused() -> None:
    torch.manual_seed(0)
    model, x = Mixed().eval(), 3 * torch.randn(2, 4, 6, 6)
    other = copy.deepcopy(model)
    assert use_onednn(other, x[:1]) == 6
    assert [layer.activation for layer in other.layers] == ["relu", "hardtanh", "none", "none", "none", "none"]
    assert isinstance(other.inplace, nn.Identity)
    assert isinstance(other.six, nn.Identity)
    assert isinstance(other.shared, nn.ReLU)
    assert isinstance(other.beside, nn.ReLU)
    assert {type(layer) for layer in (other.reflecting, *other.named)} == {nn.Conv2d}
    with torch.no_grad():
        torch.testing.assert_close(other(x), model(x), atol=1e-5, rtol=1e-5)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in other.modules())
