"""``gazekit fixations``."""

from __future__ import annotations

from pathlib import Path

import click

from gazekit.cli._recordings import screen_options


@click.command("fixations")
@click.argument("sessions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Table to write: .csv, .tsv or .parquet.")
@click.option("--saccades", type=click.Path(path_type=Path), help="Table of the saccades to write as well.")
@click.option(
    "--detector",
    help="adaptive, ivt, idt, i2mc, microsaccades or a plug-in's; default: the study file's, else adaptive.",
)
@click.option(
    "--eye",
    type=click.Choice(["left", "right", "average", "strict"]),
    help="Which eye; default average of any valid one.",
)
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A detector's parameter (ms, degrees, deg/s), as min_fixation_ms=60; may be repeated.",
)
@click.option("--study", type=click.Path(path_type=Path), help="Study file whose [fixations] and [screen] are used.")
@screen_options
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    sessions: tuple[Path, ...],
    out: Path,
    saccades: Path | None,
    detector: str | None,
    eye: str | None,
    parameters: tuple[str, ...],
    study: Path | None,
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Find the fixations of sessions (files or folders) and write them as one table.

    Files of fixations that another program found are taken as they are (EyeLink Data Viewer, Gazepoint, Tobii, OSIE,
    etdb).

    \b
    Example:  gazekit fixations recordings --out fixations.csv
              gazekit fixations recordings --out fixations.csv --saccades saccades.csv
              gazekit fixations p01.gaze.h5 --out f.csv --detector idt -p max_dispersion_deg=0.8
    """
    import json

    import pandas as pd

    from gazekit.cli._recordings import each_session, makers_fixations, parameter, screen_sizes
    from gazekit.core.files import provenance
    from gazekit.core.tables import write_table
    from gazekit.events import session_fixations, session_saccades
    from gazekit.events.settings import FixationSection
    from gazekit.study import read_study

    plan = read_study(study) if study else None
    section = plan.fixations if plan else FixationSection()
    screen = screen_sizes(plan.screen.screen() if plan else None, pixels, screen_mm, distance_mm)
    name = detector or section.detector
    values = dict(section.parameters) if name == section.detector else {}
    values |= dict(map(parameter, parameters)) | ({"eye": eye} if eye else {})
    fixation_tables, saccade_tables, files = [], [], {}
    for path in sessions:
        if (table := makers_fixations(path, screen)) is not None:
            fixation_tables.append(table)
            files[str(path)] = path
    others = [path for path in sessions if str(path) not in files]
    for path, session in each_session(others, "fixations", strict=strict, screen=screen) if others else ():
        fixation_tables.append(session_fixations(session, name, **values))
        if saccades is not None:
            saccade_tables.append(session_saccades(session, name, **values))
        files[str(path)] = path
    table = pd.concat(fixation_tables, ignore_index=True)
    made = {"detector": name, **values}
    write_table(table, out, provenance("gazekit.fixations/1", made, files))
    if saccades is not None:
        write_table(
            pd.concat(saccade_tables, ignore_index=True), saccades, provenance("gazekit.saccades/1", made, files)
        )
    summary = {"out": str(out), "sessions": len(files), "fixations": len(table), "detector": name}
    if as_json:
        click.echo(json.dumps(summary))
    else:
        click.echo(f"{len(table)} fixations of {len(files)} sessions by {name}: {out}")
