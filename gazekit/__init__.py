"""Take raw gaze to a comparison: does looking where people look help a model judge a picture.

The flat namespace loads a room when a name of it is first touched, so that ``import gazekit`` is light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gazekit import errors, models, training
    from gazekit.attention import attended_rectangle, attention_map, saliency
    from gazekit.attention.viewings import viewings
    from gazekit.capture import record
    from gazekit.conditions.masks import masks
    from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
    from gazekit.events import data_quality, detect_fixations, label_samples
    from gazekit.gaze import GazeRecording
    from gazekit.histograms import read_histograms
    from gazekit.pictures import list_pictures
    from gazekit.report import write_report
    from gazekit.screen import Placement, Screen
    from gazekit.session import Session, open_session
    from gazekit.shapes.mask_spec import MaskSpec
    from gazekit.stats.comparison import compare
    from gazekit.study import read_study
    from gazekit.training import train

_HOME = {
    "DatasetSpec": "gazekit.dataset",
    "GazeRecording": "gazekit.gaze",
    "Placement": "gazekit.screen",
    "Screen": "gazekit.screen",
    "Session": "gazekit.session",
    "attended_rectangle": "gazekit.attention",
    "attention_map": "gazekit.attention",
    "build_dataset": "gazekit.dataset",
    "compare": "gazekit.stats.comparison",
    "data_quality": "gazekit.events",
    "detect_fixations": "gazekit.events",
    "label_samples": "gazekit.events",
    "list_pictures": "gazekit.pictures",
    "masks": "gazekit.conditions.masks",
    "viewings": "gazekit.attention.viewings",
    "MaskSpec": "gazekit.shapes.mask_spec",
    "open_dataset": "gazekit.dataset",
    "open_session": "gazekit.session",
    "record": "gazekit.capture",
    "import_recording": "gazekit.formats",
    "read_histograms": "gazekit.histograms",
    "session_fixations": "gazekit.events",
    "train": "gazekit.training",
    "write_report": "gazekit.report",
    "read_study": "gazekit.study",
}
_MODULES = {
    "errors": "gazekit.errors",
    "models": "gazekit.models",
    "saliency": "gazekit.attention.saliency",
    "training": "gazekit.training",
}

__all__ = [
    "DatasetSpec",
    "GazeRecording",
    "MaskSpec",
    "Placement",
    "Screen",
    "Session",
    "attended_rectangle",
    "attention_map",
    "build_dataset",
    "compare",
    "data_quality",
    "detect_fixations",
    "errors",
    "import_recording",
    "label_samples",
    "list_pictures",
    "masks",
    "models",
    "open_dataset",
    "open_session",
    "read_histograms",
    "read_study",
    "record",
    "saliency",
    "session_fixations",
    "train",
    "training",
    "viewings",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = importlib.import_module(_MODULES[name])
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'gazekit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
