"""``gazekit survey``: serve, simulate, import, export, screen, aggregate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def survey() -> None:
    """Collect, import and aggregate ratings.

    \b
    Try:  gazekit survey aggregate ratings.csv --scale 10 --out histograms.csv
    """


@survey.command()
@click.argument("ratings", type=FILE)
@click.option("--scale", type=click.IntRange(2, 100), default=10, show_default=True, help="Scores are 1 to this.")
@click.option("--out", type=OUT, default="histograms.csv", show_default=True, help="The histogram table.")
@click.option(
    "--duplicates",
    type=click.Choice(["first", "last", "mean", "drop"]),
    default="first",
    show_default=True,
    help="What becomes of a rater who scored a picture twice.",
)
@click.option("--min-ratings", type=click.IntRange(1), default=10, show_default=True, help="Fewer are flagged.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def aggregate(ratings: Path, scale: int, out: Path, duplicates: Any, min_ratings: int, as_json: bool) -> None:
    """Make the histogram table from a table of ratings (rater, image, score).

    \b
    Example:  gazekit survey aggregate ratings.csv --scale 10 --out histograms.csv
    """
    from survey.aggregate import aggregate as histograms
    from survey.outputs import provenance, write_csv
    from survey.tabular import read_ratings

    table = histograms(read_ratings(ratings), scale=scale, duplicates=duplicates, min_ratings=min_ratings)
    parameters = {"scale": scale, "duplicates": duplicates, "min_ratings": min_ratings}
    write_csv(table, out, provenance(parameters, ratings))
    few = int((table["flags"].str.contains("few")).sum())
    summary = {"pictures": len(table), "ratings": int(table["n"].sum()), "few": few, "out": str(out)}
    if as_json:
        click.echo(json.dumps(summary))
        return
    click.echo(f"{summary['ratings']} ratings of {summary['pictures']} pictures: {out}")
    if few:
        click.echo(f"{few} pictures have fewer than {min_ratings} ratings; they are flagged, not dropped")
