"""From a picture's features to a distribution over rating buckets."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def softmax(logits: Tensor) -> Tensor:
    """Probabilities over the last axis, always computed in float32: shape (N, K) in, (N, K) out."""
    return torch.softmax(logits.float(), dim=-1)


class Distribution(nn.Module):
    """A trunk, dropout, one linear layer, softmax (the head of NIMA, Talebi & Milanfar 2018).

    Parameters
    ----------
    trunk : nn.Module
        Gives features (N, ``features``) of normalised pictures (N, 3, H, W).
    buckets : int
        K, the number of rating buckets.
    dropout : float
        The share of features that is dropped in training.
    readout : str
        The path of the layer at which attention maps are read.
    """

    def __init__(self, trunk: nn.Module, features: int, buckets: int, *, dropout: float, readout: str) -> None:
        super().__init__()
        self.trunk = trunk
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, buckets)
        self.readout = readout

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities (N, K) of normalised pictures (N, 3, H, W)."""
        return softmax(self.head(self.dropout(self.trunk(pictures))))
