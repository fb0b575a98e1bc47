"""``gazekit view``."""

from __future__ import annotations

from pathlib import Path

import click

from gazekit.cli._files import DrawingFile
from gazekit.cli._recordings import screen_options


@click.command()
@click.argument("session", type=click.Path(path_type=Path))
@click.option(
    "--trial", "-t", type=int, default=1, show_default=True, help="Which picture, in order of showing, from 1."
)
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder or list of the pictures; grey without it.")
@click.option("--out", "-o", type=DrawingFile(or_table=True), help="File to write [default: PNG beside the session].")
@click.option(
    "--detector", default="adaptive", show_default=True, help="adaptive, ivt, idt, i2mc, microsaccades or a plug-in's."
)
@click.option(
    "--eye",
    type=click.Choice(["left", "right", "average", "strict"]),
    default="average",
    show_default=True,
    help="Which eye the detector sees.",
)
@click.option(
    "-p",
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A detector's parameter (ms, degrees, deg/s), as min_fixation_ms=60; may be repeated.",
)
@screen_options
def command(
    session: Path,
    trial: int,
    pictures: Path | None,
    out: Path | None,
    detector: str,
    eye: str,
    parameters: tuple[str, ...],
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
) -> None:
    """Write a trial of a SESSION: scanpath, traces with the detector's labels and pupils, or its fixations.

    .png, .svg and .pdf are drawings, .csv, .tsv and .parquet the fixations. To replay it: gazekit explore.

    \b
    Example:  gazekit view sessions/P07.gaze.h5 --trial 3 --pictures pictures
              gazekit view sessions/P07.gaze.h5 --trial 3 --detector ivt -p velocity_threshold_deg_s=45 --out t.csv
    """
    from gazekit.capture.view import draw_trial
    from gazekit.cli._recordings import open_any, parameter, screen_sizes

    values = dict(map(parameter, parameters))
    opened = open_any(session, screen_sizes(None, pixels, screen_mm, distance_mm))
    target = out or session.with_name(f"{session.name.removesuffix('.gaze.h5')}-trial{trial}.png")
    click.echo(draw_trial(opened, trial, target, pictures=pictures, detector=detector, eye=eye, **values))
