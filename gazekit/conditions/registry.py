"""The conditions by name: those of gazekit and those that plug-ins bring.

A new one is a file of its own, a subclass of `gazekit.conditions.condition.Condition`, with its line in the entry
point group ``gazekit.conditions`` of ``pyproject.toml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gazekit.conditions.condition import Condition, Source
from gazekit.conditions.human import Human
from gazekit.conditions.human_window import PREFIX, HumanWindow
from gazekit.conditions.network import Network
from gazekit.conditions.viewer_group import HumanGroup, ViewerGroup
from gazekit.core.errors import unknown_name
from gazekit.core.plugins import plugins
from gazekit.core.time_windows import TimeWindow


class _Known(dict[str, Condition]):
    """The installed conditions; one of a window of time is made when it is asked for."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and window_of(name) is not None)

    def __missing__(self, name: str) -> Condition:
        window = window_of(name)
        if window is None:
            raise KeyError(name)
        return HumanGroup(window) if isinstance(window, ViewerGroup) else HumanWindow(window)


def conditions() -> Mapping[str, Condition]:
    """Return every installed condition by name, in the order of files and tables."""
    installed = [kind() for kind in plugins("gazekit.conditions").values()]
    return _Known({found.name: found for found in sorted(installed, key=lambda one: (one.rank, one.name))})


def window_of(name: str) -> TimeWindow | ViewerGroup | None:
    """Return which fixations a condition such as ``human@0-1000ms`` or ``human@group=divers`` is of; None of others."""
    if not name.startswith(PREFIX):
        return None
    rest = name.removeprefix(PREFIX)
    return ViewerGroup.named(rest) or TimeWindow.named(rest)


def condition(name: str) -> Condition:
    """Return the condition of a name.

    Raises
    ------
    InputError
        There is none; the close ones are offered.
    """
    known = conditions()
    if name not in known:
        raise unknown_name("condition", name, known)
    return known[name]


def names_of_gaze(wanted: Iterable[str] = ()) -> list[str]:
    """List the conditions that a dataset's build makes, of fixations alone; the whole picture first, windows last."""
    installed = [name for name, found in conditions().items() if found.source is not Source.NETWORK]
    return installed + [name for name in dict.fromkeys(wanted) if window_of(name) is not None]


def default_names() -> list[str]:
    """List the conditions that a dataset has without being asked."""
    return [name for name, found in conditions().items() if found.default]


def names_of_networks(there: Iterable[str]) -> list[str]:
    """List the conditions that training adds to those of a dataset: networks' own, of the area of people's."""
    return list(networks()) if Human.name in there else []


def networks() -> dict[str, Network]:
    """Return the conditions of a network's own attention by name."""
    return {name: found for name, found in conditions().items() if isinstance(found, Network)}


def references() -> list[str]:
    """List the conditions that all others are compared with, the first one first."""
    return sorted((name for name, one in conditions().items() if one.reference), key=lambda n: condition(n).reference)
