"""Any network of timm by its name there: ``timm:vit_small_patch14_dinov2``, ``timm:convnext_atto`` ..."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

import gazekit.models._torchvision  # noqa: F401  (before timm and torchvision)
from gazekit.core.errors import InputError, unknown_name
from gazekit.models.cells import tokens_on_grid

PREFIX = "timm:"
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class TimmFacts:
    """What timm says of a network.

    Attributes
    ----------
    features : int
        Length of the vector that its classifier reads.
    mean, std : tuple[float, float, float]
        Normalisation of its weights.
    size, smallest : int
        Side of the pictures that it was trained with, and the smallest that it takes; pixels.
    fixed : bool
        Whether it takes no other size.
    readout : str
        Path of the layer at which attention maps are read: the last one at a stride of 16, else the last features.
    settings : tuple[tuple[str, Any], ...]
        How it is made, so that it takes pictures of other sizes where it can.
    """

    features: int
    mean: Triple
    std: Triple
    size: int
    smallest: int
    fixed: bool
    readout: str
    settings: tuple[tuple[str, Any], ...]


class TimmTrunk(nn.Module):
    """A network of timm up to the vector that its classifier reads, its last features passing through ``map``.

    ``map`` sees them as (N, C, h, w) where they are laid out on a grid, also those of networks that compute channels
    last.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        facts = timm_facts(name)
        self.name, self.only = name, facts.size if facts.fixed else None
        self.net = _made(name, dict(facts.settings))
        self.net.backbone_name = PREFIX + name  # type: ignore[assignment]
        self.map = nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (N, ``features``) of normalised pictures (N, 3, H, W)."""
        features = self._features(pictures)
        if features.ndim == 4 and getattr(self.net, "output_fmt", "NCHW") == "NHWC":
            features = self.map(features.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        elif features.ndim == 4:
            features = self.map(features)
        return self.net.forward_head(features, pre_logits=True)  # type: ignore[no-any-return, operator]

    def cells(self, pictures: Tensor) -> Tensor:
        """Last features by place, (N, C, h, w): a transformer's patch tokens on their grid."""
        features = self._features(pictures)
        if features.ndim == 3:
            return self.map(tokens_on_grid(self.net, features, pictures))  # type: ignore[no-any-return]
        last = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
        return self.map(features.permute(0, 3, 1, 2) if last else features)  # type: ignore[no-any-return]

    def _features(self, pictures: Tensor) -> Tensor:
        height, width = (int(side) for side in pictures.shape[2:])
        if self.only is not None and (height, width) != (self.only, self.only):
            raise InputError(
                f"timm:{self.name} takes pictures of {self.only} x {self.only} pixels and no others; found {height} x"
                f" {width}"
            )
        return self.net.forward_features(pictures)  # type: ignore[no-any-return, operator]


@functools.lru_cache(maxsize=64)
def timm_facts(name: str) -> TimmFacts:
    """Look a network up in timm, without its weights.

    Raises
    ------
    InputError
        An unknown name (the close ones are offered); a network without one vector of features.
    """
    import timm

    known = timm.list_models()
    if name.split(".")[0] not in known:
        raise unknown_name("network of timm", name, known)
    with torch.device("meta"):
        for settings in ({"dynamic_img_size": True}, {}):
            try:
                network = _made(name, settings)
                break
            except TypeError:
                continue
    config: Any = network.pretrained_cfg
    size = int(config["input_size"][-1])
    features = _length_of_features(network, name, size)
    fixed = bool(config.get("fixed_input_size")) and not settings
    patch = side_of_patch(network)
    mean, std = (tuple(float(value) for value in config[key]) for key in ("mean", "std"))
    smallest = size if fixed else max(32, patch)
    return TimmFacts(features, mean, std, size, smallest, fixed, _readout(network), tuple(settings.items()))  # type: ignore[arg-type]


def matching_names(pattern: str) -> list[str]:
    """Return the models of timm with such a name, ``timm:`` before each; ``*`` stands for anything.

    Raises
    ------
    InputError
        No name is like that; close ones are offered.
    """
    import timm

    names = timm.list_models(pattern)
    if not names:
        raise unknown_name("network of timm", pattern.replace("*", ""), timm.list_models())
    return [PREFIX + name for name in names]


def _made(name: str, settings: dict[str, Any]) -> nn.Module:
    import timm

    network: nn.Module = timm.create_model(name, num_classes=0, **settings)
    return network


def _length_of_features(network: nn.Module, name: str, size: int) -> int:
    with torch.no_grad(), torch.device("meta"):
        network.eval()
        features: Any = network.forward_features(torch.empty(1, 3, size, size))  # type: ignore[operator]
        vector: Any = network.forward_head(features, pre_logits=True)  # type: ignore[operator]
    if not isinstance(vector, Tensor) or vector.ndim != 2:
        raise InputError(f"timm's {name} gives no vector of features of a picture, which a rating is read from")
    return int(vector.shape[1])


def side_of_patch(network: nn.Module) -> int:
    """Return the side of the patches that a network of timm cuts pictures into, pixels; 1 where it cuts none."""
    side: Any = getattr(getattr(network, "patch_embed", None), "patch_size", 1)
    return int(side if isinstance(side, int) else side[0])


def _readout(network: nn.Module) -> str:
    modules = dict(network.named_modules())
    stages: Any = getattr(network, "feature_info", None) or []
    at_16 = [stage["module"] for stage in stages if stage.get("reduction") == 16 and stage.get("module") in modules]
    return f"trunk.net.{at_16[-1]}" if at_16 else "trunk.map"
