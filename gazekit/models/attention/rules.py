"""The rules of excitation backprop, one an operation (Zhang et al. 2016; Zhang et al. 2019, Eqs. 2 and 3).

A winning probability p goes down through an operation instead of a gradient. Each rule is an autograd function whose
forward pass computes what the model would have computed, and whose backward pass sends p to the inputs:

* convolution, linear layer, average pooling, mean, interpolation: p_in = x f^T(W+, p / f(x, W+)), where x is the
  positive part of the response, W+ the positive weights, and the bias is dropped;
* activation, batch normalisation, softmax: p stays where it is;
* addition: split by the positive part of each term, halves where both are zero. The papers' probabilities allow no
  negative share; two public codes split by a / (a + b) as it is, by which 8 to 13 % of a ResNet's neurons are negative
  and maps differ by 8 to 37 %;
* product of a response with a gate: p goes to the response. The weights of an attention layer (softmax over tokens,
  fused or not) are gates of its values: p goes to the values alone, in proportion to weight times value;
* max pooling, concatenation, reshaping: ordinary routing.

A neuron without positive evidence would lose its share: it goes to the others in proportion, so that each picture's
mass is conserved; where no neuron of a layer has evidence, it is spread over the positive responses, or evenly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_TINY = 1e-20
_BLOCK = 1 << 20
_ONEDNN = "_linear_pointwise"
Operation = Callable[[Tensor], Tensor]


class Weighted(torch.autograd.Function):
    """An operation that is linear in x: ``compute`` as in the model, ``positive`` with W+ and no bias."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, compute: Operation, positive: Operation) -> Tensor:
        """Return the model's own output."""
        ctx.save_for_backward(x)
        ctx.positive = positive
        return compute(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Send p down by Eq. 3, with the mass of each picture kept."""
        (p,) = grads
        (x,) = ctx.saved_tensors
        response = x.clamp_min(0).detach().requires_grad_()
        with torch.enable_grad():
            evidence = ctx.positive(response)
        share = torch.where(evidence > _TINY, p / evidence.clamp_min(_TINY), 0)
        (back,) = torch.autograd.grad(evidence, response, share)
        return _with_mass_of(p, response.detach() * back, response.detach()), None, None


class Dense(torch.autograd.Function):
    """`Weighted` for a matrix, x W^T + b: a block of rows at a time, so that W+ never exists as a whole.

    The matrices of AlexNet and VGG16 are large and the batches small: what takes time is to read W, and the way down
    reads it once, as the way up does.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return the model's own output (N, outputs) for a weight (outputs, inputs) and x of N x inputs values."""
        ctx.save_for_backward(x, weight)
        return _times(x.flatten(1), weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Send p down by Eq. 3, with the mass of each picture kept."""
        x, weight = ctx.saved_tensors
        p, response = grads[0].flatten(1), x.clamp_min(0).flatten(1)
        back = torch.zeros_like(response)
        rows = max(1, _BLOCK // weight.shape[1])
        block = torch.empty(rows, weight.shape[1], dtype=weight.dtype, device=weight.device)
        for start in range(0, weight.shape[0], rows):
            part = p[:, start : start + rows]
            positive = torch.clamp_min(weight[start : start + rows], 0, out=block[: part.shape[1]])
            evidence = _times(response, positive)
            back += _times(torch.where(evidence > _TINY, part / evidence.clamp_min(_TINY), 0), positive.T)
        return _with_mass_of(p, response * back, response).reshape(x.shape), None, None


class Through(torch.autograd.Function):
    """An operation on single values: p stays where it is."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, compute: Operation) -> Tensor:
        """Return the model's own output."""
        return compute(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Return the same p."""
        return grads[0], None


class Split(torch.autograd.Function):
    """A sum of two terms of one shape: p is split by their positive parts."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """Return the sum."""
        ctx.save_for_backward(a, b)
        return a + b

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """Return the two shares of p."""
        (p,) = grads
        a, b = (t.clamp_min(0) for t in ctx.saved_tensors)
        total = a + b
        share = torch.where(total > _TINY, a / total.clamp_min(_TINY), 0.5)
        return p * share, p * (1 - share)


class Gated(torch.autograd.Function):
    """A response times a gate: p goes to the response alone."""

    @staticmethod
    def forward(ctx: Any, response: Tensor, gate: Tensor) -> Tensor:
        """Return the product."""
        return response * gate

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        """All of p to the response."""
        return grads[0], None


def _times(x: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute x M^T + b of x (N, inputs), M (outputs, inputs); on a CPU oneDNN is faster than BLAS for few rows."""
    if x.device.type == "cpu" and x.dtype == matrix.dtype == torch.float32 and hasattr(torch.ops.mkldnn, _ONEDNN):
        return getattr(torch.ops.mkldnn, _ONEDNN)(x, matrix, bias, "none", [], "")  # type: ignore[no-any-return]
    return torch.nn.functional.linear(x, matrix, bias)


def _with_mass_of(p: Tensor, p_in: Tensor, response: Tensor) -> Tensor:
    wanted, given = _mass(p), _mass(p_in)
    scaled = p_in * (wanted / given.clamp_min(_TINY)).reshape(-1, *[1] * (p_in.ndim - 1))
    dead = (given <= _TINY) & (wanted > 0)
    if not bool(dead.any()):
        return scaled
    spread = torch.where((_mass(response) > 0).reshape(-1, *[1] * (p_in.ndim - 1)), response, 1.0)
    spread = spread * (wanted / _mass(spread)).reshape(-1, *[1] * (p_in.ndim - 1))
    return torch.where(dead.reshape(-1, *[1] * (p_in.ndim - 1)), spread, scaled)


def _mass(p: Tensor) -> Tensor:
    return p.sum(tuple(range(1, p.ndim)))
