"""``gazekit fixations``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.cli._files import DrawingFile
from gazekit.cli._recordings import screen_options
from gazekit.cli._selection import chosen_exclusions, exclusion_options

if TYPE_CHECKING:
    from gazekit.core.tables import Cut


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
    etdb). The last line says how plausible the events are: time that was not delivered, share of it that is fixation,
    saccades off the main sequence, and durations out of range.

    \b
    Example:  gazekit fixations recordings --out fixations.csv
              gazekit fixations recordings --out fixations.csv --saccades saccades.csv
              gazekit fixations p01.gaze.h5 --out f.csv --detector idt -p max_dispersion_deg=0.8
              gazekit fixations p01.gaze.h5 --out f.csv --picture events.pdf
    """
    import json
    from dataclasses import asdict

    import pandas as pd

    from gazekit.cli._recordings import (
        each_result,
        each_session,
        good_trials,
        makers_fixations,
        not_excluded,
        parameter,
        screen_sizes,
    )
    from gazekit.core.files import provenance
    from gazekit.core.tables import write_table
    from gazekit.events.events_picture import draw_events
    from gazekit.events.plausibility import plausibility
    from gazekit.events.session_quality import left_out_samples
    from gazekit.events.sessions import TrialEvents, join_fixations, join_saccades, session_events
    from gazekit.events.settings import FixationSection
    from gazekit.study import read_study

    exclusions = chosen_exclusions(left_out, study, *sessions)
    plan = read_study(study) if study else None
    section = plan.fixations if plan else FixationSection()
    screen = screen_sizes(plan.screen.screen() if plan else None, pixels, screen_mm, distance_mm)
    name = detector or section.detector
    values = dict(section.parameters) if name == section.detector else {}
    values |= dict(map(parameter, parameters)) | ({"eye": eye} if eye else {})
    fixation_tables, saccade_tables, files = [], [], {}
    left_out_s = 0.0
    recordings: list[tuple[str, list[TrialEvents]]] = []
    for path in sessions:
        if (table := makers_fixations(path, screen)) is not None:
            fixation_tables.append(exclusions.of_fixations(table))
            files[str(path)] = path
    others = [path for path in sessions if str(path) not in files]
    opened = each_session(others, "fixations", strict=strict, screen=screen) if others else ()
    opened = not_excluded(good_trials(opened, trials), exclusions)
    for path, session, events in each_result(opened, lambda s: session_events(s, name, **values), strict=strict):
        recordings.append((f"{session.participant} {session.name}".strip(), events))
        shown = [part.trial for part in events if part.trial is not None]
        left_out_s += left_out_samples(session, shown) / session.recording.rate_hz if shown else 0.0
        fixation_tables.append(join_fixations(session, events, cut or section.cut))
        saccade_tables.append(join_saccades(session, events))
        files[str(path)] = path
    table = pd.concat(fixation_tables, ignore_index=True)
    exclusions.tell()
    made = {"detector": name, **values} | ({"cut": cut or section.cut} if (cut or section.cut) != "keep" else {})
    made |= exclusions.parameters()
    write_table(table, out, provenance("gazekit.fixations/1", made, files))
    if saccades is not None:
        write_table(
            pd.concat(saccade_tables, ignore_index=True), saccades, provenance("gazekit.saccades/1", made, files)
        )
    if picture is not None:
        draw_events(recordings, picture)
    summary = {"out": str(out), "sessions": len(files), "fixations": len(table), "detector": name}
    summary |= exclusions.parameters()
    judged = None
    if recordings:
        every = [part for _, events in recordings for part in events]
        own = pd.concat(fixation_tables[-len(recordings) :], ignore_index=True)
        judged = plausibility(every, own, pd.concat(saccade_tables, ignore_index=True), left_out_s)
        figures = {name: None if value != value else value for name, value in asdict(judged).items()}  # no NaN in JSON
        summary["plausibility"] = {**figures, "doubts": judged.doubts()}
    finder = name if others else "the programs that made them"
    if as_json:
        click.echo(json.dumps(summary))
    else:
        click.echo(f"{len(table)} fixations of {len(files)} sessions by {finder}: {out}")
        if judged is not None:
            click.echo(judged)
