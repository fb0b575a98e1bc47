"""Collects, screens and aggregates ratings of pictures. Knows nothing of gaze."""

from __future__ import annotations

import importlib
from typing import Any

_PLACES = {
    "SurveyError": "survey.errors",
    "SurveySection": "survey.config",
    "SurveyStudy": "survey.config",
    "Store": "survey.database",
    "aggregate": "survey.aggregation",
    "export_ratings": "survey.rating_export",
    "open_store": "survey.database",
    "read_study": "survey.config",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'survey' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
