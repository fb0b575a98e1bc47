"""Sessions named on the command line: files of gazekit or of other tools, and folders of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gazekit.core.counting import counted
from gazekit.core.errors import GazekitError, InputError
from gazekit.core.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from gazekit.screen import Screen
    from gazekit.session import Session
    from gazekit.session.excluding import Exclusions

SUFFIX = ".gaze.h5"
_WHEN = "For files of other programs that do not say it."
Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Two numbers with an x between them, such as 1920x1080."""

    name = "WIDTHxHEIGHT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """Return the two numbers, both positive."""
        if isinstance(value, tuple):
            return value
        try:
            width, height = (float(part) for part in str(value).lower().split("x"))
        except ValueError:
            self.fail(f"{value!r} is not WIDTHxHEIGHT, such as 1920x1080", param, ctx)
        if not (width > 0 and height > 0):
            self.fail(f"{value!r}: both sizes must be above 0", param, ctx)
        return width, height


def session_files(paths: Sequence[Path]) -> list[Path]:
    """List the files of the arguments: a folder stands for all session files under it."""
    from gazekit.formats.exporting import session_files

    return session_files(paths)


def makers_fixations(
    path: Path, screen: Mapping[str, float] | None = None, *, check: bool = True
) -> pd.DataFrame | None:
    """Read a file of fixations that another program found, and ``check`` them; None where it is another file."""
    from gazekit.events.table_checks import tell_findings
    from gazekit.formats.fixation_tables import account_lines, import_fixations, layout_of

    layout = layout_of(path) if path.is_file() and not path.name.endswith(SUFFIX) else None
    if layout is None:
        return None
    table, account = import_fixations(path, screen)
    click.echo(f"{path}: {counted(len(table), 'fixation')}, {layout.title}", err=True)
    for line in account_lines(account):
        click.echo(line, err=True)
    if check and table["duration_ms"].notna().any():  # FIGRIM has none
        tell_findings(path, table)
    return table


def read_any_fixations(
    path: Path,
    screen: Mapping[str, float] | None = None,
    *,
    rename: Mapping[str, str] | None = None,
    one_based: bool = False,
    columns: Sequence[str] | None = None,
    pixels: bool = False,
) -> pd.DataFrame:
    """Read a table of fixations, whoever made it: gazekit, another program, or a person; what is doubtful is said.

    This is how every command reads one. ``columns`` are those that it must have, `fixation_io.COLUMNS` if not given;
    ``pixels`` refuses places in shares, where no picture has a size.
    """
    from gazekit.attention.fixation_io import COLUMNS, read_fixations
    from gazekit.events.table_checks import tell_findings

    table = makers_fixations(path, screen, check=False) if not (rename or one_based) else None
    if table is None:
        table = read_fixations(path, rename=rename, one_based=one_based, columns=columns or COLUMNS)
    tell_findings(path, table, pixels=pixels)
    return table


def screen_options(command: Command) -> Command:
    """Add the options that say the screen of other tools' files, which often do not say it themselves."""
    for names, kind, what in (
        (["--distance-mm"], click.FloatRange(min=0, min_open=True), "From the eyes to the screen, in millimetres."),
        (["--screen-mm"], Size(), "Lit area of the screen in millimetres, such as 509x286."),
        (["--screen", "pixels"], Size(), "Screen in pixels, such as 1920x1080."),
    ):
        command = click.option(*names, type=kind, help=f"{what} {_WHEN}")(command)
    return command


def screen_sizes(
    study: Screen | None,
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
) -> dict[str, float]:
    """Gather what is known of the screen: the study's, and over it what the options say."""
    sizes: dict[str, float] = asdict(study) if study else {}
    if pixels:
        sizes |= {"width_px": pixels[0], "height_px": pixels[1]}
    if screen_mm:
        sizes |= {"width_mm": screen_mm[0], "height_mm": screen_mm[1]}
    return sizes | ({"distance_mm": distance_mm} if distance_mm else {})


def open_any(path: Path, screen: Mapping[str, float] | None = None) -> Session:
    """Open a session file, or import another tool's file."""
    if path.name.endswith(SUFFIX) or not path.exists():
        from gazekit.session import open_session

        return open_session(path)
    from gazekit.formats import import_recording

    return import_recording(path, screen=screen)


def each_session(
    paths: Sequence[Path], what: str, *, strict: bool, screen: Mapping[str, float] | None = None
) -> Iterator[tuple[Path, Session]]:
    """Open every session in turn; a bad file is reported and the rest goes on, unless ``strict``.

    Raises
    ------
    InputError
        None of the files could be opened; or, with ``strict``, the first that cannot.
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


def good_trials(sessions: Iterable[tuple[Path, Session]], trials: Path | None) -> Iterator[tuple[Path, Session]]:
    """Leave out of every session the pictures that a table of trials (`gazekit quality --trials`) leaves out."""
    if trials is None:
        yield from sessions
        return
    from gazekit.core.tables import read_table
    from gazekit.events.trial_timing import without_bad_trials

    table = read_table(trials, ("participant", "image", "order", "leave_out"), "table of trials")
    for path, session in sessions:
        yield path, without_bad_trials(session, table)


def not_excluded(sessions: Iterable[tuple[Path, Session]], exclusions: Exclusions) -> Iterator[tuple[Path, Session]]:
    """Leave out of every session what was excluded, and a session of which nothing stays.

    Raises
    ------
    InputError
        Nothing of any session stays.
    """
    opened, stayed = 0, 0
    for path, session in sessions:
        opened += 1
        rest = exclusions.of_session(session)
        if rest is not None:
            stayed += 1
            yield path, rest
    if opened and not stayed:
        raise InputError(f"everything in {counted(opened, 'session')} is excluded ({exclusions.file}): nothing is left")


def each_result(
    sessions: Iterable[tuple[Path, Session]], work: Callable[[Session], Result], *, strict: bool
) -> Iterator[tuple[Path, Session, Result]]:
    """Do something with every session; one that cannot be worked with is reported and left out, unless ``strict``.

    Raises
    ------
    GazekitError
        What was wrong with the last one, if nothing could be done with any.
    """
    done, fault = 0, None
    for path, session in sessions:
        try:
            result = work(session)
        except GazekitError as error:
            if strict:
                raise
            fault = error
            click.echo(f"gazekit: left out: {path}: {error}", err=True)
            continue
        done += 1
        yield path, session, result
    if fault is not None and not done:
        raise fault


def parameter(text: str) -> tuple[str, Any]:
    """Read ``name=value`` from the command line, the value as JSON where it is that."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise click.BadParameter(f"{text!r} is not of the form name=value")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value.strip()
