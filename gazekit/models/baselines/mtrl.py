"""MTRLCNN (Kao et al. 2017): aesthetics learned together with what the picture shows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.models.backbones import ConvolutionalTrunk, backbone
from gazekit.models.distribution import softmax


class MtrlCnn(nn.Module):
    """VGG16's convolutions and a shared layer, then one head for the ratings and one for the picture's subject.

    ``forward`` gives the ratings alone, and training by them reaches everything but the subject's head, which is
    frozen. Who has the subjects trains both heads: `learn_subjects`, and a loss of both results of `tasks`.

    Parameters
    ----------
    buckets : int
        K.
    subjects : int
        Semantic classes (AVA's tags: 29 of them in the published network).
    """

    def __init__(self, buckets: int, subjects: int = 29) -> None:
        super().__init__()
        self.trunk = ConvolutionalTrunk("vgg16")
        self.shared = nn.Linear(self.trunk.channels, 2048)
        self.aesthetic = nn.Sequential(nn.Linear(2048, 512), nn.ReLU(), nn.Linear(512, buckets))
        self.semantic = nn.Sequential(nn.Linear(2048, 512), nn.ReLU(), nn.Linear(512, subjects))
        self.readout = f"trunk.net.{backbone('vgg16').readout}"
        self.learn_subjects(False)

    def learn_subjects(self, learn: bool = True) -> None:
        """Choose whether the subject's head is trained; `forward` does not use it."""
        self.semantic.requires_grad_(learn)

    def tasks(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of the buckets (N, K) and of the subjects (N, ``subjects``): what both losses need."""
        shared = self._shared(pictures)
        return softmax(self.aesthetic(shared)), softmax(self.semantic(shared))

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities (N, K) of normalised pictures (N, 3, H, W)."""
        return softmax(self.aesthetic(self._shared(pictures)))

    def _shared(self, pictures: Tensor) -> Tensor:
        return torch.relu(self.shared(self.trunk(pictures).mean((2, 3))))
