"""Options of models: what they may be, from Python or as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from gazekit.core.errors import ConfigError, unknown_name


@dataclass(frozen=True)
class Option:
    """``needs``: what a value must be; ``fits``: whether it is; ``read``: a value from text, or a ValueError."""

    needs: str
    fits: Callable[[Any], bool]
    read: Callable[[str], Any]


def _whole(least: int) -> Option:
    return Option(f"a whole number, {least} or more", lambda value: _is_whole(value) and value >= least, int)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1


def _are_grids(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) > 0 and all(_is_whole(item) and item >= 1 for item in value)


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


OPTIONS: Mapping[str, Option] = {
    "buckets": _whole(2),
    "dropout": Option("a number from 0 up to, but not, 1", _is_share, float),
    "width": _whole(1),
    "naive": Option("true or false", lambda value: isinstance(value, bool), _truth),
    "pooling": Option("published or padded", lambda value: value in ("published", "padded"), str),
    "align_corners": Option("true or false", lambda value: isinstance(value, bool), _truth),
    "keras_padding": Option("auto, 0,1 or 1,1", lambda value: value in ("auto", "0,1", "1,1"), str),
    "head": Option("softmax, cdf or cumulative", lambda value: value in ("softmax", "cdf", "cumulative"), str),
    "cells": Option("true or false", lambda value: isinstance(value, bool), _truth),
    "depths": Option("last or all", lambda value: value in ("last", "all"), str),
    "ridge": Option("validation or left-out", lambda value: value in ("validation", "left-out"), str),
    "fovea": _whole(1),
    "aggregate": Option("a name", lambda value: isinstance(value, str), str),
    "subjects": _whole(1),
    "grids": Option("whole numbers as 12,9,6", _are_grids, lambda text: [int(part) for part in text.split(",")]),
    "features": _whole(1),
}


def option_faults(values: Mapping[str, Any]) -> list[str]:
    """Write a sentence for each value that its option cannot have."""
    return [
        f"{name} is {value!r}; {OPTIONS[name].needs} is needed"
        for name, value in values.items()
        if name in OPTIONS and not OPTIONS[name].fits(value)
    ]


def read_options(texts: Iterable[str]) -> dict[str, Any]:
    """Options from texts as ``naive=true``.

    Raises
    ------
    ConfigError
        Not NAME=VALUE, an unknown name (the close ones are offered), a value that it cannot have.
    """
    known = [name for name in OPTIONS if name != "buckets"]
    values: dict[str, Any] = {}
    faults = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            faults.append(f"{text!r} is not NAME=VALUE, as in naive=true")
        elif name not in known:
            faults.append(str(unknown_name("option", name, known)))
        else:
            try:
                values[name] = OPTIONS[name].read(value)
            except (ValueError, KeyError):
                faults.append(f"{name} is {value!r}; {OPTIONS[name].needs} is needed")
    faults += option_faults(values)
    if faults:
        raise ConfigError("; ".join(faults))
    return values
