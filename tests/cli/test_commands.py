"""Every command is there, has help with an example, and meets wrong usage with exit code 2."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from gazekit.cli import COMMANDS, gazekit


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    result = CliRunner().invoke(gazekit, [name, "--help"])
    assert result.exit_code == 0, result.output
    command = gazekit.get_command(click.Context(gazekit), name)
    assert command is not None
    texts = [command.help or ""]
    if isinstance(command, click.Group):
        texts += [sub.help or "" for sub in command.commands.values()]
    assert any(f"gazekit {name}" in text for text in texts), "no example in the help"


def test_every_command_is_shown_on_a_page() -> None:
    from tests.docs.blocks import pages

    shown = "\n".join(page.read_text("utf-8") for page in pages())
    assert [name for name in COMMANDS if f"gazekit {name}" not in shown] == []


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gazekit", *arguments], capture_output=True, text=True)


def test_an_unknown_command_is_answered_with_the_close_ones() -> None:
    result = run("fixation")
    assert result.returncode == 2
    assert "did you mean fixations" in result.stderr


def test_an_error_on_purpose_prints_no_traceback() -> None:
    result = run("fixations", "no-such-file.gaze.h5", "--out", "x.csv")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "no-such-file.gaze.h5" in result.stderr
