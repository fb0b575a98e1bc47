"""TOML settings, validated whole: every fault in one message, unknown keys answered with the nearest known."""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

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
        place = ".".join(map(str, fault["loc"])) or ("together" if issubclass(model, Spec) else "(file)")
        lines.append(f"  {place}: {_words(model, fault)}")
    return ConfigError(f"{where} has {counted(len(lines), 'fault')}:\n" + "\n".join(lines))


_NAMES = {  # what patterns of the sections mean
    r"^[a-z][a-z0-9_]{0,39}$": "should be at most 40 small letters, digits and _, with a letter first",
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$": "should be at most 40 letters, digits, _ and -, with a letter or digit first",
}


def _words(model: type[BaseModel], fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        known = _known_keys(model, fault["loc"][:-1])
        close = difflib.get_close_matches(str(fault["loc"][-1]), known, n=1, cutoff=0.6)
        return "unknown key; " + (f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}")
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
    current: Any = model
    for part in location:
        field = current.model_fields.get(str(part))
        if field is not None:  # else an index into a list, a name in a table, or the tag of a union
            kinds = (field.annotation, *_deep_args(field.annotation))
            current = next((kind for kind in kinds if _is_model(kind)), current)
    return list(current.model_fields)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _deep_args(kind: Any) -> list[Any]:
    return [inner for arg in get_args(kind) for inner in (arg, *_deep_args(arg))]
