"""Every error that gazekit raises on purpose.

GazekitError                what was found, what was expected, what to do next
|-- InputError              a file, folder or value that the user gave is not usable
|   |-- FormatError         a file is not of the format it was taken for, or is damaged
|   `-- ConfigError         a study file or an option is wrong (all faults in one message)
|-- OutputError             an output exists already, or cannot be written
|-- TrackerError            an eye tracker cannot be found, or refuses
|-- TrainingError           training cannot go on: a loss that is not a number
`-- MissingExtraError       an optional dependency is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GazekitError(Exception):
    """Anything that gazekit raises on purpose; the command line prints it without a traceback."""


class InputError(GazekitError):
    """A file, folder or value that the user gave is not usable."""


class FormatError(InputError):
    """A file is not of the format it was taken for, or is damaged."""


class ConfigError(InputError):
    """A study file or an option is wrong; the message lists all faults at once."""


class OutputError(GazekitError):
    """An output exists already, or cannot be written."""


class TrackerError(GazekitError):
    """An eye tracker cannot be found, is lost, or refuses."""


class TrainingError(GazekitError):
    """Training cannot go on: a loss that is not a number."""


class MissingExtraError(GazekitError):
    """An optional dependency is not installed; the message names the ``pip install`` that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed, and this needs it: pip install 'gazekit[{extra}]'")


MOST_NAMES = 60  # that a message names


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Make an error for a name that is not known, which offers the close ones."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    more = f", ... ({len(names)} in all)" if len(names) > MOST_NAMES else ""
    hint = f"known: {', '.join(names[:MOST_NAMES]) or 'none'}{more}"
    hint = f"did you mean {' or '.join(close)}?" if close else hint
    return InputError(f"unknown {kind} {name!r}; {hint}")
