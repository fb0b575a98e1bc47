"""What a backbone computes of each place of a picture, and its pooling by attention instead of over the whole.

The network sees the whole picture, and a head reads only what lies where attention is: gaze inside the network, and
no pixel is masked.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.core.errors import ConfigError

ATTENDED = 0.5  # of the largest weight: cells above it give the largest values


def cells_of(trunk: nn.Module, pictures: Tensor) -> Tensor:
    """Compute the last features of a backbone by place, (N, C, h, w); a transformer's are its patch tokens.

    Raises
    ------
    ConfigError
        Its features lie on no grid.
    """
    if hasattr(trunk, "cells"):
        return trunk.cells(pictures)  # type: ignore[operator, no-any-return]
    compute: Any = getattr(trunk, "forward_features", getattr(trunk, "features", None))
    features = compute(pictures) if callable(compute) else None
    if not isinstance(features, Tensor) or features.ndim != 4:
        name = getattr(trunk, "backbone_name", type(trunk).__name__)
        raise ConfigError(f"the features of {name} lie on no grid, whose cells attention could weigh")
    return features


def tokens_on_grid(net: nn.Module, tokens: Tensor, pictures: Tensor) -> Tensor:
    """Lay the patch tokens (N, T, C) of a transformer of timm on their grid, (N, C, h, w)."""
    patch = getattr(getattr(net, "patch_embed", None), "patch_size", (1, 1))
    rows, columns = (int(side) // int(step) for side, step in zip(pictures.shape[2:], patch, strict=True))
    patches = tokens[:, int(getattr(net, "num_prefix_tokens", 0)) :]
    if patches.shape[1] != rows * columns:
        raise ConfigError(
            f"{patches.shape[1]} tokens of {getattr(net, 'backbone_name', 'this network')} are no grid of"
            f" {rows} x {columns} patches, whose cells attention could weigh"
        )
    return patches.transpose(1, 2).reshape(len(patches), -1, rows, columns)


def pooled_cells(cells: Tensor, weights: Tensor | None = None) -> Tensor:
    """Pool features by place: their weighted mean, and the largest values where attention is, (N, 2 C).

    Parameters
    ----------
    cells : Tensor
        (N, C, h, w).
    weights : Tensor, optional
        (N, H, W), 0 or more, of any larger grid: masks or maps of attention. None is the whole picture. Where all are
        0 the answer is 0, as a picture without pixels would be black.
    """
    if weights is None:
        return torch.cat([cells.mean((2, 3)), cells.amax((2, 3))], 1)
    share = F.adaptive_avg_pool2d(weights[:, None].to(cells), (int(cells.shape[2]), int(cells.shape[3])))
    total = share.sum((2, 3))
    mean = (cells * share).sum((2, 3)) / total.clamp_min(1e-12)
    attended = share > ATTENDED * share.amax((2, 3), keepdim=True)
    largest = cells.masked_fill(~attended, float("-inf")).amax((2, 3))
    pooled = torch.cat([mean, largest], 1)
    return torch.where(total > 0, pooled, torch.zeros_like(pooled))
