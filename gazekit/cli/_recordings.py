"""Sessions named on the command line: files of gazekit or of other tools, and folders of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gazekit.cli.import_ import Size
from gazekit.core.errors import GazekitError, InputError
from gazekit.core.progress import track

if TYPE_CHECKING:
    from gazekit.screen import Screen
    from gazekit.session import Session

SUFFIX = ".gaze.h5"
Command = TypeVar("Command", bound=Callable[..., Any])


def session_files(paths: Sequence[Path]) -> list[Path]:
    """The files of the arguments: a folder stands for all session files under it."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.rglob(f"*{SUFFIX}"))
            if not found:
                raise InputError(f"no session file (*{SUFFIX}) in the folder {path}; import other files by name")
            files += found
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def screen_options(command: Command) -> Command:
    """The options that say the screen of other tools' files, which often do not say it themselves."""
    for option in (
        click.option("--distance-mm", type=click.FloatRange(min=0, min_open=True), help="From the eyes to the screen."),
        click.option("--screen-mm", type=Size(), help="Its lit area, as 509x286, for imported files."),
        click.option("--screen", "pixels", type=Size(), help="Screen in pixels, as 1920x1080, for imported files."),
    ):
        command = option(command)
    return command


def screen_sizes(
    study: Screen | None,
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
) -> dict[str, float]:
    """What is known of the screen: the study's, and over it what the options say."""
    sizes: dict[str, float] = asdict(study) if study else {}
    if pixels:
        sizes |= {"width_px": pixels[0], "height_px": pixels[1]}
    if screen_mm:
        sizes |= {"width_mm": screen_mm[0], "height_mm": screen_mm[1]}
    return sizes | ({"distance_mm": distance_mm} if distance_mm else {})


def open_any(path: Path, screen: Mapping[str, float] | None = None) -> Session:
    """A session file opened, or another tool's file imported."""
    if path.name.endswith(SUFFIX) or not path.exists():
        from gazekit.session import open_session

        return open_session(path)
    from gazekit.formats import import_recording

    return import_recording(path, screen=screen)


def each_session(
    paths: Sequence[Path], what: str, *, strict: bool, screen: Mapping[str, float] | None = None
) -> Iterator[tuple[Path, Session]]:
    """Every session in turn; a bad file is reported and the rest goes on, unless ``strict``.

    Raises
    ------
    InputError : none of the files could be opened; or, with ``strict``, the first that cannot.
    """
    files = session_files(paths)
    bad = []
    for path in track(files, what, len(files)):
        try:
            session = open_any(path, screen)
        except GazekitError as error:
            if strict:
                raise
            click.echo(f"gazekit: left out: {error}", err=True)
            bad.append(path)
            continue
        yield path, session
    if len(bad) == len(files):
        raise InputError(f"none of the {len(files)} files is a session that can be read")


def parameter(text: str) -> tuple[str, Any]:
    """``name=value`` from the command line, the value as JSON where it is that."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise click.BadParameter(f"{text!r} is not of the form name=value")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value.strip()
