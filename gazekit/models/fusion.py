"""Joining two subnets: gated information fusion (Zhang et al. 2019, Eqs. 5 to 8), and without the gate."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gazekit.core.errors import unknown_name


@dataclass(frozen=True)
class GateSizes:
    """W1 and W2 of Table II: the bottleneck and the number of gated channels."""

    w1: int
    w2: int


TABLE_II = {
    "alexnet": GateSizes(128, 256),
    "vgg16": GateSizes(256, 512),
    "inception": GateSizes(512, 2048),
    "resnet18": GateSizes(64, 512),
}


class Gate(nn.Module):
    """One weight a channel: W1, ReLU, W2, sigmoid (Eqs. 6 and 7)."""

    def __init__(self, channels: int, sizes: GateSizes) -> None:
        super().__init__()
        self.w1 = nn.Linear(channels, sizes.w1)
        self.w2 = nn.Linear(sizes.w1, sizes.w2)

    def forward(self, z: Tensor) -> Tensor:
        """Gates (N, W2), within 0 and 1, of squeezed features (N, channels)."""
        return torch.sigmoid(self.w2(torch.relu(self.w1(z))))


class Fusion(nn.Module):
    """Two subnets' features, (N, C, h, w) each and of any sizes, to one vector (N, 4096).

    Both are averaged over the picture; with gates, each is weighted by its gate, which sees both; then FC 2048 + ReLU a
    branch, concatenation, FC 4096 + ReLU.

    Parameters
    ----------
    channels : int
        C.
    gates : GateSizes or None
        Table II's sizes; None leaves the gates out (PF-CNN, random crop).
    """

    width = 4096

    def __init__(self, channels: int, gates: GateSizes | None) -> None:
        super().__init__()
        self.gates = nn.ModuleList([Gate(2 * channels, gates) for _ in range(2)] if gates else [])
        self.branches = nn.ModuleList([nn.Linear(channels, 2048) for _ in range(2)])
        self.joint = nn.Linear(4096, self.width)

    def weights(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two gates O1 and O2, (N, C) each (Zhang et al. 2019, Fig. 3); needs a fusion with gates."""
        z = torch.cat([first.mean((2, 3)), second.mean((2, 3))], 1)
        return self.gates[0](z), self.gates[1](z)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Fuse the peripheral (first) and foveal (second) features."""
        vectors = [first.mean((2, 3)), second.mean((2, 3))]
        if len(self.gates):
            z = torch.cat(vectors, 1)
            vectors = [vector * gate(z) for vector, gate in zip(vectors, self.gates, strict=True)]
        branches = [torch.relu(fc(vector)) for vector, fc in zip(vectors, self.branches, strict=True)]
        return torch.relu(self.joint(torch.cat(branches, 1)))


def gate_sizes(backbone: str) -> GateSizes:
    """Table II's sizes for a backbone; an unknown name is answered with the close ones."""
    if backbone not in TABLE_II:
        raise unknown_name("backbone of GPF-CNN", backbone, TABLE_II)
    return TABLE_II[backbone]
