"""What the commands of ``gazekit survey`` share: the group, its options, and how a summary is printed."""

from __future__ import annotations

import functools
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from gazekit.core.errors import ConfigError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def survey(context: click.Context) -> None:
    """Collect, import and aggregate ratings.

    \b
    Try:  gazekit survey aggregate ratings.csv --scale 10 --out histograms.csv
    """
    context.call_on_close(functools.partial(os.umask, os.umask(0o077)))  # what is written is for the owner alone


def keep_inputs(outputs: Iterable[Path | None], *inputs: str | Path | None) -> None:
    """Refuse to write over a file that a command reads."""
    read = {Path(path).resolve() for path in inputs if path and "://" not in str(path)}
    for out in outputs:
        if out is not None and out.resolve() in read:
            raise ConfigError(f"{out} is read by this command and would be lost; give another name with --out")


def finite(_context: click.Context, _option: click.Parameter, value: float) -> float:
    """Refuse nan and inf, which click's ranges let through."""
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a number to count with")
    return value


def without_nan(value: Any) -> Any:
    """Put null where a number is none or has no end: JSON has no word for these."""
    if isinstance(value, dict):
        return {name: without_nan(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_summary(summary: dict[str, Any], as_json: bool) -> None:
    """Print what was done, for a person or a program."""
    if as_json:
        click.echo(json.dumps(without_nan(summary), allow_nan=False))
        return
    for name, value in summary.items():
        shown = (", ".join(map(str, value)) or "none") if isinstance(value, list) else value
        click.echo(f"{name + ':':14} {shown}")
