"""Batch normalisation folded into the convolution before it: the same network, for inference, with less to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.overrides import TorchFunctionMode


def fold_normalisation(model: nn.Module, *example: Tensor) -> int:
    """Fold, in place, every batch normalisation that alone reads what a convolution gives; returns how many.

    Which ones do is seen while the model computes ``example``. What a normalisation does besides (the activation of
    timm's) stays. The model must be in evaluation mode, and computes the same but for rounding.
    """
    seen = _Pairs()
    hooks = [hook for module in model.modules() for hook in seen.hooks(module)]
    try:
        with torch.no_grad(), seen:
            model(*example)
    finally:
        for hook in hooks:
            hook.remove()
    places = {
        child: (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.BatchNorm2d)
    }
    pairs = seen.alone()
    for norm, convolution in pairs:
        _fold(convolution, norm)
        parent, name = places[norm]
        setattr(parent, name, _rest(norm))
    return len(pairs)


class _Pairs(TorchFunctionMode):
    """Watches which normalisation reads which convolution, and who else does."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensors are held: an id stays theirs
        self.uses: Counter[int] = Counter()
        self.calls: Counter[nn.Module] = Counter()
        self.read: list[tuple[nn.BatchNorm2d, int]] = []
        self.within = 0

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the tensors that a function takes outside of a normalisation."""
        if not self.within:
            taken = (*args, *(kwargs or {}).values())
            lists = (t if isinstance(t, list | tuple) else (t,) for t in taken)
            self.uses.update(id(t) for some in lists for t in some if isinstance(t, Tensor))
        return func(*args, **(kwargs or {}))

    def hooks(self, module: nn.Module) -> list[Any]:
        """What to remove when it has watched enough."""
        if isinstance(module, nn.Conv2d):
            return [module.register_forward_hook(self._give)]
        if isinstance(module, nn.BatchNorm2d):
            return [module.register_forward_pre_hook(self._enter), module.register_forward_hook(self._leave)]
        return []

    def alone(self) -> list[tuple[nn.BatchNorm2d, nn.Conv2d]]:
        """The pairs in which neither is used twice and nobody else reads what is between them."""
        found = []
        for norm, key in self.read:
            convolution = self.given[key][0]
            if self.calls[norm] == self.calls[convolution] == 1 and not self.uses[key] and norm.running_var is not None:
                found.append((norm, convolution))
        return found

    def _give(self, module: nn.Conv2d, inputs: Any, output: Tensor) -> None:
        self.calls[module] += 1
        self.given[id(output)] = (module, output)
        self.uses[id(output)] = 0

    def _enter(self, module: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        self.calls[module] += 1
        self.within += 1
        if id(inputs[0]) in self.given:
            self.read.append((module, id(inputs[0])))

    def _leave(self, module: nn.BatchNorm2d, inputs: Any, output: Tensor) -> None:
        self.within -= 1


def _fold(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    convolution.weight, convolution.bias = fuse_conv_bn_weights(
        convolution.weight,
        convolution.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )


def _rest(norm: nn.BatchNorm2d) -> nn.Module:
    parts = [getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)]
    return nn.Sequential(*parts)
