"""TOML settings, validated whole: every fault in one message, unknown keys answered with the nearest known."""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError

from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_log = logging.getLogger(__name__)


class Section(BaseModel):
    """A part of a settings file: immutable, and no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Spec(Section):
    """Options of one piece of work, for Python: all that is wrong with them is said in one `ConfigError`."""

    if not TYPE_CHECKING:  # type checkers and editors see the fields

        def __init__(self, **options: Any) -> None:
            try:
                super().__init__(**options)
            except ValidationError as error:
                raise _faults(type(self), error, type(self).__name__) from None


#: ``en``, ``zh``, ``pt-BR``
LanguageCode = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class StudySection(Section):
    """``[study]``: what the study is called and the seed of everything random in it."""

    name: str = Field(min_length=1)
    seed: int = 0
    note: str = ""
    languages: list[LanguageCode] = Field(default=["en"], min_length=1)  # the first is that of who is given no other
    messages: Path | None = None  # folder of <language>.toml: other languages, or other words of the program


Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file; where it cannot be read, a `ConfigError` says why."""
    try:
        content = Path(path).read_bytes()
        _log.info("settings: %s", path)
        text = content.decode("utf-8-sig")
        if "\0" in text:
            raise ConfigError(f"{path} holds zero bytes: it is not UTF-8 but, it seems, UTF-16; save it as UTF-8")
        return tomllib.loads(text.replace("\r\n", "\n"))
    except FileNotFoundError:
        raise ConfigError(f"no such study file: {path}") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        code = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "Latin-1 or Windows-1252"
        raise ConfigError(f"{path} is not UTF-8 but, it seems, {code} (line {line}); save it as UTF-8") from None
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not a TOML file that can be read: {error}") from error


def validated(model: type[Model], data: Mapping[str, Any], where: str | Path) -> Model:
    """Build a model from a settings file's content; a `ConfigError` lists all that is wrong with it."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise _faults(model, error, where) from None


def _faults(model: type[BaseModel], error: ValidationError, where: str | Path) -> ConfigError:
    lines = []
    for fault in error.errors():
        parts = [str(part) for part in fault["loc"] if part != "[key]"]
        place = ".".join(parts) or ("together" if issubclass(model, Spec) else "(file)")
        lines.append(f"  {place}: {_words(model, fault)}")
    return ConfigError(f"{where} has {counted(len(lines), 'fault')}:\n" + "\n".join(lines))


_FEW_TABLES = 2  # that are named where a key belongs in them
_NAMES = {  # what patterns of the sections mean
    r"^[a-z][a-z0-9_]{0,39}$": "should be at most 40 small letters, digits and _, with a letter first",
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$": "should be at most 40 letters, digits, _ and -, with a letter or digit first",
}


def _words(model: type[BaseModel], fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        known = _known_keys(model, fault["loc"][:-1])
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.6)
        where = f"in {_table(fault['loc'][:-1])}" if len(fault["loc"]) > 1 else "here"
        if close:
            return f"unknown key; did you mean {close[0]!r}?"
        tables = list(dict.fromkeys(map(_table, _tables_with(_kinds(model), str(fault["loc"][-1])))))
        belongs = f"; it belongs in {' or '.join(tables)}" if 0 < len(tables) <= _FEW_TABLES else ""
        return f"unknown key; known {where}: {', '.join(sorted(known))}{belongs}"
    if fault["type"] == "missing":
        return "is missing"
    message = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    if fault["type"] == "string_pattern_mismatch":
        message = _NAMES.get(fault["ctx"]["pattern"], message.replace("String", "it", 1))
    if fault["type"] == "dict_type":
        message = "should be a table"
    if fault["type"] == "too_short":
        message = f"should have at least {fault['ctx']['min_length']}"
    return f"{message}, found {fault['input']!r}" if not isinstance(fault["input"], dict) else message


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """List the keys of the table at a place of a settings file; of several kinds that it may be, those of all."""
    kinds = _kinds(model)
    for part in location:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)] or kinds  # else it is the tag of a union
    return list(dict.fromkeys(name for kind in kinds if _is_model(kind) for name in kind.model_fields))


def _kinds(kind: Any) -> list[Any]:
    """List what a type may be: the parts of a union, and what stands in a `RootModel`."""
    if _is_model(kind):
        return _kinds(kind.model_fields["root"].annotation) if issubclass(kind, RootModel) else [kind]
    if get_origin(kind) in (Union, UnionType, Annotated):
        return [inner for arg in get_args(kind) for inner in _kinds(arg)]
    return [kind]


def _inside(kind: Any, part: int | str) -> list[Any]:
    """List what the types of a value may be, at a key or an index of one type."""
    if _is_model(kind):
        field = kind.model_fields.get(str(part))
        return [] if field is None else _kinds(field.annotation)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (dict, list, tuple) and args and isinstance(part, int) == (origin is not dict):
        return _kinds(args[-1] if origin is dict else args[0])
    return []


def _tables_with(kinds: list[Any], key: str, place: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """Yield the places of the tables that have a key."""
    for kind in kinds:
        if _is_model(kind):
            if key in kind.model_fields and place:
                yield place
            for name, field in kind.model_fields.items():
                yield from _tables_with(_kinds(field.annotation), key, (*place, name))
        elif get_origin(kind) is list:
            yield from _tables_with(_kinds(get_args(kind)[0]), key, (*place, 0))
        elif get_origin(kind) is dict:
            if key in get_args(get_args(kind)[0]):
                yield place
            yield from _tables_with(_kinds(get_args(kind)[1]), key, (*place, "NAME"))


def _table(location: tuple[int | str, ...]) -> str:
    """Return the header of a table of a TOML file."""
    name = ".".join(part for part in location if isinstance(part, str))
    return f"[[{name}]]" if location and isinstance(location[-1], int) else f"[{name}]"


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
