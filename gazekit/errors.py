"""The errors of gazekit under their public name; the tree is drawn in `gazekit.core.errors`.

>>> from gazekit import errors, open_session
>>> try:
...     open_session("nothing.gaze.h5")
... except errors.InputError as error:
...     print(error)
no such session file: nothing.gaze.h5
"""

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
