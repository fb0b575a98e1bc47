"""Weights from a file that the user names. Nothing is downloaded, but on explicit request (`gazekit.models.published`).

What a file may hold:

* a whole model of gazekit (a state dict, or a checkpoint with it under ``model``, ``state_dict``, ``params`` or, taken
  first, ``state_dict_ema``; prefixes of wrappers as ``module.`` and ``_orig_mod.`` are dropped, and the few tensors
  beside them, as those of a loss or the count of an average); a checkpoint of
  ``gazekit train`` also says its normalisation and input side, which are taken, and its options, which must be the
  model's own;
* a backbone as timm (``.safetensors``, ``.pth``, ``.bin``) or torchvision (``.pth``) publishes it; every backbone of
  the model gets it, both subnets of a double one, and the new layers stay as they are;
* MobileNet as Keras saves it (``.h5``, ``.hdf5``), ImageNet's or the published NIMA's with its head.

The model's ``mean`` and ``std`` become those that the weights were trained with: Keras's own, the checkpoint's, those
of a timm ``config.json`` beside the file, else the backbone's.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import existing_file
from gazekit.core.registration_log import check_network
from gazekit.models import keras, residual_attention
from gazekit.models.backbones import backbone
from gazekit.models.finetuning import merged
from gazekit.models.registry import Triple, default_options, names
from gazekit.models.timm_models import PREFIX, timm_facts
from gazekit.models.weight_checks import check_download, check_finite

State = dict[str, Tensor]
MARKS = frozenset({keras.MARK, residual_attention.MARK})  # in a state dict they say how its network computes

WRAPPERS = ("module.", "_orig_mod.", "model.", "_forward_module.")  # of data parallelism, torch.compile, Lightning
HOLDERS = ("state_dict_ema", "model_ema", "state_dict", "model", "model_state_dict", "params_ema", "params")
WRAPPED = 0.9  # share of a file's tensors that have a wrapper's prefix, at least
FREE = ("dropout", "pooling", "keras_padding")  # options that may differ: the marks say how a network pools and pads


def load_weights(model: nn.Module, path: str | Path, *, new_head: bool = False) -> None:
    """Fill a model from a file of weights.

    Parameters
    ----------
    model : nn.Module
        Of `gazekit.models.create`.
    path : str or Path
        See the module.
    new_head : bool
        Of a whole model with another number of buckets take everything but the last layer.

    Raises
    ------
    FormatError
        Not a file of weights, or a damaged one.
    InputError
        No such file; weights of another network (what is missing is named), or of one with other options; weights that
        are not numbers, or of a registered study whose scores are sealed. The model is then unchanged.
    """
    path = existing_file(path, "weights file")
    if path.suffix.lower() in (".h5", ".hdf5"):
        keras.load_mobilenet(model, path, new_head=new_head)
        return
    content = read_content(path)
    state = tensors_of(content, path)
    if isinstance(content.get("identity"), Mapping):
        check_network(path, str(content["identity"].get("registration", "")))
    expected = model.state_dict()
    if keras.MARK in expected and keras.MARK not in state:
        raise InputError(
            f"{path} does not come from Keras, and this model computes as Keras does since it took weights of it;"
            " create a new model for these"
        )
    if set(state) - MARKS == set(expected) - MARKS:
        _load_whole(model, state, content, path, new_head)
        return
    trunks = [m for m in model.modules() if hasattr(m, "backbone_name")]
    if not trunks:
        raise InputError(f"{path} holds other layers than this model: {_difference(set(expected), set(state))}")
    fill_trunks(model, state, path, _normalisation(path, str(trunks[0].backbone_name)))


def fill_trunks(model: nn.Module, state: State, path: str | Path, normalisation: tuple[Triple, Triple]) -> None:
    """Fill every backbone of a model from the tensors of a published one; see `load_weights` for the errors."""
    trunks = [m for m in model.modules() if hasattr(m, "backbone_name")]
    fitting = [fitting_tensors(str(trunk.backbone_name), state, trunk.state_dict(), path) for trunk in trunks]
    check_finite(fitting[0], path)
    for trunk, tensors in zip(trunks, fitting, strict=True):
        trunk.load_state_dict(tensors)
    model.mean, model.std = normalisation  # type: ignore[assignment]


def digest(state: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of tensors with their names, whatever file they come from."""
    sha = hashlib.sha256()
    for key in sorted(state):
        tensor = state[key].detach().cpu().contiguous()
        sha.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def read_state(path: str | Path) -> State:
    """Read the tensors of a ``.safetensors`` file or a torch checkpoint, by name; prefixes of wrappers are dropped.

    Raises
    ------
    FormatError
        Neither, or damaged. Nothing in the file is executed.
    """
    path = Path(path)
    return tensors_of(read_content(path), path)


def read_content(path: Path) -> Any:
    """Read what a file of torch or safetensors holds; nothing in it is executed.

    Raises
    ------
    FormatError
        Neither, or damaged; a web page or a pointer of Git LFS is called that.
    """
    check_download(path)
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of TorchScript, which is refused
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what is no checkpoint makes an unpickler raise anything
        if path.suffix.lower() == ".safetensors":
            raise FormatError(f"{path} is not a safetensors file: {_first(error)}") from error
        raise FormatError(f"{path} {_torch_says(str(error))}") from error


def _torch_says(error: str) -> str:
    """Say why torch read no weights, in words that follow the name of the file; torch itself advises to run it."""
    if "TorchScript" in error:
        return "is a program of TorchScript, which is not run; save its state_dict() with torch.save"
    if "nsupported global" in error or "nsupported class" in error:
        return (
            "holds Python objects and not only tensors, as a whole model that was pickled; nothing in a file is run:"
            " save the model's state_dict() where it can be loaded"
        )
    return "is not a file of weights that torch can read, or is damaged"


def tensors_of(content: Any, path: Path) -> State:
    """Take the tensors out of what a file holds, without the wrappers around them and the prefixes of their names."""
    while isinstance(content, Mapping):
        held = next((content[key] for key in HOLDERS if isinstance(content.get(key), Mapping)), None)
        if held is None:
            break
        content = held
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        names = ", ".join(map(str, list(content)[:5])) or "nothing" if isinstance(content, Mapping) else ""
        found = f"{type(content).__name__}{f' of {names}' if names else ''}"
        raise FormatError(f"{path} holds {found}; a state dict (names and tensors) was expected")
    state = {str(key): value for key, value in content.items()}
    while prefix := next((p for p in WRAPPERS if _wraps(p, state)), ""):
        state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return merged(state)


def _wraps(prefix: str, state: State) -> bool:
    return sum(key.startswith(prefix) for key in state) > WRAPPED * len(state)


def _load_whole(model: nn.Module, state: State, content: Mapping[str, Any], path: Path, new_head: bool) -> None:
    stated = content if isinstance(content.get("identity"), Mapping) else {"identity": {}}
    identity: Mapping[str, Any] = stated["identity"]
    _check_options(model, identity, path)
    facts = {key: _three(stated[key], key, path) for key in ("mean", "std") if key in stated}
    check_finite(state, path)
    expected = model.state_dict()
    other = [key for key in expected if key not in MARKS and expected[key].shape != state[key].shape]
    if new_head and other and all(_is_head(key) for key in other):
        state = {key: expected[key] if key in other else value for key, value in state.items()}
    elif other:
        key = other[0]
        hint = "; new_head=True (--new-head) keeps a new last layer" if all(_is_head(k) for k in other) else ""
        raise InputError(
            f"{path}: {key} has shape {tuple(state[key].shape)}, this model needs {tuple(expected[key].shape)}{hint}"
        )
    model.load_state_dict(state)
    if "size" in identity:
        model.input_size = int(identity["size"])  # type: ignore[assignment]
    for key, value in facts.items():
        setattr(model, key, value)


def _check_options(model: nn.Module, identity: Mapping[str, Any], path: Path) -> None:
    """Refuse a checkpoint of a network that computes otherwise, though its weights would fit."""
    here: Mapping[str, Any] = getattr(model, "options", {})
    if identity.get("model") not in names():
        return
    there = {**default_options(identity["model"]), **identity.get("model_options", {})}
    differ = [key for key in here if key in there and _plain(here[key]) != _plain(there[key])]
    differ = [key for key in differ if key not in FREE]
    if differ:
        stated, needed = (", ".join(f"{key}={values[key]}" for key in differ) for values in (here, there))
        raise InputError(
            f"{path} is of a network with {needed}, this one has {stated}; "
            f"create it with {needed} (--option NAME=VALUE)"
        )


def _plain(value: Any) -> Any:
    """As JSON keeps it: tuples are lists."""
    return list(value) if isinstance(value, tuple) else value


def _is_head(key: str) -> bool:
    return key.split(".")[-2] in ("head", "heads") or key.startswith(("heads.", "aesthetic.2."))


def fitting_tensors(name: str, state: State, own: State, path: str | Path) -> State:
    """Return the tensors of a published file under a backbone's names, or an `InputError` that says what is off."""
    if name == "vgg16":
        state = {_vgg_name(key): value for key, value in state.items()}
    library_name = name.removeprefix(PREFIX) if name.startswith(PREFIX) else backbone(name).library_name
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    if missing and (in_order := _in_order(state, own)):
        state, missing = in_order, []
    if missing:
        raise InputError(
            f"{path} does not fit {library_name}: {len(missing)} of {len(own)} tensors are missing,"
            f" e.g. {', '.join(missing[:3])}; the file has e.g. {', '.join(list(state)[:3])}"
        )
    fitting = {key: state.get(key, tensor) for key, tensor in own.items()}
    for key, tensor in own.items():
        if not _same_layout(fitting[key], tensor):
            raise InputError(
                f"{path} does not fit {library_name}: {key} has shape {tuple(fitting[key].shape)},"
                f" {tuple(tensor.shape)} is needed"
            )
    return {key: value.reshape(own[key].shape) for key, value in fitting.items()}


def _in_order(state: State, own: State) -> State:
    """Give a file's tensors a network's names, where all but a classifier agree with it in order, kind and shape.

    Ports of one network name layers otherwise (``_conv_stem`` for ``conv_stem``). Fewer than 50 tensors are too few to
    know a network by; then, and where one does not agree, the answer is empty.
    """
    keys = [[key for key in tensors if not key.endswith("num_batches_tracked")] for tensors in (state, own)]
    theirs, ours = (
        [(key.rsplit(".", 1)[-1], tensors[key].shape) for key in names]
        for names, tensors in zip(keys, (state, own), strict=True)
    )
    if len(ours) < 50 or not 0 <= len(theirs) - len(ours) <= 2 or theirs[: len(ours)] != ours:
        return {}
    return dict(zip(keys[1], (state[key] for key in keys[0]), strict=False))


def _same_layout(given: Tensor, own: Tensor) -> bool:
    """Whether shapes agree; a fully connected layer (out, in) may stand for a convolution (out, C, h, w)."""
    connected = given.ndim == 2 and own.ndim == 4 and given.shape == own.flatten(1).shape
    return connected or given.shape == own.shape


def _vgg_name(key: str) -> str:
    """Turn torchvision's fully connected layers into timm's convolutions of 7 x 7 and 1 x 1."""
    return key.replace("classifier.0.", "pre_logits.fc1.").replace("classifier.3.", "pre_logits.fc2.")


def _normalisation(path: Path, name: str) -> tuple[Triple, Triple]:
    """Of timm's ``config.json`` beside a file (older ones have no ``pretrained_cfg``), else the backbone's."""
    facts = timm_facts(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else backbone(name)
    config = path.with_name("config.json")
    if not config.is_file():
        return facts.mean, facts.std
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
        stated = content.get("pretrained_cfg", content)
        mean, std = stated.get("mean", facts.mean), stated.get("std", facts.std)
    except (ValueError, AttributeError) as error:
        raise FormatError(f"{config}, beside the weights, is not timm's config.json: {error}") from error
    return _three(mean, "mean", config), _three(std, "std", config)


def _three(values: Any, what: str, path: Path) -> Triple:
    """Read a mean or standard deviation a channel, as a file says it."""
    numbers = list(values) if isinstance(values, list | tuple) else []
    fit = all(isinstance(v, int | float) and math.isfinite(v) and (what == "mean" or v > 0) for v in numbers)
    if len(numbers) != 3 or not fit:
        raise FormatError(f"{path}: {what} is {values!r}; three numbers{' above 0' * (what == 'std')} were expected")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])


def _difference(own: set[str], given: set[str]) -> str:
    missing, extra = sorted(own - given), sorted(given - own)
    return f"{len(missing)} are missing (e.g. {missing[:2]}), {len(extra)} are unknown (e.g. {extra[:2]})"


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
