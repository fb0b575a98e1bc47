"""A small convolutional trunk that trains in seconds on one CPU core."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class NarrowTrunk(nn.Module):
    """Blocks of conv3x3 / 2, batch normalisation, ReLU, then the mean over the picture.

    Parameters
    ----------
    channels : Sequence[int]
        Output channels, one block each; every block halves the picture.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        before = 3
        for width in channels:
            blocks.append(_block(before, width))
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.features = before

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (N, C) of pictures (N, 3, H, W)."""
        return self.cells(pictures).mean((2, 3))

    def cells(self, pictures: Tensor) -> Tensor:
        """Features by place, (N, C, h, w)."""
        return self.blocks(pictures)  # type: ignore[no-any-return]


def _block(before: int, width: int) -> nn.Sequential:
    conv = nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())
