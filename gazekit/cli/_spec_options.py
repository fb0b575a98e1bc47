"""Options of a command, made from the fields of a spec: name, kind, limits, default and description."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args, get_origin

import annotated_types
import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo


def spec_options(model: type[BaseModel], *, limits: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an option for every simple field of a spec.

    An option that is not given arrives as None, so that it can go before what a file says; see `given`. Without
    ``limits`` the spec itself refuses numbers out of range, all of them in one message.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name, field in reversed(model.model_fields.items()):
            how = _how(field, limits)
            if how is not None:
                extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
                flag = str(extra.get("option", "--" + name.replace("_", "-")))
                flags = f"{flag}/--no-{flag[2:]}" if how.get("is_flag") else flag
                function = click.option(flags, name, default=None, help=_help(field), **how)(function)
        return function

    return decorate


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None and value != ()}


class Numbers(click.ParamType):  # type: ignore[type-arg]
    """Several numbers, separated by commas."""

    name = "A,B,C"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        """Split the text at its commas."""
        try:
            return value if isinstance(value, tuple) else tuple(float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not numbers as 0.8,0.1,0.1", param, ctx)


def _how(field: FieldInfo, limits: bool) -> dict[str, Any] | None:
    """Return how click takes a field; None for one that no option can say."""
    kind = _plain(field.annotation)
    if kind is bool:
        return {"is_flag": True}
    if kind is str:
        return {"type": str}
    if kind in (int, float):
        return {"type": _number(kind, field.metadata) if limits else kind}
    if get_origin(kind) is Literal:
        return {"type": click.Choice(list(get_args(kind)))}
    if kind == tuple[str, ...]:
        return {"multiple": True}
    return {"type": Numbers()} if kind == tuple[float, ...] else None


def _plain(kind: Any) -> Any:
    """Return the type beside None, without what is noted of it."""
    if get_origin(kind) is Annotated:
        return _plain(get_args(kind)[0])
    if get_origin(kind) in (types.UnionType, typing.Union):
        return next(_plain(part) for part in get_args(kind) if part is not types.NoneType)
    return kind


def _number(kind: type, metadata: list[Any]) -> click.ParamType[Any] | type:
    limits: dict[str, Any] = {}
    for limit in metadata:
        if isinstance(limit, (annotated_types.Ge, annotated_types.Gt)):
            limits |= {"min": getattr(limit, "ge", getattr(limit, "gt", None))}
            limits |= {"min_open": isinstance(limit, annotated_types.Gt)}
        elif isinstance(limit, (annotated_types.Le, annotated_types.Lt)):
            limits |= {"max": getattr(limit, "le", getattr(limit, "lt", None))}
            limits |= {"max_open": isinstance(limit, annotated_types.Lt)}
    if not limits:
        return kind
    return (click.IntRange if kind is int else click.FloatRange)(**limits)


def _help(field: FieldInfo) -> str | None:
    text, default = field.description or "", field.default
    if default is None or default == () or default is False:
        return text or None
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    return f"{text}  [default: {shown}]".strip()
