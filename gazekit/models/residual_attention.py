"""Residual Attention Network (Wang et al. 2017, from the authors' layer files)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.models.distribution import softmax

Pooling = Literal["published", "padded"]
MARK = "published_pooling"


@dataclass(frozen=True)
class Layout:
    """How deep and how wide a network is.

    Attributes
    ----------
    modules : tuple[int, ...]
        Attention modules a stage (Attention-56: 1, 1, 1; Attention-92: 1, 2, 3).
    widths : tuple[int, ...]
        Channels after the stem, after each stage, and of the last units.
    levels : tuple[int, ...]
        Downsamplings in the mask branch, a stage.
    trunk : int
        Residual units in the trunk branch (t; p and r are 1).
    last : int
        Residual units after the last stage.
    stem : int
        Kernel of the first convolution.
    """

    modules: tuple[int, ...]
    widths: tuple[int, ...] = (64, 256, 512, 1024, 2048)
    levels: tuple[int, ...] = (3, 2, 1)
    trunk: int = 2
    last: int = 3
    stem: int = 7


ATTENTION_56 = Layout((1, 1, 1))
ATTENTION_92 = Layout((1, 2, 3))
NARROW = Layout((1, 1), widths=(8, 16, 32, 64), levels=(2, 1), trunk=1, last=1, stem=3)


class ResidualUnit(nn.Module):
    """A pre-activation bottleneck: (N, before, h, w) to (N, width, h / stride, w / stride)."""

    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        inner = max(width // 4, 4)
        self.norm1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.norm3 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, width, 1, bias=False)
        same = before == width and stride == 1
        self.shortcut = None if same else nn.Conv2d(before, width, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output; the projection, where there is one, starts after the first activation."""
        y = F.relu(self.norm1(x))
        identity = x if self.shortcut is None else self.shortcut(y)
        y = self.conv1(y)
        y = self.conv2(F.relu(self.norm2(y)))
        y = self.conv3(F.relu(self.norm3(y)))
        return identity + y  # type: ignore[no-any-return]


class Halving(nn.Module):
    """Max pooling 3/2: windows 2i .. 2i + 2 without padding, the last one cut off, as Caffe counts them.

    ``padded`` is how gazekit 0.1.0 pooled: windows 2i - 1 .. 2i + 1.
    """

    padded = False

    def forward(self, x: Tensor) -> Tensor:
        """Pool (N, C, h, w) to half its height and width, rounded down (``padded``: up)."""
        if self.padded:
            return F.max_pool2d(x, 3, stride=2, padding=1)
        if min(x.shape[2:]) < 2:  # a row that is one pixel wide: torch has no window for it
            x = F.pad(x, (0, int(x.shape[3] < 2), 0, int(x.shape[2] < 2)), mode="replicate")
        return F.max_pool2d(x, 3, stride=2, ceil_mode=True)


class Enlarging(nn.Module):
    """Bilinear interpolation to the size of another map, Caffe's ``Interp``.

    The authors' layer lists give ``Interp`` a size and no parameters. By default values stand at the middles of pixels:
    then a map that was halved and enlarged lies half a pixel before the windows it came from, everywhere. With
    ``align_corners``, as DeepLab's layer of that name computes, corners stay and it lies between one pixel before (top
    left) and in place (bottom right), so that how far depends on where.
    """

    align_corners = False

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        """Enlarge (N, C, h, w) to the height and width of ``like``."""
        return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=self.align_corners)


class MaskBranch(nn.Module):
    """The soft mask: down, up, sigmoid. Features (N, C, h, w) to a mask of the same shape, within 0 and 1.

    At every level but the deepest there is a unit on the way down, a skip unit, and a unit on the way up after the
    skip is added; two units at the bottom. The last upsampling adds nothing.
    """

    def __init__(self, width: int, levels: int) -> None:
        super().__init__()
        self.halve, self.enlarge = Halving(), Enlarging()
        self.down = nn.ModuleList(ResidualUnit(width, width) for _ in range(levels - 1))
        self.skip = nn.ModuleList(ResidualUnit(width, width) for _ in range(levels - 1))
        self.up = nn.ModuleList(ResidualUnit(width, width) for _ in range(levels - 1))
        self.bottom = nn.Sequential(ResidualUnit(width, width), ResidualUnit(width, width))
        self.out = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the mask of x."""
        skips: list[Tensor] = []
        y = self.halve(x)
        for down, skip in zip(self.down, self.skip, strict=True):
            y = down(y)
            skips.append(skip(y))
            y = self.halve(y)
        y = self.bottom(y)
        for up, kept in zip(self.up, reversed(skips), strict=True):
            y = up(self.enlarge(y, kept) + kept)
        return torch.sigmoid(self.out(self.enlarge(y, x)))


class AttentionModule(nn.Module):
    """A unit; then trunk T and mask M side by side, joined as (1 + M) T; then a unit.

    With ``naive`` they are joined as M T, the ablation of Wang et al. that Mandal et al. 2021 prints as its formula.
    """

    def __init__(self, width: int, levels: int, trunk: int, naive: bool) -> None:
        super().__init__()
        self.before = ResidualUnit(width, width)
        self.trunk = nn.Sequential(*(ResidualUnit(width, width) for _ in range(trunk)))
        self.mask = MaskBranch(width, levels)
        self.after = ResidualUnit(width, width)
        self.naive = naive

    def forward(self, x: Tensor) -> Tensor:
        """Features of the same shape as x."""
        x = self.before(x)
        mask = self.mask(x)
        return self.after(self.trunk(x) * (mask if self.naive else 1 + mask))  # type: ignore[no-any-return]


class ResidualAttention(nn.Module):
    """The whole network, from normalised pictures (N, 3, H, W) to probabilities (N, K); any H and W from 32 up.

    Parameters
    ----------
    layout : Layout
        Depth and width.
    buckets : int
        K, the number of rating buckets.
    naive : bool
        Join trunk and mask as M T in place of (1 + M) T.
    pooling : Pooling
        ``published``, as in the authors' layer files; ``padded``, as in gazekit 0.1.0. A state dict says which one its
        network has: those of 0.1.0 lack the mark `MARK`, and bring the padded pooling with them.
    align_corners : bool
        See `Enlarging`.
    """

    readout: str

    def __init__(
        self,
        layout: Layout,
        buckets: int,
        *,
        naive: bool = False,
        pooling: Pooling = "published",
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        stem, *widths = layout.widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, layout.stem, stride=2, padding=layout.stem // 2, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
            Halving(),
        )
        stages: list[nn.Module] = []
        before = stem
        for i, width in enumerate(widths[:-1]):
            stages.append(_stage(before, width, i, layout, naive))
            before = width
        self.stages = nn.Sequential(*stages)
        self.last = nn.Sequential(
            ResidualUnit(before, widths[-1], 2),
            *(ResidualUnit(widths[-1], widths[-1]) for _ in range(layout.last - 1)),
            nn.BatchNorm2d(widths[-1]),
            nn.ReLU(),
        )
        self.head = nn.Linear(widths[-1], buckets)
        self.readout = f"stages.{len(stages) - 1}"
        _initialise(self)
        self.set_pooling(pooling)
        for module in self.modules():
            if isinstance(module, Enlarging):
                module.align_corners = align_corners
        self.register_load_state_dict_pre_hook(_follow_mark)  # type: ignore[no-untyped-call]

    def set_pooling(self, pooling: Pooling) -> None:
        """Pool as published, with the mark in the state dict, or padded, without it."""
        for module in self.modules():
            if isinstance(module, Halving):
                module.padded = pooling == "padded"
        if pooling == "published":
            self.register_buffer(MARK, torch.ones((), dtype=torch.bool))
        elif hasattr(self, MARK):
            delattr(self, MARK)

    def forward(self, pictures: Tensor) -> Tensor:
        """Probabilities (N, K) of normalised pictures (N, 3, H, W)."""
        features = self.last(self.stages(self.stem(pictures)))
        return softmax(self.head(features.mean((2, 3))))

    def mask_branches(self) -> Sequence[MaskBranch]:
        """Return the mask branches, from the first stage to the last."""
        return [module for module in self.modules() if isinstance(module, MaskBranch)]


def _stage(before: int, width: int, index: int, layout: Layout, naive: bool) -> nn.Sequential:
    first = ResidualUnit(before, width, stride=1 if index == 0 else 2)
    attention = (
        AttentionModule(width, layout.levels[index], layout.trunk, naive) for _ in range(layout.modules[index])
    )
    return nn.Sequential(first, *attention)


def _follow_mark(network: ResidualAttention, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    network.set_pooling("published" if prefix + MARK in state else "padded")


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
