"""What a model costs: parameters and multiply-accumulates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gazekit.models.inputs import example_inputs


@dataclass(frozen=True)
class Cost:
    """``parameters``: trainable numbers; ``macs``: multiply-accumulates of one picture."""

    parameters: int
    macs: int


def count(model: nn.Module, size: int | tuple[int, int]) -> Cost:
    """Count a model's parameters, and the multiply-accumulates of its convolutions and matrix products.

    Parameters
    ----------
    model : on any device; on ``meta`` nothing is computed.
    size : the picture's side, or (height, width), in pixels.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*example_inputs(model, size))
    return Cost(sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2)
