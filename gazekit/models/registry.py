"""Every model by name: how it is built, and what it expects."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gazekit.core.errors import ConfigError, unknown_name
from gazekit.core.files import sha256
from gazekit.models import baselines, keras, timm_models
from gazekit.models.backbones import BACKBONES, IMAGENET, vector_trunk
from gazekit.models.cost import Cost, ShapesOnly, count
from gazekit.models.distribution import Distribution
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.fusion import TABLE_II
from gazekit.models.options import option_faults
from gazekit.models.probe import PREFIX as PROBE
from gazekit.models.probe import Choice, Depths, Head, Probe, features_by_depth, probe_features, stages_of
from gazekit.models.random_crop import RandomCrop
from gazekit.models.residual_attention import ATTENTION_56, ATTENTION_92, NARROW, Layout, Pooling, ResidualAttention
from gazekit.models.small_cnn import NarrowTrunk

Triple = tuple[float, float, float]
PUBLISHERS = ("timm", "torchvision")
SMALL = "four blocks for a backbone"
NARROWED = "two stages of a quarter of the width for CPUs"
RAPID = "no style column; columns of AlexNet for the paper's own"
DMA = "AlexNet's convolutions for the paper's own"
MNA = "the subnets share their convolutions, 512 features for 4096"
A_LAMP = "no layout-aware subnet (the object graph)"
MTRL = "one shared layer for the paper's several"


@dataclass(frozen=True)
class ModelInfo:
    """What a model expects, and what it costs.

    Attributes
    ----------
    name, summary : str
        In the list of models.
    mean, std : Triple
        A picture of values 0 to 1 is normalised by these, a value a channel (red, green, blue).
    size : int
        Side of the square input that it was published with, in pixels; ``smallest`` : the smallest it accepts.
    narrowest : int
        The shorter side that a view of another shape than the square needs at least.
    reduced : str
        What it lacks of the published network; empty where it is as published.
    """

    name: str
    summary: str
    mean: Triple
    std: Triple
    size: int
    smallest: int = 32
    narrowest: int = 1
    reduced: str = ""

    @property
    def parameters(self) -> int:
        """Trainable numbers, with 10 buckets."""
        return self.cost().parameters

    @property
    def gmacs(self) -> float:
        """Multiply-accumulates of a picture of the published size, in 10^9."""
        return self.cost().macs / 1e9

    def cost(self, buckets: int = 10, size: int | None = None) -> Cost:
        """Parameters and multiply-accumulates, counted without computing anything."""
        return _cost(self.name, buckets, size or self.size)


@dataclass(frozen=True)
class _Entry:
    build: Callable[..., nn.Module]
    info: ModelInfo


def names() -> list[str]:
    """Return the names of all models."""
    return list(_ENTRIES)


def info(name: str) -> ModelInfo:
    """Return what the model of this name expects.

    Raises
    ------
    InputError
        An unknown name; the close ones are offered.
    """
    return _entry(name).info


def create(
    name: str, buckets: int = 10, *, weights: str | Path | None = None, new_head: bool = False, **options: Any
) -> nn.Module:
    """Make a model from normalised pictures (N, 3, H, W) to probabilities (N, ``buckets``).

    Parameters
    ----------
    name : str
        One of `names`, ``timm:`` and a name of timm, or ``probe-`` and one of either.
    weights : str or Path or None
        A file of weights, in the formats of `gazekit.models.weights.load_weights`; ``timm`` or ``torchvision``: these
        libraries' own, downloaded where they are not there yet, with what they are in the model's ``weights_from``;
        else random ones.
    new_head : bool
        Of a whole model with another number of buckets take everything but the last layer.
    options : Any
        Of the model: ``dropout`` (NIMA), ``naive`` (Residual Attention Network), ...

    Returns
    -------
    nn.Module
        Nn.Module, in training mode, with ``mean`` and ``std`` as its weights need them, ``input_size``, ``options``,
        and ``readout``, the path of the layer at which attention maps are read.

    Raises
    ------
    InputError
        An unknown name; fewer than two buckets; an unknown option, or a value that it cannot have; a file that does not
        fit.

    Examples
    --------
    >>> import torch
    >>> model = create("nima-narrow", buckets=10).eval()
    >>> model(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 10])
    """
    entry = _entry(name)
    defaults = default_options(name)
    faults = option_faults({"buckets": buckets, **options})
    faults += [str(unknown_name(f"option of {name}", option, defaults)) for option in options if option not in defaults]
    if faults:
        raise ConfigError("; ".join(faults))
    model = entry.build(buckets, **options)
    model.options = {**defaults, **options}  # type: ignore[assignment]
    model.mean, model.std = entry.info.mean, entry.info.std  # type: ignore[assignment]
    model.input_size, model.smallest = entry.info.size, entry.info.smallest  # type: ignore[assignment]
    model.narrowest = entry.info.narrowest  # type: ignore[assignment]
    model.weights_from = None  # type: ignore[assignment]
    if weights in PUBLISHERS:
        from gazekit.models.published import load_published

        load_published(model, name, str(weights))
    elif weights is not None:
        from gazekit.models.weights import load_weights

        load_weights(model, weights, new_head=new_head)
        model.weights_from = {"file": str(weights), "sha256": sha256(weights)}  # type: ignore[assignment]
    return model


def default_options(name: str) -> dict[str, Any]:
    """Return the options of the model of this name, with their defaults."""
    parameters = inspect.signature(_entry(name).build).parameters
    return {option: parameter.default for option, parameter in parameters.items() if option != "buckets"}


def _entry(name: str) -> _Entry:
    if str(name).startswith(PROBE):
        return _probe_entry(name.removeprefix(PROBE))
    if str(name).startswith(timm_models.PREFIX):
        return _timm_entry(name.removeprefix(timm_models.PREFIX))
    if name not in _ENTRIES:
        raise unknown_name("model", str(name), _ENTRIES)
    return _ENTRIES[name]


@functools.lru_cache(maxsize=64)
def _probe_entry(probed: str) -> _Entry:
    """Return a probe of a model: of its backbone, its own head left away."""
    if probed.startswith(PROBE):
        raise ConfigError(f"{probed} is a probe already; give that")
    facts = _entry(probed).info
    with torch.device("meta"), ShapesOnly():
        trunk = getattr(create(probed), "trunk", None)
        if not isinstance(trunk, nn.Module):
            raise ConfigError(
                f"{probed} has no single backbone to probe; resnet18 and timm:NAME, as examples, have one"
            )

    def build(
        buckets: int,
        head: Head = "softmax",
        depths: Depths = "last",
        ridge: Choice = "validation",
        cells: bool = False,
    ) -> nn.Module:
        stages = tuple(stages_of(trunk)) if depths == "all" else ()
        groups = _probed_features(probed, stages, cells)
        model = Probe(
            create(probed).trunk,  # type: ignore[arg-type]
            sum(groups),
            buckets,
            head=head,
            stages=stages,
            groups=groups if stages else (),
            ridge=ridge,
            cells=cells,
        )
        keras.follow_mark(model)
        return model

    info = replace(facts, name=PROBE + probed, summary=f"convex head on frozen features: {facts.summary}")
    return _Entry(build, info)


@functools.lru_cache(maxsize=64)
def _probed_features(probed: str, stages: tuple[str, ...], cells: bool) -> tuple[int, ...]:
    """Return how many features of each depth a probe of a model reads."""
    size = _entry(probed).info.size
    with torch.device("meta"), ShapesOnly():
        trunk: nn.Module = create(probed).trunk.eval()  # type: ignore[union-attr]
        pictures = torch.empty(1, 3, size, size)
        parts = [probe_features(trunk, pictures, (), True)] if cells else features_by_depth(trunk, pictures, stages)
        return tuple(int(part.shape[1]) for part in parts)


@functools.lru_cache(maxsize=64)
def _timm_entry(library_name: str) -> _Entry:
    facts = timm_models.timm_facts(library_name)

    def build(buckets: int, dropout: float = 0.0) -> nn.Module:
        trunk = timm_models.TimmTrunk(library_name)
        return Distribution(trunk, facts.features, buckets, dropout=dropout, readout=facts.readout)

    name, summary = timm_models.PREFIX + library_name, f"{library_name} of timm with a new last layer"
    return _Entry(build, ModelInfo(name, summary, facts.mean, facts.std, facts.size, facts.smallest))


@functools.lru_cache(maxsize=256)
def _cost(name: str, buckets: int, size: int) -> Cost:
    with torch.device("meta"), ShapesOnly():
        return count(create(name, buckets).eval(), size)


def _nima(backbone: str) -> Callable[..., nn.Module]:
    def build(buckets: int, dropout: float = 0.75) -> nn.Module:
        facts = BACKBONES[backbone]
        readout = f"trunk.{facts.readout}"
        return Distribution(vector_trunk(backbone), facts.features, buckets, dropout=dropout, readout=readout)

    return build


def _mobilenet(buckets: int, dropout: float = 0.75, keras_padding: keras.Padding = "auto") -> nn.Module:
    model = _nima("mobilenet")(buckets, dropout)
    keras.follow_mark(model)
    return model


def _plain(backbone: str) -> Callable[..., nn.Module]:
    def build(buckets: int, dropout: float = 0.0) -> nn.Module:
        return _nima(backbone)(buckets, dropout)

    return build


def _narrow(buckets: int, width: int = 16, dropout: float = 0.1) -> nn.Module:
    trunk = NarrowTrunk((width, width * 3 // 2, width * 2, width * 4))
    return Distribution(trunk, trunk.features, buckets, dropout=dropout, readout="trunk.blocks.2")


def _attention(layout: Layout) -> Callable[..., nn.Module]:
    def build(
        buckets: int, naive: bool = False, pooling: Pooling = "published", align_corners: bool = False
    ) -> nn.Module:
        return ResidualAttention(layout, buckets, naive=naive, pooling=pooling, align_corners=align_corners)

    return build


def _foveal(backbone: str, gated: bool) -> Callable[..., nn.Module]:
    def build(buckets: int, fovea: int = 224) -> nn.Module:
        if fovea < (smallest := BACKBONES[backbone].smallest):
            raise ConfigError(f"fovea is {fovea}; {backbone} takes pictures of {smallest} x {smallest} pixels or more")
        return PeripheralFoveal(backbone, buckets, gated=gated, fovea=fovea)

    return build


def _random(backbone: str) -> Callable[..., nn.Module]:
    def build(buckets: int) -> nn.Module:
        return RandomCrop(backbone, buckets)

    return build


def _rapid(buckets: int) -> nn.Module:
    return baselines.Rapid(buckets)


def _entries() -> Iterator[_Entry]:
    yield _published("nima-mobilenet", "NIMA on mobilenetv1_100", _mobilenet, "mobilenet")
    for b in ("vgg16", "inception-resnet", "xception", "inception", "alexnet"):
        yield _published(f"nima-{b}", f"NIMA on {BACKBONES[b].library_name}", _nima(b), b)
    yield _own(
        "nima-narrow", "NIMA's head on four small blocks, for CPUs", _narrow, 64, 16, "four blocks for a backbone"
    )
    for b in ("resnet50", *TABLE_II):
        yield _published(b, f"{BACKBONES[b].library_name} with a new last layer", _plain(b), b)
    yield _own("residual-attention-56", "Residual Attention Network, modules 1/1/1", _attention(ATTENTION_56), 224, 32)
    yield _own("residual-attention-92", "Residual Attention Network, modules 1/2/3", _attention(ATTENTION_92), 224, 32)
    yield _own(
        "residual-attention-narrow", "Residual Attention Network, small, for CPUs", _attention(NARROW), 64, 16, NARROWED
    )
    for b in TABLE_II:
        yield _published(f"random-crop-{b}", f"whole picture and random crop, {b}", _random(b), b, size=224)
        yield _published(f"pf-{b}", f"PF-CNN: whole picture and attended crop, {b}", _foveal(b, False), b, size=224)
        yield _published(f"gpf-{b}", f"GPF-CNN: PF-CNN with gates, {b}", _foveal(b, True), b, size=224)
    yield _published("rapid", "RAPID: whole picture and random crop, joined late", _rapid, "alexnet", reduced=RAPID)
    yield _published(
        "dma-net", "DMA-Net: five patches, statistics and sorting", baselines.dma_net, "alexnet", reduced=DMA
    )
    yield _published("mna-cnn", "MNA-CNN: pooled to five grids", baselines.MnaCnn, "vgg16", reduced=MNA)
    yield _published("a-lamp", "A-Lamp without its object graph", baselines.a_lamp, "vgg16", reduced=A_LAMP)
    yield _published("mtrlcnn", "MTRLCNN: with a head for the subject", baselines.MtrlCnn, "vgg16", reduced=MTRL)


def _published(
    name: str, summary: str, build: Callable[..., nn.Module], backbone: str, size: int = 0, reduced: str = ""
) -> _Entry:
    facts = BACKBONES[backbone]
    return _Entry(
        build,
        ModelInfo(name, summary, facts.mean, facts.std, size or facts.size, facts.smallest, facts.narrowest, reduced),
    )


def _own(
    name: str, summary: str, build: Callable[..., nn.Module], size: int, smallest: int, reduced: str = ""
) -> _Entry:
    return _Entry(build, ModelInfo(name, summary, *IMAGENET, size, smallest, reduced=reduced))


_ENTRIES: Mapping[str, _Entry] = {entry.info.name: entry for entry in _entries()}
