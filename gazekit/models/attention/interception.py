"""Reading and replacing what a model computes while it runs, without editing the model.

`capture` keeps the output of layers by forward hooks; a `torch.overrides.TorchFunctionMode` sees every torch function
that the model calls and may answer with another one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gazekit.core.errors import InputError

SOFTMAX = {torch.softmax, Tensor.softmax, F.softmax}


class Logits(TorchFunctionMode):
    """While it is active a softmax gives its input: models end at the scores before it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Pass the input on in place of a softmax; run anything else as it is."""
        if func in SOFTMAX:
            return args[0]
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def capture(model: nn.Module, *paths: str, detach: bool) -> Iterator[dict[str, Tensor]]:
    """Keep the output of the layers at these paths, for as long as the block runs.

    With ``detach`` the first of them starts a new graph: it is cut from what came before, requires a gradient, and
    gradients are recorded from there on. What comes before costs no more than a pass without gradients.

    Raises
    ------
    InputError
        A layer that the pass within the block did not reach, or that gives no tensor.
    """
    kept: dict[str, Tensor] = {}
    modules = dict(model.named_modules())

    def hook(path: str, cut: bool) -> Callable[[nn.Module, Any, Any], Tensor]:
        def keep(module: nn.Module, inputs: Any, output: Any) -> Tensor:
            if not isinstance(output, Tensor):
                raise InputError(f"layer {path!r} gives {type(output).__name__}; one that gives a tensor is needed")
            if cut:
                output = output.detach().clone().requires_grad_()
                torch.set_grad_enabled(True)
            kept[path] = output
            passed: Tensor = output.view_as(output) if cut else output
            return passed

        return keep

    handles = [modules[p].register_forward_hook(hook(p, detach and p == paths[0])) for p in paths]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()
    if absent := [path for path in paths if path not in kept]:
        raise InputError(f"the network computes its scores without layer {absent[0]!r}; choose one on the way to them")


def gradients(scores: Tensor, kept: Mapping[str, Tensor], weights: Tensor | None = None) -> dict[str, Tensor]:
    """Compute the gradients of scores, summed by their weights, with respect to what layers gave.

    Raises
    ------
    InputError
        A layer from which nothing passes to the scores.
    """
    found: Sequence[Tensor | None] = [None] * len(kept)
    if scores.requires_grad:  # else no layer is on the way to them
        found = torch.autograd.grad(scores, list(kept.values()), weights, allow_unused=True)
    for path, gradient in zip(kept, found, strict=True):
        if gradient is None:
            raise InputError(f"nothing passes from layer {path!r} to the scores; choose one on the way to them")
    return dict(zip(kept, cast("Sequence[Tensor]", found), strict=True))
