"""``gazekit view``."""

from __future__ import annotations

from pathlib import Path

import click

from gazekit.cli._files import DrawingFile


@click.command()
@click.argument("session", type=click.Path(path_type=Path))
@click.option(
    "--trial", "-t", type=int, default=1, show_default=True, help="Which picture, in order of showing, from 1."
)
@click.option("--pictures", type=click.Path(path_type=Path), help="The folder of the pictures; grey without it.")
@click.option("--out", "-o", type=DrawingFile(), help="PNG, SVG or PDF [default: beside the session].")
@click.option("--replay", is_flag=True, help="Play the trial in a window instead.")
@click.option(
    "--speed",
    type=click.FloatRange(0.01, 100),
    default=1.0,
    show_default=True,
    help="Of the replay; 2 is twice as fast.",
)
def command(session: Path, trial: int, pictures: Path | None, out: Path | None, replay: bool, speed: float) -> None:
    """Show a trial of a SESSION file: scanpath over the picture and pupil trace, as an image or in a window.

    \b
    Example:  gazekit view sessions/P07.gaze.h5 --trial 3 --pictures pictures
              gazekit view sessions/P07.gaze.h5 --trial 3 --pictures pictures --replay
    """
    from gazekit.capture.view import draw_trial, play_trial
    from gazekit.session import open_session

    opened = open_session(session)
    if replay:
        play_trial(opened, trial, pictures=pictures, speed=speed)
        return
    target = out or session.with_name(f"{session.name.removesuffix('.gaze.h5')}-trial{trial}.png")
    click.echo(draw_trial(opened, trial, target, pictures=pictures))
