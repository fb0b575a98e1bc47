"""``gazekit completion``."""

from __future__ import annotations

import os
from pathlib import Path

import click

_PLACES = {  # where shells look for completions of a user
    "bash": Path(".local/share/bash-completion/completions/gazekit"),
    "zsh": Path(".zfunc/_gazekit"),
    "fish": Path(".config/fish/completions/gazekit.fish"),
}


@click.command("completion")
@click.argument("shell", required=False, type=click.Choice(list(_PLACES)))
@click.option("--install", is_flag=True, help="Write it to where the shell looks, below your home; else it is printed.")
def command(shell: str | None, install: bool) -> None:
    """Print the completion of commands and options for SHELL, or install it; without SHELL for yours.

    \b
    Example:  gazekit completion --install
              gazekit completion zsh --install
              gazekit completion bash > gazekit-completion.sh
    """
    from click.shell_completion import get_completion_class

    from gazekit.cli import gazekit
    from gazekit.core.files import write_text

    shell = shell or Path(os.environ.get("SHELL", "")).name
    if shell not in _PLACES:
        raise click.UsageError(f"your shell is {shell or 'not known'}; name one of {', '.join(_PLACES)}")
    make = get_completion_class(shell)
    assert make is not None
    text = make(gazekit, {}, "gazekit", "_GAZEKIT_COMPLETE").source()
    if not install:
        click.echo(text)
        return
    place = Path.home() / _PLACES[shell]
    write_text(place, text)
    click.echo(f"wrote {place}; it works in shells that are opened from now on")
    if shell == "zsh":
        click.echo("in ~/.zshrc, before compinit: fpath+=~/.zfunc")
    elif shell == "bash":
        click.echo("bash needs the package bash-completion; else add to ~/.bashrc: source " + str(place))
