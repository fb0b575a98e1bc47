"""Grad-CAM (Selvaraju et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gazekit.models.attention.interception import Logits, capture, gradients
from gazekit.models.attention.preparing import prepared
from gazekit.models.attention.readout import as_map, chosen_classes, held_still, of_pictures, readout_layer


def gradcam(
    model: nn.Module, pictures: Tensor, *, target: Tensor | int | None = None, layer: str | None = None
) -> Tensor:
    """Weight the features of a layer by the mean gradient of the class's score before the softmax.

    The parameters and errors are those of `gazekit.models.attention.excitation_backprop`.

    Returns
    -------
    Tensor
        Float32, (N, h, w) of the layer: the positive part, each summing to 1 (uniform where nothing is positive).
    """
    path = readout_layer(model, layer)
    with held_still(model):
        ready, inputs = prepared(model, pictures)
        with capture(ready, path, detach=True) as kept, torch.no_grad(), Logits():
            scores = ready(inputs)
        features = as_map(kept[path].detach(), model, path)
        with torch.enable_grad():
            score = scores.gather(1, chosen_classes(scores.detach(), target)[:, None]).sum()
        gradient = gradients(score, {path: kept[path]})
    weights = as_map(gradient[path], model, path).mean((2, 3), keepdim=True)
    return of_pictures(model, (weights * features).sum(1).clamp_min(0), pictures)
