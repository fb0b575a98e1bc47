"""``gazekit report``."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--title", help="The report's heading.")
@click.option("--note", "notes", multiple=True, help="A sentence for the first lines; may be given more than once.")
@click.option("--dataset", type=click.Path(path_type=Path), help="The dataset, if it is not where config.json says.")
@click.option("--fixations", type=click.Path(path_type=Path), help="A fixation table, for scanpaths.")
@click.option(
    "--pictures",
    default=6,
    show_default=True,
    type=click.IntRange(0),
    help="Test pictures that are shown side by side.",
)
@click.option(
    "--own-answers",
    type=click.Path(path_type=Path),
    help="own-answers.csv of gazekit attention --own; default: FOLDER's own, where it has one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the paths of the report and its tables as JSON.")
def command(
    folder: Path,
    title: str | None,
    notes: tuple[str, ...],
    dataset: Path | None,
    fixations: Path | None,
    pictures: int,
    own_answers: Path | None,
    as_json: bool,
) -> None:
    """Write the report of a comparison as one HTML file.

    FOLDER is what `gazekit train` and `gazekit compare` wrote. The report is FOLDER/report.html; its tables are in
    FOLDER/report-tables as CSV and LaTeX.

    \b
    gazekit report runs/gbr --title "Reef pictures" --fixations fixations.csv
    """
    from gazekit.report import write_report
    from gazekit.stats.comparison_folder import REPORT_TABLES

    path = write_report(
        folder,
        title=title,
        notes=notes,
        dataset=dataset,
        fixations=fixations,
        pictures=pictures,
        own_answers=own_answers,
    )
    tables = sorted(str(table) for table in (folder / REPORT_TABLES).iterdir())
    click.echo(json.dumps({"report": str(path), "tables": tables}) if as_json else str(path))
