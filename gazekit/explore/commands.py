"""Commands and lines of Python that make what a page shows."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from gazekit.explore.material import Material


@dataclass(frozen=True)
class Recipe:
    """How to make what is shown without a browser."""

    command: str
    python: str


def changed(choice: BaseModel) -> dict[str, Any]:
    """Return the options that are not their defaults."""
    return {
        name: getattr(choice, name)
        for name, field in type(choice).model_fields.items()
        if getattr(choice, name) != field.default
    }


def words(parts: Iterable[object]) -> str:
    """Return a command line for a shell."""
    return shlex.join(map(str, parts))


def options(values: Mapping[str, Any]) -> list[str]:
    """Return options of a command line."""
    line: list[str] = []
    for name, value in values.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            line.append(flag)
        elif isinstance(value, (tuple, list)):
            line += [part for one in value for part in (flag, str(one))]
        else:
            line += [flag, str(value)]
    return line


def arguments(values: Mapping[str, Any]) -> str:
    """Return keyword arguments of a Python call."""
    return "".join(f", {name}={value!r}" for name, value in values.items())


def screen_options(material: Material) -> list[str]:
    """Return the options that say the screen of other programs' files."""
    sizes, line = material.screen, []
    for flag, width, height in (("--screen", "width_px", "height_px"), ("--screen-mm", "width_mm", "height_mm")):
        if width in sizes and height in sizes:
            line += [flag, f"{sizes[width]:g}x{sizes[height]:g}"]
    return line + (["--distance-mm", f"{sizes['distance_mm']:g}"] if "distance_mm" in sizes else [])


def picture_options(material: Material) -> list[str]:
    """Return the option that names the pictures."""
    return ["--pictures", str(material.picture_source)] if material.picture_source else []


def what_was_named(material: Material) -> list[str]:
    """Return the arguments of `gazekit explore` that name the same."""
    if material.study is not None:
        line = [str(material.study.file), "--sessions", str(material.asked[0])]
    else:
        line = [str(path) for path in material.asked]
    return [*line, *picture_options(material), *screen_options(material)]


def load_line(material: Material) -> str:
    """Return the line of Python that reads the same."""
    if material.study is not None:
        call = f"[{str(material.study.file)!r}], sessions={str(material.asked[0])!r}"
    else:
        call = repr([str(path) for path in material.asked])
    further = {"pictures": str(material.picture_source)} if material.picture_source else {}
    sizes = {"screen": dict(material.screen)} if material.screen else {}
    return f"material = load_material({call}{arguments({**further, **sizes})})"
