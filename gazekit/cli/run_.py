"""``gazekit run``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pipelines.config import Kind


@click.command("run")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--new",
    "kind",
    type=click.Choice(["gbr", "ava", "photonet"]),
    help="Write FILE, a commented example of such a study, and run nothing.",
)
@click.option("--dry-run", is_flag=True, help="Only say which stages would run.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def command(file: Path, kind: Kind | None, dry_run: bool, as_json: bool) -> None:
    """Run a whole study from its TOML FILE: dataset, training, comparison, the papers' tables, report.

    Unchanged stages are skipped; a changed file, parameter or piece of code reruns what depends on it. Stopped or
    killed, the same command goes on where it was. The kinds of study are gbr (a lab's own), ava and photonet.

    \b
    Example, gbr.toml:
      [pipeline]
      kind = "gbr"
      study = "study.toml"          # its [dataset] names sessions and ratings
      out = "results"
      [training]
      models = ["nima-mobilenet", "residual-attention-56"]
      conditions = ["original", "human", "synthetic", "centre", "shuffled"]
      seeds = 3
      [training.options]
      epochs = 30

    \b
      gazekit run ava.toml --new ava
      gazekit run gbr.toml --dry-run
      gazekit run gbr.toml
    """
    if kind is not None:
        from pipelines.example import write_example

        write_example(file, kind)
        click.echo(f"{file}: put your own paths in it, then: gazekit run {file} --dry-run")
        return
    from pipelines.studies import run_study

    out, outcomes = run_study(file, dry_run=dry_run, tell=lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps({"out": str(out), "stages": [vars(o) for o in outcomes]}, indent=1))
    elif not dry_run:
        click.echo(f"Report: {out / 'report.html'}\nTables: {out / 'tables'}")
