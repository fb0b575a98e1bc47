"""``gazekit fixations``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.cli._files import DrawingFile
from gazekit.cli._found_fixations import DETECTOR
from gazekit.cli._recordings import screen_options
from gazekit.cli._selection import chosen_exclusions, exclusion_options
from gazekit.core.counting import counted

if TYPE_CHECKING:
    from gazekit.core.tables import Cut


@click.command("fixations")
@click.argument("sessions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Table to write: .csv, .tsv or .parquet.")
@click.option("--saccades", type=click.Path(path_type=Path), help="Table of the saccades to write as well.")
@click.option(
    "--detector",
    help=DETECTOR,
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
@click.option(
    "--cut",
    type=click.Choice(["keep", "drop-start", "drop"]),
    help="Fixations that a picture's onset or offset cuts: keep, leave out those that went on from before, or all; "
    "default: the study file's, else keep.",
)
@click.option("--study", type=click.Path(path_type=Path), help="Study file whose [fixations] and [screen] are used.")
@click.option(
    "--trials", type=click.Path(path_type=Path), help="Table of `gazekit quality --trials`: bad trials are left out."
)
@exclusion_options
@screen_options
@click.option(
    "--picture",
    type=DrawingFile(),
    help="Gaze, events and holes over time, a page a recording: .pdf, or .png or .svg, one file a recording.",
)
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    sessions: tuple[Path, ...],
    out: Path,
    saccades: Path | None,
    detector: str | None,
    eye: str | None,
    parameters: tuple[str, ...],
    cut: Cut | None,
    study: Path | None,
    trials: Path | None,
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
    picture: Path | None,
    strict: bool,
    as_json: bool,
    **left_out: Any,
) -> None:
    """Find the fixations of sessions (files or folders) and write them as one table.

    Files of fixations that another program found are taken as they are (EyeLink Data Viewer, Gazepoint, Tobii, OSIE,
    FIGRIM, etdb). The last line says how plausible the events are: time that was not delivered, share of it that is
    fixation, saccades off the main sequence, and durations out of range.

    \b
    Example:  gazekit fixations recordings --out fixations.csv
              gazekit fixations recordings --out fixations.csv --saccades saccades.csv
              gazekit fixations p01.gaze.h5 --out f.csv --detector idt -p max_dispersion_deg=0.8
              gazekit fixations p01.gaze.h5 --out f.csv --picture events.pdf
    """
    import json
    from dataclasses import asdict

    import pandas as pd

    from gazekit.cli._found_fixations import Finding, find_fixations
    from gazekit.cli._recordings import screen_sizes
    from gazekit.core.tables import write_table
    from gazekit.events.events_picture import draw_events
    from gazekit.events.plausibility import plausibility
    from gazekit.study import read_study

    exclusions = chosen_exclusions(left_out, study, *sessions)
    plan = read_study(study) if study else None
    screen = screen_sizes(plan.screen.screen() if plan else None, pixels, screen_mm, distance_mm)
    how = Finding(plan, detector, eye, parameters, cut, trials, screen, strict, exclusions)
    source = find_fixations(sessions, how)
    exclusions.tell()
    write_table(source.table, out, source.provenance())
    if saccades is not None:
        write_table(pd.concat(source.saccades, ignore_index=True), saccades, source.provenance("gazekit.saccades/1"))
    if picture is not None:
        draw_events(source.recordings, picture)
    summary = {
        "out": str(out),
        "sessions": len(source.files),
        "fixations": len(source.table),
        "detector": source.detector,
    }
    summary |= exclusions.parameters()
    judged = None
    if source.by_sessions is not None:
        every = [part for _, events in source.recordings for part in events]
        judged = plausibility(
            every, source.by_sessions, pd.concat(source.saccades, ignore_index=True), source.left_out_s
        )
        figures = {name: None if value != value else value for name, value in asdict(judged).items()}  # no NaN in JSON
        summary["plausibility"] = {**figures, "doubts": judged.doubts()}
    finder = source.detector if source.others else "the programs that made them"
    if as_json:
        click.echo(json.dumps(summary))
    else:
        click.echo(
            f"{counted(len(source.table), 'fixation')} of {counted(len(source.files), 'session')} by {finder}: {out}"
        )
        if judged is not None:
            click.echo(judged)
