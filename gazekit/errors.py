"""The errors of gazekit under their public name; the tree is drawn in `gazekit.core.errors`."""

from __future__ import annotations

from gazekit.core.errors import (
    ConfigError,
    FormatError,
    GazekitError,
    InputError,
    MissingExtraError,
    OutputError,
    TrackerError,
    TrainingError,
)

__all__ = [
    "ConfigError",
    "FormatError",
    "GazekitError",
    "InputError",
    "MissingExtraError",
    "OutputError",
    "TrackerError",
    "TrainingError",
]
