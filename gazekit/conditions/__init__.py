"""Conditions: which map, cut to which area; one file a condition, behind the entry point group `gazekit.conditions`."""

from gazekit.conditions.condition import Condition, MaskTask, Source
from gazekit.conditions.network import Network
from gazekit.conditions.registry import (
    condition,
    conditions,
    default_names,
    names_of_gaze,
    names_of_networks,
    networks,
    references,
    window_of,
)

__all__ = [
    "Condition",
    "MaskTask",
    "Network",
    "Source",
    "condition",
    "conditions",
    "default_names",
    "names_of_gaze",
    "names_of_networks",
    "networks",
    "references",
    "window_of",
]
