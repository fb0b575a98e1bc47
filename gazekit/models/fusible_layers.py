"""Which layer of a network alone reads what a convolution gives: seen while the network computes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Reader = TypeVar("Reader", bound=nn.Module)


def sole_readers(model: nn.Module, kinds: tuple[type[Reader], ...], *example: Tensor) -> list[tuple[nn.Conv2d, Reader]]:
    """Find convolutions whose output one layer of these kinds reads and nothing else, with that layer.

    Both are used once in a pass; what is seen is the pass of ``example``. The model must be in evaluation mode.
    """
    watched = _Pass(kinds)
    hooks = [hook for module in model.modules() for hook in watched.hooks(module)]
    try:
        with torch.no_grad(), watched:
            model(*example)
    finally:
        for hook in hooks:
            hook.remove()
    return watched.alone()


def replaced(model: nn.Module, layers: dict[nn.Module, nn.Module]) -> None:
    """Put other layers in the places of some, in place."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child in layers:
                setattr(parent, name, layers[child])


@dataclass
class _Output:
    convolution: nn.Conv2d
    tensor: Tensor  # held: its id stays its own
    uses: int = 0


class _Pass(TorchFunctionMode):
    """Watches one pass: which layers read a convolution's output, and how often anything else takes it."""

    def __init__(self, kinds: tuple[type[Any], ...]) -> None:
        super().__init__()
        self.kinds = kinds
        self.outputs: dict[int, _Output] = {}
        self.calls: Counter[nn.Module] = Counter()
        self.read: list[tuple[Any, _Output]] = []
        self.within = 0

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the tensors that a function takes outside of a reader."""
        if not self.within:
            taken = (*args, *(kwargs or {}).values())
            lists = (t if isinstance(t, list | tuple) else (t,) for t in taken)
            for tensor in (t for some in lists for t in some if id(t) in self.outputs):
                self.outputs[id(tensor)].uses += 1
        return func(*args, **(kwargs or {}))

    def hooks(self, module: nn.Module) -> list[Any]:
        """Return the hooks to remove after watching."""
        if isinstance(module, nn.Conv2d):
            return [module.register_forward_hook(self._give)]
        if isinstance(module, self.kinds):
            return [module.register_forward_pre_hook(self._enter), module.register_forward_hook(self._leave)]
        return []

    def alone(self) -> list[tuple[nn.Conv2d, Any]]:
        """Return the pairs in which neither is used twice and nothing else reads what lies between them."""
        return [
            (output.convolution, reader)
            for reader, output in self.read
            if self.calls[reader] == self.calls[output.convolution] == 1 and output.uses == 1
        ]

    def _give(self, module: nn.Conv2d, inputs: Any, output: Tensor) -> None:
        self.calls[module] += 1
        self.outputs[id(output)] = _Output(module, output)

    def _enter(self, module: nn.Module, inputs: tuple[Tensor]) -> None:
        self.calls[module] += 1
        self.within += 1
        if id(inputs[0]) in self.outputs:
            read = self.outputs[id(inputs[0])]
            read.uses += 1
            self.read.append((module, read))

    def _leave(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        self.within -= 1
        if output is inputs[0]:  # changed in place: who reads it from here on reads the layer, not the convolution
            self.outputs.pop(id(output), None)
