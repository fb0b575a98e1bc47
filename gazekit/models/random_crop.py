"""The double column with a random crop (Random-VGG16 of Zhang et al. 2019): the whole picture and a random part."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.models.backbones import ConvolutionalTrunk, backbone
from gazekit.models.distribution import softmax
from gazekit.models.fusion import Fusion


class RandomCrop(nn.Module):
    """Two columns of one kind, joined as in PF-CNN, from (view, crop) to probabilities (N, K).

    Parameters
    ----------
    name : str
        Backbone.
    buckets : int
        K.
    """

    def __init__(self, name: str, buckets: int) -> None:
        super().__init__()
        self.column = ConvolutionalTrunk(name)
        self.crop = ConvolutionalTrunk(name)
        self.fusion = Fusion(self.column.channels, None)
        self.head = nn.Linear(Fusion.width, buckets)
        self.readout = f"column.net.{backbone(name).readout}"

    def forward(self, view: Tensor, crop: Tensor | None = None) -> Tensor:
        """Probabilities of normalised pictures.

        Parameters
        ----------
        view : Tensor
            (N, 3, h, w), the whole picture.
        crop : Tensor or None
            (N, 3, s, s), a part of the original (`gazekit.models.pixels.random_crop`). Without it the part is half of
            the view's sides: a random one in training, the middle in evaluation.
        """
        if crop is None:
            crop = part_of(view, self.training)
        return softmax(self.head(self.fusion(self.column(view), self.crop(crop))))


def part_of(view: Tensor, random: bool) -> Tensor:
    """Half of the sides of each view (N, 3, h, w), at a random place or in the middle, enlarged to the same size."""
    height, width = view.shape[2:]
    h, w = -(-height // 2), -(-width // 2)
    top, left = (height - h) // 2, (width - w) // 2
    if random:
        top, left = int(torch.randint(height - h + 1, ())), int(torch.randint(width - w + 1, ()))
    part = view[:, :, top : top + h, left : left + w]
    return nn.functional.interpolate(part, (height, width), mode="bilinear", align_corners=False)
