"""Fit and score.

Names that need torch load it when they are first touched. `evaluate` and `compare` are those of `gazekit.stats`.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gazekit.stats.comparison import compare
    from gazekit.stats.metrics import evaluate
    from gazekit.training.grid import plan, train
    from gazekit.training.loss import emd_loss

_HOME = {
    "compare": "gazekit.stats.comparison",
    "emd_loss": "gazekit.training.loss",
    "evaluate": "gazekit.stats.metrics",
    "plan": "gazekit.training.grid",
    "train": "gazekit.training.grid",
}
_NEEDS_TORCH = {"emd_loss", "plan", "train"}

__all__ = ["compare", "emd_loss", "evaluate", "plan", "train"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gazekit.training' has no attribute {name!r}")
    if name in _NEEDS_TORCH and importlib.util.find_spec("torch") is None:
        from gazekit.core.errors import MissingExtraError

        raise MissingExtraError("torch", "train")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
