"""Gradient times attention, rolled out over the layers of a vision transformer (Chefer et al. 2021, Eqs. 5 and 6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gazekit.core.errors import InputError
from gazekit.models.attention.interception import SOFTMAX
from gazekit.models.attention.preparing import prepared
from gazekit.models.attention.readout import chosen_classes, held_still, summing_to_one
from gazekit.models.timm_models import side_of_patch


class _Weights(TorchFunctionMode):
    """While it is active, a model ends at its logits, and the weights of its attention layers are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Write the fused attention out, and keep what a softmax over tokens gives."""
        kwargs = kwargs or {}
        if func in SOFTMAX and args[0].ndim == 2:
            return args[0]
        if func is F.scaled_dot_product_attention:
            return self._attend(*args, **kwargs)
        result = func(*args, **kwargs)
        if func in SOFTMAX and result.ndim == 4:
            self.kept.append(result)
        return result

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, *rest: Any, **options: Any
    ) -> Tensor:
        scale = options.get("scale") or 1 / math.sqrt(q.shape[-1])
        scores = q @ k.transpose(-2, -1) * scale
        weights = (scores if attn_mask is None else scores + attn_mask).softmax(-1)
        self.kept.append(weights)
        return weights @ v


def transformer_of(model: nn.Module) -> nn.Module | None:
    """Return the part of a model that is a vision transformer of one grid of tokens, or None."""
    wanted = ("patch_embed", "blocks", "num_prefix_tokens")
    return next((module for module in model.modules() if all(hasattr(module, name) for name in wanted)), None)


def rollout(
    model: nn.Module, pictures: Tensor, *, target: Tensor | int | None = None, layer: str | None = None
) -> Tensor:
    """Follow the evidence for a class through every attention layer back to the patches of the picture.

    Each layer's attention weights times their gradient, the positive part, the mean over heads, are multiplied up; the
    row of what the classifier reads (class token, mean of patches, or the pooling's own attention) is the map.

    Parameters
    ----------
    pictures : Tensor
        Normalised, (N, 3, H, W).
    target : Tensor or int or None
        Class of each picture, or one for all; else the predicted one.
    layer : None
        There is none to choose: all layers count.

    Returns
    -------
    Tensor
        Float32, (N, h, w), a value a patch: non-negative, each summing to 1.

    Raises
    ------
    InputError
        No vision transformer; a layer was asked for; no such class; pictures or weights that are not numbers.
    """
    if layer is not None:
        raise InputError("attention rollout reads all layers of a transformer; leave layer= away")
    with held_still(model):
        ready, inputs = prepared(model, pictures)
        transformer = transformer_of(ready)
        if transformer is None:
            raise InputError(
                f"{type(model).__name__} is no vision transformer of one grid of tokens, which attention rollout reads;"
                " use method='excitation' or 'gradcam'"
            )
        with torch.enable_grad(), _Weights() as weights:
            scores = ready(inputs.detach().clone().requires_grad_())
            score = scores.gather(1, chosen_classes(scores.detach(), target)[:, None]).sum()
        gradients = torch.autograd.grad(score, weights.kept, allow_unused=True)
    shares = [
        (weight.detach() * gradient).clamp_min(0).mean(1)
        for weight, gradient in zip(weights.kept, gradients, strict=True)
        if gradient is not None
    ]
    prefix, (rows, columns) = int(transformer.num_prefix_tokens), _grid(transformer, pictures)  # type: ignore[arg-type]
    _check_tokens(shares, prefix, rows, columns)
    return summing_to_one(_rolled(shares, transformer)[:, prefix:].reshape(-1, rows, columns))


def _rolled(shares: Sequence[Tensor], transformer: nn.Module) -> Tensor:
    """Return the relevance (N, T) of every token for what the classifier reads."""
    squares = [share for share in shares if share.shape[1] == share.shape[2]]
    tokens = squares[0].shape[1]
    relevance = torch.eye(tokens, device=squares[0].device, dtype=squares[0].dtype).expand(len(squares[0]), -1, -1)
    for share in squares:
        relevance = relevance + share @ relevance
    pooling = [share for share in shares if share.shape[1] != share.shape[2]]
    if pooling:  # the classifier's own attention over the tokens, as SigLIP has it
        return (pooling[-1] @ relevance).mean(1)
    prefix = int(transformer.num_prefix_tokens)  # type: ignore[arg-type]
    if getattr(transformer, "global_pool", "token") == "token" and prefix:
        return relevance[:, 0]
    return (relevance - torch.eye(tokens, device=relevance.device))[:, prefix:].mean(1)


def _grid(transformer: nn.Module, pictures: Tensor) -> tuple[int, int]:
    side = side_of_patch(transformer)
    rows, columns = (-(-int(length) // side) for length in pictures.shape[2:])
    return rows, columns


def _check_tokens(shares: Sequence[Tensor], prefix: int, rows: int, columns: int) -> None:
    """Refuse a transformer whose layers do not all attend to the tokens of one grid and those before them."""
    tokens = prefix + rows * columns
    others = {int(share.shape[2]) for share in shares} - {tokens}
    if others or not any(share.shape[1] == tokens for share in shares):
        found = ", ".join(map(str, sorted(others))) or "no"
        raise InputError(
            f"{found} tokens, {prefix} of them of no place, for {rows} x {columns} patches: this transformer drops or"
            " joins tokens, or attends to channels, so that they have no place; use method='gradcam'"
        )
