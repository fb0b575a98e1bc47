"""Convolutions computed by oneDNN together with the activation after them, for scoring on a CPU.

torch itself computes convolutions of 1 x 1 by another way, half as fast, where one thread has fewer than 16 pictures;
and an activation of its own reads and writes every feature map once more.
"""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn

from gazekit.models.fusible_layers import replaced, sole_readers

_ACTIVATIONS = (nn.ReLU, nn.ReLU6)


def use_onednn(model: nn.Module, *example: Tensor) -> int:
    """Let oneDNN compute, in place, all plain convolutions of a model; returns how many (0 where torch is without it).

    Which activations belong to them is seen while the model computes ``example``; see `sole_readers`. The model must be
    in evaluation mode, and computes the same but for rounding.
    """
    there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not there or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
        return 0
    activations: dict[nn.Module, nn.Module] = dict(sole_readers(model, _ACTIVATIONS, *example))
    plain = [module for module in model.modules() if _is_plain(module)]
    replaced(model, {activations[layer]: nn.Identity() for layer in plain if layer in activations})
    replaced(model, {layer: Convolution(layer, activations.get(layer)) for layer in plain})
    return len(plain)


class Convolution(nn.Module):
    """A convolution and the activation after it, as one."""

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        self.settings = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        self.limits = [0.0, 6.0] if isinstance(activation, nn.ReLU6) else []
        self.activation = "none" if activation is None else "hardtanh" if self.limits else "relu"

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, K, h, w)."""
        layer = (*self.settings, self.activation, self.limits, "")
        return torch.ops.mkldnn._convolution_pointwise(x, self.weight, self.bias, *layer)  # type: ignore[no-any-return]


def _is_plain(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)
