"""What a model costs: parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from gazekit.models.inputs import example_inputs

_SAME_SHAPE = {F.batch_norm, F.relu, F.relu6, F.dropout}


class ShapesOnly(TorchFunctionMode):
    """On the ``meta`` device: leave out what changes no shape and costs no product, as filling in random numbers."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Pass the first argument on in place of such a function's result; run anything else as it is."""
        name = getattr(func, "__name__", "")
        first = next((t for t in (*args, *(kwargs or {}).values()) if isinstance(t, Tensor)), None)
        if first is not None and (func in _SAME_SHAPE or (name.endswith("_") and not name.startswith("_"))):
            return first
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Cost:
    """``parameters``: trainable numbers; ``macs``: multiply-accumulates of one picture."""

    parameters: int
    macs: int


def count(model: nn.Module, size: int | tuple[int, int]) -> Cost:
    """Count a model's parameters, and the multiply-accumulates of its convolutions and matrix products.

    Parameters
    ----------
    model : nn.Module
        On any device; on ``meta`` nothing is computed.
    size : int or tuple[int, int]
        The picture's side, or (height, width), in pixels.
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*example_inputs(model, size))
    return Cost(sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2)
