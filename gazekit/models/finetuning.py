"""Training a part of a network: its last blocks, or low-rank adapters in them (Hu et al. 2022); the rest stays.

Adapters are parametrisations of torch, so that layers whose weight is read directly have them too; the library peft
would bring transformers and accelerate along for no more than this. `merged` turns the tensors of a network with
adapters into those of the plain network, which is what scoring and export load.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gazekit.core.errors import ConfigError

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_INNER = ("blocks", "layers")  # where stages of timm keep their blocks
_ADAPTED = "parametrizations.weight."
Layer = nn.Linear | nn.Conv2d


class LowRank(nn.Module):
    """A change of a layer's weight (out, ...) by a product of (out, ``rank``) and (``rank``, rest); nothing at first.

    Parameters
    ----------
    weight : Tensor
        Of the layer.
    rank : int
        Of the change.
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        self.up = nn.Parameter(weight.new_zeros(weight.shape[0], rank))
        self.down = nn.Parameter(weight.new_empty(rank, weight[0].numel()))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the changed weight, of the same shape."""
        return weight + (self.up @ self.down).view_as(weight)


def train_part(model: nn.Module, last: int | None, rank: int | None) -> None:
    """Freeze a model's backbone but for its last blocks, or for adapters in them; the head is trained in any case.

    Frozen parts stay in evaluation mode (see `train_mode`): the statistics of their batch normalisation do not move.

    Parameters
    ----------
    model : nn.Module
        Of `gazekit.models.create`.
    last : int, optional
        How many blocks, counted from the end, with all layers after the first of them; None: all.
    rank : int, optional
        Of adapters for the linear and convolutional layers of these blocks, which then stay as they are themselves.

    Raises
    ------
    ConfigError
        See `part_fault`.
    """
    if last is None and rank is None:
        return
    if fault := part_fault(model, last, rank):
        raise ConfigError(f"this network {fault}")
    trunk: nn.Module = model.trunk  # type: ignore[assignment]
    before, after = _parts(trunk, last)
    trunk.requires_grad_(False)
    for layer in adaptable(after, rank) if rank is not None else []:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank or 1))
    if rank is None:
        for part in after:
            part.requires_grad_(True)
    for part in before if rank is None else [trunk]:
        part.stays = True  # type: ignore[assignment]


def part_fault(model: nn.Module, last: int | None, rank: int | None) -> str:
    """Say why a part of a model cannot be trained, in words that follow its name; empty where it can."""
    if last is None and rank is None:
        return ""
    if hasattr(model, "set_head"):
        return "is a probe, whose backbone is never trained; leave train_last and adapter_rank out"
    trunk = getattr(model, "trunk", None)
    if not isinstance(trunk, nn.Module):
        return "has no single backbone whose last blocks could be trained; resnet18 and timm:NAME, as examples, have"
    count = len(_places_of_blocks(list(_units(getattr(trunk, "net", trunk)))))
    if last is not None and last > count:
        return f"has {count} blocks; train_last is {last}"
    if rank is not None and not list(adaptable(_parts(trunk, last)[1], rank)):
        return f"has no layer in these blocks that is larger than an adapter of rank {rank}"
    return ""


def adaptable(parts: list[nn.Module], rank: int | None) -> Iterator[Layer]:
    """Yield the layers that get an adapter: linear ones and convolutions without groups that are larger than it."""
    for layer in (layer for part in parts for layer in part.modules()):
        if not (isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)):
            continue
        if min(layer.weight.shape[0], layer.weight[0].numel()) > (rank or 0):
            yield layer


def train_mode(model: nn.Module) -> None:
    """Put a model in training mode, but for what `train_part` froze."""
    model.train()
    for module in model.modules():
        if getattr(module, "stays", False):
            module.eval()


def merged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by name with every adapter added to its layer's weight."""
    plain = {}
    for name, value in state.items():
        if name.endswith(f"{_ADAPTED}original"):
            stem = name.removesuffix(f"{_ADAPTED}original")
            up, down = (state[f"{stem}{_ADAPTED}0.{side}"] for side in ("up", "down"))
            plain[f"{stem}weight"] = value + (up.to(torch.float64) @ down.to(torch.float64)).view_as(value).to(value)
        elif _ADAPTED not in name:
            plain[name] = value
    return plain


def add_adapters(model: nn.Module) -> None:
    """Add every adapter of a model to its layer's weight, in place: the plain network, with the same output."""
    for layer in [module for module in model.modules() if parametrize.is_parametrized(module, "weight")]:
        weight = layer.weight.detach()  # type: ignore[operator]
        layer.__class__ = type(layer).__mro__[1]  # torch's own way would change the class, which copies share
        del layer.parametrizations
        layer.weight = nn.Parameter(weight, requires_grad=False)


def _parts(trunk: nn.Module, last: int | None) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return the layers before the last blocks, and the rest."""
    units = list(_units(getattr(trunk, "net", trunk)))
    start = 0 if last is None else _places_of_blocks(units)[-last]
    return [unit for unit, _ in units[:start]], [unit for unit, _ in units[start:]]


def _units(module: nn.Module, in_row: bool = False) -> Iterator[tuple[nn.Module, bool]]:
    """Yield layers and blocks in the order in which networks name them, and whether they stand in a row of such."""
    for child in module.children():
        nested = any(isinstance(getattr(child, name, None), _CONTAINERS) for name in _INNER)
        if isinstance(child, _CONTAINERS) or nested:
            yield from _units(child, True)
        else:
            yield child, in_row


def _places_of_blocks(units: list[tuple[nn.Module, bool]]) -> list[int]:
    """Return which units are blocks: those of rows that mix channels; of a network without rows, all that do."""
    mixing = [
        (place, in_row)
        for place, (unit, in_row) in enumerate(units)
        if any(isinstance(module, nn.Linear | nn.Conv2d) for module in unit.modules())
    ]
    return [place for place, in_row in mixing if in_row] or [place for place, _ in mixing]
