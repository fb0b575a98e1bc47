"""What the attention methods share: a model held still, its layers by path, maps that sum to 1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gazekit.core.errors import InputError, unknown_name


@contextlib.contextmanager
def held_still(model: nn.Module) -> Iterator[None]:
    """Hold the model in evaluation mode, without autocast or inference mode; afterwards each module is as it was."""
    was = [(module, module.training) for module in model.modules()]
    model.eval()
    device = next(model.parameters()).device.type
    try:
        with torch.inference_mode(False), torch.autocast(device, enabled=False):
            yield
    finally:
        for module, training in was:
            module.training = training


def readout_layer(model: nn.Module, layer: str | None) -> str:
    """Return the path of the layer to read: the given one, or the model's own ``readout``.

    Raises
    ------
    InputError
        The model names none and none is given; there is no such layer (the close ones are offered).
    """
    path = getattr(model, "readout", None) if layer is None else layer
    if path is None:
        raise InputError(f"{type(model).__name__} does not say which layer to read; give layer=, a module's path")
    known = [name for name, _ in model.named_modules() if name]
    if path not in known:
        raise unknown_name("layer", str(path), known)
    return str(path)


def as_map(values: Tensor, model: nn.Module, path: str) -> Tensor:
    """Return what a layer gave, if it is a map (N, C, h, w); else an `InputError` that names one which gives maps.

    Those networks of timm that compute (N, h, w, C) say so, and their layers' maps are turned around.
    """
    if values.ndim == 4 and any(getattr(part, "output_fmt", "NCHW") == "NHWC" for part in model.modules()):
        turned = not path.endswith(".map")  # what `gazekit.models.timm_models` lays out itself
        values = values.permute(0, 3, 1, 2) if turned else values
    if values.ndim == 3 and any(hasattr(part, "num_prefix_tokens") for part in model.modules()):
        raise InputError(
            f"layer {path!r} of this vision transformer gives tokens, {tuple(values.shape)}, and no map; read its"
            " attention with method='rollout'"
        )
    if values.ndim != 4:
        declared = getattr(model, "readout", None)
        usable = f"as {declared!r} does" if declared is not None else "as a convolution does"
        raise InputError(
            f"layer {path!r} gives values of shape {tuple(values.shape)}; one that gives maps (N, C, h, w) is needed,"
            f" {usable}"
        )
    return values


def chosen_classes(scores: Tensor, target: Tensor | int | None) -> Tensor:
    """Return the class of each picture, int64 (N,): the given one, or the one with the highest score.

    Raises
    ------
    InputError
        Not whole numbers, not as many as pictures, no such class; scores that are not numbers.
    """
    if not bool(torch.isfinite(scores).all()):
        raise InputError("the scores are not numbers, so there is no attention: the pictures or the weights hold NaN")
    if target is None:
        return scores.argmax(1)
    classes = torch.as_tensor(target, device=scores.device)
    if classes.is_floating_point() or classes.dtype == torch.bool or classes.shape not in ((), (1,), scores.shape[:1]):
        raise InputError(
            f"target {target} is neither a class, a whole number, nor one for each of {len(scores)} pictures"
        )
    classes = classes.to(torch.int64).expand(len(scores))
    if int(classes.min()) < 0 or int(classes.max()) >= scores.shape[1]:
        raise InputError(f"target {classes.tolist()}: the classes of this model are 0 to {scores.shape[1] - 1}")
    return classes


def summing_to_one(maps: Tensor) -> Tensor:
    """Non-negative maps (N, h, w), each divided by its sum; one that is zero everywhere becomes uniform.

    Raises
    ------
    InputError
        A map that is not of numbers.
    """
    if not bool(torch.isfinite(maps).all()):
        raise InputError("the attention is not a number: the pictures or the weights of the network hold NaN")
    maps = maps.double()
    total = maps.sum((1, 2), keepdim=True)
    uniform = 1.0 / (maps.shape[1] * maps.shape[2])
    return torch.where(total > 0, maps / total.clamp_min(1e-300), uniform).float()


def of_pictures(model: nn.Module, maps: Tensor, pictures: Tensor) -> Tensor:
    """Return maps of pictures, each summing to 1; patches' maps are first put where the patches lie."""
    if len(maps) != len(pictures):
        if pictures.ndim != 4:
            raise InputError("where patches lie is known of those that the network takes itself: give whole pictures")
        maps = model.whole(maps, (int(pictures.shape[2]), int(pictures.shape[3])))  # type: ignore[operator]
    return summing_to_one(maps)


def resized(maps: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Interpolate maps (N, h, w) to a size (height, width), summing to 1 again; None keeps them."""
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise InputError(f"size is {size}; (height, width) of 1 pixel or more was expected")
    if size is None or tuple(maps.shape[1:]) == tuple(size):
        return summing_to_one(maps)
    grown = F.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)
    return summing_to_one(grown[:, 0].clamp_min(0))
