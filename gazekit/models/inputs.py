"""What each kind of model sees of a picture: its view, and crops or patches of the original pixels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gazekit.models.baselines.multipatch import MultiPatch
from gazekit.models.baselines.patches import adaptive_patches, fixed_patches
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.pixels import Picture, foveal_crop, normalised, peripheral_view, resize, same_size_batches

Item = tuple[Picture, ...]
Inputs = tuple[Tensor, ...]


def second_input(model: nn.Module) -> str | None:
    """The name of a model's second input (``fovea``, ``crop``), or None where it has one."""
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


def looker(model: nn.Module, size: int) -> Callable[[Picture], Item]:
    """A function from a picture (uint8 RGB, any size) to the small pictures that the model needs of it.

    Plain models get the picture at ``size`` x ``size``; the double columns also the middle ``size`` pixels of the
    original, the multi-patch ones patches of it; PF- and GPF-CNN a view that keeps its aspect ratio, and the original.
    Everything is the same each time: random places are for training.
    """
    if isinstance(model, PeripheralFoveal):
        return lambda picture: (peripheral_view(picture, size), picture)
    if isinstance(model, MultiPatch):
        cut = adaptive_patches if model.aggregate == "statistics" else fixed_patches
        return lambda picture: (cut(picture, size=size),)
    if second_input(model) is not None:
        return lambda picture: (resize(picture, (size, size)), _middle(picture, size))
    return lambda picture: (resize(picture, (size, size)),)


def batches(
    model: nn.Module, items: Sequence[Item], device: torch.device | str = "cpu"
) -> Iterator[tuple[npt.NDArray[np.int64], Inputs]]:
    """The inputs of a model for some pictures, and which pictures they are.

    One batch for most models; PF- and GPF-CNN get one a size of view, with their foveal crops from the originals.

    Parameters
    ----------
    model : with ``mean`` and ``std``, as `gazekit.models.create` gives it.
    items : of `looker`.
    """
    mean, std = model.mean, model.std
    if isinstance(model, PeripheralFoveal):
        views = [item[0] for item in items]
        for index in same_size_batches([(v.shape[0], v.shape[1]) for v in views], len(views)):
            view = normalised(np.stack([views[i] for i in index]), mean, std).to(device)  # type: ignore[arg-type]
            boxes = model.boxes(view)
            shape = (int(view.shape[2]), int(view.shape[3]))
            crops = [foveal_crop(items[i][1], box, shape, model.size) for i, box in zip(index, boxes, strict=True)]
            yield index, (view, normalised(np.stack(crops), mean, std).to(device))  # type: ignore[arg-type]
        return
    columns = [np.stack(column) for column in zip(*items, strict=True)]
    everything = np.arange(len(items), dtype=np.int64)
    yield everything, tuple(_normalised(column, model).to(device) for column in columns)


def _normalised(pixels: Picture, model: nn.Module) -> Tensor:
    if pixels.ndim == 4:
        return normalised(pixels, model.mean, model.std)  # type: ignore[arg-type]
    flat = normalised(pixels.reshape(-1, *pixels.shape[2:]), model.mean, model.std)  # type: ignore[arg-type]
    return flat.reshape(*pixels.shape[:2], *flat.shape[1:])


def _middle(picture: Picture, size: int) -> Picture:
    height, width = picture.shape[:2]
    side = min(size, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize(picture[top : top + side, left : left + side], (size, size))
