"""What each kind of model sees of a picture: its view, and crops or patches of the original pixels."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gazekit.models.baselines.multipatch import MultiPatch
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.input_spec import SQUARE, Item, Kind, Look
from gazekit.models.pixels import Picture, foveal_crop, normalised, same_size_batches

Inputs = tuple[Tensor, ...]


def second_input(model: nn.Module) -> str | None:
    """Return the name of a model's second input (``fovea``, ``crop``), or None where it takes one, as in stage 1."""
    if isinstance(model, PeripheralFoveal) and model.stage == 1:
        return None
    names = list(inspect.signature(model.forward).parameters)
    return names[1] if len(names) > 1 else None


def example_inputs(model: nn.Module, size: int | tuple[int, int], count: int = 1) -> Inputs:
    """Random inputs of the right shapes, on the model's device; the same ones every time."""
    height, width = (size, size) if isinstance(size, int) else size
    device = next(model.parameters()).device
    numbers = None if device.type == "meta" else torch.Generator(device).manual_seed(0)
    patches = (model.patches,) if isinstance(model, MultiPatch) else ()
    inputs = [torch.randn(count, *patches, 3, height, width, device=device, generator=numbers)]
    if second_input(model) is not None:
        side = int(getattr(model, "size", height))
        inputs.append(torch.randn(count, 3, side, side, device=device, generator=numbers))
    return tuple(inputs)


def look_of(model: nn.Module, size: int, aspects: tuple[float, ...] | None = None) -> Look:
    """How a model looks at pictures, with views of a longer side of ``size`` pixels.

    ``aspects`` : of its views; else squares, and each picture's own for networks that keep it (PF-, GPF-, MNA-CNN).
    """
    default = () if getattr(model, "keeps_aspect", False) else SQUARE
    narrowest = int(getattr(model, "narrowest", 1))
    return Look(_kind(model), size, default if aspects is None else aspects, narrowest)


def batches(
    model: nn.Module, items: Sequence[Item], device: torch.device | str = "cpu"
) -> Iterator[tuple[npt.NDArray[np.int64], Inputs]]:
    """Make the inputs of a model for some pictures; say which pictures they are.

    One batch a size of view; PF- and GPF-CNN get their foveal crops from the originals.

    Parameters
    ----------
    model : nn.Module
        With ``mean`` and ``std``, as `gazekit.models.create` gives it.
    items : Sequence[Item]
        Of the model's `look_of`.
    """
    sizes = [(item[0].shape[-3], item[0].shape[-2]) for item in items]
    for index in same_size_batches(sizes, len(items)):
        chosen = [items[i] for i in index]
        views = _normalised([item[0] for item in chosen], model).to(device)
        if isinstance(model, PeripheralFoveal):
            boxes, shape = model.boxes(views), sizes[index[0]]
            crops = [foveal_crop(item[1], box, shape, model.size) for item, box in zip(chosen, boxes, strict=True)]
            yield index, (views, _normalised(crops, model).to(device))
        else:
            others = [_normalised(column, model).to(device) for column in list(zip(*chosen, strict=True))[1:]]
            yield index, (views, *others)


def _normalised(pictures: Sequence[Picture], model: nn.Module) -> Tensor:
    pixels = np.stack(pictures)
    flat = normalised(pixels.reshape(-1, *pixels.shape[-3:]), model.mean, model.std)  # type: ignore[arg-type]
    return flat.reshape(*pixels.shape[:-3], *flat.shape[1:]) if pixels.ndim > 4 else flat


def _kind(model: nn.Module) -> Kind:
    if isinstance(model, PeripheralFoveal):
        return "attended"
    if isinstance(model, MultiPatch):
        return "adaptive patches" if model.aggregate == "statistics" else "patches"
    return "view" if second_input(model) is None else "crop"
