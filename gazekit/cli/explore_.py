"""``gazekit explore``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from gazekit.cli._files import DrawingFile
from gazekit.cli._recordings import screen_options
from gazekit.cli._spec_options import given, spec_options
from gazekit.explore.board_choice import BoardChoice


@click.command("explore")
@click.argument("what", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--sessions",
    type=click.Path(path_type=Path),
    help="Folder of the session files, where WHAT is a study file.  [those of [dataset], else the folder sessions]",
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    help="Folder or list of the pictures [default: the study's; grey without one].",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=0, show_default=True, type=click.IntRange(0, 65535), help="TCP; 0: a free one.")
@click.option("--no-browser", is_flag=True, help="Do not open the browser, only say the link.")
@click.option("--workers", type=click.IntRange(1), help="Processes that read sessions the first time [default: CPUs].")
@click.option("--no-keep", is_flag=True, help="Keep nothing in the folder .explore: the next start reads all again.")
@click.option(
    "--out", type=DrawingFile(or_table=True), help="Write the board (.csv .png .svg .pdf), and serve nothing."
)
@spec_options(BoardChoice)
@screen_options
def command(
    what: tuple[Path, ...],
    sessions: Path | None,
    pictures: Path | None,
    host: str,
    port: int,
    no_browser: bool,
    workers: int | None,
    no_keep: bool,
    out: Path | None,
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
    **board: Any,
) -> None:
    """Look at a study in the browser: WHAT is its study file, or session files and folders of them.

    A board of people by pictures says where quality is bad; from there each trial is one click away. The page is for
    this machine only, and the link that is shown works once. What was read is kept beside the sessions in the folder
    .explore, so that the next start is quick. End it with Ctrl+C.

    \b
    Example:  gazekit explore study.toml
              gazekit explore recordings --pictures pictures --port 8600
              gazekit explore study.toml --colour accuracy --sort-people value --out board.png
    """
    from gazekit.cli._recordings import screen_sizes
    from gazekit.explore import load_material, make_board, serve, write_board

    choice = BoardChoice(**given(board))
    screen = screen_sizes(None, pixels, screen_mm, distance_mm)
    processes = workers or os.cpu_count() or 1
    places = {"sessions": sessions, "pictures": pictures}
    material = load_material(what, **places, screen=screen, workers=processes, keep=not no_keep)
    for line in material.left_out:
        click.echo(f"gazekit: {line}", err=True)
    if out is not None:
        click.echo(write_board(make_board(material, choice), out))
        return

    shown: list[str] = []

    def ready(link: str) -> None:
        click.echo(f"open {link} (works once)")
        if not shown and not no_browser:
            import webbrowser

            webbrowser.open(link)
        shown.append(link)

    try:
        serve(material, host=host, port=port, ready=ready)
    except KeyboardInterrupt:
        click.echo("ended", err=True)
