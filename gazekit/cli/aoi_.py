"""``gazekit aoi``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gazekit.cli._recordings import read_any_fixations, screen_options, screen_sizes
from gazekit.cli._selection import chosen_exclusions, exclusion_options
from gazekit.core.counting import counted


@click.command("aoi")
@click.argument("fixations", type=click.Path(path_type=Path))
@click.argument("areas", type=click.Path(path_type=Path))
@exclusion_options
@screen_options
@click.option("--out", type=click.Path(path_type=Path), help="Table of areas to write: .csv, .tsv or .parquet.")
@click.option(
    "--transitions", "steps", type=click.Path(path_type=Path), help="Table of transitions between areas to write."
)
@click.option("--json", "as_json", is_flag=True, help="Print the table of areas as JSON.")
def command(
    fixations: Path,
    areas: Path,
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
    out: Path | None,
    steps: Path | None,
    as_json: bool,
    **left_out: Any,
) -> None:
    """Compute dwell time, first fixation, revisits and transitions of areas of interest.

    FIXATIONS is a table of `gazekit fixations`, or a file of fixations of another program. AREAS is a JSON file, as
    `gazekit explore` draws it: for each picture the areas by name, each a list of corners in picture pixels, the name
    of a mask picture beside the file (white is inside), or an object with rectangle, ellipse, polygon, brush or mask,
    and with colour and group; a group is an area too.

    \b
    Example:  gazekit aoi fixations.csv areas.json --out aoi.csv --transitions steps.csv
              areas.json:  {"a.jpg": {"face": [[10, 10], [90, 10], [50, 80]], "hand": "hand.png"}}
    """
    from gazekit.core.files import provenance
    from gazekit.core.tables import write_table
    from gazekit.events.aoi import aoi_table, read_areas, tell_sizes, tell_unmatched, transitions

    table = read_any_fixations(fixations, screen_sizes(None, pixels, screen_mm, distance_mm), pixels=True)
    if "onset_us" not in table:
        click.echo("no column onset_us: fixations are in the order of the file, first_fixation_ms is unknown", err=True)
    exclusions = chosen_exclusions(left_out, fixations)
    table = exclusions.of_fixations(table, fixations)
    exclusions.tell()
    known = read_areas(areas)
    tell_unmatched(known, table["image"], areas)
    tell_sizes(areas, table)
    figures = aoi_table(table, known)
    made = provenance("gazekit.aoi/1", exclusions.parameters(), {"fixations": fixations, "areas": areas})
    if out is not None:
        write_table(figures, out, made)
    if steps is not None:
        write_table(transitions(table, known), steps, made)
    if as_json:
        click.echo(figures.to_json(orient="records"))
    elif out is None:
        click.echo(
            figures.round(3).to_string(index=False) if len(figures) else "no fixation lies on a picture with areas"
        )
    else:
        click.echo(f"{counted(len(figures), 'row')} on {counted(len(known), 'picture')}: {out}")
