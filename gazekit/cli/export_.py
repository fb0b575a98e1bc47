"""``gazekit export``: sessions for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command(name="export")
@click.argument("sessions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["bids", "csv", "parquet"]),
    default="bids",
    show_default=True,
    help="BIDS eye tracking (one dataset of all sessions), or a folder of tables for each session.",
)
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="New folder.")
@click.option("--name", default="", help="Name of the BIDS dataset; else the folder's.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(sessions: tuple[Path, ...], kind: str, out: Path, name: str, as_json: bool) -> None:
    """Write sessions as BIDS, CSV or Parquet; ``gazekit import`` of the result gives the same sessions back.

    A folder stands for the session files in it.

    \b
    Example:
      gazekit export sessions --format bids --out bids
    """
    from gazekit.formats.exporting import export_sessions

    written = export_sessions(sessions, out, kind, name=name)
    if as_json:
        click.echo(json.dumps({"written": [str(path) for path in written]}))
    else:
        for path in written:
            click.echo(path)
