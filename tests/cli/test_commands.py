"""Every command is there, has help with an example, and meets wrong usage with exit code 2."""

from __future__ import annotations

import os
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


def test_a_name_that_the_output_has_no_signs_for_is_printed_as_escapes() -> None:
    """As where Windows writes the output into a file: in the code page."""
    command = [sys.executable, "-m", "gazekit", "doctor", "日本.gaze.h5"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 1
    assert r"\u65e5\u672c.gaze.h5: error" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_under_the_output_is_said_without_a_traceback() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        command = [sys.executable, "-m", "gazekit", "public-data", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "gazekit: No space left on device; gazekit -vv tells where it happened\n"
