"""``gazekit erase``: one person taken out of a study."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="erase")
@click.argument("participant")
@click.option("--study", required=True, type=click.Path(path_type=Path), help="Study file whose files are searched.")
@click.option("--database-url", "database", help="Database of the survey; else the one beside the study file.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
def command(participant: str, study: Path, database: str | None, yes: bool) -> int:
    """Take PARTICIPANT out of sessions, fixations, ratings, survey, datasets and published folders of a study.

    What would be touched is shown first. Datasets are deleted and must be built again; folders of gazekit publish
    beside the study file are written anew. A record without the person is added to erasures.csv there. Copies
    elsewhere, backups and exports are not touched.

    \b
    Example:
      gazekit erase P07 --study study.toml
    """
    from pipelines.erasure import find_person

    erasure = find_person(participant, study, database=database)
    for line in erasure.lines():
        click.echo(line)
    if not yes and not click.confirm("Do this? It cannot be undone"):
        click.echo("nothing was changed")
        return 1
    click.echo(f"done; recorded in {erasure.carry_out()}")
    return 0
