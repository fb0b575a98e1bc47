"""DMA-Net (Lu et al. 2015) and the multi-patch subnet of A-Lamp (Ma et al. 2017)."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from gazekit.errors import InputError, unknown_name
from gazekit.models.backbones import ConvolutionalTrunk, backbone
from gazekit.models.distribution import softmax

Aggregate = Literal["statistics", "sorting", "both"]


class MultiPatch(nn.Module):
    """One column for all patches of a picture, and an aggregation that forgets their order.

    Parameters
    ----------
    name : backbone of the shared column.
    buckets : K.
    aggregate : ``statistics``: least, largest, median and mean of each feature over the patches; ``sorting``: each
        feature's values in order; ``both``: side by side.
    patches : patches of a picture; features : length of a patch's vector.
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
        vectors = torch.relu(self.vector(features)).reshape(n, p, -1)
        return softmax(self.head(torch.relu(self.joint(self._aggregated(vectors)))))

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
    height, width = pictures.shape[2:]
    h, w = -(-height // 2), -(-width // 2)
    down, right = height - h, width - w
    places = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    patches = [
        nn.functional.interpolate(
            pictures[:, :, t : t + h, x : x + w], (height, width), mode="bilinear", align_corners=False
        )
        for t, x in places
    ]
    return torch.stack(patches, 1)
