"""Import torchvision or timm through this module first.

Some installations pair a CPU build of torch with torchvision's CUDA wheel. Its compiled operators cannot be loaded,
and ``import torchvision`` dies with "operator torchvision::nms does not exist". Declaring the two operators that are
asked for at import cures that: nothing here calls them.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None


def declare_operators() -> None:
    """Declare torchvision's two operators where its own library cannot (once; nothing happens where it can)."""
    global _library
    if _library is not None or _has_operator() or _load_compiled():
        return
    _library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        _library.define(schema)  # type: ignore[no-untyped-call]


def _has_operator() -> bool:
    try:
        _ = torch.ops.torchvision.nms
    except (AttributeError, RuntimeError):
        return False
    return True


def _load_compiled() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent
    suffixes = (*importlib.machinery.EXTENSION_SUFFIXES, ".so", ".pyd")
    for file in (folder / f"_C{suffix}" for suffix in suffixes):
        if file.exists():
            try:
                torch.ops.load_library(str(file))  # type: ignore[no-untyped-call]
            except OSError:
                return False
            return _has_operator()
    return False


declare_operators()
