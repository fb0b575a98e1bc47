"""A network that attention is read from: in single precision, folded where its normalisation turns signs around."""

from __future__ import annotations

import copy
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from gazekit.models.folding import fold_normalisation

Marks = tuple[tuple[int, int], ...]
_prepared: WeakKeyDictionary[nn.Module, tuple[Marks, nn.Module]] = WeakKeyDictionary()


def prepared(model: nn.Module, pictures: Tensor) -> tuple[nn.Module, Tensor]:
    """Return a model and pictures that excitation backprop computes right; the model itself where it is one already.

    Shares of a probability vanish in 16 bits, so those networks are read in float32. Where batch normalisation has
    negative factors a probability may not simply pass through: it is folded into its convolution, whose signs then say
    what excites. A copy made so is kept for as long as the model lives and its weights do not change.
    """
    single = not any(p.dtype in (torch.float16, torch.bfloat16) for p in model.parameters())
    parameter = next(model.parameters(), pictures)
    if single and not _turns_signs(model):
        return model, pictures.to(parameter.dtype)
    dtype = parameter.dtype if single else torch.float32
    marks = _marks(model)
    if marks is None or model not in _prepared or _prepared[model][0] != marks:
        other = copy.deepcopy(model).eval().to(dtype=dtype)
        with torch.no_grad():
            fold_normalisation(other, pictures[:1].to(dtype))
        if marks is None:
            return other, pictures.to(dtype)
        _prepared[model] = (marks, other)
    return _prepared[model][1], pictures.to(dtype)


def _turns_signs(model: nn.Module) -> bool:
    norms = (module.weight for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    return any(weight is not None and bool((weight < 0).any()) for weight in norms)


def _marks(model: nn.Module) -> Marks | None:
    """Return what changes when weights change; None of tensors that do not count their changes."""
    tensors = (*model.parameters(), *model.buffers())
    if any(tensor.is_inference() for tensor in tensors):
        return None
    return tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)
