"""Batch normalisation folded into the convolution before it: the same network, for inference, with less to do."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from gazekit.models.fusible_layers import replaced, sole_readers


def fold_normalisation(model: nn.Module, *example: Tensor) -> int:
    """Fold, in place, every batch normalisation that alone reads what a convolution gives; returns how many.

    Which ones do is seen while the model computes ``example``. What a normalisation does besides (the activation of
    timm's) stays. The model must be in evaluation mode, and computes the same but for rounding.
    """
    pairs = sole_readers(model, (nn.BatchNorm2d,), *example)
    pairs = [(convolution, norm) for convolution, norm in pairs if norm.running_var is not None]
    for convolution, norm in pairs:
        _fold(convolution, norm)
    replaced(model, {norm: _rest(norm) for _, norm in pairs})
    return len(pairs)


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
