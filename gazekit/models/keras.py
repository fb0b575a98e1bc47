"""MobileNet's weights from Keras HDF5 files, and MobileNet as Keras computes it.

Keras differs from timm in three ways: batch normalisation adds 1e-3 (not 1e-5) to the variance; since 2.2.3 a
convolution of stride 2 pads one row below and one column to the right (not all around; the first one does where the
side is odd); kernels are laid out (height, width, in, out). Older versions, of which the published NIMA is, pad all
around: what a file says as its ``keras_version`` decides, today's padding where it says nothing.
A model that took Keras's weights carries a mark in its state dict, true for today's padding and false for the older
one, so that a checkpoint of it is read back the same way.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.models.backbones import HALF
from gazekit.models.weight_checks import check_download, check_finite

EPSILON = 1e-3
MARK = "trunk.as_keras"
FIRST_TO_PAD_AFTER = (2, 2, 3)
Padding = Literal["auto", "0,1", "1,1"]  # before, after
Layers = dict[str, dict[str, Tensor]]
_NORMALISATION = {
    "gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip


class KerasStrideConv(nn.Conv2d):
    """A convolution of stride 2 that pads below and to the right, as Keras's MobileNet does.

    With ``same`` it pads all around where the side is odd, which Keras's "same" means for a kernel of 3; with
    ``around`` it always does, as Keras before 2.2.3.
    """

    same = False
    around = False

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, h, w)."""
        height, width = input.shape[2:]
        top, left = (height % 2, width % 2) if self.same else (0, 0)
        if self.around:
            top = left = 1
        return super().forward(F.pad(input, (left, 1, top, 1)))


def as_keras(trunk: nn.Module, *, around: bool = False) -> None:
    """Make a MobileNet of timm compute what Keras's does; the names of its parameters stay.

    ``around`` : pad as Keras before 2.2.3. A second time only the padding changes.
    """
    for module in list(trunk.modules()):
        if isinstance(module, nn.BatchNorm2d):
            module.eps = EPSILON
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d) and child.stride == (2, 2):
                conv = child if isinstance(child, KerasStrideConv) else _repadded(child, same=name == "conv_stem")
                conv.around = around
                setattr(module, name, conv)
    trunk.register_buffer("as_keras", torch.tensor(not around))


def follow_mark(model: nn.Module) -> None:
    """Let a model become Keras's when a state dict with the mark is loaded into it."""
    model.register_load_state_dict_pre_hook(_become_marked)  # type: ignore[no-untyped-call]


def _become_marked(module: nn.Module, state: dict[str, Any], *rest: Any) -> None:
    if MARK in state:
        as_keras(module.get_submodule("trunk"), around=not bool(state[MARK]))


def load_mobilenet(model: nn.Module, path: str | Path, *, new_head: bool = False) -> None:
    """Fill a ``nima-mobilenet`` from a Keras file: ImageNet's MobileNet, or NIMA with its dense layer.

    With ``new_head`` a dense layer of another number of buckets is left out. The model's option ``keras_padding`` says
    how convolutions of stride 2 pad, where it is not ``auto``, else the file's version does.

    Raises
    ------
    FormatError
        Not HDF5, or no weights in it.
    InputError
        Not MobileNet's layers, or arrays of them are missing or not numbers; a dense layer of another number of
        buckets; a model that is not MobileNet.
    """
    check_download(path)
    _refuse_gazekits(Path(path))
    trunk = getattr(model, "trunk", None)
    if getattr(trunk, "backbone_name", None) != "mobilenet" or not isinstance(trunk, nn.Module):
        raise InputError(f"{path} is a Keras file; Keras weights are read for nima-mobilenet alone")
    layers = read_layers(path)
    tensors = _trunk_tensors(trunk, layers, path)
    head: nn.Linear = model.head  # type: ignore[assignment]
    dense = _head_tensors(head, layers, path, new_head)
    check_finite({**tensors, **dense}, path)
    padding: Padding = getattr(model, "options", {}).get("keras_padding", "auto")
    as_keras(trunk, around=pads_around(path) if padding == "auto" else padding == "1,1")
    trunk.load_state_dict({**trunk.state_dict(), **tensors})
    head.load_state_dict({**head.state_dict(), **dense})
    model.mean, model.std = HALF  # type: ignore[assignment]


def pads_around(path: str | Path) -> bool:
    """Whether a file is of a Keras that pads all around at stride 2, by the version that it states (before 2.2.3)."""
    with h5py.File(path) as file:
        places = [file, *(file[name] for name in ("model_weights",) if name in file)]
        stated = next((place.attrs["keras_version"] for place in places if "keras_version" in place.attrs), "")
    text = stated.decode(errors="replace") if isinstance(stated, bytes) else str(stated)
    numbers = [int(part) for part in re.findall(r"\d+", text)[:3]]
    return bool(numbers) and tuple(numbers + [0] * (3 - len(numbers))) < FIRST_TO_PAD_AFTER


def read_layers(path: str | Path) -> Layers:
    """Layer -> kind (``kernel``, ``gamma``, ...) -> tensor, in Keras's own layout."""
    layers: Layers = defaultdict(dict)

    def visit(name: str, item: Any) -> None:
        parts = name.removeprefix("layers/").replace("/vars/", "-vars/").split("/")
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and len(parts) > 1 and "optimizer" not in name:
            layer, kind = parts[-2], parts[-1].split(":")[0]
            kind = "depthwise_kernel" if layer.startswith("conv_dw") and kind == "kernel" else kind
            layers[layer][kind] = torch.from_numpy(np.asarray(item, dtype=np.float32))

    check_download(path)
    _refuse_gazekits(Path(path))
    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except OSError as error:
        raise FormatError(f"{path} is not an HDF5 file, which Keras's .h5 and .hdf5 are: {error}") from error
    if not layers:
        raise FormatError(f"{path} holds no weights; a file of Keras's save_weights or save (HDF5) was expected")
    return _by_class_order(layers) if any(name.endswith("-vars") for name in layers) else dict(layers)


def _refuse_gazekits(path: Path) -> None:
    """Refuse a dataset, or another HDF5 file of gazekit: it says which it is."""
    with contextlib.suppress(OSError), h5py.File(path) as file:
        schema = str(file.attrs.get("schema", ""))
        if schema.startswith("gazekit."):
            kind = schema.removeprefix("gazekit.").split("/")[0].replace(".", " ")
            raise FormatError(
                f"{path} is a {kind} of gazekit ({schema}) and holds no weights; a Keras file was expected"
            )


def _by_class_order(found: Layers) -> Layers:
    """Keras 3's ``.weights.h5`` names layers by class and order, and their weights by number."""
    kinds = {
        "conv2d": ("kernel",),
        "depthwise_conv2d": ("depthwise_kernel",),
        "dense": ("kernel", "bias"),
        "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    }
    layers: Layers = {}
    for path, weights in found.items():
        name = path.removesuffix("-vars")
        group, _, number = name.rpartition("_")
        if not number.isdigit():
            group, number = name, "0"
        if group in kinds:
            layers[_original_name(group, int(number))] = {
                kind: weights[str(i)] for i, kind in enumerate(kinds[group]) if str(i) in weights
            }
    return layers


def _original_name(group: str, number: int) -> str:
    if group == "batch_normalization":
        side = "dw" if number % 2 else "pw"
        return "conv1_bn" if number == 0 else f"conv_{side}_{(number + 1) // 2}_bn"
    if group == "conv2d":
        return "conv1" if number == 0 else f"conv_pw_{number}"
    return f"conv_dw_{number + 1}" if group == "depthwise_conv2d" else "dense"


def _repadded(conv: nn.Conv2d, same: bool) -> KerasStrideConv:
    with torch.device("meta"):
        other = KerasStrideConv(
            conv.in_channels, conv.out_channels, 3, stride=2, padding=0, groups=conv.groups, bias=conv.bias is not None
        )
    other.weight, other.same = conv.weight, same
    other.training = conv.training
    return other


def _trunk_tensors(trunk: nn.Module, layers: Layers, path: str | Path) -> dict[str, Tensor]:
    names = _layer_names(trunk)
    missing = sorted(layer for layer in names if layer not in layers)
    if missing:
        raise InputError(
            f"{path} is not MobileNet: {len(missing)} of {len(names)} layers are missing, e.g. {missing[0]};"
            f" it has e.g. {', '.join(list(layers)[:3])}"
        )
    arrays = {
        (layer, kind): f"{prefix}.{suffix}" for layer, prefix in names.items() for kind, suffix in _kinds(layer).items()
    }
    absent = [f"{layer}/{kind}" for layer, kind in arrays if kind not in layers[layer]]
    if absent:
        raise InputError(
            f"{path} lacks {len(absent)} of {len(arrays)} arrays of MobileNet, e.g. {', '.join(absent[:3])};"
            " it was cut off, or saved by other means than Keras"
        )
    expected, tensors = trunk.state_dict(), {}
    for (layer, kind), key in arrays.items():
        tensors[key] = _in_torchs_layout(layers[layer][kind], kind)
        if tensors[key].shape != expected[key].shape:
            raise InputError(
                f"{path}: {layer} has shape {tuple(tensors[key].shape)}, "
                f"{tuple(expected[key].shape)} is needed (width 1.0)"
            )
    return tensors


def _layer_names(trunk: nn.Module) -> dict[str, str]:
    names = {"conv1": "conv_stem", "conv1_bn": "bn1"}
    blocks = [name for name, module in trunk.named_modules() if hasattr(module, "conv_pw")]
    for number, block in enumerate(blocks, 1):
        names[f"conv_dw_{number}"] = f"{block}.conv_dw"
        names[f"conv_dw_{number}_bn"] = f"{block}.bn1"
        names[f"conv_pw_{number}"] = f"{block}.conv_pw"
        names[f"conv_pw_{number}_bn"] = f"{block}.bn2"
    return names


def _kinds(layer: str) -> dict[str, str]:
    """Return the arrays of one of MobileNet's layers, and what timm calls them."""
    if layer.endswith("_bn"):
        return _NORMALISATION
    return {"depthwise_kernel" if "_dw_" in layer else "kernel": "weight"}


def _in_torchs_layout(array: Tensor, kind: str) -> Tensor:
    if array.ndim != 4:
        return array
    return array.permute(2, 3, 0, 1) if kind == "depthwise_kernel" else array.permute(3, 2, 0, 1)


def _head_tensors(head: nn.Linear, layers: Layers, path: str | Path, new_head: bool) -> dict[str, Tensor]:
    """Return the last dense layer's weight and bias; none where there is none, or only ImageNet's."""
    dense = [w for w in layers.values() if "kernel" in w and "bias" in w and w["kernel"].ndim == 2]
    if not dense:
        return {}
    weight, bias = dense[-1]["kernel"].T, dense[-1]["bias"]
    if weight.shape == head.weight.shape and bias.shape == head.bias.shape:
        return {"weight": weight, "bias": bias}
    if new_head or len(weight) == 1000:
        return {}
    raise InputError(
        f"{path}: its dense layer has {counted(len(weight), 'bucket')}, this model {head.out_features};"
        f" create the model with buckets={len(weight)}, or with new_head=True (--new-head)"
    )
