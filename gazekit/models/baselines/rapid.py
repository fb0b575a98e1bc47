"""RAPID (Lu et al. 2015): a column for the whole picture and one for a random part of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.models.backbones import ConvolutionalTrunk, backbone
from gazekit.models.distribution import softmax
from gazekit.models.random_crop import part_of


class Rapid(nn.Module):
    """Two columns of AlexNet's convolutions, 256 features each, joined before the output.

    Parameters
    ----------
    buckets : int
        K.
    name : str
        Backbone of both columns.
    """

    def __init__(self, buckets: int, name: str = "alexnet") -> None:
        super().__init__()
        self.column = ConvolutionalTrunk(name)
        self.crop = ConvolutionalTrunk(name)
        self.vectors = nn.ModuleList([nn.Linear(self.column.channels, 256) for _ in range(2)])
        self.head = nn.Linear(512, buckets)
        self.readout = f"column.net.{backbone(name).readout}"

    def forward(self, view: Tensor, crop: Tensor | None = None) -> Tensor:
        """Probabilities (N, K) of normalised views (N, 3, h, w) and parts of the originals (N, 3, s, s).

        Without ``crop`` the part is half of the view's sides: random in training, the middle in evaluation.
        """
        if crop is None:
            crop = part_of(view, self.training)
        features = (self.column(view), self.crop(crop))
        vectors = [torch.relu(fc(f.mean((2, 3)))) for fc, f in zip(self.vectors, features, strict=True)]
        return softmax(self.head(torch.cat(vectors, 1)))
