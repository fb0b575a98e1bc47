"""``gazekit publish``: a study as a folder for publication."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from gazekit.core.counting import counted


@click.command(name="publish")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="New folder.")
@click.option("--database-url", "database", help="Database of the survey; else the one beside the study file.")
@click.option("--results", type=click.Path(path_type=Path), help="Folder of a comparison, for the methods.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(study: Path, out: Path, database: str | None, results: Path | None, as_json: bool) -> None:
    """Write a study as a folder for publication: BIDS, ratings, pictures by licence, metadata, methods.

    STUDY names sessions, ratings and pictures; its [bids] says authors, licence and task. A picture travels where the
    list of pictures has an open licence for it (columns licence and source). Ids of raters, answers about the person,
    free text, dates and times of day stay out. methods.md tells in sentences what was done, each number with its file.

    \b
    Example:
      gazekit publish study.toml --results results --out reefs-2026
    """
    from pipelines.publishing import publish

    done = publish(study, out, database=database, results=results)
    if as_json:
        click.echo(json.dumps(asdict(done), default=str))
        return
    click.echo(
        f"{done.folder}: {counted(done.sessions, 'session')}, {counted(done.ratings, 'row')} of ratings, "
        f"{counted(done.pictures, 'picture')}"
    )
    for text in done.left_out:
        click.echo(f"left out: {text}")
    for text in done.look_through:
        click.echo(f"look through: {text}")
