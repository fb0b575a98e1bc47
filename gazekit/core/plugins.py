"""What is installed under an entry point group: gazekit's own parts, and those of plug-in packages."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Mapping
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from gazekit.core.errors import GazekitError

_log = logging.getLogger(__name__)


@functools.cache
def plugins(group: str) -> Mapping[str, Any]:
    """Load all that is installed under an entry point group, by name in alphabetical order.

    A plug-in that cannot be loaded is left out with a warning.

    Raises
    ------
    GazekitError
        Nothing of gazekit's own is registered: the installation is older than the code.
    """
    loaded: dict[str, Any] = {}
    entries = sorted(entry_points(group=group), key=lambda entry: entry.name)
    if not any(entry.value.startswith("gazekit.") for entry in entries):
        raise GazekitError(f"gazekit's own {group} are not registered; install it again: pip install -e . (or gazekit)")
    for entry in entries:
        try:
            loaded[entry.name] = entry.load()
            _log.debug("%s: %s from %s", group, entry.name, entry.value)
        except Exception as error:  # whatever a stranger's module raises must not stop the others
            warnings.warn(f"{entry.name} of {group} ({entry.value}) cannot be loaded: {error}", stacklevel=2)
    return MappingProxyType(loaded)
