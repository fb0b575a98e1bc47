"""The networks of both papers, by name: ``gazekit.models.create("residual-attention-56", buckets=10)``."""

from __future__ import annotations

from importlib.util import find_spec

from gazekit.core.errors import MissingExtraError

if find_spec("torch") is None or find_spec("timm") is None:
    raise MissingExtraError("torch or timm", "train")

from gazekit.models.registry import ModelInfo, create, info, names
from gazekit.models.scoring import Scorer
from gazekit.models.weights import load_weights

__all__ = ["ModelInfo", "Scorer", "create", "info", "load_weights", "names"]
