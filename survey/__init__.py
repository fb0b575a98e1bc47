"""Collects, screens and aggregates ratings of pictures. Knows nothing of gaze."""

from __future__ import annotations

import importlib
from typing import Any

_PLACES = {
    "ColumnMap": "survey.layouts",
    "SurveyError": "survey.errors",
    "SurveySection": "survey.config",
    "SurveyStudy": "survey.config",
    "Store": "survey.database",
    "comparison_scores": "survey.choice_scores",
    "aggregate": "survey.aggregation",
    "exclude": "survey.operations",
    "export_choices": "survey.rating_export",
    "export_ratings": "survey.rating_export",
    "group_difference": "survey.anytime",
    "import_ratings": "survey.imports",
    "leave_out": "survey.live_quality",
    "merge": "survey.operations",
    "open_store": "survey.database",
    "payments": "survey.payment",
    "read_study": "survey.config",
    "readmit": "survey.operations",
    "set_opening": "survey.operations",
    "withdraw_picture": "survey.operations",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'survey' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
