"""Code blocks of README and the documentation: found, checked, run.

A block that takes too long, or needs what CI does not have, stands after a line ``<!-- by hand: REASON -->``: its
commands and options are still looked up, but it is not run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from gazekit.cli import gazekit
from tests.conftest import ROOT

BY_HAND = re.compile(r"<!-- by hand: (.+) -->")
FENCE = re.compile(r"^(`{3,})(\w*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    language: str
    code: str
    by_hand: str  # the reason; empty where it is run

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def commands(self) -> list[list[str]]:
        """Return the lines of a shell block as words; continued lines are one, remarks are left out."""
        lines = [line.removeprefix("$ ") for line in self.code.replace("\\\n", " ").splitlines()]
        if self.language != "sh":  # output of a terminal, or a drawing
            lines = [line for line in lines if line.startswith("gazekit ")]
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def pages() -> list[Path]:
    """Return README and every page that somebody wrote."""
    made = {ROOT / "docs" / "figures.md"}
    written = [
        path
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if path not in made and not {"generated", "build"} & set(path.relative_to(ROOT / "docs").parts)
    ]
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *written]


def blocks(page: Path) -> Iterator[Block]:
    """Go through the fenced blocks of a page."""
    lines = page.read_text("utf-8").splitlines()
    reason, start, fence, language = "", 0, "", ""
    for number, line in enumerate(lines, 1):
        if fence:
            if line == fence:
                yield Block(page, start, language, "\n".join(lines[start : number - 1]) + "\n", reason)
                fence, reason = "", ""
        elif match := FENCE.match(line):
            fence, language, start = match[1], match[2], number
        elif match := BY_HAND.fullmatch(line):
            reason = match[1]
        elif line.strip():
            reason = ""


def unknown_in(words: list[str]) -> str:
    """Say what a line of `gazekit ...` names that is not there: a command, a subcommand, an option."""
    command: click.Command = gazekit
    context = click.Context(gazekit, info_name="gazekit")
    rest = [word for word in words[1:] if word not in ("-v", "-vv", "--verbose")]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        inner = command.get_command(context, rest[0])
        if inner is None:
            if command is not gazekit:  # a group that takes arguments of its own
                break
            return f"no command {rest[0]!r}"
        command, rest = inner, rest[1:]
    parts = [command, *(command.commands.values() if isinstance(command, click.Group) else [])]
    options = [option for part in parts for option in part.params]
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}
    if command is gazekit:
        known |= {"--version"}
    named = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    return ", ".join(f"no option {name} of {' '.join(words[:2])}" for name in sorted(named - known))
