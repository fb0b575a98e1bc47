"""Pictures, masks and ratings joined to one HDF5 dataset. A name is loaded when it is first touched."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gazekit.dataset.build import build_dataset
    from gazekit.dataset.reader import Dataset, open_dataset
    from gazekit.dataset.spec import DatasetSpec

_HOME = {"Dataset": "reader", "DatasetSpec": "spec", "build_dataset": "build", "open_dataset": "reader"}

__all__ = ["Dataset", "DatasetSpec", "build_dataset", "open_dataset"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gazekit.dataset' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"gazekit.dataset.{_HOME[name]}"), name)
    globals()[name] = value
    return value
