"""DMA-Net (Lu et al. 2015) and the multi-patch subnet of A-Lamp (Ma et al. 2017)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.core.errors import InputError, unknown_name
from gazekit.models.backbones import ConvolutionalTrunk, backbone
from gazekit.models.distribution import softmax

Aggregate = Literal["statistics", "sorting", "both"]


class MultiPatch(nn.Module):
    """One column for all patches of a picture, and an aggregation that forgets their order.

    Parameters
    ----------
    name : str
        Backbone of the shared column.
    buckets : int
        K.
    aggregate : Aggregate
        ``statistics``: least, largest, median and mean of each feature over the patches; ``sorting``: each feature's
        values in order; ``both``: side by side.
    patches : int
        Patches of a picture; features : length of a patch's vector.
    """

    def __init__(
        self, name: str, buckets: int, *, aggregate: Aggregate = "both", patches: int = 5, features: int = 256
    ) -> None:
        super().__init__()
        if aggregate not in get_args(Aggregate):
            raise unknown_name("aggregation", aggregate, get_args(Aggregate))
        self.column = ConvolutionalTrunk(name)
        self.vector = nn.Linear(self.column.channels, features)
        self.aggregate, self.patches = aggregate, patches
        widths = {"statistics": 4, "sorting": patches, "both": 4 + patches}
        self.joint = nn.Linear(widths[aggregate] * features, features)
        self.head = nn.Linear(features, buckets)
        self.readout = f"column.net.{backbone(name).readout}"

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities (N, K) of normalised patches (N, P, 3, s, s), or of pictures (N, 3, H, W).

        Of a picture the corners and the middle are taken, half of its sides each; patches of the original pixels come
        from `gazekit.models.baselines.patches`.
        """
        patches = pictures if pictures.ndim == 5 else _corners_and_middle(pictures)
        n, p = patches.shape[:2]
        if p != self.patches:
            raise InputError(f"{p} patches a picture; this network was built for {self.patches}")
        features = self.column(patches.flatten(0, 1)).mean((2, 3))
        vectors = torch.relu(self.vector(features)).reshape(n, p, self.vector.out_features)
        return softmax(self.head(torch.relu(self.joint(self._aggregated(vectors)))))

    def whole(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """Put maps of patches (N P, h, w) where the patches lie: (N, H, W) with the same sums."""
        parts = maps.reshape(-1, self.patches, *maps.shape[1:])
        result = maps.new_zeros(len(parts), *size)
        for k, (top, left, height, width) in enumerate(_places(*size)):
            grown = F.interpolate(parts[:, k : k + 1], (height, width), mode="bilinear", align_corners=False)[:, 0]
            scale = parts[:, k].sum((1, 2)) / grown.sum((1, 2)).clamp_min(torch.finfo(maps.dtype).tiny)
            result[:, top : top + height, left : left + width] += grown * scale[:, None, None]
        return result

    def _aggregated(self, vectors: Tensor) -> Tensor:
        ordered = vectors.sort(dim=1).values
        parts = []
        if self.aggregate in ("statistics", "both"):
            middle = (ordered[:, (self.patches - 1) // 2] + ordered[:, self.patches // 2]) / 2
            parts += [ordered[:, 0], ordered[:, -1], middle, vectors.mean(1)]
        if self.aggregate in ("sorting", "both"):
            parts.append(ordered.flatten(1))
        return torch.cat(parts, 1)


def dma_net(buckets: int, aggregate: Aggregate = "both") -> MultiPatch:
    """DMA-Net: AlexNet's convolutions, five random patches, statistics and sorting."""
    return MultiPatch("alexnet", buckets, aggregate=aggregate)


def a_lamp(buckets: int) -> MultiPatch:
    """A-Lamp without its object graph: VGG16's convolutions, five adaptive patches, statistics."""
    return MultiPatch("vgg16", buckets, aggregate="statistics")


def _corners_and_middle(pictures: Tensor) -> Tensor:
    size = (int(pictures.shape[2]), int(pictures.shape[3]))
    patches = [
        F.interpolate(pictures[:, :, t : t + h, x : x + w], size, mode="bilinear", align_corners=False)
        for t, x, h, w in _places(*size)
    ]
    return torch.stack(patches, 1)


def _places(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of the corners and the middle."""
    h, w = -(-height // 2), -(-width // 2)
    down, right = height - h, width - w
    corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    return [(top, left, h, w) for top, left in corners]
