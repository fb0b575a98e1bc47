"""``gazekit export``: sessions for other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
@click.option(
    "--study", type=click.Path(path_type=Path), help="Study file whose [bids] says authors, licence and task."
)
@click.option("--author", "authors", multiple=True, help="Author of the BIDS dataset; may be repeated.")
@click.option("--licence", help="Licence of the BIDS dataset, such as CC0 or CC-BY-4.0.")
@click.option("--institution", help="Institution that recorded, for BIDS.")
@click.option("--task-description", help="What the task was, for BIDS.")
@click.option("--instructions", help="What people were told, for BIDS.")
@click.option("--fixations", metavar="DETECTOR", help="Put the fixations of this detector among the events of BIDS.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    sessions: tuple[Path, ...],
    kind: str,
    out: Path,
    name: str,
    study: Path | None,
    fixations: str | None,
    as_json: bool,
    **about: Any,
) -> None:
    """Write sessions as BIDS, CSV or Parquet; ``gazekit import`` of the result gives the same sessions back.

    A folder stands for the session files in it.

    \b
    Example:
      gazekit export sessions --format bids --study study.toml --out bids
    """
    from gazekit.formats.exporting import export_sessions
    from gazekit.formats.settings import BidsSection
    from gazekit.study import read_study

    section = read_study(study).bids if study else BidsSection()
    said = {key: list(value) if key == "authors" else value for key, value in about.items() if value}
    detector = _detector(fixations) if fixations else None
    section = section.model_copy(update=said)
    written = export_sessions(sessions, out, kind, name=name, fixations=detector, about=section)
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
