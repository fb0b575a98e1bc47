"""Features of a frozen network at several depths, on the grid of a picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.core.errors import InputError
from gazekit.core.types import Pixels
from gazekit.models.pixels import normalised, resize, view_size

FINEST = 8  # pixels of a cell of the first depth that is read
CELL = 16  # pixels of a cell of the grid that features are brought to
WIDENED = ".0.bn1"
SCALES = (1.0, 0.5)  # a picture is seen twice: its details, and with more of what is around them
Depths = list[Tensor]


def depths_of(model: nn.Module) -> list[str]:
    """Return the paths of the layers that are read: strides from 8, what is activated in between, the last features.

    Raises
    ------
    InputError
        Not a network of timm whose layers give maps at known strides.
    """
    net = getattr(getattr(model, "trunk", None), "net", None)
    modules = dict(model.named_modules())
    stages = [
        f"trunk.net.{stage['module']}"
        for stage in getattr(net, "feature_info", None) or []
        if int(stage.get("reduction", 0)) >= FINEST
    ]
    stages = [path for path in stages if path in modules]
    if not stages or getattr(net, "output_fmt", "NCHW") != "NCHW" or hasattr(net, "num_prefix_tokens"):
        raise InputError(
            "attention is predicted from a convolutional network of timm, as timm:tf_efficientnet_lite0; this one does"
            " not say which of its layers give maps (N, C, h, w)"
        )
    between = _between(stages)
    return [*between, *_expanded(between, modules), "trunk.map"]


def _between(stages: Sequence[str]) -> list[str]:
    """Add the siblings between the stages: networks with two blocks at one stride name the last of them alone."""
    first, last = stages[0], stages[-1]
    parent, _, start = first.rpartition(".")
    if not start.isdigit() or last.rpartition(".")[0] != parent:
        return list(stages)
    return [f"{parent}.{number}" for number in range(int(start), int(last.rpartition(".")[2]) + 1)]


def _expanded(stages: Sequence[str], modules: Mapping[str, nn.Module]) -> list[str]:
    """Return where the stages after the first widen what they get: mobile networks activate features only there."""
    wide = [stage + WIDENED for stage in stages[1:] if f"{stage}.0.conv_pw" in modules]
    return [path for path in wide if path in modules]


def dense_features(
    model: nn.Module,
    pictures: Iterable[Pixels],
    longer: int,
    scales: Sequence[float] = SCALES,
    widened: bool = True,
) -> Iterator[Depths]:
    """Compute what a frozen network sees of each picture: a list of float16 maps (C, h, w), one a scale and depth.

    Parameters
    ----------
    model : nn.Module
        ``timm:NAME`` of `gazekit.models.create`.
    pictures : iterable of ndarray
        Uint8 RGB, any sizes.
    longer : int
        Longer side that a picture is resized to, its aspect ratio kept; pixels.
    scales : sequence of float
        What that side is multiplied by: the network sees each picture so often. The first one gives the grid.
    widened : bool
        At the first of these sizes, also read where stages widen what they get, as `depths_of` says.
    """
    kept: dict[str, Tensor] = {}
    modules, paths = dict(model.named_modules()), depths_of(model)
    plain = [path for path in paths if not path.endswith(WIDENED)]
    paths = paths if widened else plain

    def keep(path: str) -> Any:
        return modules[path].register_forward_hook(lambda module, inputs, output: kept.__setitem__(path, output))

    model.eval()
    handles = [keep(path) for path in paths]
    try:
        for picture in pictures:
            height, width = view_size((picture.shape[0], picture.shape[1]), round(longer * scales[0]))
            cells, depths = (-(-height // CELL), -(-width // CELL)), []
            for number, scale in enumerate(scales):
                view = resize(picture, view_size((picture.shape[0], picture.shape[1]), round(longer * scale)))
                with torch.no_grad():
                    model(normalised(np.ascontiguousarray(view), model.mean, model.std))  # type: ignore[arg-type]
                read = paths if number == 0 else plain
                depths += [_on_grid(kept[path], cells)[0].half() for path in read]
            if not all(bool(torch.isfinite(depth).all()) for depth in depths):
                raise InputError(
                    "this network's features are not numbers of 16 bits; its weights are damaged or strange"
                )
            yield depths
    finally:
        for handle in handles:
            handle.remove()


def _on_grid(features: Tensor, cells: tuple[int, int]) -> Tensor:
    """Average finer maps to the grid; coarser ones stay as they are."""
    return F.adaptive_avg_pool2d(features, cells) if features.shape[2] > cells[0] else features
