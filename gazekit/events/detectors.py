"""The detectors by name: those of gazekit and those that plug-ins bring."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from gazekit.core.errors import InputError, unknown_name
from gazekit.events.adaptive import adaptive
from gazekit.events.i2mc import i2mc
from gazekit.events.idt import idt
from gazekit.events.ivt import ivt
from gazekit.events.labels import Events
from gazekit.events.microsaccades import microsaccade_events

GROUP = "gazekit.detectors"
PICTURE_DETECTOR = "adaptive"  # the default for people who look at pictures: it agrees best with experts


# A function of `Samples` that gives `Events`. Its keyword-only parameters are what a user may set, each with a default.
# It keeps no state: the same samples and parameters give the same events.
Detector = Callable[..., Events]

BUILT_IN: Mapping[str, Detector] = {
    "ivt": ivt,
    "idt": idt,
    "adaptive": adaptive,
    "i2mc": i2mc,
    "microsaccades": microsaccade_events,
}


def detectors() -> list[str]:
    """List the detectors that can be used here: gazekit's own, then those of installed plug-ins."""
    return [*BUILT_IN, *sorted(e.name for e in entry_points(group=GROUP) if e.name not in BUILT_IN)]


def detector(name: str) -> Detector:
    """Return the detector of a name.

    Raises
    ------
    InputError
        No such detector (the close names are offered), or its plug-in cannot be loaded.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            try:
                function: Detector = entry.load()
            except (ImportError, AttributeError) as error:
                raise InputError(
                    f"the detector {name!r} of the plug-in {entry.value} cannot be loaded: {error}"
                ) from error
            return function
    raise unknown_name("detector", name, detectors())


def complete(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Complete the parameters of a detector with its defaults.

    Raises
    ------
    InputError
        A parameter that the detector does not have, or whose value is of the wrong kind.
    """
    known = defaults(name)
    for parameter, value in parameters.items():
        if parameter not in known:
            raise unknown_name(f"parameter of the detector {name}", parameter, known)
        _check_kind(name, parameter, value, known[parameter])
    return {**known, **parameters}


def defaults(name: str) -> dict[str, Any]:
    """Return the parameters of a detector and their defaults."""
    return {
        p.name: p.default
        for p in inspect.signature(detector(name)).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }


def _check_kind(name: str, parameter: str, value: Any, default: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(default, (int, float)) and not isinstance(default, bool) and not (number and value >= 0):
        raise InputError(f"{name}: {parameter} must be a number, 0 or more (default {default}); found {value!r}")
