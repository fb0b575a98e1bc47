"""``gazekit trackers``."""

from __future__ import annotations

import json

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def command(as_json: bool) -> None:
    """List the eye trackers that can be reached: Tobii, LSL streams, the simulated one.

    \b
    Example:  gazekit trackers
    Choose one in the study file: [tracker] kind, and serial or address.
    """
    from dataclasses import asdict

    from gazekit.capture.discovery import find_trackers

    trackers, notes = find_trackers()
    if as_json:
        click.echo(json.dumps({"trackers": [asdict(tracker) for tracker in trackers], "notes": notes}))
        return
    for tracker in trackers:
        click.echo(f"{tracker.kind:10}  {tracker.model:28}  serial {tracker.serial:16}  address {tracker.address}")
    for note in notes:
        click.echo(f"not looked for: {note}", err=True)
