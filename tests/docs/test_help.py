"""Every command has an example, every option says what it is and what holds when it is not given."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from gazekit.cli import gazekit
from tests.docs.blocks import unknown_in

NOTHING = (None, "", 0, False, ())  # needs no word on what holds otherwise
SAID = re.compile(r"default|else|absent|without|in place of|instead|otherwise|\[none\]", re.IGNORECASE)

UNIT = re.compile(  # or what a number without one is
    r"\b(m?s|seconds?|mm|millimetres|px|pixels?|degrees|GB|share|units|SRCC|score)\b"
    r"|\b(learning rate|SGD|multiplied|order of|decay of|norm of|second rate|everybody)\b",
    re.IGNORECASE,
)


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Go through the tree of commands: those that do something, by the words that call them."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            if not inner.hidden:
                yield from walk(inner, (*path, name))
    if path and not (isinstance(command, click.Group) and not command.params):
        yield " ".join(path), command


TREE = dict(walk(gazekit))


@pytest.mark.parametrize("name", TREE)
def test_it_has_an_example(name: str) -> None:
    text = (TREE[name].help or "").replace("\n", " ")
    assert f"gazekit {name}" in text, f"no example of gazekit {name} in its help"


@pytest.mark.parametrize("name", TREE)
def test_its_options_say_what_they_are_and_their_default(name: str) -> None:
    faults = []
    for option in TREE[name].params:
        if not isinstance(option, click.Option) or option.hidden:
            continue
        words = re.sub(r"\[.*?\]", "", option.help or "").strip()
        if not words:
            faults.append(f"{option.opts[0]} has no help")
        given = option.required or option.multiple or option.is_flag or callable(option.default)
        given = given or option.default in NOTHING or "UNSET" in repr(option.default)
        if not given and not option.show_default and not SAID.search(option.help or ""):
            faults.append(f"{option.opts[0]} does not say its default, {option.default!r}")
    assert faults == [], f"gazekit {name}: " + "; ".join(faults)


@pytest.mark.parametrize("name", TREE)
def test_its_numbers_with_a_point_say_their_unit(name: str) -> None:
    """Of a whole number the help says what is counted."""
    options = [option for option in TREE[name].params if isinstance(option, click.Option) and not option.hidden]
    floats = [option for option in options if isinstance(option.type, (click.FloatRange, type(click.FLOAT)))]
    assert [option.opts[0] for option in floats if not UNIT.search(option.help or "")] == []


def examples(name: str) -> list[list[str]]:
    """Return the lines of a command's help that begin with its name, as words."""
    text = re.sub(r"\\\n", " ", TREE[name].help or "")
    lines = re.findall(r"(?:^|Examples?:|\|)\s*(gazekit .*)$", text, re.MULTILINE)
    return [re.split(r"\s+", re.split(r"\s[|>#]|\s{3,}", line.strip())[0].replace(",", "")) for line in lines]


@pytest.mark.parametrize("name", TREE)
def test_its_examples_name_what_is_there(name: str) -> None:
    faults = [fault for words in examples(name) if (fault := unknown_in(words))]
    assert faults == []
