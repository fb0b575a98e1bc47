"""Weights that are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gazekit.core.errors import InputError


def check_finite(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Refuse weights of a file that hold NaN or infinity; the `InputError` names one."""
    broken = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise InputError(
            f"{path}: {len(broken)} of {len(tensors)} tensors hold NaN or infinity, e.g. {broken[0]};"
            " take the weights of an earlier epoch"
        )
