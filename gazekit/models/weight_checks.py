"""Weights that are weights, and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gazekit.core.errors import FormatError, InputError


def check_finite(tensors: Mapping[str, Tensor], path: str | Path) -> None:
    """Refuse weights of a file that hold NaN or infinity, or whole numbers; the `InputError` names one."""
    whole = [name for name, t in tensors.items() if name.endswith(("weight", "bias")) and not t.is_floating_point()]
    if whole:
        raise InputError(
            f"{path}: {len(whole)} of {len(tensors)} tensors hold whole numbers ({tensors[whole[0]].dtype}), e.g."
            f" {whole[0]}, as of a quantised network; take the weights that it was made of"
        )
    broken = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise InputError(
            f"{path}: {len(broken)} of {len(tensors)} tensors hold NaN or infinity, e.g. {broken[0]};"
            " take the weights of an earlier epoch"
        )


def check_download(path: str | Path) -> None:
    """Refuse what a download leaves in the place of weights; the `FormatError` says what it is."""
    with open(path, "rb") as file:
        start = file.read(512).lstrip(b"\xef\xbb\xbf \r\n\t")
    if start.startswith(b"version https://git-lfs"):
        raise FormatError(
            f"{path} is a pointer of Git LFS and not the weights that it stands for; fetch them (git lfs pull)"
        )
    if start[:1] == b"<" and any(mark in start.lower() for mark in (b"<!doctype", b"<html", b"<head", b"<?xml")):
        raise FormatError(
            f"{path} is a web page and not weights: the address that it came from answered with a page; open it there"
        )
