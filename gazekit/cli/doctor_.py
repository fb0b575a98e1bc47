"""``gazekit doctor``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gazekit.cli._found_fixations import is_fixation_table
from gazekit.cli._recordings import makers_fixations, open_any, screen_options, screen_sizes, session_files

if TYPE_CHECKING:
    import pandas as pd

    from gazekit.events.structure import Finding


@click.command("doctor")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder or CSV list of the pictures of fixations.")
@screen_options
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(
    files: tuple[Path, ...],
    pictures: Path | None,
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
    as_json: bool,
) -> int:
    """Tell what may be wrong with recordings and fixation tables, or, without any, with this machine.

    Without FILES: versions, extras, eye trackers, display, fonts, disk and GPU; `-` is missing, `!` in doubt, and the
    line below says what brings it. Paste it into a question; it names no participant.

    A recording is checked for constant columns, coordinates that are not pixels of the screen, gaze off the screen,
    pictures upside down, swapped eyes, impossible pupils, stuck samples, holes and the clock. A fixation table is
    checked for fixations off their picture, spikes, a wrong size of screen and a wrong unit of time. Ends with 1 where
    anything is an error.

    \b
    Example:  gazekit doctor
              gazekit doctor p01.gaze.h5
              gazekit doctor export.tsv --screen 1920x1080 --screen-mm 527x296 --distance-mm 630
              gazekit doctor fixations.csv --pictures pictures
    """
    import json
    from dataclasses import asdict

    from gazekit.core.errors import GazekitError
    from gazekit.events.structure import Finding, worst

    if not files:
        return _machine(as_json)
    screen = screen_sizes(None, pixels, screen_mm, distance_mm)
    findings: dict[str, list[Finding]] = {}
    for path in session_files(files):
        try:
            findings[str(path)] = _examined(path, pictures, screen)
        except GazekitError as error:
            findings[str(path)] = [Finding("file", "error", str(error))]
    if as_json:
        click.echo(json.dumps({name: [asdict(f) for f in found] for name, found in findings.items()}))
    else:
        for name, found in findings.items():
            click.echo("\n".join([f"{name}: {worst(found) or 'nothing remarkable'}", *(f"  {f}" for f in found)]))
    return int(any(worst(found) == "error" for found in findings.values()))


def _machine(as_json: bool) -> int:
    """Print what is on this machine; 1 where nothing would work."""
    import json
    from dataclasses import asdict

    from gazekit.machine import inspect_machine, is_usable

    parts = inspect_machine()
    click.echo(json.dumps([asdict(part) for part in parts]) if as_json else "\n".join(map(str, parts)))
    return int(not is_usable(parts))


def _examined(path: Path, pictures: Path | None, screen: Mapping[str, float]) -> list[Finding]:
    """Check a file as what it is: a fixation table, of gazekit or of another program, or a recording."""
    from gazekit.attention.fixation_io import read_fixations
    from gazekit.events.structure import check_recording
    from gazekit.events.table_checks import check_fixations

    table = None
    if path.is_file() and (path.suffix == ".parquet" or is_fixation_table(path)):
        table = read_fixations(path, columns=("x_picture", "y_picture", "duration_ms"))
    if table is None and path.is_file() and not path.name.endswith(".h5"):
        table = makers_fixations(path, screen, check=False)
    if table is not None:
        return check_fixations(table, None if pictures is None else _picture_sizes(table, pictures))
    session = open_any(path, screen)
    targets = session.streams.get("targets")
    return check_recording(session.recording, session.screen, targets, session.tracker.rate_hz)


def _picture_sizes(table: pd.DataFrame, pictures: Path) -> dict[str, tuple[int, int]]:
    """Return height and width of the pictures that a table names, by its own names."""
    from gazekit.pictures import inspect_picture, list_pictures, match_names

    files = {picture.image: picture.file for picture in list_pictures(pictures)}
    names = match_names(table["image"].astype(str).unique(), files)
    return {n: inspect_picture(files[image].read_bytes(), str(files[image])).upright for n, image in names.items()}
