"""Synthetic attention: one function for every model."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from gazekit.core.errors import InputError, unknown_name
from gazekit.models.attention.excitation import excitation_backprop
from gazekit.models.attention.gradcam import gradcam
from gazekit.models.attention.masks import soft_mask_maps
from gazekit.models.attention.readout import resized
from gazekit.models.attention.rollout import rollout, transformer_of
from gazekit.models.residual_attention import MaskBranch

Method = Literal["auto", "masks", "excitation", "gradcam", "rollout"]


def synthetic_attention(
    model: nn.Module,
    batch: Tensor,
    method: Method = "auto",
    *,
    target: Tensor | int | None = None,
    layer: str | None = None,
    size: tuple[int, int] | None = None,
) -> Tensor:
    """Where a network looks, as maps of the same kind as human attention.

    Parameters
    ----------
    batch : Tensor
        Normalised pictures (N, 3, H, W) on the model's device.
    method : Method
        ``masks``, the soft masks of a Residual Attention Network; ``excitation``, excitation backprop; ``gradcam``;
        ``rollout``, gradient times attention of a vision transformer; ``auto``, masks where the model has them, rollout
        for a transformer of one grid of tokens, else excitation backprop.
    target : Tensor or int or None
        Class whose evidence is asked for (not for masks), of each picture or one for all; else the predicted one.
    layer : str or None
        Path of the layer that is read (not for masks); else the model's ``readout``. Of PF- and GPF-CNN the peripheral
        subnet is asked, and paths are its own.
    size : tuple[int, int] or None
        (height, width) of the maps; else that of the pictures.

    Returns
    -------
    Tensor
        Tensor, float32, (N, height, width) on the model's device: non-negative, each summing to 1. The rectangle of a
        map is `gazekit.attention.attended_rectangle` of it, or `gazekit.shapes.rectangles.rectangle_of_area` at a given
        area.

    Raises
    ------
    InputError
        An unknown method, layer or class; a layer that gives no map; not a batch of normalised pictures, or pictures or
        weights that are not numbers; masks of a model that has none.
    """
    if method not in get_args(Method):
        raise unknown_name("attention method", method, get_args(Method))
    _check_batch(batch)
    model = getattr(model, "attention_part", model)
    size = size or (int(batch.shape[2]), int(batch.shape[3]))
    masked = any(isinstance(module, MaskBranch) for module in model.modules())
    if method == "masks" or (method == "auto" and masked):
        return soft_mask_maps(model, batch, size)
    if method == "auto":
        method = "excitation" if transformer_of(model) is None else "rollout"
    read = {"gradcam": gradcam, "rollout": rollout, "excitation": excitation_backprop}[method]
    return resized(read(model, batch, target=target, layer=layer), size)


def _check_batch(batch: Tensor) -> None:
    if not isinstance(batch, Tensor) or not batch.is_floating_point():
        kind = getattr(batch, "dtype", type(batch).__name__)
        raise InputError(f"normalised pictures, a tensor of floats, were expected, not {kind}")
    if batch.ndim != 4 or batch.shape[1] != 3 or not len(batch):
        raise InputError(f"a batch of pictures (N, 3, H, W) was expected, not a tensor of shape {tuple(batch.shape)}")
