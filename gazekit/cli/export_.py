"""``gazekit export``: sessions for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

    from gazekit.formats.bids_out import Detector, Side
    from gazekit.session import Session


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
@click.option("--fixations", metavar="DETECTOR", help="Put the fixations of this detector among the events of BIDS.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(sessions: tuple[Path, ...], kind: str, out: Path, name: str, fixations: str | None, as_json: bool) -> None:
    """Write sessions as BIDS, CSV or Parquet; ``gazekit import`` of the result gives the same sessions back.

    A folder stands for the session files in it.

    \b
    Example:
      gazekit export sessions --format bids --out bids
    """
    from gazekit.formats.exporting import export_sessions

    written = export_sessions(sessions, out, kind, name=name, fixations=_detector(fixations) if fixations else None)
    if as_json:
        click.echo(json.dumps({"written": [str(path) for path in written]}))
    else:
        for path in written:
            click.echo(path)


def _detector(name: str) -> Detector:
    from gazekit.events import detect_fixations

    def fixations(session: Session, side: Side) -> pd.DataFrame:
        return detect_fixations(session.recording, session.screen, detector=name, eye=side)

    return fixations
