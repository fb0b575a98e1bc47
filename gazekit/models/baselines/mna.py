"""MNA-CNN (Mai et al. 2016): adaptive spatial pooling, so that pictures keep their size and composition."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.models.backbones import ConvolutionalTrunk, backbone
from gazekit.models.distribution import softmax


class MnaCnn(nn.Module):
    """VGG16's convolutions without the last pooling; a subnet for each of several grids; the mean of their outputs.

    The published subnets have convolutions of their own and 4096 features; here they share the convolutions.

    Parameters
    ----------
    buckets : int
        K.
    grids : tuple[int, ...]
        Cells a side of each subnet's pooling.
    features : int
        Length of a subnet's vector.
    """

    keeps_aspect = True

    def __init__(self, buckets: int, grids: tuple[int, ...] = (12, 9, 6, 4, 2), features: int = 512) -> None:
        super().__init__()
        self.trunk = ConvolutionalTrunk("vgg16")
        del self.trunk.net.features[-1]  # type: ignore[operator, union-attr]
        self.grids = grids
        channels = self.trunk.channels
        self.vectors = nn.ModuleList([nn.Linear(channels * grid * grid, features) for grid in grids])
        self.heads = nn.ModuleList([nn.Linear(features, buckets) for _ in grids])
        self.readout = f"trunk.net.{backbone('vgg16').readout}"

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities (N, K) of normalised pictures (N, 3, H, W) of any size."""
        maps = self.trunk(pictures)
        outputs = [
            softmax(head(torch.relu(vector(adaptive_max(maps, grid).flatten(1)))))
            for grid, vector, head in zip(self.grids, self.vectors, self.heads, strict=True)
        ]
        return torch.stack(outputs, 1).mean(1)


def adaptive_max(maps: Tensor, grid: int) -> Tensor:
    """Return the largest value in each cell of a grid: (N, C, h, w) to (N, C, grid, grid).

    The same cells as `torch.nn.functional.adaptive_max_pool2d`, which ONNX does not have for sizes that do not divide.
    """
    rows = torch.stack([maps[:, :, a:b].amax(2) for a, b in _cells(int(maps.shape[2]), grid)], 2)
    return torch.stack([rows[:, :, :, a:b].amax(3) for a, b in _cells(int(maps.shape[3]), grid)], 3)


def _cells(length: int, grid: int) -> list[tuple[int, int]]:
    return [(i * length // grid, -(-(i + 1) * length // grid)) for i in range(grid)]
