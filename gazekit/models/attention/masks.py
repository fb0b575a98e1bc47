"""The soft masks of a Residual Attention Network, read out as maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.core.errors import InputError
from gazekit.models.attention.readout import held_still, resized, summing_to_one
from gazekit.models.residual_attention import MaskBranch


def soft_masks(model: nn.Module, pictures: Tensor) -> list[Tensor]:
    """Return the mask of every attention module, from the first stage to the last: each (N, C, h, w), within 0 and 1.

    Raises
    ------
    InputError
        The model has no mask branch.
    """
    branches = [module for module in model.modules() if isinstance(module, MaskBranch)]
    if not branches:
        raise InputError(f"{type(model).__name__} has no soft masks; use method='excitation' or 'gradcam'")
    masks: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, mask: Tensor) -> None:
        masks.append(mask)

    handles = [branch.register_forward_hook(keep) for branch in branches]
    try:
        with held_still(model), torch.no_grad():
            model(pictures)
    finally:
        for handle in handles:
            handle.remove()
    return masks


def soft_mask_maps(model: nn.Module, pictures: Tensor, size: tuple[int, int] | None = None) -> Tensor:
    """One map a picture of all its soft masks: (N, h, w) of ``size`` or of the largest mask, each summing to 1.

    A mask counts as the mean over its channels, less its smallest value in the picture (a sigmoid never reaches 0,
    and only differences say where); it then weighs as much as any other.
    """
    maps = []
    masks = soft_masks(model, pictures)
    target = size or (int(masks[0].shape[2]), int(masks[0].shape[3]))
    for mask in masks:
        mean = mask.float().mean(1)
        mean = mean - mean.amin((1, 2), keepdim=True)
        maps.append(resized(mean, target))
    return summing_to_one(torch.stack(maps).mean(0))
