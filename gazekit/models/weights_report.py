"""Whose weights a file holds: which models take them, and what the file says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gazekit.core.errors import GazekitError
from gazekit.core.files import existing_file, sha256
from gazekit.models import keras
from gazekit.models.backbones import BACKBONES, backbone
from gazekit.models.cost import ShapesOnly
from gazekit.models.registry import create, names
from gazekit.models.weight_checks import check_finite
from gazekit.models.weights import MARKS, State, fitting_tensors, read_content, tensors_of


@dataclass(frozen=True)
class WeightsReport:
    """What a file of weights is.

    Attributes
    ----------
    file, sha256 : str
        The file and the SHA-256 of its bytes.
    tensors, numbers : int
        Tensors in it, and numbers in all of them.
    whole : tuple[str, ...]
        Models that take it with their last layer.
    backbones : tuple[str, ...]
        Backbones that it fits, without the last layer.
    says : Mapping[str, Any]
        What the file says of itself: model, buckets, options, Keras version and padding.
    fault : str
        Why it cannot be used (NaN), or empty.
    """

    file: str
    sha256: str
    tensors: int
    numbers: int
    whole: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    says: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""


def weights_report(path: str | Path, more: Sequence[str] = ()) -> WeightsReport:
    """Tell whose weights a file holds.

    Parameters
    ----------
    path : str or Path
        The file.
    more : Sequence[str]
        Further models to try, as ``timm:convnext_atto``.

    Raises
    ------
    InputError, FormatError
        No such file; not one of weights, with what it is instead where that is known.
    """
    path = existing_file(path, "weights file")
    if path.suffix.lower() in (".h5", ".hdf5"):
        return _of_keras(path)
    content = read_content(path)
    state = tensors_of(content, path)
    says = _statements(content)
    try:
        check_finite(state, path)
        fault = ""
    except GazekitError as error:
        fault = str(error)
    numbers = sum(tensor.numel() for tensor in state.values())
    whole = tuple(_whole(state, [*names(), *more, *([says["model"]] if "model" in says else [])]))
    backbones = tuple(_backbones(state, [*BACKBONES, *more])) if not whole else ()
    return WeightsReport(str(path), sha256(path), len(state), numbers, whole, backbones, says, fault)


def _of_keras(path: Path) -> WeightsReport:
    layers = keras.read_layers(path)
    arrays = [array for layer in layers.values() for array in layer.values()]
    around = keras.pads_around(path)
    fits = {"conv1", "conv_dw_1", "conv_pw_13"} <= layers.keys()
    return WeightsReport(
        str(path), sha256(path), len(arrays), sum(array.numel() for array in arrays),
        backbones=("mobilenet",) if fits else (),
        says={"format": "Keras", "padding at stride 2": "1,1" if around else "0,1"},
    )  # fmt: skip


def _statements(content: Any) -> dict[str, Any]:
    identity = content.get("identity") if isinstance(content, Mapping) else None
    if isinstance(identity, Mapping):
        return {key: identity[key] for key in ("model", "buckets", "size", "model_options") if key in identity}
    architecture = content.get("arch") if isinstance(content, Mapping) else None
    return {"architecture": architecture} if isinstance(architecture, str) else {}


def _whole(state: State, candidates: Sequence[str]) -> Iterator[str]:
    """Name the models that have these tensors, the last layer's number of buckets aside."""
    for name in dict.fromkeys(candidates):
        expected = _on_meta(name).state_dict()
        if set(expected) - MARKS == set(state) - MARKS:
            other = [key for key in expected if key not in MARKS and expected[key].shape != state[key].shape]
            if all(expected[key].shape[1:] == state[key].shape[1:] and "head" in key for key in other):
                yield name


def _backbones(state: State, candidates: Sequence[str]) -> Iterator[str]:
    for name in dict.fromkeys(candidates):
        model = _on_meta(f"nima-{name}" if f"nima-{name}" in names() else name)
        trunk = next((module for module in model.modules() if hasattr(module, "backbone_name")), None)
        if trunk is None:
            continue
        try:
            fitting_tensors(str(trunk.backbone_name), state, trunk.state_dict(), "the file")
        except GazekitError:
            continue
        yield f"{name} ({backbone(name).library_name})" if name in BACKBONES else name


def _on_meta(name: str) -> nn.Module:
    with torch.device("meta"), ShapesOnly():
        return create(name)
